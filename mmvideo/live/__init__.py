"""Pipelines on live sources: a camera, a network stream, a file in real time.

Names are imported on first use: the command line reads `mmvideo.live.options`, which needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmvideo.live.stream import LiveResult, LiveStream


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mmvideo.live import stream

    return getattr(stream, name)


__all__ = ["LiveResult", "LiveStream"]
