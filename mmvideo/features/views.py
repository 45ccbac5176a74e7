"""What of a clip a frozen encoder sees: one view in the encoder's own geometry, of the whole picture or of people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo.encoders.preset import Input
from mmvideo.errors import MediaNotFound
from mmvideo.media import open_source
from mmvideo.registry import find
from mmvideo.sampling import uniform
from mmvideo.sampling.moving import EVERYTHING, MOVING, Box, cut_square
from mmvideo.types import Size

WHOLE, PERSON = "none", "person"
CROPS = (WHOLE, PERSON, MOVING)
_SEARCHED_FRAMES, _SEARCHED_SIDE = 4, 416
_LEAST_CONFIDENCE = 0.35
_MARGIN = 0.1
"""Of the box's larger side, added on every side of it."""


@dataclass(frozen=True)
class View:
    """One clip as an encoder sees it."""

    num_frames: int
    height: int
    width: int
    fps: float | None
    """Frames a second; None spreads the frames over the whole clip."""
    crop: str = WHOLE
    """none: the middle of the picture. person: the square around the people that were found in the clip.
    moving: the square around what moves, while it moves."""

    @classmethod
    def of(cls, seen: Input, crop: str = WHOLE) -> View:
        """Return the view of an encoder's input."""
        if seen.focus and crop == WHOLE:
            crop = seen.focus
        return cls(seen.num_frames, seen.height, seen.width, None if crop == MOVING else seen.fps, crop)

    def record(self) -> dict[str, Any]:
        """Return plain values that decide what is seen."""
        return asdict(self)

    def take(self, path: Path, start_seconds: float | None = None, end_seconds: float | None = None,
             box: Box = EVERYTHING) -> Tensor:
        """Decode the view, uint8 (T, 3, H, W).

        Args:
            box: where people were found; used by the crop `person` alone.

        Raises:
            MediaError: the file is missing, cannot be decoded or has no moving picture.
            InvalidInput: a span that holds nothing.
        """
        size = Size(self.height, self.width)
        if self.crop == MOVING:
            with _opened(path) as source:
                return find("samplers", MOVING)(source, num_frames=self.num_frames, size=size,
                                                start_seconds=start_seconds, end_seconds=end_seconds).frames[0]
        more: dict[str, Any] = {} if self.fps is None else {"clip_seconds": self.num_frames / self.fps}
        sampler = find("samplers", "segments" if self.fps is None else "dense")
        cut = self.crop == PERSON and box != EVERYTHING
        with _opened(path) as source:
            clips = sampler(source, num_clips=1, num_frames=self.num_frames, size=None if cut else size,
                            start_seconds=start_seconds, end_seconds=end_seconds, **more)
        return cut_square(clips.frames[0], box, size, margin=_MARGIN) if cut else clips.frames[0]


def _opened(path: Path) -> Any:
    if not path.exists():
        raise MediaNotFound(f"{path}: no such file.")
    return open_source(path, threads=1)


class PeopleFinder:
    """Finds where the people of a clip are, by an object detector on a few frames.

    Args:
        detector: a registered object detector.
    """

    def __init__(self, detector: str = "nanodet"):
        self.name = detector
        self._detector: Any = None

    def record(self) -> dict[str, Any]:
        """Return plain values that decide what is found."""
        return {"detector": self.name, "frames": _SEARCHED_FRAMES, "side": _SEARCHED_SIDE,
                "confidence": _LEAST_CONFIDENCE}

    @torch.inference_mode()
    def box(self, path: Path, start_seconds: float | None = None, end_seconds: float | None = None) -> Box:
        """Return the box around all people of a clip; the whole picture where none was found.

        Raises:
            MediaError: the file is missing, cannot be decoded or has no moving picture.
        """
        if self._detector is None:
            self._detector = find("object-detectors", self.name)()
        with _opened(path) as source:
            main = source.info.main_video
            height, width = main.upright if main is not None else (_SEARCHED_SIDE, _SEARCHED_SIDE)
            scale = min(1.0, _SEARCHED_SIDE / max(height, width))
            size = Size(max(1, round(height * scale)), max(1, round(width * scale)))
            frames = uniform(source, num_frames=_SEARCHED_FRAMES, size=size, start_seconds=start_seconds,
                             end_seconds=end_seconds).frames[0]
        boxes = [one.box for found in self._detector.detect(frames) for one in found
                 if one.label == "person" and one.confidence >= _LEAST_CONFIDENCE]
        if not boxes:
            return EVERYTHING
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return min(lefts), min(tops), max(rights), max(bottoms)


__all__ = ["CROPS", "EVERYTHING", "PERSON", "WHOLE", "Box", "PeopleFinder", "View"]
