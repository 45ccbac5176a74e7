"""What of a clip a frozen encoder sees: one view in the encoder's own geometry, of the whole picture or of people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mmvideo.encoders.preset import Input
from mmvideo.errors import MediaNotFound
from mmvideo.labelled.rows import ClipRow
from mmvideo.media import open_source
from mmvideo.objects.people import MARGIN, PERSON
from mmvideo.registry import find
from mmvideo.sampling.moving import EVERYTHING, MOVING, Box, cut_square
from mmvideo.types import Size

WHOLE = "none"
CROPS = (WHOLE, PERSON, MOVING)


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
            with opened_clip(path) as source:
                return find("samplers", MOVING)(source, num_frames=self.num_frames, size=size,
                                                start_seconds=start_seconds, end_seconds=end_seconds).frames[0]
        more: dict[str, Any] = {} if self.fps is None else {"clip_seconds": self.num_frames / self.fps}
        sampler = find("samplers", "segments" if self.fps is None else "dense")
        cut = self.crop == PERSON and box != EVERYTHING
        with opened_clip(path) as source:
            clips = sampler(source, num_clips=1, num_frames=self.num_frames, size=None if cut else size,
                            start_seconds=start_seconds, end_seconds=end_seconds, **more)
        return cut_square(clips.frames[0], box, size, margin=MARGIN) if cut else clips.frames[0]


class SharedViews:
    """Decoded views of clips in memory, for encoders that see the same: each is decoded once for all of them.

    Args:
        max_bytes: of frames that are kept; what comes after is decoded by each encoder.
    """

    def __init__(self, max_bytes: int = 512 * 1024**2):
        self._kept: dict[tuple[Any, ...], Tensor] = {}
        self._room = max_bytes

    def take(self, view: View, row: ClipRow, box: Box = EVERYTHING) -> Tensor:
        """Return the view of a clip, uint8 (T, 3, H, W).

        Raises:
            MediaError: the file is missing, cannot be decoded or has no moving picture.
            InvalidInput: a span that holds nothing.
        """
        key = (view, row.key, box)
        found = self._kept.get(key)
        if found is None:
            found = view.take(row.path, row.start_seconds, row.end_seconds, box)
            if found.nbytes <= self._room:
                self._kept[key] = found
                self._room -= found.nbytes
        return found


def opened_clip(path: Path) -> Any:
    """Open a clip.

    Raises:
        MediaError: the file is missing or cannot be opened.
    """
    if not path.exists():
        raise MediaNotFound(f"{path}: no such file.")
    return open_source(path, threads=1)


__all__ = ["CROPS", "EVERYTHING", "PERSON", "WHOLE", "Box", "SharedViews", "View", "opened_clip"]
