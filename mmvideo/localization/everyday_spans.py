"""The facts of the everyday model as spans of time: who is seen when, what is heard, shots, movement, the camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from mmvideo.everyday.facts import Facts
from mmvideo.localization.spans import LocatedSpan, in_order, joined_spans
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.types import Segment

KINDS = ("object", "sound", "speech", "shot", "picture", "movement", "camera")
"""object: a class of the detector is seen. sound, speech: heard. shot: between two cuts. picture: a word that people
would use of the shot. movement: something enters, leaves, moves, is repeated, or moves most. camera: what it does."""
SURE_WORD = 0.5
"""Probability from which a word of a shot is told."""
_SEEN = 0.35
"""Confidence of a track from which its object counts, as in questions about when something is seen."""
_GAP = 1.0
"""Seconds: shorter gaps are closed."""
_SPEED = 0.08
"""Shares of the picture that a box crosses in a second when it is said to move."""
_MOVED = 0.08
_EDGE = 0.06
_AROUND = 0.5
"""Seconds before and after a track's end within which it is said to enter or leave."""
_SETTLED = 0.7
"""Seconds after the beginning of a shot, or before its end, from which a track enters or leaves by itself."""


def everyday_spans(facts: Facts, cuts: Sequence[float] = ()) -> list[LocatedSpan]:
    """Return all that facts say with times, in order; every span lies within that of the facts.

    Args:
        facts: of a video.
        cuts: when a new shot begins; without any there are no spans of shots.
    """
    found: list[LocatedSpan] = []
    for kind, parts in (("sound", facts.sounds), ("speech", facts.speech), ("camera", facts.camera)):
        found += joined_spans([_span(part, kind) for part in parts], 0.3)
    found += joined_spans([LocatedSpan(track.start_seconds, track.end_seconds, track.label, track.confidence, "object")
                           for track in facts.tracks if track.confidence >= _SEEN], _GAP)
    borders = [facts.start_seconds, *cuts, facts.end_seconds]
    found += [LocatedSpan(start, end, f"shot {number}", 1.0, "shot")
              for number, (start, end) in enumerate(pairwise(borders), 1) if cuts]
    found += joined_spans([LocatedSpan(shot.start_seconds, shot.end_seconds, word, share, "picture")
                           for shot in facts.shots for word, share in shot.words.items() if share >= SURE_WORD], 0.05)
    found += _movements(facts, borders)
    return in_order(inside for one in found if (inside := _within(one, facts)) is not None)


def _span(part: Segment, kind: str) -> LocatedSpan:
    label = f"camera: {part.text}" if kind == "camera" else part.text
    return LocatedSpan(part.start_seconds, part.end_seconds, label,
                       1.0 if part.confidence is None else part.confidence, kind)


def _within(one: LocatedSpan, facts: Facts) -> LocatedSpan | None:
    """Cut a span to that of the facts; what was seen at one time alone is given the time until the next look."""
    start = min(max(one.start_seconds, facts.start_seconds), facts.end_seconds)
    end = one.end_seconds if one.end_seconds > start else start + _look_seconds(facts.seconds_looked_at)
    end = min(end, facts.end_seconds)
    if end <= start:
        return None
    return LocatedSpan(start, end, one.label, min(max(one.score, 0.0), 1.0), one.kind)


def _look_seconds(times: Sequence[float]) -> float:
    """Return the usual time between two looks."""
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.5


def _movements(facts: Facts, borders: Sequence[float]) -> Iterator[LocatedSpan]:
    for one in facts.repeated:
        yield LocatedSpan(one.start_seconds, one.end_seconds, f"repeated movement, {one.count} times", one.confidence,
                          "movement")
    for start, end, strength in facts.stirs:
        yield LocatedSpan(start, end, "most movement", strength / (1 + strength), "movement")
    for track in facts.tracks:
        if track.confidence >= _SEEN and len(track.seconds) > 1:
            yield from _ends(track, borders)
            yield from _ways(track, facts)


def _ends(track: ObjectTrack, borders: Sequence[float]) -> Iterator[LocatedSpan]:
    """Say when a track begins or ends at the left or right edge, while no cut is near."""
    for verb, at, box in (("enters", track.start_seconds, track.boxes[0]), ("leaves", track.end_seconds,
                                                                          track.boxes[-1])):
        if (box[0] < _EDGE or box[2] > 1 - _EDGE) and all(abs(at - cut) > _SETTLED for cut in borders):
            yield LocatedSpan(at - _AROUND, at + _AROUND, f"{track.label} {verb}", 0.6 * track.confidence, "movement")


def _ways(track: ObjectTrack, facts: Facts) -> list[LocatedSpan]:
    """Say when a box goes left, right, up or down while the camera stands still."""
    found = []
    for k in range(len(track.seconds) - 1):
        first, last = track.seconds[k], track.seconds[k + 1]
        if not _still(facts, first, last):
            continue
        right, down = (((track.boxes[k + 1][side] + track.boxes[k + 1][side + 2])
                        - (track.boxes[k][side] + track.boxes[k][side + 2])) / 2 for side in (0, 1))
        way = ("right" if right > 0 else "left") if abs(right) >= abs(down) else ("down" if down > 0 else "up")
        far = max(abs(right), abs(down))
        if far >= _SPEED * (last - first):
            found.append((LocatedSpan(first, last, f"{track.label} moves {way}", track.confidence, "movement"), far))
    runs: list[tuple[LocatedSpan, float]] = []
    for one, far in found:
        if runs and runs[-1][0].label == one.label and one.start_seconds <= runs[-1][0].end_seconds + 1e-6:
            before = runs[-1][0]
            runs[-1] = (LocatedSpan(before.start_seconds, one.end_seconds, one.label, one.score, "movement"),
                        runs[-1][1] + far)
        else:
            runs.append((one, far))
    return [one for one, far in runs if far >= _MOVED]


def _still(facts: Facts, start: float, end: float) -> bool:
    """Whether the camera is known to stand still between two times."""
    over = [part for part in facts.camera if part.start_seconds < end and part.end_seconds > start]
    return bool(over) and all(part.text == "static" for part in over)


__all__ = ["KINDS", "SURE_WORD", "everyday_spans"]
