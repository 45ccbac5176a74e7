"""Spans of time with a label and a score: overlap, non-maximum suppression, joining."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmvideo import checks

METHODS = ("hard", "linear", "gaussian")
"""How a score falls with the overlap: to 0 above a threshold, by 1 - tIoU above it, by exp(-tIoU^2 / sigma)."""


@dataclass(frozen=True)
class LocatedSpan:
    """A half-open span of time in which something happens."""

    start_seconds: float
    end_seconds: float
    label: str
    score: float
    """In [0, 1]."""
    kind: str = ""
    """Where the label comes from, as "sound" (`mmvideo.localization.everyday_spans.KINDS`); "action" for a trained
    localiser, "phrase" for a model that reads labels."""


def tiou(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the temporal intersection over union of one span (2,) with others (N, 2), in seconds: float (N,).

    Two spans without any length overlap by 0, wherever they are.
    """
    inner = np.minimum(one[1], others[:, 1]) - np.maximum(one[0], others[:, 0])
    inner = np.maximum(inner, 0.0)
    union = (one[1] - one[0]) + (others[:, 1] - others[:, 0]) - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)


def soft_nms(spans: Sequence[LocatedSpan], *, method: str = "gaussian", sigma: float = 0.5, threshold: float = 0.5,
             least: float = 0.001, most: int | None = None) -> list[LocatedSpan]:
    """Lower the scores of spans that overlap a better one of their label (Bodla et al. 2017, Soft-NMS).

    Args:
        spans: in any order.
        method: one of METHODS.
        sigma: of the gaussian.
        threshold: tIoU above which "hard" drops a span and "linear" lowers its score.
        least: spans whose score falls below it are dropped.
        most: how many are kept at most; None for all.

    Returns:
        Spans with their new scores, the best first.

    Raises:
        InvalidInput: no such method, or a number out of range.
    """
    checks.one_of("method", method, METHODS)
    checks.number("sigma", sigma, above=0, high=1e6)
    checks.number("threshold", threshold, low=0, high=1)
    kept: list[LocatedSpan] = []
    for label in dict.fromkeys(one.label for one in spans):
        mine = [one for one in spans if one.label == label]
        times = np.array([(one.start_seconds, one.end_seconds) for one in mine])
        scores = np.array([one.score for one in mine], dtype=np.float64)
        left = np.arange(len(mine))
        while len(left):
            best = left[scores[left].argmax()]
            if scores[best] < least:
                break
            kept.append(replace(mine[best], score=float(scores[best])))
            left = left[left != best]
            if len(left):
                scores[left] *= _decay(tiou(times[best], times[left]), method, sigma, threshold)
    kept.sort(key=lambda one: (-one.score, one.start_seconds, one.label))
    return kept if most is None else kept[:most]


def _decay(overlap: np.ndarray, method: str, sigma: float, threshold: float) -> np.ndarray:
    if method == "gaussian":
        return np.exp(-overlap**2 / sigma)
    return np.where(overlap > threshold, 0.0 if method == "hard" else 1 - overlap, 1.0)


def joined_spans(spans: Sequence[LocatedSpan], gap: float) -> list[LocatedSpan]:
    """Join spans of one kind and label that overlap or are less than `gap` seconds apart; the highest score counts."""
    found: dict[tuple[str, str], list[LocatedSpan]] = {}
    for one in sorted(spans, key=lambda span: span.start_seconds):
        row = found.setdefault((one.kind, one.label), [])
        if row and one.start_seconds - row[-1].end_seconds <= gap:
            row[-1] = replace(row[-1], end_seconds=max(row[-1].end_seconds, one.end_seconds),
                              score=max(row[-1].score, one.score))
        else:
            row.append(one)
    return in_order(span for row in found.values() for span in row)


def in_order(spans: Iterable[LocatedSpan]) -> list[LocatedSpan]:
    """Return spans by their start, then their end, kind and label."""
    return sorted(spans, key=lambda one: (one.start_seconds, one.end_seconds, one.kind, one.label))


__all__ = ["METHODS", "LocatedSpan", "in_order", "joined_spans", "soft_nms", "tiou"]
