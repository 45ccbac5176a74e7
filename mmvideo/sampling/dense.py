"""Several clips of neighbouring frames, each cut in one or three places (Non-local networks, Wang et al. 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmvideo import checks
from mmvideo.errors import BudgetExceeded, InvalidInput
from mmvideo.media.convert import MAX_SIDE, Fit, Geometry, check_size
from mmvideo.media.decoder import EPSILON_SECONDS
from mmvideo.media.source import Source
from mmvideo.sampling.gather import MOST_FRAMES, PADDING, SizeLike, TimeSpan, checked_count, gather, span_of
from mmvideo.types import Clips
from mmvideo.wording import plural


def dense(source: Source, *, num_clips: int = 10, num_frames: int = 16, stride_frames: int | None = None,
          clip_seconds: float | None = None, crops: int = 1, size: SizeLike = None, fit: Fit = "crop",
          sample_rate: int | None = None, start_seconds: float | None = None,
          end_seconds: float | None = None) -> Clips:
    """Take `num_clips` clips whose starts are spread evenly, each seen whole or in three crops.

    Args:
        num_clips: clips in time; a single one lies in the middle.
        num_frames: T of each clip.
        stride_frames: every how many source frames one is taken, by the average frame rate; default 2.
        clip_seconds: length of a clip instead of `stride_frames`.
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
    length, half = _length(source, num_frames, stride_frames, clip_seconds)
    room = max(0.0, span.seconds - length)
    starts = span.start_seconds + (np.linspace(0, room, num_clips) if num_clips > 1 else np.array([room / 2]))
    times = starts[:, None] + np.arange(num_frames) * length / num_frames + half
    valid = times - half < span.end_seconds - EPSILON_SECONDS
    valid[:, 0] = True
    times = np.where(valid, times, span.end_seconds - EPSILON_SECONDS * 2)
    spans = [TimeSpan(start, min(start + length, span.end_seconds)) for start in starts]
    rule = (f"{plural(num_clips, 'clip')} of {plural(num_frames, 'frame')} over {length:.3f} s, "
            f"{'starts spread evenly over' if num_clips > 1 else 'in the middle of'} {span}")
    rest: dict[str, Any] = {"spans": spans, "rule": rule, "sample_rate": sample_rate, "sound_seconds": length,
                            "valid": valid}
    if crops == 1:
        return gather(source, times, size=size, fit=fit, **rest)
    return three_crops(source, times, size, rest)


def check_views(num_clips: int, num_frames: int, crops: int, size: SizeLike) -> tuple[int, int, int]:
    """Return numbers of clips, frames and crops that can be taken.

    Raises:
        InvalidInput: these cannot.
    """
    num_clips, num_frames = checked_count("num_clips", num_clips), checked_count("num_frames", num_frames)
    crops = checks.whole("crops", crops, low=1, high=3)
    if crops == 2 or (crops == 3 and size is None):
        raise InvalidInput("crops must be 1, or 3 together with size=; not "
                           f"{crops} with size={checks.described(size)}.")
    if num_clips * num_frames > MOST_FRAMES:
        raise BudgetExceeded(f"{num_clips} clips of {num_frames} frames are over {MOST_FRAMES} frames; ask for fewer.")
    return num_clips, num_frames, crops


def _length(source: Source, num_frames: int, stride_frames: int | None, clip_seconds: float | None
            ) -> tuple[float, float]:
    """Return a clip's length and half a frame, both in seconds."""
    if clip_seconds is not None:
        if stride_frames is not None:
            raise InvalidInput("Give stride_frames or clip_seconds, not both.")
        return checks.number("clip_seconds", clip_seconds, above=0, high=checks.LONGEST_SECONDS), 0.0
    stride = 2.0 if stride_frames is None else checks.number("stride_frames", stride_frames, above=0, high=1e6)
    main = source.info.main_video
    if main is None or not main.average_fps:
        raise InvalidInput(f"{source.info.source} has no frame rate to count frames by; give clip_seconds=.")
    # Aim at the middle of each frame, so that rounded timestamps (milliseconds in Matroska) do not repeat or skip one.
    return num_frames * stride / main.average_fps, 0.5 / main.average_fps


def three_crops(source: Source, times: np.ndarray, asked_size: SizeLike, rest: dict[str, Any]) -> Clips:
    """Look at planned times (B, T) and cut three places along the longer side; `rest` goes to `gather`."""
    main, size = source.info.main_video, check_size(asked_size)
    assert main is not None, "span_of looks for it"
    assert size is not None, "check_views looks for it"
    upright = main.upright
    scaled = Geometry.plan(*upright, size, "crop").scaled
    if max(scaled.height, scaled.width) > MAX_SIDE:
        raise InvalidInput(f"{source.info.source} is {upright[1]} x {upright[0]} pixels, too thin for three crops of "
                           f"{size.width} x {size.height}; use crops=1.")
    whole = gather(source, times, size=scaled, fit="squash", **rest)
    tops, lefts = ([round(part * (side - asked) / 2) for part in range(3)]
                   for side, asked in ((scaled.height, size.height), (scaled.width, size.width)))
    cut = torch.stack([whole.frames[..., top:top + size.height, left:left + size.width]
                       for top, left in zip(tops, lefts, strict=True)], dim=1).flatten(0, 1)
    audio = None if whole.audio is None else whole.audio.repeat_interleave(3, dim=0)
    rule = whole.rule.removesuffix(f"; {PADDING}") + ", three crops each along the longer side"
    if not bool(whole.valid.all()):
        rule += f"; {PADDING}"
    return Clips(cut, whole.pts_seconds.repeat_interleave(3, dim=0), whole.valid.repeat_interleave(3, dim=0),
                 audio=audio, sample_rate=whole.sample_rate, has_audio=whole.has_audio, rule=rule)
