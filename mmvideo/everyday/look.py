"""One pass over a video: the few frames that networks will see, small ones for movement, cuts, and the sound.

A video is decoded once, whatever is asked of it, and what is kept does not grow with its length: long videos are looked
at in places that are spread evenly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.sampling.gather import TimeSpan, span_of
from mmvideo.sampling.shots import FRAME_SIZE, find_cuts
from mmvideo.types import Audio, Clips, Video
from mmvideo.wording import plural

LONGEST_WHOLE_SECONDS = 300.0
"""Longer spans are looked at in places, without a search for cuts."""
LARGE_SIDE = 416
"""Longer side of the frames that the encoder and the detector see, in pixels; smaller pictures keep their own size."""
SMALL_SIDE = 64
LARGE_EVERY_SECONDS, MOST_LARGE, LEAST_LARGE = 0.5, 240, 4
SMALL_EVERY_SECONDS = 0.125
SAMPLE_RATE = 16000
_PLACES = 60
"""Places at which a long video is looked at and heard."""
_PLACE_SECONDS = 2.0
_SOUND_SECONDS = 5.0


@dataclass(frozen=True)
class Frames:
    """Frames with their times, ascending."""

    pictures: Tensor
    """uint8 (T, 3, H, W), RGB."""
    seconds: Tensor
    """float64 (T,)."""

    def within(self, start_seconds: float, end_seconds: float) -> Frames:
        """Return those of a half-open span."""
        kept = (self.seconds >= start_seconds - 1e-6) & (self.seconds < end_seconds - 1e-6)
        return Frames(self.pictures[kept], self.seconds[kept])

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(frozen=True)
class HeardSpan:
    """One stretch of sound."""

    samples: Tensor
    """float32 (S,), mono."""
    start_seconds: float


@dataclass(frozen=True)
class Looked:
    """What of a video is kept."""

    start_seconds: float
    end_seconds: float
    large: Frames
    """At the picture's own shape."""
    small: Frames
    """64x64 from the middle of the picture, every eighth of a second; of a long video in places."""
    cuts: tuple[float, ...]
    """When a new shot begins."""
    sounds: tuple[HeardSpan, ...]
    has_audio: bool
    rule: str
    """How it was looked at, in words."""
    notes: tuple[str, ...] = ()

    @property
    def clips(self) -> Clips:
        """What the result remembers: the large frames as one clip."""
        num = len(self.large)
        return Clips(self.large.pictures[None], self.large.seconds[None], torch.ones(1, num, dtype=torch.bool),
                     has_audio=self.has_audio, rule=self.rule, notes=self.notes)


def look_over(media: Any, *, start_seconds: float | None = None, end_seconds: float | None = None,
         halvings: int = 0) -> Looked:
    """Look at a span of an opened source.

    Args:
        media: the source.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.
        halvings: how many times the number of large frames is halved.

    Raises:
        InvalidInput: a span that holds nothing.
        NoVideoTrack: no moving picture.
        VideoDecodeError: nothing can be decoded.
    """
    span = span_of(media, start_seconds, end_seconds)
    size = _large_size(media)
    if span.seconds <= LONGEST_WHOLE_SECONDS:
        return _whole(media, span, size, halvings)
    return _in_places(media, span, size, halvings)


def _large_size(media: Any) -> tuple[int, int]:
    """Return height and width of the large frames."""
    main = media.info.main_video
    height, width = (main.width, main.height) if main.rotation % 180 else (main.height, main.width)
    scale = min(1.0, LARGE_SIDE / max(height, width, 1))
    return max(1, round(height * scale)), max(1, round(width * scale))


class _Picker:
    """Keeps the first frame at or after each of evenly spaced times.

    Args:
        start: first time.
        step: seconds between them.
        make: frame (H, W, 3) -> what is kept of it.
    """

    def __init__(self, start: float, step: float, make: Any):
        self.next, self.step, self.make = start, step, make
        self.pictures: list[np.ndarray] = []
        self.seconds: list[float] = []

    def offer(self, picture: np.ndarray, seconds: float) -> None:
        """Look at a frame."""
        if seconds >= self.next - 1e-6:
            self.pictures.append(self.make(picture))
            self.seconds.append(seconds)
            self.next += self.step * (1 + int((seconds - self.next) / self.step + 1e-6))

    def frames(self) -> Frames:
        """Return what was kept."""
        return _frames(self.pictures, self.seconds)


def _frames(pictures: list[np.ndarray], seconds: list[float]) -> Frames:
    return Frames(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2), torch.tensor(seconds, dtype=torch.float64))


def _small(picture: np.ndarray) -> np.ndarray:
    """Return the middle of a picture (H, W, 3) as 64x64."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return cv2.resize(picture[top:top + side, left:left + side], (SMALL_SIDE, SMALL_SIDE), interpolation=cv2.INTER_AREA)


def _whole(media: Any, span: TimeSpan, size: tuple[int, int], halvings: int) -> Looked:
    seconds = max(span.seconds, 1e-3)
    step = max(min(LARGE_EVERY_SECONDS, seconds / LEAST_LARGE), seconds / MOST_LARGE) * (1 << halvings)
    large = _Picker(span.start_seconds + min(step, seconds) * 0.25, step, lambda picture: picture.copy())
    small = _Picker(span.start_seconds, SMALL_EVERY_SECONDS, _small)
    last: list[tuple[np.ndarray, float]] = []

    def watched() -> Iterator[Video]:
        """Pass tiny frames on to the search for cuts."""
        for video in media.stream(size=size, fit="squash", batch=32, start_seconds=span.start_seconds,
                                  end_seconds=span.end_seconds if end_matters else None):
            check()
            rows = video.frames.permute(0, 2, 3, 1).numpy()
            tiny = np.empty((len(rows), *FRAME_SIZE, 3), np.uint8)
            for number, (row, at) in enumerate(zip(rows, video.pts_seconds.tolist(), strict=True)):
                large.offer(row, at)
                small.offer(row, at)
                cv2.resize(row, FRAME_SIZE[::-1], dst=tiny[number], interpolation=cv2.INTER_AREA)
            last[:] = [(rows[-1].copy(), float(video.pts_seconds[-1]))]
            yield Video(torch.from_numpy(tiny).permute(0, 3, 1, 2), video.pts_seconds, video.duration_seconds)

    end_matters = span.end_seconds < media.end_seconds - 1e-6
    cuts = find_cuts(watched())
    for picker, make in ((large, None), (small, _small)):
        if not picker.pictures and last:  # shorter than the first step
            picture, at = last[0]
            picker.pictures.append(picture if make is None else make(picture))
            picker.seconds.append(at)
    kept = large.frames()
    rule = f"{plural(len(kept), 'frame')}, one every {step:.3g} s of {span}"
    sounds: tuple[HeardSpan, ...] = ()
    if media.has_audio:
        heard: Audio = media.audio(sample_rate=SAMPLE_RATE, mono=True, start_seconds=span.start_seconds,
                                   end_seconds=span.end_seconds)
        sounds = (HeardSpan(heard.samples[0], heard.start_seconds),)
    return Looked(span.start_seconds, span.end_seconds, kept, small.frames(), tuple(cuts), sounds,
                  media.has_audio, rule)


def _in_places(media: Any, span: TimeSpan, size: tuple[int, int], halvings: int) -> Looked:
    starts = span.start_seconds + (np.arange(_PLACES) + 0.5) * span.seconds / _PLACES - _PLACE_SECONDS / 2
    num = max(1, (MOST_LARGE // _PLACES) >> halvings)
    offsets = np.arange(num) * _PLACE_SECONDS / num
    large = media.frames_at((starts[:, None] + offsets).flatten().tolist(), size=size, fit="squash")
    short = min(size)
    ticks = (starts[:, None] + np.arange(0, _PLACE_SECONDS, SMALL_EVERY_SECONDS)).flatten().tolist()
    scale = SMALL_SIDE / max(short, 1)
    rough = (max(SMALL_SIDE, round(size[0] * scale)), max(SMALL_SIDE, round(size[1] * scale)))
    small = media.frames_at(ticks, size=rough, fit="squash")
    pictures = [_small(one) for one in small.frames.permute(0, 2, 3, 1).numpy()]
    sounds = []
    for start in starts.tolist() if media.has_audio else ():
        check()
        heard = media.audio(sample_rate=SAMPLE_RATE, mono=True, start_seconds=start,
                            end_seconds=min(start + _SOUND_SECONDS, span.end_seconds))
        sounds.append(HeardSpan(heard.samples[0], heard.start_seconds))
    note = (f"looked at {plural(_PLACES, 'place')} of {_PLACE_SECONDS:g} s, spread evenly over {span.seconds:.0f} s; "
            "what lies between them was not seen, and cuts were not looked for")
    times, at = _ascending(large.pts_seconds), _ascending(small.pts_seconds)
    return Looked(span.start_seconds, span.end_seconds, Frames(large.frames[times], large.pts_seconds[times]),
                  Frames(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)[at], small.pts_seconds[at]),
                  (), tuple(sounds), media.has_audio,
                  f"{plural(len(times), 'frame')} at {plural(_PLACES, 'place')} of {span}", (note,))


def _ascending(seconds: Tensor) -> list[int]:
    """Return the places of times that are later than all before them."""
    kept: list[int] = []
    for place, at in enumerate(seconds.tolist()):
        if not kept or at > float(seconds[kept[-1]]) + 1e-6:
            kept.append(place)
    return kept


__all__ = ["LARGE_SIDE", "SAMPLE_RATE", "SMALL_SIDE", "Frames", "HeardSpan", "Looked", "look_over"]
