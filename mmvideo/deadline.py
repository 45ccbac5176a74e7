"""Time limits that work checks as it goes: `with deadline(30):` around it, `check()` wherever it may stop.

A limit belongs to the running thread (or asyncio task), and ends with its `with` block. Of several limits inside each
other the one that ends first counts. A generator must not hold one over a `yield`, as its caller would then run under
it: the consumer of a stream enters `within(limit)` for each piece.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mmvideo import checks
from mmvideo.errors import TimeLimitExceeded


class Deadline:
    """The moment at which work must be done.

    Args:
        seconds: the limit, as messages name it.
        spent: seconds of it that are used up already; negative for more time than the limit.

    Raises:
        InvalidInput: a limit that is no positive number.
    """

    def __init__(self, seconds: float, *, spent: float = 0.0):
        self.seconds = checks.number("timeout_seconds", seconds, above=0)
        self._end = time.monotonic() + self.seconds - spent

    @property
    def left(self) -> float:
        """Seconds until then; negative afterwards."""
        return self._end - time.monotonic()

    def before(self, other: Deadline) -> bool:
        """Say whether this one ends first."""
        return self._end < other._end


_LIMIT: ContextVar[Deadline | None] = ContextVar("mmvideo_deadline", default=None)
_STAGE: ContextVar[str] = ContextVar("mmvideo_stage", default="")


def checked(seconds: float | None) -> float | None:
    """Return a limit in seconds as a float; None means no limit.

    Raises:
        InvalidInput: no positive number.
    """
    return None if seconds is None else checks.number("timeout_seconds", seconds, above=0)


def current() -> Deadline | None:
    """Return the limit that counts here."""
    return _LIMIT.get()


@contextmanager
def within(limit: Deadline | None) -> Iterator[None]:
    """Hold work to a limit that has begun, or to the one around it if that ends first; None adds none."""
    around = _LIMIT.get()
    first = around if limit is None or (around is not None and around.before(limit)) else limit
    token = _LIMIT.set(first)
    try:
        yield
    finally:
        _LIMIT.reset(token)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Hold work to so many seconds from now on; None sets no limit.

    Raises:
        InvalidInput: no positive number.
        TimeLimitExceeded: by `check`, in the work.
    """
    with within(None if seconds is None else Deadline(seconds)):
        yield


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Name the stage that runs, for the message; nothing of it begins once the time is over."""
    token = _STAGE.set(name)
    try:
        check()
        yield
    finally:
        _STAGE.reset(token)


def check() -> None:
    """Stop here if the time is over; costs well below a microsecond.

    Raises:
        TimeLimitExceeded: it is; the message names the limit, the stage, and what to change.
    """
    limit = _LIMIT.get()
    if limit is not None and limit.left <= 0:
        raise exceeded(limit.seconds, _STAGE.get())


def exceeded(seconds: float, stage: str = "") -> TimeLimitExceeded:
    """Return the error of a limit of so many seconds that was over in a stage."""
    where = f" in the stage {stage!r}" if stage else ""
    return TimeLimitExceeded(
        f"The time limit of {seconds:g} s was over{where}. Raise it (timeout_seconds, --timeout), or ask for less: "
        "fewer frames or windows, a shorter reply (max_new_tokens), a shorter clip.", seconds=seconds, stage=stage)


__all__ = ["Deadline", "check", "checked", "current", "deadline", "exceeded", "stage", "within"]
