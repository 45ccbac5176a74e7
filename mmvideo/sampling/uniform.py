"""Frames spread evenly over the whole span (TSN's test-time sampling, Wang et al. 2016)."""

from __future__ import annotations

import numpy as np

from mmvideo.media.convert import Fit
from mmvideo.media.source import Source
from mmvideo.sampling.gather import SizeLike, checked_count, gather, span_of
from mmvideo.types import Clips


def uniform(source: Source, *, num_frames: int = 16, size: SizeLike = None, fit: Fit = "crop",
            sample_rate: int | None = None, start_seconds: float | None = None,
            end_seconds: float | None = None) -> Clips:
    """Take the frames shown at the centres of `num_frames` equal parts of the span.

    Args:
        num_frames: T; where the source has fewer frames, some repeat and are marked as not valid.
        size: pixels of the frames; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Returns:
        One clip, frames (1, T, C, H, W), sound (1, S) of the whole span.

    Raises:
        InvalidInput: an option out of range, or a span that holds nothing.
        NoVideoTrack: the source has no moving picture.
    """
    num_frames = checked_count("num_frames", num_frames)
    span = span_of(source, start_seconds, end_seconds)
    times = span.start_seconds + (np.arange(num_frames) + 0.5) * span.seconds / num_frames
    rule = (f"1 frame at the centre of {span}" if num_frames == 1 else
            f"{num_frames} frames at the centres of {num_frames} equal parts of {span}")
    return gather(source, times[None], spans=[span], rule=rule, size=size, fit=fit, sample_rate=sample_rate)
