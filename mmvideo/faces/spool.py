"""Rows of one shape that wait on disk, so that memory does not grow with the length of a video."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np


class Spool:
    """A temporary file of equal rows: written at its end, read anywhere, by any thread. Gone when nobody holds it.

    A copy (`copy`, `pickle`) is a file of its own with the same rows; while it is pickled the rows are in memory.

    Args:
        shape: of one row.
        dtype: of its values.
    """

    def __init__(self, shape: Sequence[int], dtype: np.typing.DTypeLike):
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self._file = tempfile.TemporaryFile(prefix="mmvideo-")  # noqa: SIM115
        self._row_bytes = int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize
        self._rows = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: np.ndarray) -> None:
        """Add rows (N, *shape) at the end."""
        rows = np.ascontiguousarray(rows, self.dtype)
        assert rows.shape[1:] == self.shape, (rows.shape, self.shape)
        with self._lock:
            self._file.seek(self._rows * self._row_bytes)
            self._file.write(rows.data if rows.size else b"")
            self._rows += len(rows)

    def read(self, start: int, end: int) -> np.ndarray:
        """Return rows start <= i < end, fewer at the end of the spool."""
        start, end = max(0, start), min(end, self._rows)
        count = max(0, end - start)
        with self._lock:
            self._file.seek(start * self._row_bytes)
            data = self._file.read(count * self._row_bytes)
        return np.frombuffer(bytearray(data), self.dtype).reshape(count, *self.shape)

    def __getstate__(self) -> dict[str, Any]:
        rows = len(self)
        return {"shape": self.shape, "dtype": self.dtype.str, "rows": self.read(0, rows) if rows else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, state["shape"], state["dtype"])
        if state["rows"] is not None:
            self.append(state["rows"])

    def close(self) -> None:
        """Delete the file; the spool is empty afterwards."""
        with self._lock:
            self._file.close()
            self._rows = 0


__all__ = ["Spool"]
