"""What samplers that choose have in common: candidate windows, and which of them are taken by their scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from mmvideo import checks
from mmvideo.media.convert import Fit
from mmvideo.media.source import Source
from mmvideo.sampling.dense import check_views, three_crops
from mmvideo.sampling.gather import SizeLike, TimeSpan, gather
from mmvideo.types import Clips

MAX_CANDIDATES = 4096
"""Most windows of one video that are scored; longer videos get longer steps."""


def candidates(span: TimeSpan, clip_seconds: float) -> list[TimeSpan]:
    """Divide a span into neighbouring windows of about `clip_seconds`, at least one."""
    seconds = checks.number("clip_seconds", clip_seconds, above=0, high=checks.LONGEST_SECONDS)
    count = min(MAX_CANDIDATES, max(1, round(span.seconds / seconds)))
    edges = np.linspace(span.start_seconds, span.end_seconds, count + 1).tolist()
    return [TimeSpan(a, b) for a, b in pairwise(edges)]


def highest(scores: Sequence[float], count: int) -> list[int]:
    """Return the numbers of the `count` highest scores, ascending; of equal ones the earlier."""
    return sorted(np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")[:count].tolist())


def covering(scores: Sequence[float], count: int, *, threshold: float = 0.8, max_depth: int = 5) -> list[int]:
    """Choose by score and coverage, as Adaptive Keyframe Sampling (Tang et al. 2025, arXiv:2502.21271).

    A range whose best scores stand out by `threshold` (scores are scaled to [0, 1]) gives its best; any other is
    halved, and so is its share of `count`. Shares that do not divide leave places; the highest of the others fill them.

    Args:
        scores: of the candidates in the order of time.
        count: how many are chosen.

    Returns:
        Their numbers, ascending; all where there are no more than `count`.
    """
    count = checks.whole("count", count, low=1)
    values = np.asarray(scores, dtype=np.float64)
    if len(values) <= count:
        return list(range(len(values)))
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) / (high - low) if high > low else np.zeros_like(values)
    chosen: set[int] = set()
    _best_of(scaled, 0, len(scaled), 0, count, threshold, max_depth, chosen)
    rest = [number for number in np.argsort(-scaled, kind="stable").tolist() if number not in chosen]
    return sorted([*chosen, *rest[:count - len(chosen)]])


def _best_of(scores: np.ndarray, start: int, end: int, depth: int, count: int, threshold: float, max_depth: int,
             chosen: set[int]) -> None:
    part = scores[start:end]
    if not len(part):
        return
    order = np.argsort(-part, kind="stable")
    stands_out = float(part[order[:count]].mean() - part.mean()) > threshold
    if stands_out or depth >= max_depth:
        chosen.update(start + number for number in order[:count // 2**depth].tolist())
        return
    middle = start + len(part) // 2
    _best_of(scores, start, middle, depth + 1, count, threshold, max_depth, chosen)
    _best_of(scores, middle, end, depth + 1, count, threshold, max_depth, chosen)


def take_chosen(source: Source, spans: Sequence[TimeSpan], chosen: Sequence[int], *, num_frames: int, crops: int,
                size: SizeLike, fit: Fit, sample_rate: int | None, why: str) -> Clips:
    """Look at the chosen windows: frames at the centres of equal parts of each.

    Args:
        spans: all candidates.
        chosen: their numbers.
        why: how they were chosen, in words.
    """
    _, num_frames, crops = check_views(len(chosen), num_frames, crops, size)
    taken = [spans[number] for number in chosen]
    into = (np.arange(num_frames) + 0.5) / num_frames
    times = np.stack([span.start_seconds + into * span.seconds for span in taken])
    rule = f"{len(taken)} of {len(spans)} windows of {spans[0].seconds:.2f} s, {why}"
    rest: dict[str, Any] = {"spans": taken, "rule": rule, "sample_rate": sample_rate}
    return gather(source, times, size=size, fit=fit, **rest) if crops == 1 else three_crops(source, times, size, rest)


def standing_out(values: np.ndarray) -> np.ndarray:
    """Return how far values lie above their median, in median absolute deviations; 0 where all are alike."""
    middle = np.median(values)
    spread = np.median(np.abs(values - middle))
    if spread <= 0:
        spread = values.std()
    return np.zeros_like(values) if spread <= 0 or not math.isfinite(spread) else (values - middle) / spread


__all__ = ["MAX_CANDIDATES", "candidates", "covering", "highest", "standing_out", "take_chosen"]
