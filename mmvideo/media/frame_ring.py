"""A bounded buffer between a live source and its reader: newest frames win, nothing is queued without end."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from mmvideo import checks


@dataclass(frozen=True)
class TimedFrame:
    """A frame of a live source."""

    pixels: np.ndarray
    """uint8 (H, W, 3), RGB."""
    seconds: float
    """When it is shown, on the clock of the source."""
    arrived: float
    """When it could first be looked at, in seconds on the clock of the machine."""


class FrameRing:
    """The newest frames of a live source, thinned to a rate.

    The rule for late frames: a frame less than one interval after the last that was taken is thinned out and counts
    for nothing; of the others at most `keep` are held, and where one more comes the oldest goes. A frame that goes
    without having been looked at is counted in `dropped`.

    Args:
        keep: frames that are held at most.
        fps: frames a second that are taken; None takes all.
    """

    def __init__(self, keep: int, fps: float | None = None):
        self.keep = checks.whole("keep", keep, low=1)
        self.interval_seconds = 0.0 if fps is None else 1 / checks.number("fps", fps, above=0)
        self._frames: deque[TimedFrame] = deque()
        self._next_seconds: float | None = None
        self._new = 0
        self.received = 0
        """Frames that the source gave, thinned ones included."""
        self.taken = 0
        """Frames that were taken at the rate."""
        self.dropped = 0
        """Frames of these that nobody looked at."""

    def wants(self, seconds: float) -> bool:
        """Count a frame of the source and tell whether it is taken at the rate, so that others are not converted."""
        self.received += 1
        if self._next_seconds is None or seconds < self._next_seconds - 2 * self.interval_seconds:
            self._next_seconds = seconds  # the first one, or a source whose clock began anew
        if seconds < self._next_seconds - 1e-6:
            return False
        # The grid goes on from where it was, so that 30 frames a second are thinned to 20 and not to 15.
        behind = seconds - self._next_seconds
        self._next_seconds = (self._next_seconds if behind < self.interval_seconds else seconds) + self.interval_seconds
        return True

    def put(self, frame: TimedFrame) -> None:
        """Add the newest frame; where the ring is full the oldest goes."""
        self.taken += 1
        if len(self._frames) == self.keep:
            if self._new == self.keep:
                self.dropped += 1
                self._new -= 1
            self._frames.popleft()
        self._frames.append(frame)
        self._new += 1

    @property
    def has_new(self) -> bool:
        """Whether there is a frame that nobody looked at."""
        return self._new > 0

    def newest(self) -> TimedFrame:
        """Return the newest frame alone; the others that are held go."""
        self.dropped += self._new - 1
        frame = self._frames[-1]
        self._frames.clear()
        self._new = 0
        return frame

    def window(self) -> list[TimedFrame]:
        """Return all frames that are held, ascending; they stay, and count as looked at."""
        self._new = 0
        return list(self._frames)

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels that are held."""
        return sum(frame.pixels.nbytes for frame in self._frames)


__all__ = ["FrameRing", "TimedFrame"]
