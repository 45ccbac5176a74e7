"""A baseline for localisation: how likely each step belongs to a label, and runs of likely steps grouped into spans.

Temporal actionness grouping, Xiong et al. 2017, "A pursuit of temporal accuracy in general activity detection"
(https://arxiv.org/abs/1703.02716), used by SSN: at every threshold, likely runs absorb what lies between them as long
as most of the whole is likely; equal groups are merged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo import checks
from mmvideo.localization.spans import LocatedSpan, soft_nms
from mmvideo.nn.pretrained import Pretrained

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Thresholds at which steps count as likely."""
TOLERANCES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Least shares of likely steps in a group."""


def likely_runs(shares: np.ndarray, level: float) -> list[tuple[int, int]]:
    """Return the half-open runs of steps whose share is `level` or more."""
    inside = np.concatenate(([0], (shares >= level).astype(int), [0]))
    change = np.diff(inside)
    return list(zip(np.flatnonzero(change == 1).tolist(), np.flatnonzero(change == -1).tolist(), strict=True))


def grouped(runs: Sequence[tuple[int, int]], tolerance: float) -> list[tuple[int, int]]:
    """Return for each run the longest group that begins with it and of which so large a share is likely."""
    found = []
    for first in range(len(runs)):
        start, end, likely = runs[first][0], runs[first][1], runs[first][1] - runs[first][0]
        for later_start, later_end in runs[first + 1:]:
            likely += later_end - later_start
            if likely / (later_end - start) < tolerance:
                break
            end = later_end
        found.append((start, end))
    return found


def actionness_groups(shares: np.ndarray, *, levels: Sequence[float] = LEVELS, tolerances: Sequence[float] = TOLERANCES,
                      overlap: float = 0.95) -> list[tuple[int, int]]:
    """Return the different groups at all levels and tolerances, as half-open spans of steps.

    Args:
        shares: float (T,), how likely each step is.
        overlap: tIoU from which two groups are one.
    """
    spans = sorted({span for level in levels for tolerance in tolerances
                    for span in grouped(likely_runs(shares, level), tolerance)})
    kept: list[tuple[int, int]] = []
    for start, end in spans:
        if not any(min(end, e) - max(start, s) >= overlap * (max(end, e) - min(start, s)) for s, e in kept):
            kept.append((start, end))
    return kept


class StepClassifier(Pretrained):
    """Two convolutions over time that say how likely each step belongs to each label.

    Args:
        dim: D of the features.
        num_classes: labels.
        width: between the convolutions.
    """

    def __init__(self, *, dim: int, num_classes: int, width: int = 64):
        super().__init__()
        checks.whole("num_classes", num_classes, low=1)
        self.config = {"dim": dim, "num_classes": num_classes, "width": width}
        self.narrow = nn.Linear(dim, width)
        self.conv = nn.Conv1d(width, width, 3, padding=1)
        self.head = nn.Conv1d(width, num_classes, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, T, D) to logits (B, T, classes)."""
        x = F.relu(self.narrow(features)).transpose(1, 2)
        return self.head(F.relu(self.conv(x))).transpose(1, 2)


def grouped_spans(shares: np.ndarray, labels: Sequence[str], *, start_seconds: float, step_seconds: float,
                  least: float = 0.05) -> list[LocatedSpan]:
    """Return spans of every label from its shares: the mean inside less that of as much around it (SSN's contrast).

    Args:
        shares: float (T, labels).
        start_seconds, step_seconds: clock of the steps.
        least: lowest score.
    """
    found = []
    for column, label in enumerate(labels):
        row = shares[:, column]
        for start, end in actionness_groups(row):
            margin = max(1, (end - start) // 2)
            around = np.concatenate((row[max(0, start - margin):start], row[end:end + margin]))
            score = float(row[start:end].mean() - (around.mean() / 2 if len(around) else 0.0))
            if score >= least:
                first, last = start_seconds + start * step_seconds, start_seconds + end * step_seconds
                found.append(LocatedSpan(first, last, label, min(score, 1.0), "action"))
    return soft_nms(found, least=least)


__all__ = ["LEVELS", "TOLERANCES", "StepClassifier", "actionness_groups", "grouped", "grouped_spans", "likely_runs"]
