"""From frames to tracks: a detector over all frames, then a tracker through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.objects.base import LARGEST_BATCH, Detection, ObjectDetector
from mmvideo.objects.tracking import ObjectTracker
from mmvideo.objects.tracks import ObjectTrack


@dataclass(frozen=True)
class Looks:
    """Small frames of one video in which objects are looked for."""

    pictures: Tensor
    """uint8 (T, 3, h, w) RGB, of the size that the detector sees."""
    seconds: tuple[float, ...]
    """When each is shown; ascending."""
    cuts: tuple[float, ...] = ()
    """When a new shot begins: tracks end before it."""
    aspect: float = 1.0
    """Width over height of the frames before they were scaled."""


def prepared(frames: Tensor, seconds: Tensor | Sequence[float], detector: ObjectDetector,
             cuts: Sequence[float] = ()) -> Looks:
    """Scale frames for a detector; needs no network.

    Args:
        frames: uint8 (T, 3, H, W) RGB.
        seconds: float (T,), strictly ascending.
        detector: that will look at them.
        cuts: seconds at which new shots begin.

    Raises:
        InvalidInput: frames of another form, or without ascending times.
    """
    times = torch.as_tensor(seconds, dtype=torch.float64)
    if times.shape != frames.shape[:1] or not bool(torch.isfinite(times).all()) or bool((times.diff() <= 0).any()):
        raise InvalidInput(f"seconds must be {len(frames)} finite, ascending times, one a frame, not "
                           f"{checks.described(seconds)}.")
    small = detector.prepared(frames)
    return Looks(small, tuple(times.tolist()), tuple(sorted(cuts)), frames.shape[3] / frames.shape[2])


def follow(frames: Tensor, seconds: Tensor | Sequence[float], detector: ObjectDetector,
           cuts: Sequence[float] = ()) -> tuple[ObjectTrack, ...]:
    """Find and follow the objects of one video.

    Args:
        frames: uint8 (T, 3, H, W) RGB; best 2 to 5 a second. No frame gives no track.
        seconds: float64 (T,), strictly ascending.
        detector: of the registry, as `find("object-detectors", "nanodet")()`.
        cuts: seconds at which new shots begin; tracks end there.

    Raises:
        InvalidInput: frames of another form, or without ascending times.
    """
    return follow_many([prepared(frames, seconds, detector, cuts)], detector)[0]


def follow_many(videos: Sequence[Looks], detector: ObjectDetector, *,
                rows: int = LARGEST_BATCH) -> list[tuple[ObjectTrack, ...]]:
    """Find and follow the objects of several videos; the network sees `rows` frames in every pass.

    What is found in a video does not depend on the others.
    """
    found = detector.detect_many([video.pictures for video in videos], rows=rows)
    return [linked(video, objects) for video, objects in zip(videos, found, strict=True)]


def linked(video: Looks, found: Sequence[Sequence[Detection]]) -> tuple[ObjectTrack, ...]:
    """Join what was found in each frame of a video to tracks."""
    tracker = ObjectTracker(aspect=video.aspect)
    cuts = list(video.cuts)
    pictures = video.pictures.cpu().permute(0, 2, 3, 1).contiguous().numpy()
    for number, (seconds, picture, objects) in enumerate(zip(video.seconds, pictures, found, strict=True)):
        while cuts and cuts[0] <= seconds + 1e-6:
            cuts.pop(0)
            if number:
                tracker.cut()
        tracker.add(seconds, picture, objects)
    return tracker.tracks()


__all__ = ["Looks", "follow", "follow_many", "linked", "prepared"]
