"""Work that goes on in a thread beside the search for faces: decoding ahead, and the points of faces found before."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Any, TypeVar

import numpy as np

from mmvideo.faces.align import EVERY, Aligner, Found
from mmvideo.faces.record import Record

_ASTRAY = 0.5
"""Points that are further from the latest box than this share of its side are not followed."""
_MOST_WAITING = 24
"""Frames whose points may still be looked for; each holds its picture."""
T = TypeVar("T")


def read_ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items of an iterator, making the next one in a thread meanwhile; its errors are raised here."""
    left, over = iter(items), object()

    def make() -> Any:
        return next(left, over)

    with ThreadPoolExecutor(1, "decode") as pool:
        coming = pool.submit(copy_context().run, make)
        while (item := coming.result()) is not over:
            coming = pool.submit(copy_context().run, make)
            yield item


class PointsSeeker:
    """Looks for the points of faces, frame after frame.

    The next frame's points are looked for where the last ones were, so the order is kept; with a thread, the caller
    goes on meanwhile and takes the points with `settle`. What is found does not depend on the threads.

    Args:
        aligner: finds the points.
        threaded: look in a thread.
    """

    def __init__(self, aligner: Aligner, *, threaded: bool):
        self._aligner = aligner
        self._pool = ThreadPoolExecutor(1, "points") if threaded else None
        self._waiting: deque[tuple[float, Future[None]]] = deque()
        self._found: deque[tuple[float, Record, Found]] = deque()

    def __enter__(self) -> PointsSeeker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
                 ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def look(self, seconds: float, picture: np.ndarray, asked: Sequence[tuple[Record, np.ndarray]]) -> None:
        """Look for the points of some faces.

        Args:
            picture: uint8 (H, W, 3) RGB, not to be changed any more.
            asked: each face and its region by the detector, (4,): centre x, y, side and roll.
        """
        if not asked:
            return
        if self._pool is None:
            self._look(seconds, picture, asked)
            return
        self._waiting.append((seconds, self._pool.submit(self._look, seconds, picture, asked)))
        if len(self._waiting) > _MOST_WAITING:
            self._waiting.popleft()[1].result()

    def _look(self, seconds: float, picture: np.ndarray, asked: Sequence[tuple[Record, np.ndarray]]) -> None:
        regions = [_followed(record, region, seconds) for record, region in asked]
        for (record, _), found in zip(asked, self._aligner(picture, regions), strict=True):
            if found is not None:
                record.points_region, record.points_seconds = found[1], seconds
                self._found.append((seconds, record, found))

    def settle(self, until: float) -> None:
        """Give the faces the points of all frames up to a time, waiting for them where need be."""
        while self._waiting and self._waiting[0][0] <= until:
            self._waiting.popleft()[1].result()
        while self._found and self._found[0][0] <= until:
            seconds, record, (pose, _) = self._found.popleft()
            record.poses.add(seconds, pose)


def _followed(record: Record, region: np.ndarray, seconds: float) -> np.ndarray:
    """Return where a face is by its last points if they are late enough and not astray, else the detector's region."""
    known = record.points_region
    if record.path.fixed or known is None or seconds - record.points_seconds > 2 * EVERY:
        return region
    return known if np.abs(known[:2] - region[:2]).max() < _ASTRAY * region[2] else region


__all__ = ["PointsSeeker", "read_ahead"]
