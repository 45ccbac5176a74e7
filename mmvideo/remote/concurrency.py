"""How many requests a server is sent at once: additive increase until its latency bends, multiplicative decrease."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mmvideo import deadline

START, MOST = 4, 64
BEND = 1.5
"""The latency has bent where it is this many times the lowest one that was seen."""
CUT = 0.6
"""What a bend leaves: so few that the lowest latency is seen again."""
_FORGET = 1.02
"""The lowest latency grows by so much with each look at it: clips grow longer, servers grow busier."""


class Concurrency:
    """The number of requests that may be under way, found out as they are answered. May be used from any thread.

    Doubles until the mean latency of as many requests as are allowed has bent, then adds one at a time; a bend leaves
    `CUT` of them, and a server that says it is overloaded half.

    Args:
        fixed: a number that is kept; None finds it out.
        most: never more.
    """

    def __init__(self, fixed: int | None = None, *, start: int = START, most: int = MOST):
        self.fixed, self.most = fixed, fixed or most
        self._limit = float(fixed or min(start, most))
        self._slow_start = True
        self._lowest: float | None = None
        self._seconds: list[float] = []
        self._since_cut = 0
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """Requests that may be under way now."""
        return int(self._limit)

    def answered(self, seconds: float) -> None:
        """Take in how long a request took that was answered."""
        with self._lock:
            self._since_cut += 1
            self._seconds.append(seconds)
            if self.fixed or len(self._seconds) < self.limit:
                return
            mean = sum(self._seconds) / len(self._seconds)
            self._seconds.clear()
            lowest = mean if self._lowest is None else min(mean, self._lowest * _FORGET)
            self._lowest = lowest
            if mean > BEND * lowest:
                self._slow_start = False
                self._limit = max(1.0, self._limit * CUT)
            else:
                self._limit = min(float(self.most), self._limit * 2 if self._slow_start else self._limit + 1)

    def overloaded(self) -> None:
        """Take in that the server asks for fewer; of the many that say so at the same time, the first counts."""
        with self._lock:
            if self.fixed or (self._since_cut < self.limit and not self._slow_start):
                return
            self._slow_start, self._since_cut = False, 0
            self._limit = max(1.0, self._limit / 2)
            self._seconds.clear()


class Pace:
    """When requests may begin: so many a minute, and none before the time that a server has named.

    Args:
        per_minute: most requests that begin in a minute, evenly spread; None for as many as come.
        clock, sleep: for tests.
    """

    def __init__(self, per_minute: float | None = None, *, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep):
        self.per_minute = per_minute
        self.clock, self._sleep = clock, sleep
        self._next = self._pause = float("-inf")
        self._lock = threading.Lock()

    def pause(self, seconds: float) -> None:
        """Let nothing begin for so long."""
        with self._lock:
            self._pause = max(self._pause, self.clock() + seconds)

    def wait(self) -> None:
        """Wait for the turn of a request.

        Raises:
            TimeLimitExceeded: the time limit around the call ends sooner.
        """
        with self._lock:
            turn = max(self.clock(), self._next, self._pause)
            if self.per_minute is not None:
                self._next = turn + 60.0 / self.per_minute
        self.rest(turn - self.clock())

    def rest(self, seconds: float) -> None:
        """Do nothing for so long.

        Raises:
            TimeLimitExceeded: the time limit around the call ends sooner; at once, as nothing would come of waiting.
        """
        limit = deadline.current()
        if limit is not None and limit.left < seconds:
            raise deadline.exceeded(limit.seconds, "waiting for the model's server")
        if seconds > 0:
            self._sleep(seconds)


__all__ = ["BEND", "MOST", "START", "Concurrency", "Pace"]
