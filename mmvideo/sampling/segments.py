"""Several clips that each span the whole source, a frame from every part of it (TSN, Wang et al. 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmvideo.media.convert import Fit
from mmvideo.media.source import Source
from mmvideo.sampling.dense import check_views, three_crops
from mmvideo.sampling.gather import SizeLike, gather, span_of
from mmvideo.types import Clips
from mmvideo.wording import plural


def segments(source: Source, *, num_clips: int = 1, num_frames: int = 8, crops: int = 1, size: SizeLike = None,
             fit: Fit = "crop", sample_rate: int | None = None, start_seconds: float | None = None,
             end_seconds: float | None = None) -> Clips:
    """Divide the span into T equal parts and take one frame of each part for every clip.

    One clip takes the centres of the parts, as `uniform` does; of several, clip k takes what lies (k + 1/2) / num_clips
    into each part.

    Args:
        num_clips: clips, each over the whole span.
        num_frames: T; where the source has fewer frames, some repeat and are marked as not valid.
        crops: 1 (the centre, or as `fit` says) or 3 along the longer side (needs `size`).
        size: pixels of the frames; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``; three crops are always ``crop``.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Returns:
        Clips (num_clips * crops, T, C, H, W), the crops of a clip beside each other, sound (num_clips * crops, S).

    Raises:
        InvalidInput: an option out of range, or a span that holds nothing.
        NoVideoTrack: the source has no moving picture.
    """
    num_clips, num_frames, crops = check_views(num_clips, num_frames, crops, size)
    span = span_of(source, start_seconds, end_seconds)
    into = (np.arange(num_clips)[:, None] + 0.5) / num_clips
    times = span.start_seconds + (np.arange(num_frames) + into) * span.seconds / num_frames
    rule = f"{plural(num_clips, 'clip')} of {plural(num_frames, 'frame')}, each spread evenly over {span}"
    rest: dict[str, Any] = {"spans": [span] * num_clips, "rule": rule, "sample_rate": sample_rate}
    if crops == 1:
        return gather(source, times, size=size, fit=fit, **rest)
    return three_crops(source, times, size, rest)
