"""Options of `mmvideo eval --data`."""

from __future__ import annotations

from dataclasses import dataclass

from mmvideo import checks
from mmvideo.labelled.rows import DataOptions


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(DataOptions):
    """How models are measured on labelled clips.

    Raises:
        InvalidInput: a number out of range.
    """

    split: str = "auto"
    """Rows that are measured: test, validation, train, all; auto takes test where the data have it, else all."""
    views: int = 0
    """Clips along time whose scores are averaged; 0 for the model's own number."""
    worst: int = 24
    """Clips shown in the report: those that the first model is surest about and wrong."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.whole("views", self.views, low=0, high=1000)
        checks.whole("worst", self.worst, low=0, high=1000)


__all__ = ["EvaluationOptions"]
