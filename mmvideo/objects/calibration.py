"""From scores to probabilities: a line through the logit of the score (Platt scaling), fitted on checked boxes.

Platt 1999, "Probabilistic outputs for support vector machines".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_LEAST = 1e-6
Bin = tuple[float, float, int]
"""Mean confidence, share of right answers, and how many there are."""


def calibrated(score: float, line: Sequence[float]) -> float:
    """Return the probability that a detection with this score is right.

    Args:
        line: scale and offset of the score's logit.
    """
    score = min(max(score, _LEAST), 1 - _LEAST)
    return 1 / (1 + math.exp(-(line[0] * math.log(score / (1 - score)) + line[1])))


def fitted(scores: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Return scale and offset that make the right answers likeliest, with Platt's smoothed targets.

    Args:
        scores: float (N,) in [0, 1].
        right: bool (N,), whether each detection is right.
    """
    clipped = np.clip(scores, _LEAST, 1 - _LEAST)
    x = np.stack((np.log(clipped / (1 - clipped)), np.ones(len(scores))), 1)
    positive = int(right.sum())
    target = np.where(right, (positive + 1) / (positive + 2), 1 / (len(right) - positive + 2))
    line = np.array([1.0, 0.0])
    for _ in range(50):  # Newton's method on a convex function
        p = 1 / (1 + np.exp(-x @ line))
        gradient = x.T @ (p - target)
        step = np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + 1e-6 * np.eye(2), gradient)
        line -= step
        if np.abs(step).max() < 1e-9:
            break
    return float(line[0]), float(line[1])


def reliability(confidences: np.ndarray, right: np.ndarray, bins: int = 10) -> tuple[list[Bin], float]:
    """Return each occupied bin of confidence, and the calibration error.

    The error (ECE) is the mean over detections of the difference between both in their bin.
    """
    places = np.minimum((confidences * bins).astype(int), bins - 1)
    rows = [(float(confidences[places == k].mean()), float(right[places == k].mean()), int((places == k).sum()))
            for k in range(bins) if (places == k).any()]
    return rows, sum(abs(mean - share) * count for mean, share, count in rows) / max(1, len(confidences))


__all__ = ["Bin", "calibrated", "fitted", "reliability"]
