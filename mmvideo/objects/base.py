"""What every object detector is: uint8 frames in, boxes with labels out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo import checks
from mmvideo.deadline import check
from mmvideo.errors import InvalidInput

LARGEST_BATCH = 8
"""Frames in one pass of a network where the caller says nothing."""


@dataclass(frozen=True, slots=True)
class Detection:
    """An object found in one frame."""

    label: str
    box: tuple[float, float, float, float]
    """Left, top, right, bottom, as shares of the picture's width and height, within [0, 1]."""
    score: float
    """What the network gave; orders detections, and is no probability."""
    confidence: float
    """Calibrated probability that an object of this label is there; equal to `score` where nothing was calibrated."""


class ObjectDetector(ABC):
    """Base of the detectors of the registry (`mmvideo list object-detectors`).

    A detector sees small pictures that `prepared` makes; everything after that needs no full frame.
    """

    model: str
    """What it runs, as results name it."""
    calibrated: ClassVar[bool] = False
    """Whether `Detection.confidence` was fitted on checked boxes."""
    device: torch.device

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names that its detections may have."""

    @abstractmethod
    def size_for(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of what the network sees of a picture."""

    @abstractmethod
    def run(self, pictures: Tensor) -> list[tuple[Detection, ...]]:
        """Find objects in uint8 (B, 3, h, w) pictures of the size that `size_for` gives; surest first."""

    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """Return the networks by name."""

    def prepared(self, frames: Tensor) -> Tensor:
        """Scale uint8 (T, 3, H, W) frames to uint8 (T, 3, h, w) that `run` takes.

        Raises:
            InvalidInput: frames are not such a tensor, or have no pixels.
        """
        if frames.ndim != 4 or frames.dtype != torch.uint8 or frames.shape[1] != 3 or 0 in frames.shape[2:]:
            raise InvalidInput(f"frames must be a uint8 tensor (T, 3, H, W), not {checks.described(frames)}.")
        size = self.size_for(*frames.shape[2:])
        if tuple(frames.shape[2:]) == size:
            return frames
        if not len(frames):
            return frames.new_zeros((0, 3, *size))
        # one frame at a time: the widened copies of a long clip would not fit into the cache
        return torch.cat([F.interpolate(frame[None], size, mode="bilinear", antialias=True) for frame in frames])

    def detect(self, frames: Tensor) -> list[tuple[Detection, ...]]:
        """Find objects in uint8 (T, 3, H, W) RGB frames; surest first, possibly none."""
        return self.detect_many([self.prepared(frames)])[0]

    def detect_many(self, videos: Sequence[Tensor], *, rows: int = LARGEST_BATCH) -> list[list[tuple[Detection, ...]]]:
        """Find objects in prepared frames of several videos, in passes of exactly `rows` frames each.

        Frames of one size go through together; the last pass of a size is filled up with black, so that what is found
        in a frame does not depend on its neighbours.

        Args:
            videos: each uint8 (T, 3, h, w), as `prepared` gives them.
            rows: frames in one pass.
        """
        found: list[list[tuple[Detection, ...]]] = [[()] * len(video) for video in videos]
        sizes: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for number, video in enumerate(videos):
            sizes.setdefault(tuple(video.shape[2:]), []).extend((number, frame) for frame in range(len(video)))
        for places in sizes.values():
            for start in range(0, len(places), rows):
                check()
                some = places[start:start + rows]
                batch = torch.stack([videos[number][frame] for number, frame in some])
                filler = batch.new_zeros((rows - len(some), *batch.shape[1:]))
                for (number, frame), objects in zip(some, self.run(torch.cat((batch, filler)))[:len(some)],
                                                    strict=True):
                    found[number][frame] = objects
        return found


__all__ = ["LARGEST_BATCH", "Detection", "ObjectDetector"]
