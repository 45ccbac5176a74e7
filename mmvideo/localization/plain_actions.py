"""What can be said of how a track acts from its boxes alone, without a network: ways, meeting, coming and going."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mmvideo.objects.camera import CameraStep
from mmvideo.objects.tracks import ObjectTrack

PLAIN_ACTIONS = ("stands still", "moves left", "moves right", "moves up", "moves down", "comes nearer", "goes away",
                 "comes in", "leaves", "is close to another")
"""Labels that `plain_actions` gives."""
SPEED = 0.06
"""Shares of the picture a second from which a box moves; of its own size, whichever is more, `OWN_SPEED`."""
OWN_SPEED = 0.25
GROWTH = 0.15
"""Relative growth of a box's height a second from which it comes nearer."""
NEAR = 0.15
"""Gap between two boxes, as a share of the smaller height, up to which they are close."""
_EDGE = 0.03
_SETTLED = 0.6


def plain_actions(tracks: Sequence[ObjectTrack], steps: Mapping[float, CameraStep], *, aspect: float,
                  start_seconds: float, end_seconds: float, cuts: Sequence[float] = ()
                  ) -> list[dict[float, dict[str, float]]]:
    """Return for each track: start of each second -> action -> score.

    Args:
        tracks: followed objects.
        steps: time of a frame -> how the camera moved from the frame before it; none where that is not known.
        aspect: width over height of the picture.
        start_seconds, end_seconds: of what was looked at.
        cuts: when new shots begin.
    """
    borders = [start_seconds, *cuts, end_seconds]
    near = _neighbours(tracks, aspect)
    found = []
    for track in tracks:
        rows: dict[float, dict[str, float]] = {}
        for second in range(math.floor(track.start_seconds), math.floor(track.end_seconds) + 1):
            inside = [k for k, at in enumerate(track.seconds) if second <= at < second + 1]
            if inside:
                first = max(0, inside[0] - 1)
                rows[float(second)] = _moves(track, first, inside[-1], steps) | _company(track, inside, near)
        for label, at, box in (("comes in", track.start_seconds, track.boxes[0]),
                               ("leaves", track.end_seconds, track.boxes[-1])):
            if (box[0] < _EDGE or box[2] > 1 - _EDGE) and all(abs(at - border) > _SETTLED for border in borders):
                rows.setdefault(float(math.floor(at)), {})[label] = track.confidence
        found.append(rows)
    return found


def _moves(track: ObjectTrack, first: int, last: int, steps: Mapping[float, CameraStep]) -> dict[str, float]:
    """Return which way a box goes between two looks, without what the camera's movement makes of it."""
    passed = track.seconds[last] - track.seconds[first]
    if passed <= 0:
        return {}
    box = np.array(track.boxes[first]).reshape(2, 2)
    zoom = 1.0
    for k in range(first + 1, last + 1):
        step = steps.get(track.seconds[k])
        if step is not None:
            box, zoom = step.points(box), zoom * step.zoom
    now = np.array(track.boxes[last]).reshape(2, 2)
    right, down = (now.mean(0) - box.mean(0)) / passed
    height = max(float(now[1, 1] - now[0, 1]), 1e-3)
    width = max(float(now[1, 0] - now[0, 0]), 1e-3)
    sure = track.confidence
    moves: dict[str, float] = {}
    for speed, size, ways in ((right, width, ("moves left", "moves right")), (down, height, ("moves up",
                                                                                              "moves down"))):
        least = max(SPEED, OWN_SPEED * size)
        if abs(speed) >= least:
            moves[ways[int(speed > 0)]] = sure * min(1.0, 0.5 + 0.25 * abs(speed) / least)
    growth = (height / max(float(box[1, 1] - box[0, 1]), 1e-3) - 1) / passed
    if abs(growth) >= GROWTH and (width / max(float(box[1, 0] - box[0, 0]), 1e-3) - 1) * growth > 0:
        moves["comes nearer" if growth > 0 else "goes away"] = sure * min(1.0, 0.4 + abs(growth))
    return moves or {"stands still": sure * 0.8}


def _neighbours(tracks: Sequence[ObjectTrack], aspect: float) -> dict[tuple[int, float], float]:
    """Return (number of a track, time) -> the confidence of the surest other of its kind that is close to it then."""
    rows: dict[tuple[str, float], list[tuple[int, tuple[float, ...], float]]] = {}
    for track in tracks:
        for at, box in zip(track.seconds, track.boxes, strict=True):
            rows.setdefault((track.label, at), []).append((track.number, box, track.confidence))
    found: dict[tuple[int, float], float] = {}
    for (_, at), seen in rows.items():
        if len(seen) < 2:
            continue
        left, top, right, bottom = np.array([box for _, box, _ in seen]).T
        across = np.maximum(left[:, None], left) - np.minimum(right[:, None], right)
        down = np.maximum(top[:, None], top) - np.minimum(bottom[:, None], bottom)
        size = np.minimum((bottom - top)[:, None], bottom - top)
        close = (across.clip(0) * aspect <= NEAR * size) & (down < 0)
        np.fill_diagonal(close, False)
        sure = (close * np.array([confidence for *_, confidence in seen])).max(1)
        found |= {(number, at): float(one) for (number, *_), one in zip(seen, sure, strict=True) if one > 0}
    return found


def _company(track: ObjectTrack, inside: Sequence[int], near: Mapping[tuple[int, float], float]) -> dict[str, float]:
    """Say whether another of its kind is close to it in most of the looks."""
    sure = [near[track.number, track.seconds[k]] for k in inside if (track.number, track.seconds[k]) in near]
    return {"is close to another": min(track.confidence, max(sure))} if len(sure) * 2 > len(inside) else {}


__all__ = ["PLAIN_ACTIONS", "plain_actions"]
