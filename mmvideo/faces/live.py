"""Faces of a picture that is still being filmed: followed without a look ahead, in memory that does not grow."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np

from mmvideo.faces.align import EVERY, Aligner, MouthPoses, region_of
from mmvideo.faces.blazeface_detector import BlazeFace
from mmvideo.faces.detect import Detector
from mmvideo.faces.follow import Follower, Path, cut_out
from mmvideo.faces.record import mouth_of
from mmvideo.faces.tracks import MOUTH_SIDE

_EASE = 0.5
"""Share of the newest box in the place that is cut out."""


@dataclass
class LiveFace:
    """One face: a number from 1 in the order of appearance, and its latest mouths."""

    number: int
    path: Path
    mouths: deque[np.ndarray]
    """uint8 (96, 96), 25 a second, the newest last; zeros where the face is not seen."""
    seen: deque[bool]
    box: np.ndarray
    """float32 (3,): centre x, centre y, side in pixels, eased."""
    poses: MouthPoses = field(default_factory=MouthPoses)


class LiveFaces:
    """Detects every 0.2 s, follows, and cuts out the mouths of each frame as it comes.

    Args:
        rows: mouths of each face that are kept.
        interval: seconds between detections.
        detector: finds faces in a picture; BlazeFace by default.
        most: faces that are followed at once; the ones that came first are kept.
    """

    def __init__(self, rows: int, *, interval: float = 0.2, detector: Detector | None = None, most: int = 8):
        self.rows, self.interval, self.most = rows, interval, most
        self.detector = detector or BlazeFace()
        self.aligner = Aligner()
        self.follower = Follower(interval)
        self.faces: list[LiveFace] = []
        self.count = 0
        """Faces seen so far."""
        self._searched = self._pointed = -1e9

    def push(self, seconds: float, picture: np.ndarray) -> None:
        """Take the frame of the next row of 40 ms, uint8 (H, W, 3) RGB, at a time later than the one before."""
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        if seconds - self._searched >= self.interval - 1e-3:
            self._searched = seconds
            self.follower.add(seconds, self.detector(picture), grey, begins=seconds)
            self.follower.paths = self.follower.live[:]
            for path in self.follower.live:
                path.forget(seconds)
            self._update()
        shown = [f for f in self.faces if f.path.seen_at(seconds)]
        if seconds - self._pointed >= EVERY - 1e-3 and shown:
            self._pointed = seconds
            regions = [region_of(f.box) for f in shown]
            for face, found in zip(shown, self.aligner(picture, regions), strict=True):
                if found is not None:
                    face.poses.add(seconds, found[0])
        for face in self.faces:
            self._cut(face, seconds, grey, seen=face.path.seen_at(seconds))

    def _update(self) -> None:
        """Take in faces that are confirmed, let go of those given up, ease boxes."""
        alive = {id(path) for path in self.follower.live}
        self.faces = [f for f in self.faces if id(f.path) in alive]
        known = {id(f.path) for f in self.faces}
        for path in sorted(self.follower.live, key=lambda p: float(p.boxes[-1][0])):  # from left to right
            if id(path) not in known and path.confirmed and len(self.faces) < self.most:
                self.count += 1
                blank = [np.zeros((MOUTH_SIDE, MOUTH_SIDE), np.uint8)] * self.rows
                self.faces.append(LiveFace(self.count, path, deque(blank, self.rows),
                                           deque([False] * self.rows, self.rows), path.boxes[-1].copy()))
        for face in self.faces:
            face.box = (1 - _EASE) * face.box + _EASE * face.path.boxes[-1]

    def _cut(self, face: LiveFace, seconds: float, grey: np.ndarray, *, seen: bool) -> None:
        pose = face.poses.at(seconds) if seen else None
        face.poses.forget(seconds)
        if not seen:
            mouth = np.zeros((MOUTH_SIDE, MOUTH_SIDE), np.uint8)
        elif pose is None:
            mouth = cut_out(grey, *mouth_of(face.box), MOUTH_SIDE)
        else:
            x, y, side, roll = (float(v) for v in pose)
            mouth = cut_out(grey, x, y, side, MOUTH_SIDE, roll=roll)
        face.mouths.append(mouth)
        face.seen.append(seen)


__all__ = ["LiveFace", "LiveFaces"]
