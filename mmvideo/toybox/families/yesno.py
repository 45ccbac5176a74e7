"""Yes or no: what happened, beside counterparts that could as well have happened."""

from __future__ import annotations

from collections.abc import Iterator

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.families.fact import MANNERS, TIME, VIDEO, Fact, Kind, yes
from mmvideo.toybox.names import wall
from mmvideo.toybox.spec import split_seed
from mmvideo.toybox.summary import END_SECONDS, Summary, pairs


def _is_there(s: Summary) -> Iterator[Fact]:
    """Yield every toy, and the pairs of colour and shape that differ from a toy in one of the two."""
    if s.doubtful:
        return
    here = {(s.toys[i].color, s.toys[i].shape) for i in s.seen}
    shapes = v.SHAPES if s.spec.level == "hard" else v.SHAPES[:4]
    unseen = v.HELD_OUT_PAIRS if s.spec.seed < split_seed("test-pairs", 0) else frozenset()
    for color, shape in sorted(here):
        yield Fact("yes", (f"{color} {shape}",))
    for color in v.COLORS:
        for shape in shapes:
            pair = (color, shape)
            if pair not in here and pair not in unseen:
                yield Fact("no", (f"{color} {shape}",))


def _touching(s: Summary, events, a: int, b: int) -> list:
    return [e for e in events if e.kind == "hit" and {e.toy, e.other} == {a, b}]


def _hits(s: Summary) -> Iterator[Fact]:
    for a, b in pairs(s):
        met = bool(_touching(s, s.events, a, b))
        nearly = _touching(s, s.unclear, a, b) or any(e.seconds < 2.1 for e in _touching(s, s.future, a, b))
        if not met and (nearly or max(s.path[a], s.path[b]) < 0.1):
            continue
        answer = yes(met)
        yield Fact(answer, (a, b))
        yield Fact(answer, (b, a))


def _leaves(s: Summary) -> Iterator[Fact]:
    if not s.still_camera:
        return
    for toy in s.seen:
        if any(e.kind == "leave" and e.toy == toy for e in s.events):
            yield Fact("yes", (toy,))
        elif stays_inside(s, toy) and s.path[toy] > 0.1:
            yield Fact("no", (toy,))


def stays_inside(s: Summary, toy: int) -> bool:
    x, y = s.at(toy, END_SECONDS)
    late = any(e.kind == "leave" and e.toy == toy and e.seconds < 2.15 for e in (*s.unclear, *s.future))
    return 0.03 < x < 0.97 and 0.03 < y < 0.97 and not late


def _enters(s: Summary) -> Iterator[Fact]:
    for toy in s.seen:
        if any(e.kind == "enter" and e.toy == toy for e in s.events):
            yield Fact("yes", (toy,))
        elif s.visible[0][toy] and s.path[toy] > 0.1 and not any(e.kind == "enter" for e in s.unclear):
            yield Fact("no", (toy,))


def _bounces(s: Summary) -> Iterator[Fact]:
    for toy in s.seen:
        struck = {e.side for e in s.events if e.kind == "bounce" and e.toy == toy}
        doubt = {e.side for e in (*s.unclear, *(f for f in s.future if f.seconds < 2.1))
                 if e.kind == "bounce" and e.toy == toy}
        if s.path[toy] < 0.2:
            continue
        for side in v.SIDES:
            if side in struck or side not in doubt:
                what = wall(s, side)
                yield Fact(yes(side in struck), (toy, what), group=what)


def _stops(s: Summary) -> Iterator[Fact]:
    for toy in s.seen:
        stops = [e for e in s.events if e.kind == "stop" and e.toy == toy]
        if stops and s.path[toy] > 0.1 and s.end_direction[toy] == "still":
            yield Fact("yes", (toy,))
        elif not stops and s.path[toy] > 0.3 and s.end_direction[toy] not in ("still", None):
            yield Fact("no", (toy,))


def _leave_side(s: Summary) -> Iterator[Fact]:
    for e in s.events:
        if e.kind == "leave":
            yield Fact(MANNERS[v.SIDES.index(e.side)], (e.toy,))


def _enter_side(s: Summary) -> Iterator[Fact]:
    for e in s.events:
        if e.kind == "enter":
            yield Fact(f"from the {e.side}", (e.toy,))


def _asked(facts, *templates, needs=TIME, family="yesno") -> Kind:
    return Kind(family, needs, facts, templates)


KINDS = {
    "is_there": _asked(_is_there, "is there a {0}?", "do you see a {0}?", "does a {0} occur?", needs=VIDEO),
    "hits": _asked(_hits, "does {0} hit {1}?", "do {0} and {1} hit each other?", "is there a hit of {0} and {1}?"),
    "leaves": _asked(_leaves, "does {0} leave the picture?", "does {0} leave?", "is {0} gone at the end?"),
    "enters": _asked(_enters, "does {0} come in from outside?", "does {0} enter the picture?",
                     "is {0} outside the picture at the start?"),
    "bounces": _asked(_bounces, "does {0} bounce off {1}?", "is there a bounce of {0} off {1}?",
                      "does {0} ever bounce off {1}?"),
    "stops": _asked(_stops, "does {0} stop?", "does {0} come to rest?", "is there a moment when {0} stops?"),
    "leave_side": _asked(_leave_side, "on which side does {0} leave?", "where does {0} leave the picture?",
                         "{0} leaves the picture on which side?", family="where"),
    "enter_side": _asked(_enter_side, "from which side does {0} enter?", "from where does {0} come in?",
                         "{0} comes in from which side?", family="where"),
}
