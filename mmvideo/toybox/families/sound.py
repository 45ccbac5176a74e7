"""Sound: who made it, what was struck, what came first, what was heard."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.families.fact import EITHER, NUMBERS, SOUND, TIME, VIDEO, Fact, Kind, yes
from mmvideo.toybox.names import name
from mmvideo.toybox.summary import GAP_SECONDS, Summary

NO_SOUND = "there is no sound track"
_MERGED_SECONDS = 0.3
"""Two beeps closer than this may be heard as one."""
_HUM_SECONDS = 0.5
"""A toy that moves for at least this long is heard to hum."""


def beeps(s: Summary) -> list[tuple[float, int]]:
    """Return (seconds, toy) of every beep of the clip: a toy outside the picture is not heard."""
    return sorted((t, i) for i, toy in enumerate(s.toys) for t in toy.beep_seconds if _inside(s, i, t, 0.0))


def _inside(s: Summary, toy: int, seconds: float, reach: float) -> bool:
    return all(-reach < value < 1 + reach for value in s.at(toy, seconds))


def _beeps_sure(s: Summary) -> bool:
    """Whether no toy beeps just at the picture's edge."""
    every = ((i, t) for i, toy in enumerate(s.toys) for t in toy.beep_seconds)
    return all(_inside(s, i, t, 0.04) == _inside(s, i, t, -0.04) for i, t in every)


def _beeps_apart(s: Summary) -> bool:
    times = [t for t, _ in beeps(s)]
    return _beeps_sure(s) and all(b - a >= _MERGED_SECONDS for a, b in itertools.pairwise(times))


def _num_beeps(s: Summary) -> Iterator[Fact]:
    if _beeps_apart(s):
        yield Fact(NUMBERS[len(beeps(s))])


def _beep_heard(s: Summary) -> Iterator[Fact]:
    if _beeps_sure(s):
        yield Fact(yes(bool(beeps(s))))


def _beeper(s: Summary) -> Iterator[Fact]:
    makers = {i for _, i in beeps(s)}
    toy = makers.pop() if len(makers) == 1 and len(s.seen) > 1 else None
    if toy in s.seen and all(s.sees(toy, t) for t in s.toys[toy].beep_seconds):
        yield Fact(name(s, toy), key="toy")


def _does_beep(s: Summary) -> Iterator[Fact]:
    for toy in s.seen:
        times = s.toys[toy].beep_seconds
        if all(s.sees(toy, t) for t in times) and s.frames[toy] >= 24:
            yield Fact(yes(bool(times)), (toy,))


def _first_beep(s: Summary) -> Iterator[Fact]:
    found = beeps(s)
    told_apart = len({i for _, i in found}) > 1 and found[1][0] - found[0][0] >= _MERGED_SECONDS
    if told_apart and all(s.sees(i, t) for t, i in found):
        yield Fact(name(s, found[0][1]), key="toy")


def hums(s: Summary) -> list[int] | None:
    """Return the toys that are heard to hum; None where that is not clear."""
    motors = [i for i, toy in enumerate(s.toys) if toy.voice == "hum"]
    heard = [i for i in motors if s.moving_seconds[i] >= _HUM_SECONDS]
    doubt = any(s.moving_seconds[i] > 0 for i in motors if i not in heard)
    return None if doubt else heard


def _hum_heard(s: Summary) -> Iterator[Fact]:
    found = hums(s)
    if found is not None:
        yield Fact(yes(bool(found)))


def _hummer(s: Summary) -> Iterator[Fact]:
    """Yield who hums where it is the only toy that moves: a motor runs while its toy moves."""
    found = hums(s)
    one = found and len(found) == 1 and found[0] in s.seen and len(s.seen) > 1
    if one and all(s.path[i] < 0.02 for i in s.seen if i != found[0]):
        yield Fact(name(s, found[0]), key="toy")


def offscreen(s: Summary) -> list[tuple[float, str]]:
    return sorted((t, kind) for kind, t in s.spec.offscreen)


def _offscreen_heard(s: Summary) -> Iterator[Fact]:
    yield Fact(yes(bool(s.spec.offscreen)))


def _offscreen_what(s: Summary) -> Iterator[Fact]:
    found = offscreen(s)
    if len(found) < 2:
        yield Fact(f"a {found[0][1]}" if found else "nothing")


def _offscreen_kind(s: Summary) -> Iterator[Fact]:
    for kind in v.OFFSCREEN_SOUNDS:
        yield Fact(yes(any(k == kind for k, _ in s.spec.offscreen)), (kind,), group=kind)


def knocks(s: Summary) -> tuple[list[tuple[float, frozenset[str]]], list[float]]:
    """Return the clear impacts (seconds, materials struck) and the times of those that may or may not be heard."""
    clear = [
        (e.seconds, frozenset(s.toys[i].material for i in (e.toy, e.other) if i is not None))
        for e in s.events if e.kind in ("hit", "bounce")
    ]
    return clear, [e.seconds for e in s.unclear if e.kind in ("hit", "bounce")]


def _knock_heard(s: Summary) -> Iterator[Fact]:
    clear, doubt = knocks(s)
    if clear or not doubt:
        yield Fact(yes(bool(clear)))


def _knock_material(s: Summary) -> Iterator[Fact]:
    clear, doubt = knocks(s)
    if not clear or len(clear[0][1]) > 1 or any(t < clear[0][0] + GAP_SECONDS for t in doubt):
        return
    if len(clear) == 1 or clear[1][0] - clear[0][0] >= GAP_SECONDS or clear[1][1] == clear[0][1]:
        yield Fact(next(iter(clear[0][1])))


def _sound_order(s: Summary) -> Iterator[Fact]:
    first: dict[str, float] = {}
    for t, kind in offscreen(s):
        first.setdefault(f"the {kind}", t)
    for t, _ in beeps(s) if _beeps_sure(s) else ():
        first.setdefault("the beep", t)
    clear, doubt = knocks(s)
    if clear and not any(t < clear[0][0] + GAP_SECONDS for t in doubt):
        first["the knock"] = clear[0][0]
    for a, b in itertools.combinations(sorted(first), 2):
        if abs(first[a] - first[b]) >= GAP_SECONDS:
            answer = a if first[a] < first[b] else b
            for one, two in ((a, b), (b, a)):
                yield Fact(answer, (one, two), answer, f"{a}-{b}", (one, two))


def _first_sound(s: Summary) -> Iterator[Fact]:
    """Yield whose knock or beep is first, with no doubtful impact before it."""
    if len(s.seen) < 2 or not _beeps_sure(s):
        return
    made = [(t, (i,)) for t, i in beeps(s)]
    made += [(e.seconds, (e.toy, e.other)) for e in s.events if e.kind == "hit"]
    made += [(e.seconds, (e.toy,)) for e in s.events if e.kind == "bounce"]
    made.sort(key=lambda m: m[0])
    _, doubt = knocks(s)
    if not made or len(made[0][1]) > 1 or not s.sees(made[0][1][0], made[0][0]):
        return
    until = made[0][0] + GAP_SECONDS
    if not any(t < until for t in doubt) and not any(t < until for t, _ in made[1:]):
        yield Fact(name(s, made[0][1][0]), key="toy")


def _heard(facts, *templates, needs=SOUND) -> Kind:
    return Kind("sound", needs, facts, templates)


KINDS = {
    "num_beeps": _heard(_num_beeps, "how many beeps are there?", "how many beeps do you hear?",
                        "what is the number of beeps?", needs=EITHER),
    "beep_heard": _heard(_beep_heard, "is there a beep?", "do you hear a beep?", "is a beep heard?",
                         needs=EITHER),
    "beeper": _heard(_beeper, "which toy beeps?", "what is the toy that beeps?", "which of the toys makes a beep?",
                     needs=TIME),
    "does_beep": _heard(_does_beep, "does {0} beep?", "is there a beep from {0}?", "do you hear {0} beep?",
                        needs=VIDEO),
    "first_beep": _heard(_first_beep, "which toy beeps first?", "which toy is the first to beep?",
                         "the first beep is from which toy?", needs=TIME),
    "hum_heard": _heard(_hum_heard, "is there a hum?", "do you hear a hum?", "is a motor heard?"),
    "hummer": _heard(_hummer, "which toy hums?", "what is the toy that hums?", "which of the toys has a motor?",
                     needs=TIME),
    "offscreen_heard": _heard(_offscreen_heard, "is anything heard from outside the picture?",
                              "is there a sound from off screen?", "do you hear anything that is not in the picture?"),
    "offscreen_what": _heard(_offscreen_what, "what is heard from outside the picture?",
                             "which sound comes from off screen?", "what do you hear that is not in the picture?"),
    "offscreen_kind": _heard(_offscreen_kind, "is there a {0}?", "do you hear a {0}?", "is a {0} heard?"),
    "knock_heard": _heard(_knock_heard, "is there a knock?", "do you hear a knock?", "is a knock heard?",
                          needs=EITHER),
    "knock_material": _heard(_knock_material, "what material is struck first?", "the first knock is of what material?",
                             "of which material is the first knock?", needs=EITHER),
    "sound_order": _heard(_sound_order, "which sound comes first, {0} or {1}?", "what is heard first: {0} or {1}?",
                          "what do you hear first, {0} or {1}?"),
    "first_sound": _heard(_first_sound, "which toy makes the first knock or beep?",
                         "the first knock or beep is from which toy?",
                          "from which toy is the first knock or beep?", needs=TIME),
}
