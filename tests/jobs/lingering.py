"""An encoder that never comes to an end with black clips; its time passes at once, so that no test waits for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo import media, registry
from mmvideo.deadline import check, current
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.types import Features

LEFT: list[float] = []
"""Seconds that each call on black clips was given."""


class Lingering(ToyboxAV):
    """`ToyboxAV`, but for black clips."""

    def forward(self, frames: Tensor, *given: Any, **more: Any) -> Features:
        while bool((frames.flatten(1).amax(1) < 20).any()):
            limit = current()
            assert limit is not None, "networks of a job run under its limit"
            LEFT.append(limit.left)
            limit._end -= max(0.0, limit.left)
            check()
        return super().forward(frames, *given, **more)


@contextlib.contextmanager
def lingering() -> Iterator[None]:
    """Let recipes encode with `Lingering`, here and in other processes."""
    before = registry.PARTS["encoders"]["toybox-av"]
    registry.PARTS["encoders"]["toybox-av"] = "lingering:Lingering"
    registry._table.cache_clear()
    try:
        yield
    finally:
        registry.PARTS["encoders"]["toybox-av"] = before
        registry._table.cache_clear()


def black(path: Path) -> Path:
    """Write a black clip of the size and length of the others."""
    with media.open_source(path.parent / "good-1.mp4") as other:
        frames = torch.zeros_like(next(other.stream(batch=64)).frames)
    media.write_video(path, frames, fps=10)
    return path


__all__ = ["LEFT", "Lingering", "black", "lingering"]
