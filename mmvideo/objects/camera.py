"""How the camera moved between two frames: a shift, zoom and roll that most of the background agrees on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

Box = tuple[float, float, float, float]
_FEATURES = 600
_MIN_MATCHES = 12
_MIN_RESPONSE = 0.15
_LARGEST_ZOOM = 2.0
_LARGEST_ROLL = 0.5


@dataclass(frozen=True)
class CameraStep:
    """Where what stands still in one frame lies in the next: an affine map of shares of the picture."""

    matrix: np.ndarray
    """float64 (2, 3)."""
    known: bool = True
    """False where nothing could be matched, and the map leaves everything where it is."""

    def points(self, points: np.ndarray) -> np.ndarray:
        """Map (N, 2) x, y."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    @property
    def zoom(self) -> float:
        """How much larger things become."""
        return float(np.sqrt(max(np.linalg.det(self.matrix[:, :2]), 1e-9)))


STILL = CameraStep(np.eye(2, 3), known=False)
"""The camera as if it stood still."""


class BackgroundMotion:
    """Compare each frame with the one before it."""

    def __init__(self) -> None:
        self._orb = cv2.ORB.create(_FEATURES, fastThreshold=8)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
        self.forget()

    def forget(self) -> None:
        """Begin anew, after a cut."""
        self._grey: np.ndarray | None = None
        self._points: np.ndarray = np.zeros((0, 2), np.float32)
        self._features: np.ndarray | None = None

    def __call__(self, grey: np.ndarray, boxes: Sequence[Box]) -> CameraStep:
        """Return the step from the last frame to this one.

        Args:
            grey: uint8 (H, W), the same size every time.
            boxes: objects that may move by themselves; they are left out.
        """
        found, features = self._orb.detectAndCompute(grey, _background(grey.shape, boxes))
        points = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
        step = STILL
        if self._grey is not None:
            step = self._matched(points, features, grey.shape) or self._correlated(grey)
        self._grey, self._points, self._features = grey, points, features
        return step

    def _matched(self, points: np.ndarray, features: np.ndarray | None, shape: tuple[int, ...]) -> CameraStep | None:
        """Return the similarity that most matched corners agree on; None where too few do."""
        if self._features is None or features is None:
            return None
        pairs = self._matcher.match(self._features, features)
        if len(pairs) < _MIN_MATCHES:
            return None
        before = self._points[[pair.queryIdx for pair in pairs]]
        after = points[[pair.trainIdx for pair in pairs]]
        matrix, agree = cv2.estimateAffinePartial2D(before, after, method=cv2.RANSAC, ransacReprojThreshold=2.5,
                                                    maxIters=500)
        if matrix is None or agree.sum() < max(_MIN_MATCHES, 0.2 * len(pairs)):
            return None
        zoom, roll = np.hypot(matrix[0, 0], matrix[1, 0]), np.arctan2(matrix[1, 0], matrix[0, 0])
        if not 1 / _LARGEST_ZOOM < zoom < _LARGEST_ZOOM or abs(roll) > _LARGEST_ROLL:
            return None
        return CameraStep(_in_shares(matrix, shape))

    def _correlated(self, grey: np.ndarray) -> CameraStep:
        """Return the shift at which both frames look most alike; still where none stands out."""
        assert self._grey is not None
        one, other = (cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA).astype(np.float32)
                      for picture in (self._grey, grey))
        if min(one.std(), other.std()) < 1:
            return STILL
        (x, y), response = cv2.phaseCorrelate(one, other, cv2.createHanningWindow((128, 128), cv2.CV_32F))
        if response < _MIN_RESPONSE:
            return STILL
        return CameraStep(np.array([[1, 0, x / 128], [0, 1, y / 128]]))


def _background(shape: tuple[int, ...], boxes: Sequence[Box]) -> np.ndarray | None:
    """Return a mask without the boxes; None where they leave too little."""
    height, width = shape[:2]
    mask = np.full((height, width), 255, np.uint8)
    for left, top, right, bottom in boxes:
        mask[int(top * height):int(np.ceil(bottom * height)), int(left * width):int(np.ceil(right * width))] = 0
    return mask if (mask > 0).mean() > 0.1 else None


def _in_shares(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Turn a map of pixels into one of shares."""
    size = np.array([shape[1], shape[0]], np.float64)
    return np.concatenate([matrix[:, :2] * size[None] / size[:, None], (matrix[:, 2] / size)[:, None]], 1)


__all__ = ["STILL", "BackgroundMotion", "CameraStep"]
