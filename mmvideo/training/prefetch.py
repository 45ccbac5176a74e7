"""Batches made one step ahead, in a thread, while the network computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def ahead(make: Callable[[int], Any], first: int, last: int) -> Iterator[tuple[int, Any]]:
    """Yield (step, make(step)) for first <= step < last, making the next one in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, first) if first < last else None
        for step in range(first, last):
            batch = coming.result()
            coming = pool.submit(make, step + 1) if step + 1 < last else None
            yield step, batch


__all__ = ["ahead"]
