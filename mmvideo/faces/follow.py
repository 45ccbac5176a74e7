"""Follow faces from detection to detection: Hungarian matching on overlap and distance, templates across misses."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, field

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

MAX_GAP = 0.4
"""Seconds without a detection that are bridged by a straight line; longer gaps are marked as not seen."""
KEEP = 2.0
"""Seconds after which a face that was not found again is given up."""
SMOOTH = 0.24
"""Boxes are averaged over this many seconds on both sides: 12 frames, because jitter looks like speech."""
STEADY = 1.0
"""The same for the size of a box."""
MIN_HITS = 3
"""Detections without which a face is taken for an error."""
_TEMPLATE = 48
_ALIKE = 0.75


@dataclass
class Path:
    """Where one face was found."""

    times: list[float] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)
    """Each float32 (3,): centre x, centre y, side."""
    begins: float = 0.0
    """The track may be extended back to here."""
    ends: float = float("inf")
    """A cut, or where the face was given up."""
    hits: int = 0
    interval: float = 0.2
    """Seconds between detections."""
    template: np.ndarray | None = None
    max_gap: float = MAX_GAP
    fixed: bool = False
    """Marked by hand: every box is known from the start."""

    @property
    def confirmed(self) -> bool:
        return self.hits >= MIN_HITS

    def add(self, seconds: float, box: np.ndarray) -> None:
        self.times.append(seconds)
        self.boxes.append(box)

    def seen_at(self, seconds: float) -> bool:
        """Say whether the face counts as seen: between detections that are near, or next to one."""
        if not self.begins - 1e-6 <= seconds < self.ends:
            return False
        after = bisect_right(self.times, seconds + 1e-6)
        if after == 0:
            return self.times[0] - seconds <= self.interval
        if after == len(self.times):
            return seconds - self.times[-1] <= self.interval
        return self.times[after] - self.times[after - 1] <= self.max_gap + 1e-3

    def at(self, seconds: float) -> np.ndarray:
        """Return the smoothed box, float32 (3,)."""
        near = running_mean(self.times, self.boxes, seconds, SMOOTH)
        near[2] = running_mean(self.times, self.boxes, seconds, STEADY)[2]
        return near


    def forget(self, before: float) -> None:
        """Drop detections that no later box depends on."""
        if self.fixed:
            return
        keep = max(0, bisect_right(self.times, before - STEADY - KEEP) - 1)
        del self.times[:keep], self.boxes[:keep]


class Follower:
    """Give each detection to the path that it continues.

    Args:
        interval: seconds between detections.
    """

    def __init__(self, interval: float):
        self.interval = interval
        self.live: list[Path] = []
        self.paths: list[Path] = []

    def cut(self, seconds: float) -> None:
        """End every path at a cut."""
        for path in self.live:
            path.ends = min(path.ends, seconds)
        self.live = []

    def add(self, seconds: float, boxes: np.ndarray, grey: np.ndarray, *, begins: float) -> None:
        """Continue paths with the boxes found at one time, start new ones, give up those long lost.

        Args:
            boxes: float32 (N, 4) x0, y0, x1, y1.
            grey: uint8 (H, W), the picture they were found in.
            begins: a new path may reach back to here: the last detection or cut.
        """
        found = centred(boxes)
        rows, columns = _assign(self.live, found, seconds)
        for row, column in zip(rows, columns, strict=True):
            path = self.live[row]
            path.add(seconds, found[column])
            path.hits += 1
            path.template = _patch(grey, found[column])
        for row in sorted(set(range(len(self.live))) - set(rows)):
            self._search(self.live[row], seconds, grey)
        for column in sorted(set(range(len(found))) - set(columns)):
            path = Path(begins=begins, hits=1, interval=self.interval, template=_patch(grey, found[column]))
            path.add(seconds, found[column])
            self.live.append(path)
            self.paths.append(path)
        for path in self.live:
            if seconds - path.times[-1] > KEEP:
                path.ends = path.times[-1] + self.interval
        self.live = [path for path in self.live if seconds - path.times[-1] <= KEEP]

    def _search(self, path: Path, seconds: float, grey: np.ndarray) -> None:
        """Look for a face that the detector missed, by its last picture, near where it was."""
        if not path.confirmed or path.template is None or seconds - path.times[-1] > KEEP / 2:
            return
        x, y, side = path.boxes[-1]
        region = cut_out(grey, x, y, side * 1.8, round(_TEMPLATE * 1.8))
        score = cv2.matchTemplate(region, path.template, cv2.TM_CCOEFF_NORMED)
        _, best, _, (column, row) = cv2.minMaxLoc(score)
        if best >= _ALIKE:
            middle = (score.shape[0] - 1) / 2
            pixel = side / _TEMPLATE
            path.add(seconds, np.array([x + (column - middle) * pixel, y + (row - middle) * pixel, side], np.float32))


def running_mean(times: list[float], rows: list[np.ndarray], seconds: float, reach: float) -> np.ndarray:
    """Return the mean, float32 (K,), over `reach` seconds on both sides of a time of what runs straight between rows.

    Args:
        times: increasing.
        rows: float32 (K,) each, at these times.
        seconds: the middle; near the first and the last time the reach is shorter.
        reach: seconds on each side.
    """
    reach = min(reach, max(0.08, seconds - times[0]), max(0.08, times[-1] - seconds))
    points = np.clip(np.linspace(seconds - reach, seconds + reach, 13), times[0], times[-1])
    low = max(0, bisect_right(times, points[0]) - 1)
    high = min(len(times), bisect_right(times, points[-1]) + 1)
    near, stacked = np.array(times[low:high]), np.array(rows[low:high], np.float64)
    after = np.minimum(np.searchsorted(near, points, "right"), len(near) - 1)
    before = np.maximum(after - 1, 0)
    share = (points - near[before]) / np.maximum(near[after] - near[before], 1e-12)
    weights = np.bincount(before, 1 - share, len(near)) + np.bincount(after, share, len(near))
    return (weights @ stacked / len(points)).astype(np.float32)


def centred(boxes: np.ndarray) -> np.ndarray:
    """Turn (N, 4) corners into float32 (N, 3): centre x, centre y, side (the mean of width and height)."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    size = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, size.mean(1, keepdims=True)], 1)


def corners(box: np.ndarray) -> np.ndarray:
    """Turn (3,) centre and side into float32 (4,) corners."""
    x, y, side = box
    return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], np.float32)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two squares, given by centre and side."""
    wide, high = ((one[2] + other[2]) / 2 - np.abs(one[:2] - other[:2])).clip(0, min(one[2], other[2]))
    shared = float(wide * high)
    return shared / float(one[2] ** 2 + other[2] ** 2 - shared)


def _assign(live: list[Path], found: np.ndarray, seconds: float) -> tuple[list[int], list[int]]:
    """Match paths to boxes; a pair must overlap, or lie within half a face, and be of like size."""
    if not live or not len(found):
        return [], []
    cost = np.full((len(live), len(found)), 1e3)
    for i, path in enumerate(live):
        last = path.boxes[-1]
        slack = 0.5 + min(1.0, max(0.0, seconds - path.times[-1] - path.interval))
        for j, box in enumerate(found):
            side = (last[2] + box[2]) / 2
            far = float(np.hypot(*(last[:2] - box[:2]))) / side
            iou = overlap(last, box)
            if (iou >= 0.3 or far <= slack) and 0.5 <= box[2] / last[2] <= 2:
                cost[i, j] = 1 - iou + far
    rows, columns = linear_sum_assignment(cost)
    kept = [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if cost[r, c] < 1e3]
    return [r for r, _ in kept], [c for _, c in kept]


def _patch(grey: np.ndarray, box: np.ndarray) -> np.ndarray:
    return cut_out(grey, box[0], box[1], box[2], _TEMPLATE)


def cut_out(picture: np.ndarray, x: float, y: float, side: float, pixels: int, *, roll: float = 0.0) -> np.ndarray:
    """Cut a square around a point, scaled to `pixels` a side; outside the picture its edge is repeated.

    Args:
        picture: uint8 (H, W) or (H, W, 3).
        x: of the middle, in pixels.
        y: of the middle.
        side: of the square, in pixels.
        pixels: a side of what is returned.
        roll: angle in rad of the square's upper edge; what is rolled by as much comes out upright.
    """
    scale = pixels / max(side, 1e-3)
    cos, sin = scale * math.cos(roll), scale * math.sin(roll)
    matrix = np.array([[cos, sin, pixels / 2 - x * cos - y * sin], [-sin, cos, pixels / 2 + x * sin - y * cos]],
                      np.float64)
    if scale < 0.5:  # warping alone would skip pixels
        reach = round(1 / scale / 2) * 2 + 1
        x0, y0 = (int(max(0, v - side)) for v in (x, y))
        part = picture[y0:int(y + side) + 1, x0:int(x + side) + 1]
        if part.size:
            picture = cv2.blur(part, (reach, reach))
            matrix[:, 2] += matrix[:, :2] @ np.array([x0, y0])
    return cv2.warpAffine(picture, matrix, (pixels, pixels), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


__all__ = ["Follower", "Path", "centred", "corners", "cut_out", "overlap", "running_mean"]
