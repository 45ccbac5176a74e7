"""How good detections and tracks are: average precision as COCO counts it, and identity switches as CLEAR MOT does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from mmvideo.objects.base import Detection
from mmvideo.objects.tracking import overlaps
from mmvideo.objects.tracks import ObjectTrack

Truth = Sequence[tuple[str, tuple[float, float, float, float]]]
"""Every object of a frame: its label and box."""
THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))
"""Overlaps at which COCO averages."""
_RECALLS = np.linspace(0, 1, 101)
_MOST = 100


def right_at(found: Sequence[Detection], truth: Truth, threshold: float) -> list[bool]:
    """Say of each detection of a frame, in order of score, whether it is right.

    It is where it overlaps a box of its label, that no surer detection has taken, by `threshold` (intersection over
    union) or more; of several such boxes it takes the one that it overlaps most.
    """
    taken: set[int] = set()
    right = []
    for one in sorted(found, key=lambda detection: -detection.score):
        same = [k for k, (label, _) in enumerate(truth) if label == one.label and k not in taken]
        best = None
        if same:
            shares, _ = overlaps([one.box], [truth[k][1] for k in same])
            best = int(shares[0].argmax()) if shares.max() >= threshold else None
        right.append(best is not None)
        if best is not None:
            taken.add(same[best])
    return right


def without_ignored(found: Sequence[Detection], truth: Truth,
                    ignored: Sequence[tuple[float, float, float, float]]) -> list[Detection]:
    """Leave out what lies mostly in regions where nothing counts, unless it is near a box of its label."""
    kept = []
    for one in found:
        same = [box for label, box in truth if label == one.label]
        near = bool(same) and overlaps([one.box], same)[0].max() >= 0.5
        if near or not ignored or overlaps([one.box], ignored)[1].max() < 0.5:
            kept.append(one)
    return kept


def average_precision(frames: Sequence[tuple[Sequence[Detection], Truth]],
                      thresholds: Sequence[float] = THRESHOLDS) -> dict[str, dict[float, float]]:
    """Return, for every label that occurs in the truth, the average precision at each overlap.

    As COCO: precision at 101 recalls, each the best at that recall or a higher one; at most 100 detections a label and
    frame. Labels without a box in the truth are left out.

    Args:
        frames: what was found in each frame, and what is in it.
        thresholds: overlaps (intersection over union) from which a box is found.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    right: dict[tuple[str, float], list[bool]] = defaultdict(list)
    counts: dict[str, int] = defaultdict(int)
    for found, truth in frames:
        for label in {label for label, _ in truth} | {one.label for one in found}:
            some = sorted((one for one in found if one.label == label), key=lambda one: -one.score)[:_MOST]
            boxes = [(name, box) for name, box in truth if name == label]
            counts[label] += len(boxes)
            scores[label] += [one.score for one in some]
            for threshold in thresholds:
                right[label, threshold] += right_at(some, boxes, threshold)
    return {label: {threshold: _area(np.array(scores[label]), np.array(right[label, threshold], bool), count)
                    for threshold in thresholds} for label, count in sorted(counts.items()) if count}


def _area(scores: np.ndarray, right: np.ndarray, count: int) -> float:
    """Return the mean precision over 101 recalls."""
    hits = right[np.argsort(-scores, kind="stable")].cumsum()
    if not len(hits):
        return 0.0
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(hits / count, _RECALLS, side="left")
    return float(np.where(place < len(best), best[np.minimum(place, len(best) - 1)], 0.0).mean())


def identity_switches(tracks: Sequence[ObjectTrack],
                      truth: Sequence[tuple[float, Mapping[int, tuple[float, float, float, float]]]],
                      threshold: float = 0.5) -> int:
    """Count how often somebody is given another track than before.

    Args:
        tracks: what was followed.
        truth: at each of some times, the box of everybody by number.
        threshold: overlap (intersection over union) from which a box is somebody's; who still fits the track of before
            keeps it, the others are matched for the largest overlaps.
    """
    last: dict[int, int] = {}
    count = 0
    for seconds, people in truth:
        seen = {track.number: track.boxes[track.seconds.index(seconds)] for track in tracks if seconds in track.seconds}
        if not seen or not people:
            continue
        who, numbers = list(people), list(seen)
        shares, _ = overlaps([people[k] for k in who], [seen[n] for n in numbers])
        shares = np.where(shares >= threshold, shares, 0)
        for row, person in enumerate(who):
            if last.get(person) in seen:
                shares[row, numbers.index(last[person])] *= 1000
        for row, column in zip(*linear_sum_assignment(-shares), strict=True):
            if shares[row, column] > 0:
                count += last.get(who[row], numbers[column]) != numbers[column]
                last[who[row]] = numbers[column]
    return count


__all__ = ["THRESHOLDS", "Truth", "average_precision", "identity_switches", "right_at", "without_ignored"]
