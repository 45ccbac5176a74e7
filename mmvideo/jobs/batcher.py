"""Decoded clips grouped by shape into batches."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from mmvideo.jobs.partition import Array, Decoded, Packed
from mmvideo.jobs.pool import Task

STALE_SECONDS = 2.0
"""A clip waits no longer than this for others of its shape."""


@dataclass(frozen=True)
class Ready:
    """A decoded clip."""

    task: Task
    content: str
    stamp: str
    decoded: Decoded
    since: float = field(default_factory=time.monotonic)

    @property
    def rows(self) -> int:
        """Rows that the networks see of it."""
        if self.decoded.bucket is not None:
            return 1
        return max((len(values) for values in _arrays(self.decoded.fields) if values.ndim > 3), default=1)

    @property
    def shape(self) -> tuple:
        """What must be equal in a batch: shapes of the pictures but for the number of rows."""
        if self.decoded.bucket is not None:
            return self.decoded.bucket
        return tuple(values.shape[1:] for values in _arrays(self.decoded.fields) if values.ndim > 3)


def _arrays(value: Any) -> list[Any]:
    if isinstance(value, Array):
        return [value.values]
    if isinstance(value, Packed):
        value = value.fields
    if isinstance(value, dict):
        return [array for item in value.values() for array in _arrays(item)]
    if isinstance(value, list | tuple):
        return [array for item in value for array in _arrays(item)]
    return []


class Buckets:
    """Decoded clips by shape.

    Args:
        size: rows that make a batch.
    """

    def __init__(self, size: int):
        self.size = size
        self._kept: dict[tuple, list[Ready]] = {}

    def __len__(self) -> int:
        return sum(len(kept) for kept in self._kept.values())

    def add(self, one: Ready) -> None:
        """Put a clip beside those of its shape; a suspect is never put beside others by whoever takes it."""
        self._kept.setdefault(one.shape, []).append(one)

    def full(self) -> list[Ready]:
        """Take a batch that has its rows; an empty list if there is none."""
        for shape, kept in self._kept.items():
            rows = 0
            for number, one in enumerate(kept, 1):
                rows += one.rows
                if rows >= self.size:
                    return self._take(shape, number)
        return []

    def stale(self) -> list[Ready]:
        """Take the batch whose first clip has waited too long.

        Never one for a costly model: filling a batch up costs it more than waiting, while there is more to decode.
        """
        now = time.monotonic()
        for shape, kept in self._kept.items():
            if kept and kept[0].decoded.bucket is None and now - kept[0].since > STALE_SECONDS:
                return self._take(shape, len(kept))
        return []

    def any(self) -> list[Ready]:
        """Take whatever there is."""
        shape = next((shape for shape, kept in self._kept.items() if kept), None)
        return [] if shape is None else self._take(shape, len(self._kept[shape]))

    def _take(self, shape: tuple, count: int) -> list[Ready]:
        kept = self._kept[shape]
        taken, self._kept[shape] = kept[:count], kept[count:]
        if not self._kept[shape]:
            del self._kept[shape]
        return taken


__all__ = ["STALE_SECONDS", "Buckets", "Ready"]
