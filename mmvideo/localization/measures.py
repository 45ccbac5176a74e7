"""Average precision of spans of time, as ActivityNet and THUMOS count it.

The rules are those of ActivityNet's evaluation (eval_detection.py): predictions of a label, of all films, are taken by
falling score; each is right if it overlaps a true span of its film, not taken yet, by the threshold or more, the one
that it overlaps most first; precision is made to fall with recall and summed over the steps of recall.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.localization.spans import LocatedSpan, tiou
from mmvideo.types import Segment

THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
"""tIoU of THUMOS14's evaluation."""


@dataclass(frozen=True)
class LocalizationScore:
    """Mean average precision."""

    by_threshold: Mapping[float, float]
    """tIoU -> mean over the labels."""
    by_label: Mapping[str, Mapping[float, float]]
    """Label -> tIoU -> average precision."""

    @property
    def mean(self) -> float:
        """Mean over the thresholds."""
        return sum(self.by_threshold.values()) / len(self.by_threshold)


def localization_score(truth: Mapping[str, Sequence[Segment]], found: Mapping[str, Sequence[LocatedSpan]],
                       thresholds: Sequence[float] = THRESHOLDS) -> LocalizationScore:
    """Return the mean average precision over the labels that occur in the truth.

    Args:
        truth: film -> its true spans; text is the label.
        found: film -> spans with scores. Films without an entry have none.
        thresholds: tIoU.

    Raises:
        InvalidInput: no true span at all, a span that ends before it starts, or a film without truth.
    """
    for threshold in thresholds:
        checks.number("threshold", threshold, above=0, high=1)
    check_spans(truth)
    labels = sorted({one.text for spans in truth.values() for one in spans})
    if not labels:
        raise InvalidInput("There is no true span, so nothing can be measured; give films with annotations.")
    if unknown := sorted(set(found) - set(truth)):
        raise InvalidInput(f"Spans were found in {unknown[0]!r}, of which there is no truth; give an empty list for a "
                           "film in which nothing happens.")
    by_label = {label: label_precision(truth, found, label, thresholds) for label in labels}
    return LocalizationScore({at: float(np.mean([by_label[label][at] for label in labels])) for at in thresholds},
                             by_label)


def check_spans(truth: Mapping[str, Sequence[Segment]]) -> None:
    """Refuse annotations that end before they start.

    Raises:
        InvalidInput: one does.
    """
    for film, spans in truth.items():
        for one in spans:
            if not one.end_seconds > one.start_seconds:
                raise InvalidInput(f"The annotation {one.text!r} of {film} ends at {one.end_seconds:g} s and starts at "
                                   f"{one.start_seconds:g} s; an end must lie after its start.")


def label_precision(truth: Mapping[str, Sequence[Segment]], found: Mapping[str, Sequence[LocatedSpan]], label: str,
                      thresholds: Sequence[float]) -> dict[float, float]:
    """Return tIoU -> average precision of one label."""
    real = {film: np.array([(one.start_seconds, one.end_seconds) for one in spans if one.text == label]).reshape(-1, 2)
            for film, spans in truth.items()}
    count = sum(map(len, real.values()))
    rows = [(one.score, film, one) for film, spans in found.items() for one in spans if one.label == label]
    rows.sort(key=lambda row: -row[0])
    taken: dict[float, dict[str, set[int]]] = {at: defaultdict(set) for at in thresholds}
    right = {at: np.zeros(len(rows)) for at in thresholds}
    for number, (_, film, one) in enumerate(rows):
        overlap = tiou(np.array([one.start_seconds, one.end_seconds]), real[film])
        order = overlap.argsort()[::-1]
        for at in thresholds:
            best = next((k for k in order.tolist() if overlap[k] < at or k not in taken[at][film]), None)
            if best is not None and overlap[best] >= at:
                taken[at][film].add(best)
                right[at][number] = 1
    return {at: interpolated_precision(right[at], count) for at in thresholds}


def interpolated_precision(right: np.ndarray, count: int) -> float:
    """Return the area below the curve of precision, made to fall, over recall.

    Args:
        right: 0 or 1 of each prediction, by falling score.
        count: how many there are to be found.
    """
    if not len(right) or not count:
        return 0.0
    hits = right.cumsum()
    recall = np.concatenate(([0.0], hits / count, [1.0]))
    precision = np.concatenate(([0.0], hits / np.arange(1, len(right) + 1), [0.0]))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return float(((recall[steps] - recall[steps - 1]) * precision[steps]).sum())


__all__ = [
    "THRESHOLDS",
    "LocalizationScore",
    "check_spans",
    "interpolated_precision",
    "label_precision",
    "localization_score",
]
