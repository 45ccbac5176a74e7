"""How many frames a model is shown, where several limits hold at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmvideo import checks
from mmvideo.errors import InvalidInput

DEFAULT_FPS, DEFAULT_MOST = 1.0, 64
"""A frame a second, 64 at most, where neither the caller nor the model says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits on the frames of one video; all that are given hold together."""

    num_frames: int | None = None
    """Alone: so many, spread evenly. With `fps`: no more than so many."""
    fps: float | None = None
    """A frame every 1 / fps seconds."""
    max_frames: int | None = None
    """Never more than this."""
    max_tokens: int | None = None
    """Never so many frames that they take up more tokens than this."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "max_frames", "max_tokens"):
            value = getattr(self, name)
            if value is not None:
                checks.whole(name, value, low=1)
        if self.fps is not None:
            checks.number("fps", self.fps, above=0)

    def frames(self, seconds: float) -> int:
        """Return how many frames a span gets, before tokens are counted."""
        if self.fps is not None:
            count = max(1, math.ceil((seconds - 1e-6) * self.fps))
            limits = [self.num_frames, self.max_frames]
        else:
            count, limits = self.num_frames or DEFAULT_MOST, [self.max_frames]
        return min([count, *(limit for limit in limits if limit is not None)])

    def fewer(self, frames: int, tokens: int) -> int | None:
        """Return a smaller number of frames where so many took up too many tokens; None where they fit.

        Raises:
            InvalidInput: one frame alone takes up too many.
        """
        if self.max_tokens is None or tokens <= self.max_tokens:
            return None
        if frames == 1:
            raise InvalidInput(f"One frame takes up {tokens} tokens, more than max_tokens={self.max_tokens}; allow "
                               "more, or give size= to look at smaller frames.")
        return max(1, min(frames - 1, frames * self.max_tokens // tokens))


__all__ = ["DEFAULT_FPS", "DEFAULT_MOST", "Budget"]
