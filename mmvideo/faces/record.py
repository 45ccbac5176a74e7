"""What is written down about a face while the clip goes by."""

from __future__ import annotations

from array import array

import cv2
import numpy as np

from mmvideo.faces.align import MouthPoses
from mmvideo.faces.follow import Path, corners, cut_out
from mmvideo.faces.spool import Spool
from mmvideo.faces.tracks import FACE_SIDE, MOUTH_SIDE, FaceTrack, lips_of

MOUTH_CENTRE = (0.0, 0.30)
"""Where the lips are, from the middle of a face box, in sides of the box (measured with a face mesh: 0.81 of the way
down)."""
MOUTH_SHARE = 0.66
"""Side of the mouth region in sides of the face box; lips are about 0.45 wide."""
_LOOK_SIDE, _LOOK_SECONDS, _MOST_LOOKS = 112, 0.4, 8
"""Pixels of the stills by which a person is known again, seconds between them at first, and how many there are."""
_FACE_MARGIN = 1.4
"""The still face shows this many box sides."""


class Record:
    """The rows of one face: boxes, mouths, and the best still picture.

    Args:
        path: where the face goes; it grows while rows are taken.
    """

    def __init__(self, path: Path):
        self.path = path
        self.poses = MouthPoses()
        self.points_region: np.ndarray | None = None
        """Centre x, y, side and roll of the face by its latest points: where the next ones are looked for."""
        self.points_seconds = 0.0
        self.first: int | None = None
        self.num_seen = 0
        self._boxes = array("f")
        self._valid = bytearray()
        self._mouths = Spool((MOUTH_SIDE, MOUTH_SIDE), np.uint8)
        self._still: np.ndarray | None = None
        self._best = -1.0
        self._seen_until = 0
        self._changed, self._contrast = array("f"), array("f")
        self._before: np.ndarray | None = None
        self._looks: list[np.ndarray] = []
        self._looked, self._look_seconds = -1e9, _LOOK_SECONDS

    def consider(self, seconds: float, picture: np.ndarray, grey: np.ndarray) -> None:
        """Keep a picture of the face if it is the sharpest so far; only where the face was just detected."""
        path = self.path
        if path.fixed:
            if self._still is None and path.seen_at(seconds):
                self._take(path.at(seconds), picture, 0.0)
            return
        if path.times[-1] != seconds:
            return
        box = path.boxes[-1]
        x, y, side = (float(v) for v in box)
        face = cut_out(grey, x, y, side, 96)
        sharp = float(cv2.Laplacian(face, cv2.CV_32F).var()) ** 0.5 * min(float(box[2]), FACE_SIDE)
        if sharp > self._best * 1.1:
            self._take(box, picture, sharp)
        if seconds - self._looked >= self._look_seconds:
            self._looked = seconds
            self._looks.append(cut_out(picture, x, y, side * _FACE_MARGIN, _LOOK_SIDE))
            if len(self._looks) > _MOST_LOOKS:  # half as many, half as often, so that they cover a track of any length
                del self._looks[1::2]
                self._look_seconds *= 2

    def _take(self, box: np.ndarray, picture: np.ndarray, sharp: float) -> None:
        x, y, side = (float(v) for v in box)
        self._still, self._best = cut_out(picture, x, y, side * _FACE_MARGIN, FACE_SIDE), sharp

    def add(self, row: int, seconds: float, shown: float, grey: np.ndarray) -> None:
        """Write the row of one moment, if the track has begun; the picture is of the time `shown`."""
        seen = self.path.seen_at(seconds)
        if not seen and self.first is None:
            return
        if self.first is None:
            self.first = row
        box = self.path.at(shown) if seen else np.full(3, np.nan, np.float32)
        pose = self.poses.at(shown) if seen else None
        if pose is None:
            pose = np.array([*mouth_of(box), 0.0], np.float32)
        mouth = _cut_mouth(grey, pose) if seen else np.zeros((MOUTH_SIDE, MOUTH_SIDE), np.uint8)
        self._measure(mouth, pose, grey, seen=seen)
        self._boxes.extend(corners(box).tolist())
        self._valid.append(seen)
        self._mouths.append(mouth[None])
        if seen:
            self.num_seen += 1
            self._seen_until = len(self._valid)

    def _measure(self, mouth: np.ndarray, pose: np.ndarray, grey: np.ndarray, *, seen: bool) -> None:
        """Write down what shows whether the mouth can be read; a frame shown twice is not compared with itself."""
        before, self._before = self._before, grey if seen else None
        changed = np.nan
        if seen and before is not None and before is not grey:
            old = _cut_mouth(before, pose)  # at this place, so that a trembling pose is no movement
            changed = float(np.abs(lips_of(mouth).astype(np.int16) - lips_of(old)).mean())
        self._changed.append(changed)
        self._contrast.append(float(lips_of(mouth).std()) if seen else np.nan)

    def track(self, scale: float) -> FaceTrack:
        """Return the track, without what was not seen at its end; boxes in pixels of the source."""
        boxes = np.asarray(self._boxes, np.float32).reshape(-1, 4)[:self._seen_until] / scale
        valid = np.frombuffer(bytes(self._valid), bool)[:self._seen_until].copy()
        pixels = float(np.median(boxes[valid, 2] - boxes[valid, 0])) * MOUTH_SHARE
        assert self.first is not None
        assert self._still is not None
        changed, contrast = (np.asarray(x, np.float32)[:self._seen_until] for x in (self._changed, self._contrast))
        return FaceTrack(0, self.first, boxes, valid, self._mouths, self._still, pixels, changed, contrast,
                         looks=tuple(self._looks))

    def close(self) -> None:
        """Forget everything."""
        self._mouths.close()


def _cut_mouth(grey: np.ndarray, pose: np.ndarray) -> np.ndarray:
    x, y, side, roll = (float(v) for v in pose)
    return cut_out(grey, x, y, side, MOUTH_SIDE, roll=roll)


def mouth_of(box: np.ndarray) -> tuple[float, float, float]:
    """Return centre x, centre y and side of the mouth region of a face box (centre x, centre y, side)."""
    x, y, side = (float(v) for v in box)
    return x + MOUTH_CENTRE[0] * side, y + MOUTH_CENTRE[1] * side, MOUTH_SHARE * side


__all__ = ["MOUTH_CENTRE", "MOUTH_SHARE", "Record", "mouth_of"]
