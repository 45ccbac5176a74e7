"""What all samplers share: the span, the frames at planned times, and the sound beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo import checks
from mmvideo.errors import BudgetExceeded, InvalidInput, NoVideoTrack
from mmvideo.media.convert import Fit
from mmvideo.media.decoder import EPSILON_SECONDS
from mmvideo.media.limits import MAX_SOUND_BYTES
from mmvideo.media.source import Source
from mmvideo.types import Clips, Size

MOST_FRAMES = 1_000_000
"""Most frames that one call looks at."""

SizeLike = Size | int | tuple[int, int] | None
PADDING = "the last frame is repeated, marked as not valid, where the source has no more"


@dataclass(frozen=True)
class TimeSpan:
    """The half-open part of a source that is sampled, on its clock."""

    start_seconds: float
    end_seconds: float
    shot: int = 0
    """Index of the shot that it lies in."""

    @property
    def seconds(self) -> float:
        """Length of the span."""
        return self.end_seconds - self.start_seconds

    def __str__(self) -> str:
        return f"{self.start_seconds:.3f}-{self.end_seconds:.3f} s"


def span_of(source: Source, start_seconds: float | None, end_seconds: float | None) -> TimeSpan:
    """Return the asked span, cut to where the source has frames.

    Raises:
        InvalidInput: empty, backwards, or outside the source.
        NoVideoTrack: the source has no moving picture.
    """
    if source.info.main_video is None:
        raise NoVideoTrack(f"{source.info.source} holds no moving picture to sample.")
    start_seconds, end_seconds = checks.span(start_seconds, end_seconds)
    first, last = source.start_seconds, source.end_seconds
    start = first if start_seconds is None else max(first, start_seconds)
    end = last if end_seconds is None else min(last, end_seconds)
    asked = start_seconds is not None or end_seconds is not None
    if not math.isfinite(end - start) or end < start or (end == start and asked):
        raise InvalidInput(f"The span {start_seconds} to {end_seconds} s holds nothing of {source.info.source}, which "
                           f"runs from {first:.3f} to {last:.3f} s.")
    return TimeSpan(start, end)


def checked_count(name: str, value: Any) -> int:
    """Return a number of frames, clips or windows.

    Raises:
        InvalidInput: not a whole number from 1 to `MOST_FRAMES`.
    """
    return checks.whole(name, value, low=1, high=MOST_FRAMES,
                        wanted=f"a positive number without a fraction, at most {MOST_FRAMES}")


def gather(source: Source, times: np.ndarray, *, spans: list[TimeSpan], rule: str, size: SizeLike, fit: Fit,
           sample_rate: int | None, valid: np.ndarray | None = None, sound_seconds: float | None = None) -> Clips:
    """Look at the frames shown at planned times.

    Args:
        times: seconds (B, T).
        spans: what each clip covers, for its sound (B).
        valid: bool (B, T); None marks a frame that repeats the one before it in its clip as not valid.
        sound_seconds: length of each clip's sound, filled with zeros; None takes the longest span.
    """
    if times.size > MOST_FRAMES:
        raise BudgetExceeded(f"{times.shape[0]} clips of {times.shape[1]} frames are over {MOST_FRAMES} frames; ask "
                             "for fewer.")
    video = source.frames_at(times.ravel().tolist(), size=size, fit=fit)
    pts = video.pts_seconds.reshape(times.shape)
    frames = video.frames.reshape(*times.shape, *video.frames.shape[1:])
    if valid is None:
        good = torch.ones(times.shape, dtype=torch.bool)
        good[:, 1:] = pts[:, 1:] > pts[:, :-1]
    else:
        good = torch.from_numpy(valid)
    if not bool(good.all()):
        rule = f"{rule}; {PADDING}"
    audio = None if sample_rate is None else sound_of(source, spans, sample_rate, sound_seconds)
    return Clips(frames, pts, good, audio=audio, sample_rate=sample_rate, has_audio=source.has_audio, rule=rule)


def sound_of(source: Source, spans: list[TimeSpan], sample_rate: int, sound_seconds: float | None = None) -> Tensor:
    """Return the mono waveform of each span, float32 (B, S); zero where the source has no sound."""
    sample_rate = checks.sample_rate(sample_rate)
    seconds = max(span.seconds for span in spans) if sound_seconds is None else sound_seconds
    samples = max(1, round(seconds * sample_rate))
    if 4 * len(spans) * samples > MAX_SOUND_BYTES:
        raise BudgetExceeded(f"The sound of {len(spans)} clips of {seconds:g} s at {sample_rate} Hz is over "
                             f"{MAX_SOUND_BYTES} bytes; take fewer or shorter clips, or a lower sample_rate.")
    out = torch.zeros(len(spans), samples)
    if not source.has_audio:
        return out
    first, last = min(span.start_seconds for span in spans), max(span.end_seconds for span in spans)
    order = sorted(range(len(spans)), key=lambda row: spans[row].start_seconds)
    origin, done = None, 0
    for piece in source.sound_pieces(sample_rate=sample_rate, mono=True, start_seconds=first,
                                     end_seconds=last + EPSILON_SECONDS):
        origin = piece.start_seconds if origin is None else origin
        begin = round((piece.start_seconds - origin) * sample_rate)
        end = begin + piece.samples.shape[1]
        for number, row in enumerate(order[done:], done):
            at = round((spans[row].start_seconds - origin) * sample_rate)
            until = at + min(samples, round(spans[row].seconds * sample_rate))
            if at >= end:
                break
            if until <= begin:
                done += number == done  # nothing that follows is heard in it
                continue
            low, high = max(at, begin), min(until, end)
            out[row, low - at:high - at] = piece.samples[0, low - begin:high - begin]
    return out
