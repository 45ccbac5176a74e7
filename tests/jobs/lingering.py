"""An encoder that never comes to an end with black clips, in small steps as large networks do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo import media, registry
from mmvideo.deadline import check
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.types import Features


class Lingering(ToyboxAV):
    """`ToyboxAV`, but for black clips."""

    def forward(self, frames: Tensor, *given: Any, **more: Any) -> Features:
        while bool((frames.flatten(1).amax(1) < 20).any()):
            time.sleep(0.02)
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


__all__ = ["Lingering", "black", "lingering"]
