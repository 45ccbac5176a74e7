"""Answers about movement and time: which way, closer or away, when, what first, how long, how often, what next."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from mmvideo.everyday.questions.answer_things import yes_no
from mmvideo.everyday.questions.nouns import NOUNS, Noun, noun_of
from mmvideo.everyday.questions.query import NamedTime, Query
from mmvideo.everyday.questions.seen import SURE, SpanFacts, area, centre, join_with_and
from mmvideo.everyday.questions.told import Told, cannot_tell, proven
from mmvideo.wording import plural

if TYPE_CHECKING:
    from mmvideo.objects.tracks import ObjectTrack
    from mmvideo.types import Segment

MOVED = 0.07
"""Share of the picture that a thing must cross before it is said to move."""
GREW = 1.25
_EDGE = 0.06
_GAP = 0.8
"""Seconds: shorter gaps between spans are closed."""


def _main(query: Query, seen: SpanFacts, least: float = .35) -> list[ObjectTrack]:
    """Return the tracks that a question is about; those that move most for a pronoun or none."""
    if query.subject is not None and query.subject.labels:
        return seen.tracks(query.subject, least)
    if query.subject is not None and query.subject.known:
        return []
    return sorted(seen.tracks(None, SURE), key=lambda track: -math.hypot(*_shift(track, seen)))


def _shift(track: ObjectTrack, seen: SpanFacts) -> tuple[float, float]:
    """Return how far a track moves within the span, without the camera's movement where that is known."""
    inside = seen.clip(track)
    if len(inside) < 2:
        return 0.0, 0.0
    if seen.facts.camera and all(part.text == "static" for part in seen.facts.camera):
        first, last = centre(track.boxes[inside[0]]), centre(track.boxes[inside[-1]])
        return last[0] - first[0], last[1] - first[1]  # before a plain wall a mover is taken for the camera's movement
    if len(inside) == len(track.seconds):
        return track.shift
    whole = tuple(b - a for a, b in zip(centre(track.boxes[0]), centre(track.boxes[-1]), strict=True))
    part = tuple(b - a for a, b in zip(centre(track.boxes[inside[0]]), centre(track.boxes[inside[-1]]), strict=True))
    share = (track.seconds[inside[-1]] - track.seconds[inside[0]]) / max(1e-6, track.end_seconds - track.start_seconds)
    return part[0] - (whole[0] - track.shift[0]) * share, part[1] - (whole[1] - track.shift[1]) * share


def box_growth(track: ObjectTrack, seen: SpanFacts) -> float:
    """Return by how much a track's box grows in height and width from its first third to its last."""
    inside = seen.clip(track)
    third = max(1, len(inside) // 3)
    if len(inside) < 3:
        return 1.0
    first = sum(area(track.boxes[k]) for k in inside[:third]) / third
    last = sum(area(track.boxes[k]) for k in inside[-third:]) / third
    return math.sqrt(last / first) if first > 0 else 1.0


def _way(shift: tuple[float, float]) -> str:
    """Return left, right, up or down; "" where it hardly moves."""
    dx, dy = shift
    if max(abs(dx), abs(dy)) < MOVED:
        return ""
    return ("right" if dx > 0 else "left") if abs(dx) >= abs(dy) else ("down" if dy > 0 else "up")


def _sure(shift: float) -> float:
    """Return how sure a direction is, given how far the thing moves."""
    return .5 + .45 * min(1.0, abs(shift) / (3 * MOVED))


def answer_direction(query: Query, seen: SpanFacts) -> Told | None:
    """Which way does the car move? Does it move left?"""
    if query.verb == "face":
        return None
    if query.time is None and re.search(r"\bfirst\b|at the start\b", query.text.lower()):
        seen = SpanFacts(seen.facts, NamedTime("share", 0.0, 0.4))
    tracks = _main(query, seen)
    if not tracks:
        return _not_there(query, seen)
    moving = sorted(tracks[:4], key=lambda track: -max(map(abs, _shift(track, seen))))
    track = moving[0]
    shift = _shift(track, seen)
    way, sure = _way(shift), seen.sureness(track)
    growth = box_growth(track, seen)
    if query.yes_no and query.attribute:
        along = {"left": -shift[0], "right": shift[0], "up": -shift[1], "down": shift[1]}.get(query.attribute, 0.0)
        probability = _sure(along) if along > MOVED else 1 - _sure(max(map(abs, shift))) if way else .2
        return yes_no(query, .5 + (probability - .5) * sure, [track], f"it moves {way}" if way else "it hardly moves",
            seen)
    if query.attribute and not query.choices:
        fit = [one for one in seen.tracks(None, SURE) if _way(_shift(one, seen)) == query.attribute]
        if not fit:
            return Told("nothing", .5, proven((), [(seen.start, seen.end)], "no movement that way"), query.family,
                "no movement that way")
        return Told(join_with_and([f"the {label}" for label in dict.fromkeys(one.label for one in fit)]),
            .8 * seen.sureness(fit[0]),
                    proven(fit, (), f"moves {query.attribute}", seen.window), query.family, "movement of its box")
    text = {"left": "to the left", "right": "to the right", "up": "up", "down": "down"}.get(way, "")
    if not text:
        text = ("towards the camera" if growth > GREW else "away from the camera" if growth < 1 / GREW
                else "it hardly moves")
    elif not GREW > growth > 1 / GREW:
        text += ", towards the camera" if growth > GREW else ", away from the camera"
    confidence = sure * (_sure(max(map(abs, shift))) if way else .6)
    return Told(text, confidence, proven([track], (), text, seen.window), query.family,
        "movement of its box, less the camera's")


def _not_there(query: Query, seen: SpanFacts) -> Told | None:
    """Say no, or that it is not seen, where the thing is not there."""
    if query.subject is None or not query.subject.labels:
        return None
    found = seen.chance(query.subject)
    if found is None or found.probability > .12:
        return None
    if query.yes_no:
        return yes_no(query, .1, (), found.why, seen)
    return Told(f"I see no {query.subject.text}", .6, proven((), [(seen.start, seen.end)], found.why), query.family,
        found.why)


def answer_approach(query: Query, seen: SpanFacts) -> Told | None:
    """Does it come closer, or go away?"""
    tracks = _main(query, seen)
    if not tracks:
        return _not_there(query, seen)
    zooms = [part for part in seen.facts.camera if part.text.startswith("zoom") and _overlap(part,
        seen) > .3 * (seen.end - seen.start)]
    if not query.yes_no and query.attribute and not query.choices:
        fit = [one for one in tracks if (box_growth(one, seen) > GREW) == (query.attribute == "closer")
            and not 1 / GREW < box_growth(one, seen) < GREW]
        if not fit:
            return None
        return Told(join_with_and([f"the {label}" for label in dict.fromkeys(one.label for one in fit)]),
            .6 * seen.sureness(fit[0]), proven(
            fit, (), "its box changes its size", seen.window), query.family, "its box changes its size")
    track = max(tracks[:4], key=lambda one: abs(math.log(box_growth(one, seen)) if box_growth(one, seen) > 0 else 0))
    growth = box_growth(track, seen)
    sure = seen.sureness(track) * (.6 if zooms else 1)
    strength = min(1.0, abs(math.log(growth)) / math.log(1.8)) if growth > 0 else 0
    state = "closer" if growth > GREW else "away" if growth < 1 / GREW else ""
    why = "its box grows" if state == "closer" else "its box shrinks" if state == "away" else "its box keeps its size"
    if query.yes_no:
        holds = state == query.attribute
        confidence = .5 + .45 * sure * (strength if holds else max(.4, strength))
        return yes_no(query, confidence if holds else 1 - confidence, [track], why, seen)
    text = {"closer": "it comes closer", "away": "it goes away", "": "neither: it stays about as far"}[state]
    if "bigger" in query.text.lower() or "smaller" in query.text.lower():
        text = {"closer": "bigger, it comes closer", "away": "smaller, it goes away"}.get(state, "neither")
    return Told(text, .5 + .4 * sure * (strength if state else .3), proven([track], (), why, seen.window), query.family,
        why)


def _leaves(track: ObjectTrack, seen: SpanFacts) -> bool:
    """Whether a track ends before the video does, at the edge of the picture."""
    return track.end_seconds < seen.facts.end_seconds - .7 and _at_edge(track.boxes[-1]) and _same_shot(seen,
        track.end_seconds)


def _enters(track: ObjectTrack, seen: SpanFacts) -> bool:
    return track.start_seconds > seen.facts.start_seconds + .7 and _at_edge(track.boxes[0])


def _at_edge(box: tuple[float, float, float, float]) -> bool:
    return box[0] < _EDGE or box[2] > 1 - _EDGE


def _same_shot(seen: SpanFacts, seconds: float) -> bool:
    """Whether no cut comes just after a time: what a cut ends has not left."""
    return not any(abs(shot.start_seconds - seconds) < .6 for shot in seen.facts.shots[1:])


def answer_moves(query: Query, seen: SpanFacts) -> Told | None:
    """Does it move or stand still? Does anyone come in, leave, stop?"""
    tracks = _main(query, seen)
    if not tracks:
        return _not_there(query, seen)
    if query.attribute in {"leave", "enter"}:
        fit = [track for track in tracks if (_leaves if query.attribute == "leave" else _enters)(track, seen)]
        ends = "ends" if query.attribute == "leave" else "begins"
        why = f"its track {ends if fit else 'neither begins nor ends'} at the edge of the picture"
        if query.yes_no:
            return yes_no(query, .75 if fit else .25, fit or tracks[:1], why, seen)
        return Told(join_with_and([f"the {track.label}" for track in fit]) or "nobody", .55, proven(fit or (),
            [(seen.start,
            seen.end)] if not fit else (),
                                                                                             why, seen.window),
                                                                                                 query.family, why)
    if query.attribute == "stop":
        return None
    track = max(tracks[:4], key=lambda one: math.hypot(*_shift(one, seen)))
    far, growth = max(map(abs, _shift(track, seen))), box_growth(track, seen)
    moving = far > MOVED or not 1 / GREW < growth < GREW
    sure = seen.sureness(track) * (_sure(far) if moving else .5 + .4 * (1 - min(1, far / MOVED)))
    why = "it changes its place" if moving else "it keeps its place"
    if query.choices:
        return Told("moving" if moving else "standing still", sure, proven([track], (), why, seen.window), query.family,
            why)
    if query.subject is not None and query.subject.person and not moving:
        return None  # people move without leaving their place
    if query.yes_no:
        holds = moving == (query.attribute == "move")
        return yes_no(query, max(.5, sure) if holds else 1 - max(.5, sure), [track], why, seen)
    fit = [one for one in tracks if (max(map(abs, _shift(one, seen))) > MOVED) == (query.attribute != "still")]
    if not fit:
        return None
    return Told(join_with_and([f"the {label}" for label in dict.fromkeys(one.label for one in fit)]), .6, proven(fit,
        (),
        why,
        seen.window), query.family, why)


def _overlap(part: Segment, seen: SpanFacts) -> float:
    return max(0.0, min(part.end_seconds, seen.end) - max(part.start_seconds, seen.start))


def join_spans(spans: Sequence[tuple[float, float]], gap: float = _GAP) -> list[tuple[float, float]]:
    """Join spans that overlap or nearly meet."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def clock(seconds: float) -> str:
    """Return a time as an answer says it: "2.5 s", "1:05"."""
    if seconds >= 60:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{seconds:.1f} s"


def _said(spans: Sequence[tuple[float, float]], seen: SpanFacts) -> str:
    """Say spans in words."""
    begin, end = seen.facts.start_seconds, seen.facts.end_seconds
    if len(spans) == 1 and spans[0][0] - begin < .6 and end - spans[0][1] < .8:
        return f"the whole time, from 0.0 s to {clock(end - begin)}"
    parts = [f"from {clock(start - begin)} to {clock(stop - begin)}" for start, stop in spans[:4]]
    return join_with_and(parts) + (f", {len(spans)} times in all" if len(spans) > 4 else "")


def _spans_of(query: Query, seen: SpanFacts) -> tuple[list[tuple[float, float]], list[ObjectTrack], float] | None:
    """Return when what is asked for holds, the tracks behind it, and how sure that is."""
    about = query.attribute
    parts: Sequence[Segment] = ()
    if about == "speech":
        parts = seen.facts.speech
    elif about.startswith("sound"):
        name = about.removeprefix("sound").strip()
        parts = [one for one in (*seen.facts.sounds, *seen.facts.speech) if not name or one.text == name]
    elif about.startswith("camera"):
        name = about.removeprefix("camera").strip()
        parts = [one for one in seen.facts.camera if (one.text.startswith(name) if name else one.text != "static")]
    if about == "speech" or about.startswith(("sound", "camera")):
        inside = [part for part in parts if _overlap(part, seen) > 0]
        sure = max((part.confidence or .7 for part in inside), default=.7)
        low, high = seen.facts.start_seconds, seen.facts.end_seconds  # sound may last longer than the picture
        return join_spans([(max(part.start_seconds, low), min(part.end_seconds, high)) for part in inside]), [], sure
    if query.subject is None or not query.subject.labels:
        return None
    tracks = seen.tracks(query.subject, .35)
    spans = join_spans([(track.start_seconds, track.end_seconds) for track in tracks])
    return spans, tracks, max((seen.sureness(track) for track in tracks), default=.7)


def answer_when(query: Query, seen: SpanFacts) -> Told | None:
    """When does the man appear? When does someone speak?"""
    begin, end = seen.facts.start_seconds, seen.facts.end_seconds
    if query.attribute == "cut":
        cuts = [shot.start_seconds for shot in seen.facts.shots[1:]]
        text = f"at {join_with_and([clock(at - begin) for at in cuts[:8]])}" if cuts else "never: it is one shot"
        return Told(text, .8, proven((), [(at, at) for at in cuts[:8]] or [(begin, end)], "cuts"), query.family,
            "cuts between shots")
    if query.verb not in {"", "appear", "see", "leave", "enter", "come", "show", "arrive", "exit", "disappear", "speak",
        "talk", "hear", "start",
                          "begin", "play", "go", "walk", "move", "zoom", "pan", "tilt", "shake", "end", "stop",
                          "bark"} and not query.attribute:
        return _event(query, seen) or cannot_tell(query.family, f"when somebody is to {query.verb} is not followed")
    found = _spans_of(query, seen)
    if found is None or (query.verb in _DEEDS and not query.attribute):
        told = _event(query, seen)
        return told if told is not None or found is None else cannot_tell(query.family, "no moment stands out")
    spans, tracks, sure = found
    if not spans:
        missing = _not_there(query, seen)
        name = query.attribute.split(maxsplit=1)[-1] if query.attribute else ""
        return missing or Told("never", .7, proven((), [(begin, end)], f"no {name} found"), query.family,
            f"no {name} found")
    finer = .7 if query.subject is not None and query.subject.finer and len(tracks) > 1 else 1.0
    proof = proven(tracks[:4], spans, _said(spans, seen), seen.window)
    if query.attribute == "appear":
        text = "from the beginning, at 0.0 s" if spans[0][0] - begin < .6 else f"at {clock(spans[0][0] - begin)}"
        return Told(text, .9 * sure * finer, proof, query.family, "first time that it is seen")
    if query.attribute == "leave":
        last = clock(spans[-1][1] - begin)
        text = f"it is there until the end, {last}" if end - spans[-1][1] < .8 else f"at {last}"
        return Told(text, .85 * sure * finer, proof, query.family, "last time that it is seen")
    return Told(_said(spans, seen), .9 * sure * finer, proof, query.family, "spans in which it was found")


_DEEDS = frozenset({"go", "walk", "move", "bark", "play"})
"""Verbs whose time is not that of the presence of who does it."""
_TOGETHER = re.compile(r"\b(?:hug|embrac|kiss|touch|meet|shak\w* (?:\w+ )?hands?|greet|fight|hit|punch|kick|push|hold|"
                       r"contact|close to|reach|pat|high.?five|handshake|each other|one another)")
_NEAR = 0.1
"""Gap between two people, as a share of the picture's width, up to which they are together."""


def _event(query: Query, seen: SpanFacts) -> Told | None:
    """Guess when something is done that is not followed: while two people are together, else when most moves."""
    if _TOGETHER.search(query.text.lower()):
        spans = together_spans(seen)
        if spans:
            why = "two people are close to one another"
            return Told(f"probably {_said(spans[:1], seen)}", .45, proven((), spans[:1], why), query.family, why)
    stirs = [one for one in seen.facts.stirs if one[1] > seen.start and one[0] < seen.end]
    if not stirs:
        return None
    start, end, _ = stirs[0]
    why = "most moves then"
    return Told(f"probably {_said([(start, end)], seen)}", .4, proven((), [(start, end)], why), query.family, why)


def together_spans(seen: SpanFacts) -> list[tuple[float, float]]:
    """Return the spans in which two people are close to one another, the longest first; none where they always are."""
    people = seen.tracks(NOUNS["person"], .5)[:4]
    times = sorted({track.seconds[k] for track in people for k in seen.clip(track)})
    near = []
    for at in times:
        boxes = sorted(track.boxes[track.seconds.index(at)] for track in people if at in track.seconds)
        near.append(any(two[0] - one[2] < _NEAR for one, two in pairwise(boxes)))
    if not any(near) or all(near):
        return []
    spans: list[tuple[float, float]] = []
    step = (times[-1] - times[0]) / max(1, len(times) - 1)
    for k, at in enumerate(times):
        if near[k]:
            if spans and k and near[k - 1]:
                spans[-1] = (spans[-1][0], at)
            else:
                spans.append((at, at))
    spans = [(start - step / 4, end + step / 4) for start, end in spans]
    return sorted(spans, key=lambda one: one[0] - one[1])


def answer_afterwards(query: Query, seen: SpanFacts) -> Told | None:
    """What do they do after the hug? Where two people were together and are no longer, they went apart."""
    if query.yes_no or query.time is None or query.time.kind != "event" or query.time.relation != "after":
        return None
    spans = together_spans(seen)
    if not spans or spans[0][1] > seen.end - .4:
        return None
    why = "two people were close to one another before"
    return Told("they move apart, away from one another", .5, proven((), [(spans[0][1], seen.end)], why), query.family,
                why)


def answer_order(query: Query, seen: SpanFacts) -> Told | None:
    """Which appears first? Does the dog come before the man?"""
    last, leaving = query.attribute == "last", query.verb == "leave"
    nouns = [noun for noun in (query.subject, query.other) if noun is not None and noun.labels]
    if len(query.choices) > 1:
        nouns = [noun for noun in (noun_of(words.split()[-1])
            for words in query.choices) if noun is not None and noun.labels]
    if query.yes_no and query.attribute in {"before", "after"} and len(nouns) == 2:
        one, two = (_first(noun, seen, leaving) for noun in nouns)
        if one is None or two is None:
            return None
        earlier = one[0] < two[0] - .25
        later = two[0] < one[0] - .25
        holds = earlier if query.attribute == "before" else later
        sure = min(one[1], two[1]) * (.9 if earlier or later else .7)
        why = f"seen at {clock(one[0] - seen.facts.start_seconds)} and {clock(two[0] - seen.facts.start_seconds)}"
        return yes_no(query, max(.5, sure) if holds else 1 - max(.5, sure), [one[2], two[2]], why, seen)
    if query.verb not in {"appear", "come", "show", "enter", "arrive", "leave", "visible", "see", ""}:
        return None
    candidates = seen.tracks(None, SURE) if len(nouns) < 2 else [track for noun in nouns for track in seen.tracks(noun,
        .35)[:1]]
    if len({track.label for track in candidates}) < 2:
        return None
    at = {track: (track.end_seconds if leaving else track.start_seconds) for track in candidates}
    chosen = (max if last else min)(candidates, key=lambda track: at[track])
    ties = [track for track in candidates if abs(at[track] - at[chosen]) < .3 and track.label != chosen.label]
    if ties:
        text = join_with_and([f"the {track.label}" for track in (chosen, *ties[:2])]) + " at the same time"
        return Told(text, .5, proven([chosen, *ties[:2]], (), text), query.family, "when they are seen")
    return Told(f"the {chosen.label}", .8 * seen.sureness(chosen), proven([chosen], (), f"seen at {clock(at[chosen])}"),
        query.family,
                "when they are seen")


def _first(noun: Noun, seen: SpanFacts, leaving: bool) -> tuple[float, float, ObjectTrack] | None:
    tracks = seen.tracks(noun, .35)
    if not tracks:
        return None
    track = max(tracks, key=lambda one: one.end_seconds) if leaving else min(tracks, key=lambda one: one.start_seconds)
    return track.end_seconds if leaving else track.start_seconds, seen.sureness(track), track


def answer_duration(query: Query, seen: SpanFacts) -> Told | None:
    """How long is the video? How long does someone speak?"""
    facts = seen.facts
    if query.subject is None and query.attribute not in {"speech"} and not query.yes_no:
        text = length_in_words(facts.duration_seconds)
        return Told(text, .99, proven((), [(facts.start_seconds, facts.end_seconds)], "its length"), query.family,
            "length of what was looked at")
    if query.yes_no:
        try:
            limit = float(query.attribute or 1) * (60 if "minute" in query.text else 1)
        except ValueError:
            return None
        holds = (facts.duration_seconds > limit) == (query.comparison == "more")
        return yes_no(query, .98 if holds else .02, (), length_in_words(facts.duration_seconds), seen)
    if query.verb not in {"", "speak", "talk", "appear", "see", "show", "last", "stay", "be", "remain", "visible"}:
        return cannot_tell(query.family, "how long an action takes is not followed")
    found = _spans_of(query, seen)
    if found is None:
        return None
    spans, tracks, sure = found
    total = sum(min(end, seen.end) - max(start, seen.start) for start,
        end in spans if end > seen.start and start < seen.end)
    return Told(f"about {length_in_words(total)}" if spans else "not at all", .8 * sure, proven(tracks[:4],
        spans or [(seen.start, seen.end)],
                                                                                             "spans", seen.window),
                                                                                             query.family, _said(spans,
                                                                                                 seen))


def length_in_words(seconds: float) -> str:
    """Return "8 seconds", "1 minute and 5 seconds"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} seconds" if seconds < 3 else f"{whole} seconds"
    minutes, rest = divmod(whole, 60)
    start = plural(minutes, "minute")
    return f"{start} and {plural(rest, 'second')}" if rest else start


def answer_repeats(query: Query, seen: SpanFacts) -> Told | None:
    """How many times is the movement repeated?"""
    found = [one for one in seen.facts.repeated if one.end_seconds > seen.start and one.start_seconds < seen.end]
    if not found:
        if query.yes_no:
            return yes_no(query, .3, (), "no repeated movement is found", seen)
        return Told("I find no movement that is repeated", .4, proven((), [(seen.start, seen.end)], "no rhythm"),
            query.family, "no rhythm found")
    best = max(found, key=lambda one: one.confidence * (one.end_seconds - one.start_seconds))
    number = best.count
    if not seen.whole:
        number = len([at for at in best.times if seen.start <= at <= seen.end]) or round(
            (min(best.end_seconds, seen.end) - max(best.start_seconds, seen.start)) / max(.1, best.period_seconds))
    proof = proven((), [(best.start_seconds, best.end_seconds)], f"{best.count} times, every "
        f"{best.period_seconds:.1f} s")
    if query.yes_no:
        return yes_no(query, best.confidence, (), f"repeated {best.count} times", seen)
    return Told(f"{number} times" if number != 1 else "once", best.confidence, proof, query.family,
        f"every {best.period_seconds:.1f} s")


def extrapolated_way(track: ObjectTrack, seen: SpanFacts) -> str:
    """Return left, right, up or down for a track that clearly moves; "" for others."""
    shift = _shift(track, seen)
    return _way(shift) if max(map(abs, shift)) > 1.5 * MOVED else ""


def size_change(track: ObjectTrack, seen: SpanFacts) -> str:
    """Return closer or away for a track whose box changes its size while the camera does not zoom; "" for others."""
    growth = box_growth(track, seen)
    if any(part.text.startswith("zoom") for part in seen.facts.camera):
        return ""
    return "closer" if growth > 1.1 * GREW else "away" if growth < 1 / (1.1 * GREW) else ""


def is_leaving(track: ObjectTrack, seen: SpanFacts) -> bool:
    """Whether a track ends at the edge of the picture, before the video and not with a cut."""
    return _leaves(track, seen)


__all__ = ["GREW", "answer_afterwards", "answer_approach", "answer_direction", "answer_duration", "answer_moves",
           "answer_order", "answer_repeats", "answer_when", "box_growth", "clock", "extrapolated_way", "is_leaving",
           "join_spans", "length_in_words", "size_change", "together_spans"]
