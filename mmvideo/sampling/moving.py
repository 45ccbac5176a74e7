"""Sampler `moving`: frames of the part of a video in which something moves, cut to the square around what moves.

For a camera that stands still: where it moves, everything moves, and the whole picture is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from mmvideo.errors import InvalidInput
from mmvideo.media.source import Source
from mmvideo.sampling.gather import SizeLike, TimeSpan, checked_count, gather, span_of
from mmvideo.types import Clips, Size

MOVING = "moving"
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of the picture's width and height."""
EVERYTHING: Box = (0.0, 0.0, 1.0, 1.0)
MARGIN = 0.15
"""Around the box, as a share of its larger side."""
_PREVIEW_FPS, _MOST_FRAMES, _PREVIEW_SIDE = 8.0, 64, 80
_LEAST, _SHARE = 4.0, 0.2
"""A place moves if its largest change is over so many grey levels and over this share of the picture's largest."""
_STILL, _ACTIVE = 0.002, 0.15
"""A moment is active if over this share of the places changes, and over this share of the most that ever changes."""
_EDGE = 0.02
"""Share of the moving places that may lie outside the box on each side."""
_SIDE = 224
_FEWEST = 12
"""Places that must move; where fewer do, the whole picture is taken."""


@dataclass(frozen=True)
class MovingPart:
    """Where and when something moves."""

    box: Box
    span: TimeSpan


def moving_part(source: Source, start_seconds: float | None = None, end_seconds: float | None = None) -> MovingPart:
    """Return the box around what changes between small frames, and the time from its first change to its last.

    Raises:
        InvalidInput: a span that holds nothing.
        NoVideoTrack: there is no moving picture.
    """
    span = span_of(source, start_seconds, end_seconds)
    main = source.info.main_video
    assert main is not None, "span_of has seen it"
    height, width = main.upright
    scale = min(1.0, _PREVIEW_SIDE / max(1, min(height, width)))
    size = Size(max(1, round(height * scale)), max(1, round(width * scale)))
    count = min(_MOST_FRAMES, max(4, round(span.seconds * _PREVIEW_FPS)))
    times = span.start_seconds + (np.arange(count) + 0.5) * span.seconds / count
    grey = source.frames_at(times.tolist(), size=size).frames.float().mean(1)  # (T, H, W)
    change = (grey[1:] - grey[:-1]).abs()
    return MovingPart(_box(change), _active(change, span, times))


def _box(change: Tensor) -> Box:
    """Return the box of places that move, from the change between neighbouring frames (T - 1, H, W)."""
    largest = F.avg_pool2d(change.amax(0)[None, None], 5, 1, 2)[0, 0]
    down, across = torch.where(largest > max(_LEAST, _SHARE * float(largest.max())))
    if len(down) < _FEWEST:
        return EVERYTHING
    height, width = largest.shape
    edges = torch.tensor([_EDGE, 1 - _EDGE])
    top, bottom = torch.quantile(down.float(), edges).tolist()
    left, right = torch.quantile(across.float(), edges).tolist()
    return left / width, top / height, (right + 1) / width, (bottom + 1) / height


def _active(change: Tensor, span: TimeSpan, times: np.ndarray) -> TimeSpan:
    """Return the span from the first moment of change to the last, at least half a second; all where nothing moves."""
    smooth = F.avg_pool2d(change[:, None], 5, 1, 2)[:, 0]
    share = (smooth > _LEAST).float().mean((1, 2)).numpy()
    active = np.flatnonzero(share > max(_STILL, _ACTIVE * float(share.max())))
    if not len(active):
        return span
    start, end = float(times[active[0]]), float(times[active[-1] + 1])
    lacking = max(0.0, 0.5 - (end - start)) / 2
    return TimeSpan(max(span.start_seconds, start - lacking), min(span.end_seconds, end + lacking))


def cut_square(frames: Tensor, box: Box, size: Size, *, margin: float = MARGIN) -> Tensor:
    """Cut the square around a box out of frames (T, 3, H, W), as far as the picture goes, and scale it.

    Args:
        margin: added on every side, as a share of the box's larger side.
    """
    height, width = frames.shape[2:]
    left, top, right, bottom = box[0] * width, box[1] * height, box[2] * width, box[3] * height
    side = max(right - left, bottom - top) * (1 + 2 * margin)
    across, down = min(width, max(1, round(side))), min(height, max(1, round(side)))
    x = min(max(0, round((left + right - across) / 2)), width - across)
    y = min(max(0, round((top + bottom - down) / 2)), height - down)
    return TF.resize(frames[..., y:y + down, x:x + across], [size.height, size.width], antialias=True)


def moving(source: Source, *, num_frames: int = 8, size: SizeLike = None, num_clips: int = 1, crops: int = 1,
           sample_rate: int | None = None, start_seconds: float | None = None, end_seconds: float | None = None
           ) -> Clips:
    """Take one clip, spread over the time in which something moves and cut to the square around it.

    Args:
        num_frames: T.
        size: pixels of the frames; None for 224.
        num_clips: 1.
        crops: 1.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Raises:
        InvalidInput: an option out of range, or a span that holds nothing.
        NoVideoTrack: there is no moving picture.
    """
    num_frames = check_one_clip(MOVING, num_frames, num_clips, crops)
    part = moving_part(source, start_seconds, end_seconds)
    return square_clip(source, part.span, part.box, num_frames=num_frames, size=size, sample_rate=sample_rate,
                       shows="what moves")


def check_one_clip(sampler: str, num_frames: int, num_clips: int, crops: int) -> int:
    """Return the number of frames of a sampler that takes one clip and one crop.

    Raises:
        InvalidInput: more clips or crops than one, or no number.
    """
    if checked_count("num_clips", num_clips) > 1 or checked_count("crops", crops) > 1:
        raise InvalidInput(f"The sampler {sampler} takes one clip and one crop of a video; leave num_clips and crops "
                           "out.")
    return checked_count("num_frames", num_frames)


def square_clip(source: Source, span: TimeSpan, box: Box, *, num_frames: int, size: SizeLike, sample_rate: int | None,
                shows: str, margin: float = MARGIN) -> Clips:
    """Take one clip, spread over a span and cut to the square around a box.

    Args:
        span: in seconds of the source's clock.
        box: left, top, right and bottom in shares of the picture.
        num_frames: T.
        size: pixels of the frames; None for 224.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        shows: what is in the box, for the rule that the clips keep.
        margin: added on every side, as a share of the box's larger side.

    Raises:
        NoVideoTrack: there is no moving picture.
    """
    times = span.start_seconds + (np.arange(num_frames) + 0.5) * span.seconds / num_frames
    found = gather(source, times[None], spans=[span], size=None, fit="crop", sample_rate=sample_rate,
                   rule=f"{num_frames} frames of {shows} in {span}")
    return replace(found, frames=cut_square(found.frames[0], box, square_size(size), margin=margin)[None])


def square_size(size: SizeLike) -> Size:
    """Return the size of a square clip; None is 224."""
    if size is None or isinstance(size, int):
        return Size(size or _SIDE, size or _SIDE)
    return size if isinstance(size, Size) else Size(*size)


__all__ = [
    "EVERYTHING",
    "MARGIN",
    "MOVING",
    "Box",
    "MovingPart",
    "check_one_clip",
    "cut_square",
    "moving",
    "moving_part",
    "square_clip",
    "square_size",
]
