"""Faces over time, and the cues that a separator is given of them.

All pictures of mouths lie on one grid of 25 a second that begins with the clip: row k of every track is the time
`start_seconds + k / 25`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mmvideo.errors import InvalidInput
from mmvideo.faces.spool import Spool
from mmvideo.types import Cues

RATE = 25
"""Mouth pictures a second."""
MOUTH_SIDE = 96
"""Pixels of a mouth picture; networks take what they need from it."""
FACE_SIDE = 224
"""Pixels of the still face."""
STILL = 0.15
"""Mean change of lips between two frames, of 255, below which nothing moved. Mouths kept shut in front of a camera
change by 0.3 and more; a picture that is repeated, by less than 0.05 after encoding."""
FLAT = 3.0
"""Standard deviation of lips, of 255, below which there is nothing to see. In poor light they have 6."""
MOSTLY = 0.85
"""Share of a stretch that must be still or flat. Ten frames a second, written as 25, stand still for 0.6."""
MIN_MOUTH = 32
"""Pixels that the mouth region must have in the source; below, lips cannot be read."""


def lips_of(mouths: np.ndarray) -> np.ndarray:
    """Return the part of mouth pictures (..., H, W) in which the lips move."""
    height, width = mouths.shape[-2:]
    return mouths[..., height * 3 // 10:height * 8 // 10, width // 5:width * 4 // 5]


class SeatMouths:
    """Mouth pictures of one person from several tracks; zeros where none shows the person.

    Args:
        parts: row at which each begins, and its pictures, in order.
        count: rows in all.
        shape: of one picture.
    """

    def __init__(self, parts: Sequence[tuple[int, Spool | SeatMouths]], count: int, shape: tuple[int, int]):
        self.parts, self.count, self.shape = tuple(parts), count, shape

    def __len__(self) -> int:
        return self.count

    def read(self, start: int, end: int) -> np.ndarray:
        """Return rows start <= i < end, uint8, fewer at the end."""
        start, end = max(0, start), min(end, self.count)
        out = np.zeros((max(0, end - start), *self.shape), np.uint8)
        for first, rows in self.parts:
            piece = rows.read(start - first, end - first)
            at = max(0, first - start)
            out[at:at + len(piece)] = piece
        return out


@dataclass(repr=False)
class FaceTrack:
    """One face from where it appears to where it leaves; across cutaways where it comes back (`join_seats`)."""

    number: int
    """Counted from 1, in the order of their first appearance, from left to right."""
    first: int
    """Row of the clip's grid with which the track begins."""
    boxes: np.ndarray
    """float32 (N, 4): x0, y0, x1, y1 in pixels of the source at each moment from `first`."""
    valid: np.ndarray
    """bool (N,): False where the face was not seen for more than 0.4 s."""
    mouths: Spool | SeatMouths
    """uint8 rows (96, 96), one a moment."""
    thumbnail: np.ndarray
    """uint8 (224, 224, 3) RGB."""
    mouth_pixels: float
    """Median width of the mouth region in the source, in pixels."""
    changed: np.ndarray
    """float32 (N,): mean change of the lips since the frame before, at the same place; NaN where there is none."""
    contrast: np.ndarray
    """float32 (N,): standard deviation of the lips; NaN where they are not seen."""
    looks: tuple[np.ndarray, ...] = ()
    """Stills from all over the track, uint8 (112, 112, 3) RGB, by which a person is known again."""

    def __len__(self) -> int:
        return len(self.boxes)

    def spans(self, start_seconds: float) -> tuple[tuple[float, float], ...]:
        """Return the half-open spans of time in which the face was seen."""
        edges = np.flatnonzero(np.diff(np.concatenate([[0], self.valid.astype(np.int8), [0]])))
        at = start_seconds + (self.first + edges) / RATE
        return tuple((float(a), float(b)) for a, b in at.reshape(-1, 2))

    def readable(self, start: int, end: int) -> bool:
        """Say whether a mouth can tell anything in rows start <= k < end of the clip: neither frozen nor blank."""
        rows = slice(max(0, start - self.first), max(0, end - self.first))
        contrast, changed = (x[rows][~np.isnan(x[rows])] for x in (self.contrast, self.changed))
        return bool(len(contrast) and (contrast < FLAT).mean() < MOSTLY
                    and not (len(changed) and (changed < STILL).mean() >= MOSTLY))

    def box_at(self, row: int) -> np.ndarray | None:
        """Return the box at a row of the clip's grid, or None where the face is not seen."""
        at = row - self.first
        return self.boxes[at] if 0 <= at < len(self) and self.valid[at] else None


@dataclass(repr=False)
class Faces:
    """Every face of a clip."""

    tracks: list[FaceTrack]
    start_seconds: float
    """Time of row 0."""
    num_rows: int
    """Moments in the whole clip."""
    refused: list[FaceTrack] = field(default_factory=list)
    """Faces whose mouth is too small to read."""
    cuts: tuple[float, ...] = ()
    """Seconds at which a new shot begins; a track crosses one only where the person comes back after it."""
    warnings: tuple[str, ...] = ()

    def cues(self, start: int, end: int, tracks: Sequence[FaceTrack] | None = None) -> Cues:
        """Return what a separator sees of the rows start <= k < end, B = 1, padded with what is not valid.

        Args:
            tracks: which faces; all by default.
        """
        tracks = self.tracks if tracks is None else tracks
        count = end - start
        mouths = np.zeros((len(tracks), count, MOUTH_SIDE, MOUTH_SIDE), np.uint8)
        valid = np.zeros((len(tracks), count), bool)
        for p, track in enumerate(tracks):
            low, high = max(start, track.first), min(end, track.first + len(track))
            if low < high:
                mouths[p, low - start:high - start] = track.mouths.read(low - track.first, high - track.first)
                valid[p, low - start:high - start] = track.valid[low - track.first:high - track.first]
        faces = np.stack([t.thumbnail for t in tracks]) if tracks else np.zeros((0, FACE_SIDE, FACE_SIDE, 3), np.uint8)
        return Cues(torch.from_numpy(mouths)[None], torch.from_numpy(valid)[None],
                    torch.from_numpy(faces).permute(0, 3, 1, 2)[None])


@dataclass(frozen=True)
class TrackGiven:
    """A face that a person has marked: one box that stays, or a box at each of several times."""

    boxes: Sequence[Sequence[float]]
    """x0, y0, x1, y1 in pixels of the source; drawn like a face detector's: brow to chin, ear to ear."""
    times_seconds: Sequence[float] = ()
    """The time of each box; empty for one box that holds for the whole clip."""

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, float)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise InvalidInput(f"Boxes must be rows of x0, y0, x1, y1 in pixels, not {self.boxes!r}.")
        if ((boxes[:, 2:] - boxes[:, :2]) < 8).any():
            raise InvalidInput(f"A face box must be at least 8 pixels wide and high, with x0 < x1 and y0 < y1: "
                               f"{self.boxes!r}.")
        times = np.asarray(self.times_seconds, float)
        if len(times) not in (0, len(boxes)) or (len(times) == 0 and len(boxes) != 1) or (np.diff(times) <= 0).any():
            raise InvalidInput(f"{len(boxes)} boxes need {len(boxes)} increasing times_seconds (one box may do "
                               f"without), not {list(self.times_seconds)!r}.")


__all__ = ["FACE_SIDE", "MIN_MOUTH", "MOUTH_SIDE", "RATE", "FaceTrack", "Faces", "SeatMouths", "TrackGiven", "lips_of"]
