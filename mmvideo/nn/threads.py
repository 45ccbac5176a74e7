"""How many threads torch uses for one operation, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[bool]:
    """Let torch compute every operation with one thread; small networks are no faster with several.

    Yields:
        Whether there were several, so that the caller may use threads of its own instead. In a process that was told to
        use one, as a job's workers are, it should not.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before > 1
    finally:
        torch.set_num_threads(before)


__all__ = ["one_thread"]
