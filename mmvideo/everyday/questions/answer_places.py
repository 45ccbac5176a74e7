"""Answers about where things are: sides of the picture, kinds of place, and what is beside or behind what."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from mmvideo.everyday.questions.answer_surroundings import answer_background, kind_of_place
from mmvideo.everyday.questions.answer_things import yes_no
from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import NOUNS
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SURE, SpanFacts, basic_colour, centre, counted, join_with_and, side_of
from mmvideo.everyday.questions.told import Told, proven

if TYPE_CHECKING:
    from mmvideo.objects.tracks import ObjectTrack


def place_in_words(box: tuple[float, float, float, float]) -> str:
    """Return "on the left", "in the middle" or "on the right", with top and bottom where it is clearly there."""
    side, y = side_of(box), centre(box)[1]
    height = box[3] - box[1]
    across = {"left": "on the left", "right": "on the right", "middle": "in the middle"}[side]
    if height < 0.45 and y < 0.3:
        return {"left": "at the top left", "right": "at the top right", "middle": "at the top"}[side]
    if height < 0.45 and y > 0.72:
        return {"left": "at the bottom left", "right": "at the bottom right", "middle": "at the bottom"}[side]
    return across


def answer_where(query: Query, seen: SpanFacts) -> Told | None:
    """Where is the man? Is he on the left?"""
    noun = query.subject
    if noun is not None and noun.text in _OF_PEOPLE:
        noun = NOUNS["person"]
    if noun is None or not noun.labels:
        return _some_side(query, seen) if noun is not None else None
    tracks = seen.tracks(noun.with_(side=""), 0.35)
    if not tracks and _ASKS_SIDE.search(query.text.lower()) and not query.yes_no:
        return _some_side(query, seen)
    if not tracks:
        found = seen.chance(noun)
        if found is not None and found.probability < 0.12:
            if query.yes_no:
                return yes_no(query, 0.1, (), found.why, seen)
            return Told(
                f"I see no {noun.text}", 0.7, proven((), [(seen.start, seen.end)], found.why), query.family, found.why
            )
        return None
    track = tracks[0]
    box = seen.box(track)
    sure = seen.sureness(track)
    kind = 0.7 if noun.finer and len(tracks) > 1 else 0.85 if len(tracks) > 1 else 1.0
    if query.yes_no and query.attribute:
        return _at_side(query, seen, tracks, kind)
    inside = seen.clip(track)
    first, last = track.boxes[inside[0]], track.boxes[inside[-1]]
    text = place_in_words(box)
    if side_of(first) != side_of(last) and abs(centre(first)[0] - centre(last)[0]) > 0.25:
        text = f"first {place_in_words(first)}, then {place_in_words(last)}"
    if len(query.choices) > 1:
        near = min(query.choices, key=lambda side: _off(side, box))
        clear = sorted(_off(side, box) for side in query.choices)
        sure = min(0.95, sure * kind * min(1.0, 0.6 + 1.2 * (clear[1] - clear[0])))
        said = f"{'in' if near == 'middle' else 'at' if near in {'top', 'bottom'} else 'on'} the {near}"
        return Told(said, sure, proven([track], (), text, seen.window), query.family, text)
    place = kind_of_place(seen)
    if place and noun.person and not re.search(r"\b(?:side|picture|left|right|frame|screen)\b", query.text.lower()):
        text = f"{place}, {text} of the picture" if text == "in the middle" else f"{place}, {text}"
    elif place:
        text = f"{text}, {place}"
    return Told(
        text,
        sure * kind * 0.75,
        proven([track], (), text, seen.window),
        query.family,
        "position of its box in the picture",
    )


_OF_PEOPLE = word_set("face head hand arm hair eye mouth nose body")
_ASKS_SIDE = re.compile(r"\b(?:which|what) (?:side|half|part|corner)\b|\bleft\b.*\bright\b|\bright\b.*\bleft\b")
_STANDS_OUT = 1.5


def _some_side(query: Query, seen: SpanFacts) -> Told | None:
    """Guess the side of what the detector has not found: where its colour is, else where the main person is not."""
    if not _ASKS_SIDE.search(query.text.lower()):
        return None
    colour = basic_colour(query.subject.colour) if query.subject is not None else ""
    halves = {side: seen.facts.part_colours.get((0, side), {}).get(colour, 0.0) for side in ("left", "right")}
    best = max(halves, key=lambda side: halves[side])
    other = min(halves.values())
    if colour and halves[best] > 0.05 and halves[best] > _STANDS_OUT * other:
        why = f"most {colour} is there"
        return Told(f"on the {best}", 0.5, proven((), [(seen.start, seen.end)], why), query.family, why)
    people = seen.tracks(NOUNS["person"], SURE)
    if not people:
        return None
    side = side_of(seen.box(people[0]))
    if query.subject is None or not query.subject.person:
        side = {"left": "right", "right": "left"}.get(side, "left")
    if len(query.choices) > 1 and side not in query.choices:
        side = query.choices[0]
    why = "a guess from where the main person is"
    text = "in the middle" if side == "middle" else f"on the {side}"
    return Told(text, 0.3, proven(people[:1], (), why, seen.window), query.family, why)


def _off(side: str, box: tuple[float, float, float, float]) -> float:
    """Return how far a box is from a side, 0 where it is as much there as can be."""
    x, y = centre(box)
    return {
        "left": x,
        "right": 1 - x,
        "middle": abs(x - 0.5) * 2,
        "top": y,
        "bottom": 1 - y,
        "foreground": 1 - box[3],
        "background": max(0.0, box[3] - 0.5),
    }.get(side, 0.5)


def _at_side(query: Query, seen: SpanFacts, tracks: list[ObjectTrack], kind: float) -> Told:
    side = query.attribute
    limit = {"middle": 0.4, "foreground": 0.15, "background": 0.25}.get(side, 0.47)
    holding = [track for track in tracks if _off(side, seen.box(track)) < limit]
    best = holding[0] if holding else tracks[0]
    off = abs(_off(side, seen.box(best)) - limit)
    sure = seen.sureness(best) * min(1.0, 0.6 + 2 * off) * kind
    confidence = max(0.5, min(0.97, sure if (holding and len(tracks) == len(holding)) or not holding else 0.75 * sure))
    text = place_in_words(seen.box(best))
    return yes_no(query, confidence if holding else 1 - confidence, [best], text, seen)


def _related(one: tuple[float, float, float, float], two: tuple[float, float, float, float], name: str) -> float:
    """Return how well a relation holds between two boxes of one frame, 0 to 1."""
    (x, y), (u, v) = centre(one), centre(two)
    gap_x = max(one[0], two[0]) - min(one[2], two[2])
    gap_y = max(one[1], two[1]) - min(one[3], two[3])
    near = max(0.0, 1 - max(0.0, gap_x) / 0.2) * max(0.0, 1 - max(0.0, gap_y) / 0.2)
    overlap = gap_x < 0.02
    lower = one[3] - two[3]
    return {
        "left of": min(1.0, max(0.0, 0.5 + 4 * (u - x))),
        "right of": min(1.0, max(0.0, 0.5 + 4 * (x - u))),
        "above": min(1.0, max(0.0, 0.5 + 4 * (v - y))) if overlap else 0.2,
        "below": min(1.0, max(0.0, 0.5 + 4 * (y - v))) if overlap else 0.2,
        "near": near,
        "next to": near * (1.0 if abs(one[3] - two[3]) < 0.25 else 0.7),
        "in front of": min(1.0, max(0.0, 0.5 + 4 * lower)) if overlap else 0.25,
        "behind": min(1.0, max(0.0, 0.5 - 4 * lower)) if overlap else 0.25,
    }.get(name, 0.0)


def _holds(one: ObjectTrack, two: ObjectTrack, name: str, seen: SpanFacts) -> float:
    """Return how well a relation holds between two tracks while both are seen; 0 where they never are."""
    boxes = {two.seconds[k]: two.boxes[k] for k in seen.clip(two)}
    scores = [_related(one.boxes[k], boxes[one.seconds[k]], name) for k in seen.clip(one) if one.seconds[k] in boxes]
    return sum(scores) / len(scores) if scores else 0.0


def answer_relation(query: Query, seen: SpanFacts) -> Told | None:
    """Is the dog in front of the car? What is next to the man?"""
    anchor, name = query.other, query.attribute
    if (
        name == "behind"
        and not query.yes_no
        and query.subject is None
        and (anchor is None or anchor.person or not anchor.labels)
    ):
        return answer_background(query, seen)
    if anchor is None or not anchor.labels:
        return None
    anchors = seen.tracks(anchor, 0.35)
    if query.yes_no and query.subject is not None:
        subjects = [track for track in seen.tracks(query.subject, 0.35)] if query.subject.labels else []
        if not query.subject.labels:
            return None
        if not anchors or not subjects:
            return (
                yes_no(query, 0.15, (), "they are not both seen", seen)
                if not seen.tracks(query.subject) or not seen.tracks(anchor)
                else None
            )
        score, one, two = max(
            (
                (_holds(one, two, name, seen), one, two)
                for one in subjects[:4]
                for two in anchors[:4]
                if one.number != two.number
            ),
            key=lambda found: found[0],
            default=(0.0, subjects[0], anchors[0]),
        )
        sure = seen.sureness(one) * seen.sureness(two)
        return yes_no(
            query, 0.5 + (score - 0.5) * sure * 0.8, [one, two], f"{one.label} and {two.label} by their boxes", seen
        )
    if not anchors:
        return None
    wanted = query.subject if query.subject is not None and query.subject.labels else None
    scored = [
        (_holds(track, anchors[0], name, seen), track)
        for track in seen.tracks(wanted, SURE)
        if track.number != anchors[0].number
    ]
    near = sorted([(score, track) for score, track in scored if score >= 0.6], key=lambda found: -found[0])[:3]
    if not near:
        return None
    names = [counted(label, number) for label, number in Counter(track.label for _, track in near).items()]
    return Told(
        join_with_and(names),
        0.55 * near[0][0] * seen.sureness(near[0][1]),
        proven([track for _, track in near] + anchors[:1], (), f"{name} by their boxes", seen.window),
        query.family,
        f"{name} by their boxes",
    )


__all__ = ["answer_relation", "answer_where", "place_in_words"]
