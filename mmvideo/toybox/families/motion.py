"""Motion: where toys go, whether they move or spin, which is the fastest."""

from __future__ import annotations

from collections.abc import Iterator

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.families.describe import moves
from mmvideo.toybox.families.fact import TIME, Fact, Kind, either, yes
from mmvideo.toybox.names import name
from mmvideo.toybox.summary import Summary, pairs

STILL = "it does not move"
_MAX_ROLL = 0.25
"""Radians; with the picture turned further, left and right are no longer clear."""


def _direction_start(s: Summary) -> Iterator[Fact]:
    for toy in s.seen:
        direction = s.start_direction[toy]
        if direction:
            yield Fact(STILL if direction == "still" else direction, (toy,))


def _direction_end(s: Summary) -> Iterator[Fact]:
    if abs(s.roll) > _MAX_ROLL:
        return
    for toy in s.seen:
        direction = s.end_direction[toy]
        if direction:
            yield Fact(STILL if direction == "still" else direction, (toy,))


def _moves(s: Summary) -> Iterator[Fact]:
    for toy in s.seen:
        found = moves(s, toy)
        if found or (found is False and s.rotation[toy] < 0.06):  # to spin on the spot is neither
            yield Fact(yes(found), (toy,))


def _spins(s: Summary) -> Iterator[Fact]:
    if s.spec.camera_motion.startswith("roll"):
        return
    for toy in s.seen:
        shape = s.toys[toy].shape
        if shape not in v.ROUND and not 0.06 < s.rotation[toy] < 0.9:
            yield Fact(yes(s.rotation[toy] > 0.5), (toy,), group=shape)


def _speed(s: Summary, toy: int) -> float:
    return s.path[toy]


def _always_there(s: Summary, toy: int) -> bool:
    return s.frames[toy] >= 26


def _fastest(s: Summary) -> Iterator[Fact]:
    if len(s.seen) < 2 or s.doubtful or not all(_always_there(s, i) for i in s.seen):
        return
    order = sorted(s.seen, key=lambda i: -_speed(s, i))
    if s.path[order[1]] > 0.1 and s.path[order[0]] > 1.5 * s.path[order[1]]:
        yield Fact(name(s, order[0]), key="toy")


def _faster(s: Summary) -> Iterator[Fact]:
    for a, b in pairs(s):
        slow, fast = sorted((a, b), key=lambda i: s.path[i])
        both = _always_there(s, a) and _always_there(s, b)
        if both and s.path[slow] > 0.1 and s.path[fast] > 1.5 * s.path[slow]:
            yield from either(name(s, a), name(s, b), name(s, fast), (a, b))


KINDS = {
    "direction_start": Kind("motion", TIME, _direction_start, (
        "in which direction does {0} move at the start?", "where does {0} go at the start?",
        "which way does {0} move at first?", "at the start, which way is {0} moving?")),
    "direction_end": Kind("motion", TIME, _direction_end, (
        "in which direction does {0} move at the end?", "where does {0} go at the end?",
        "which way does {0} move at last?", "at the end, which way is {0} moving?")),
    "moves": Kind("motion", TIME, _moves, (
        "does {0} move?", "does {0} ever move?", "is {0} moving at any time?", "is there any motion of {0}?")),
    "spins": Kind("motion", TIME, _spins, (
        "does {0} spin?", "is {0} spinning?", "does {0} turn around itself?")),
    "fastest": Kind("motion", TIME, _fastest, (
        "which toy is the fastest?", "which toy moves fastest?", "what is the fastest toy?")),
    "faster": Kind("comparison", TIME, _faster, (
        "which is faster, {0} or {1}?", "which one moves faster: {0} or {1}?",
        "of {0} and {1}, which is the faster one?")),
}
