"""Where the people of a video are, and the sampler `person`: frames cut to the square around them.

Unlike what moves (sampler `moving`), people are found also where the camera moves, and also those who hold still.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch

from mmvideo.media.source import Source
from mmvideo.registry import find
from mmvideo.sampling import uniform
from mmvideo.sampling.gather import SizeLike, span_of
from mmvideo.sampling.moving import EVERYTHING, Box, check_one_clip, square_clip
from mmvideo.types import Clips, Size

PERSON = "person"
MARGIN = 0.1
"""Of the box's larger side, added on every side of it."""
_SEARCHED_FRAMES, _SEARCHED_SIDE = 4, 416
_LEAST_CONFIDENCE = 0.35


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
    def box(self, source: Source, start_seconds: float | None = None, end_seconds: float | None = None) -> Box:
        """Return the box around all people of a clip; the whole picture where none was found.

        Raises:
            MediaError: it cannot be decoded or has no moving picture.
            InvalidInput: a span that holds nothing.
        """
        if self._detector is None:
            self._detector = find("object-detectors", self.name)()
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


@lru_cache(maxsize=1)
def _finder() -> PeopleFinder:
    return PeopleFinder()


def person(source: Source, *, num_frames: int = 8, size: SizeLike = None, num_clips: int = 1, crops: int = 1,
           sample_rate: int | None = None, start_seconds: float | None = None, end_seconds: float | None = None
           ) -> Clips:
    """Take one clip, spread over the time and cut to the square around the people in it.

    Args:
        num_frames: T.
        size: pixels of the frames; None for 224.
        num_clips: 1.
        crops: 1.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Raises:
        InvalidInput: an option out of range, or a span that holds nothing.
        NoVideoTrack: there is no moving picture.
    """
    num_frames = check_one_clip(PERSON, num_frames, num_clips, crops)
    span = span_of(source, start_seconds, end_seconds)
    box = _finder().box(source, start_seconds, end_seconds)
    return square_clip(source, span, box, num_frames=num_frames, size=size, sample_rate=sample_rate, margin=MARGIN,
                       shows="everything" if box == EVERYTHING else "the people")


__all__ = ["MARGIN", "PERSON", "PeopleFinder", "person"]
