"""Frames at a steady rate, however the source is timed."""

from __future__ import annotations

import math

import numpy as np

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.media.convert import Fit
from mmvideo.media.decoder import EPSILON_SECONDS
from mmvideo.media.source import Source
from mmvideo.sampling.gather import MOST_FRAMES, SizeLike, checked_count, gather, span_of
from mmvideo.types import Clips
from mmvideo.wording import plural

_FEW, _REPEATS = 1000, 4
"""More frames than the first are not taken of a source in which each would be shown more often than the second."""


def at_fps(source: Source, *, fps: float = 2.0, max_frames: int | None = None, size: SizeLike = None,
           fit: Fit = "crop", sample_rate: int | None = None, start_seconds: float | None = None,
           end_seconds: float | None = None) -> Clips:
    """Take the frame shown every 1/fps seconds, thinned evenly if that is more than `max_frames`.

    Args:
        fps: frames looked at per second; above the source's own rate frames repeat and are marked as not valid.
        max_frames: most frames; None sets no limit.
        size: pixels of the frames; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Returns:
        One clip, frames (1, T, C, H, W) with T from the length of the span, sound (1, S) of the whole span.

    Raises:
        InvalidInput: an option out of range, or a span that holds nothing.
        NoVideoTrack: the source has no moving picture.
    """
    fps = checks.number("fps", fps, above=0, high=1e6)
    span = span_of(source, start_seconds, end_seconds)
    num_ticks = max(1, math.ceil(min((span.seconds - EPSILON_SECONDS) * fps, 1e15)))
    rule = f"a frame every {1 / fps:.4g} s of {span}"
    ticks = None
    if num_ticks > _FEW and source.holds_fewer_frames(num_ticks // _REPEATS):
        shown = source.frame_times()
        inside = shown[(shown >= span.start_seconds) & (shown < span.end_seconds)]
        ticks = np.unique(np.append(0, np.ceil((inside - span.start_seconds) * fps - EPSILON_SECONDS)))
        ticks = ticks[ticks < num_ticks]
        rule += f", without those that show the same frame again: {plural(len(ticks), 'frame')}"
    found = num_ticks if ticks is None else len(ticks)
    if max_frames is not None and found > checked_count("max_frames", max_frames):
        kept = np.floor((np.arange(int(max_frames)) + 0.5) * found / int(max_frames))
        ticks = kept if ticks is None else ticks[kept.astype(int)]
        rule += f", thinned evenly from {found} to {plural(int(max_frames), 'frame')}"
    elif ticks is None:
        if num_ticks > MOST_FRAMES:
            raise InvalidInput(f"{span} at {fps:g} fps are {num_ticks} frames; set max_frames.")
        ticks = np.arange(num_ticks)
    times = span.start_seconds + ticks / fps
    return gather(source, times[None], spans=[span], rule=rule, size=size, fit=fit, sample_rate=sample_rate)
