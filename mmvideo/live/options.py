"""Options of a live stream; the command `mmvideo live` has the same."""

from __future__ import annotations

from dataclasses import dataclass

from mmvideo import checks


@dataclass(frozen=True, kw_only=True)
class LiveOptions:
    """How a live source is looked at."""

    every_seconds: float | None = None
    """Least time between the beginnings of two looks, in seconds of the source.

    None: a causal classifier takes frames at the rate of its training, everything else begins again at once.
    """
    window_seconds: float = 8.0
    """Seconds that a look goes back, for models that need a span of time."""
    window_frames: int = 64
    """Most frames of such a window; a chat model gets the last ones of this number (4 as in SimpleStream)."""
    stall_seconds: float = 10.0
    """Longest time without a frame before the stream counts as stalled, an error."""
    max_seconds: float | None = None
    """Seconds of the source after which the iteration ends; None goes on until the source ends."""

    def __post_init__(self) -> None:
        for name in ("every_seconds", "max_seconds"):
            if getattr(self, name) is not None:
                checks.number(name, getattr(self, name), above=0)
        checks.number("window_seconds", self.window_seconds, above=0, high=600)
        checks.number("stall_seconds", self.stall_seconds, above=0)
        checks.whole("window_frames", self.window_frames, low=1, high=1024)


__all__ = ["LiveOptions"]
