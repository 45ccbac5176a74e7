"""What a face detector is, and detectors of other libraries to compare with: OpenCV's, scikit-image's, MediaPipe's.

A detector is called with one picture and returns boxes; `mmvideo list face-detectors` names those there are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from mmvideo.errors import MissingExtra


class Detector(Protocol):
    """Find upright faces in one picture."""

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return float32 (N, 4) boxes x0, y0, x1, y1 in pixels, for a uint8 (H, W, 3) RGB picture."""
        ...


class Haar:
    """Boosted Haar features (Viola & Jones 2001), the frontal cascade that ships inside the OpenCV 4 wheel.

    The cascade misses dark faces, so it looks twice: at the picture as it is, and at one that is narrowed further and
    whose contrast is raised tile by tile (CLAHE, Zuiderveld 1994), where it keeps faces that it does not have yet.

    Args:
        width: pictures are narrowed to this before the search; the time of a search grows with its square.
        min_share: smallest face, as a share of the picture's shorter side.
        neighbours: overlapping hits that a face needs; more of them, fewer false faces.
        twice: also look at the picture with raised contrast.

    Raises:
        MissingExtra: this OpenCV has no cascades (version 5).
    """

    SECOND_LOOK = 0.6
    """What the second look narrows pictures to, as a share of `width`."""
    SAME = 0.33
    """Two boxes that share this much of the smaller one are one face."""

    def __init__(self, *, width: int = 640, min_share: float = 0.07, neighbours: int = 4, twice: bool = True):
        folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
        path = Path(folder or "") / "haarcascade_frontalface_alt2.xml"
        if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
            raise MissingExtra("opencv-python-headless below 5", "faces", "The Haar face detector")
        self._cascade = cv2.CascadeClassifier(str(path))
        self._contrast = cv2.createCLAHE(3.0, (16, 9)) if twice else None
        self.width, self.min_share, self.neighbours = width, min_share, neighbours

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return float32 (N, 4) boxes."""
        small, scale = _narrowed(picture, self.width)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        boxes = self._search(grey) / scale
        if self._contrast is None:
            return boxes
        smaller, again = _narrowed(grey, round(self.width * self.SECOND_LOOK))
        for box in self._search(self._contrast.apply(smaller)) / (again * scale):
            if (_shared(box, boxes) < self.SAME).all():
                boxes = np.concatenate([boxes, box[None]])
        return boxes

    def _search(self, grey: np.ndarray) -> np.ndarray:
        least = max(20, round(min(grey.shape) * self.min_share))
        found = self._cascade.detectMultiScale(grey, 1.15, self.neighbours, minSize=(least, least))
        boxes = np.asarray(found, np.float32).reshape(-1, 4)
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)


class LBP:
    """Local binary patterns: the frontal cascade inside scikit-image; slower, but it needs no OpenCV 4.

    Args:
        width: pictures are narrowed to this before the search.
        min_share: smallest face, as a share of the picture's shorter side.

    Raises:
        MissingExtra: scikit-image is not installed.
    """

    GROWN = 0.08
    """Its boxes are tighter than Haar's: this share of the side is added all around, so that mouths lie alike."""

    def __init__(self, *, width: int = 480, min_share: float = 0.1):
        try:
            from skimage import data
            from skimage.feature import Cascade
        except ImportError as error:
            raise MissingExtra("scikit-image", "faces", "The LBP face detector") from error
        self._cascade = Cascade(data.lbp_frontal_face_cascade_filename())
        self.width, self.min_share = width, min_share

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return float32 (N, 4) boxes."""
        small, scale = _narrowed(picture, self.width)
        short = min(small.shape[:2])
        least = max(24, round(short * self.min_share))
        found = self._cascade.detect_multi_scale(img=small, scale_factor=1.15, step_ratio=1, min_size=(least, least),
                                                 max_size=(short, short))
        boxes = np.array([[f["c"], f["r"], f["c"] + f["width"], f["r"] + f["height"]] for f in found], np.float32)
        boxes = boxes.reshape(-1, 4)
        grown = (boxes[:, 2:] - boxes[:, :2]) * self.GROWN
        return np.concatenate([boxes[:, :2] - grown, boxes[:, 2:] + grown], 1) / scale


class MediaPipe:
    """MediaPipe's full-range detector (Bazarevsky et al. 2019), whose weights are in wheels below 0.10.30.

    Raises:
        MissingExtra: no such MediaPipe.
    """

    def __init__(self, *, min_confidence: float = 0.5):
        try:
            from mediapipe import solutions
        except ImportError as error:
            raise MissingExtra("mediapipe below 0.10.30 (Python 3.12 or older)", "mediapipe",
                               "The MediaPipe face detector") from error
        self._detector = solutions.face_detection.FaceDetection(1, min_confidence)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Return float32 (N, 4) boxes; MediaPipe's own reach from brow to chin and are widened to what Haar gives."""
        height, width = picture.shape[:2]
        found = self._detector.process(picture).detections or []
        raw = [d.location_data.relative_bounding_box for d in found]
        boxes = np.array([[b.xmin * width, b.ymin * height, (b.xmin + b.width) * width, (b.ymin + b.height) * height]
                          for b in raw], np.float32).reshape(-1, 4)
        grown = (boxes[:, 2:] - boxes[:, :2]) * 0.08
        return np.concatenate([boxes[:, :2] - grown, boxes[:, 2:] + grown], 1)


def _shared(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return for each of (N, 4) boxes what it shares with one box, as a share of the smaller of the two."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return sides.clip(0).prod(1) / np.minimum(areas, (box[2:] - box[:2]).prod())


def _narrowed(picture: np.ndarray, width: int) -> tuple[np.ndarray, float]:
    scale = min(1.0, width / picture.shape[1])
    if scale == 1.0:
        return np.ascontiguousarray(picture), 1.0
    if picture.shape[0] * scale < 1:  # OpenCV would round the height to 0 and refuse
        return cv2.resize(picture, (width, 1), interpolation=cv2.INTER_AREA), scale
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale


__all__ = ["LBP", "Detector", "Haar", "MediaPipe"]
