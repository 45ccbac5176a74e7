"""Frames of a video by samplers that choose where to look, for models that see one clip of single frames."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from mmvideo.errors import UnknownName
from mmvideo.registry import find
from mmvideo.sampling.gather import sound_of, span_of
from mmvideo.types import Clips

CHOOSING = ("salient", "audio-preview", "question")
"""Samplers that decide where to look by what they find there."""
CANDIDATES = 4
"""Windows for each frame that is taken."""


def check_choosing(name: str) -> str:
    """Return the name of a sampler that chooses.

    Raises:
        UnknownName: it is none.
    """
    if name not in CHOOSING:
        raise UnknownName("sampler that chooses", name, CHOOSING)
    return name


def chosen_frames(media: Any, sampler: str, count: int, *, sample_rate: int | None, **options: Any) -> Clips:
    """Return one clip of `count` single frames, in the order of time, each from a window that the sampler chose.

    Args:
        sample_rate: samples per second of the sound of the whole span beside them; None leaves it out.
        options: of the sampler.
    """
    span = span_of(media, options.get("start_seconds"), options.get("end_seconds"))
    window = max(span.seconds / (CANDIDATES * count), 0.1)
    clips = find("samplers", sampler)(media, num_clips=count, num_frames=1, clip_seconds=window, **options)
    pts = clips.pts_seconds.transpose(0, 1)
    good = torch.ones(pts.shape, dtype=torch.bool)
    good[:, 1:] = pts[:, 1:] > pts[:, :-1]
    audio = None if sample_rate is None else sound_of(media, [span], sample_rate)
    return replace(clips, frames=clips.frames.transpose(0, 1).contiguous(), pts_seconds=pts, valid=good, audio=audio,
                   sample_rate=sample_rate)


__all__ = ["CHOOSING", "check_choosing", "chosen_frames"]
