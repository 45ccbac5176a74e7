"""Follow objects from frame to frame, at a few frames a second.

Two passes of matching, detections that are sure and then those that are not, as ByteTrack (Zhang et al. 2022,
https://arxiv.org/abs/2110.06864); beside overlap, what colours a box has; boxes are moved with the camera and then with
their own velocity before they are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from mmvideo.objects import colours
from mmvideo.objects.assignment import least_cost_pairs
from mmvideo.objects.base import Detection
from mmvideo.objects.camera import BackgroundMotion, CameraStep
from mmvideo.objects.tracks import ObjectTrack

SURE = 0.5
"""Confidence of a detection that begins a track."""
UNSURE = 0.15
"""Confidence of a detection that may continue one."""
KEEP_SECONDS = 2.0
"""How long an object that is not found is waited for; at least two frames."""
MOST_TRACKS = 2000
"""Of a video; the least sure ones are forgotten first."""
_KINDS = ({"car", "truck", "bus", "train"}, {"bicycle", "motorcycle"},
          {"cat", "dog", "horse", "sheep", "cow", "bear", "elephant", "zebra", "giraffe"}, {"bird", "kite", "airplane"},
          {"chair", "couch", "bed", "bench"}, {"cup", "bowl", "wine glass", "vase", "bottle"},
          {"tv", "laptop", "microwave", "oven"}, {"cell phone", "remote"})
"""Classes that detectors take for each other; a track may change among them, and is called what it mostly was."""
_KIND = {label: number for number, labels in enumerate(_KINDS) for label in labels}
_PART_SURE = 0.8
"""A box within another of its kind that is less sure than this shows a part of it."""
_NEVER = 1e3


def confused_kind(label: str) -> str:
    """Return a name that classes which are easily confused share."""
    return f"kind {_KIND[label]}" if label in _KIND else label


@dataclass
class _Path:
    """An object that is being followed."""

    number: int
    seconds: list[float] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)
    votes: dict[str, float] = field(default_factory=dict)
    state: np.ndarray = field(default_factory=lambda: np.zeros(4))
    """Centre, width and height, where it is expected in the present frame."""
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(4))
    """Change of the state in a second, without the camera's part."""
    origin: np.ndarray = field(default_factory=lambda: np.zeros(2))
    """Where the centre of its first box lies in the present frame, had it stood still."""
    shift: np.ndarray = field(default_factory=lambda: np.zeros(2))
    look: np.ndarray = field(default_factory=lambda: np.zeros(1))
    """Histogram of its colours, a running mean."""
    shares: np.ndarray = field(default_factory=lambda: np.zeros(len(colours.COLOURS)))
    """Sum of the shares of named colours over its frames."""

    @property
    def label(self) -> str:
        return max(self.votes, key=lambda label: self.votes[label])

    def move(self, step: CameraStep, seconds: float) -> None:
        """Expect it in the next frame, `seconds` later."""
        self.origin = step.points(self.origin[None])[0]
        self.state = np.concatenate([step.points(self.state[None, :2])[0], self.state[2:] * step.zoom])
        self.velocity = self.velocity * step.zoom
        self.state = self.state + self.velocity * seconds
        self.state[2:] = np.maximum(self.state[2:], 1e-3)
        self.velocity = self.velocity * 0.5 ** (seconds / KEEP_SECONDS)

    def see(self, seconds: float, detection: Detection, look: np.ndarray, shares: np.ndarray) -> None:
        """Take a detection as the next sight of it."""
        found = state_of(detection.box)
        if self.seconds:
            gone = max(seconds - self.seconds[-1], 1e-3)
            # a sure detection corrects the expected state more than a doubtful one; corrections make the velocity
            trust = 0.5 + 0.4 * detection.confidence
            off = (found - self.state) * trust
            self.velocity = self.velocity + 0.4 * off / max(gone, 0.1)
            self.velocity[2:] *= 0.5
            self.state = self.state + off
            self.look = 0.8 * self.look + 0.2 * look
        else:
            self.state, self.origin, self.look = found, found[:2].copy(), look
        self.shift = found[:2] - self.origin
        self.shares = self.shares + shares
        self.seconds.append(seconds)
        self.boxes.append(detection.box)
        self.confidences.append(detection.confidence)
        self.votes[detection.label] = self.votes.get(detection.label, 0.0) + detection.confidence

    def track(self) -> ObjectTrack:
        """Return what is known of it."""
        return ObjectTrack(self.number, self.label, tuple(self.seconds), tuple(self.boxes), tuple(self.confidences),
                           colours.named(self.shares / len(self.seconds)), (float(self.shift[0]), float(self.shift[1])))


class ObjectTracker:
    """Give each detection to the track that it continues.

    Args:
        aspect: width over height of the pictures before they were scaled for the detector.
        keep_seconds: how long an object that is not found is waited for.
        sure: confidence of a detection that begins a track.
        unsure: confidence of a detection that may continue one.
    """

    def __init__(self, *, aspect: float = 1.0, keep_seconds: float = KEEP_SECONDS, sure: float = SURE,
                 unsure: float = UNSURE):
        self.aspect, self.keep_seconds, self.sure, self.unsure = aspect, keep_seconds, sure, unsure
        self._camera = BackgroundMotion()
        self._live: list[_Path] = []
        self._done: list[ObjectTrack] = []
        self._number = 0
        self._now: float | None = None

    def cut(self) -> None:
        """End every track: what follows is another shot."""
        self._retire(self._live)
        self._live, self._now = [], None
        self._camera.forget()

    def add(self, seconds: float, picture: np.ndarray, detections: Sequence[Detection]) -> None:
        """Continue tracks with what was found in the next frame, and begin new ones.

        Args:
            seconds: when, later than the frame before.
            picture: uint8 (H, W, 3) RGB, small, of one size.
            detections: what was found in it.
        """
        found = distinct([one for one in detections if one.confidence >= self.unsure])
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        step = self._camera(grey, [one.box for one in found if one.confidence >= self.sure])
        gone = 0.0 if self._now is None else seconds - self._now
        waits = max(self.keep_seconds, 2.5 * gone)
        self._now = seconds
        for path in self._live:
            path.move(step, gone)
        inner = [colours.inner(picture, one.box, person=one.label == "person", aspect=self.aspect) for one in found]
        looks = [histogram(part) for part in inner]
        free, unseen = list(range(len(found))), list(self._live)
        for sure in (True, False):
            some = [k for k in free if (found[k].confidence >= self.sure) == sure]
            for path, k in _assigned(unseen, some, found, looks, seconds, by_look=sure,
                                     aspect=self.aspect):
                path.see(seconds, found[k], looks[k], colours.colour_shares(inner[k]))
                free.remove(k)
                unseen.remove(path)
        for k in free:
            if found[k].confidence >= self.sure:
                self._number += 1
                self._live.append(_Path(self._number))
                self._live[-1].see(seconds, found[k], looks[k], colours.colour_shares(inner[k]))
        lost = [path for path in self._live if seconds - path.seconds[-1] > waits]
        self._retire(lost)
        self._live = [path for path in self._live if path not in lost]

    def _retire(self, paths: Sequence[_Path]) -> None:
        self._done += [path.track() for path in paths]
        if len(self._done) > 2 * MOST_TRACKS:
            self._done = _surest(self._done)

    def tracks(self) -> tuple[ObjectTrack, ...]:
        """Return all tracks, in the order in which they begin, numbered from 1."""
        every = _surest([*self._done, *(path.track() for path in self._live)])
        every.sort(key=lambda track: (track.seconds[0], track.number))
        return tuple(ObjectTrack(number, one.label, one.seconds, one.boxes, one.confidences, one.colours, one.shift)
                     for number, one in enumerate(every, 1))


def _surest(tracks: list[ObjectTrack]) -> list[ObjectTrack]:
    return sorted(tracks, key=lambda track: -sum(track.confidences))[:MOST_TRACKS]


def distinct(detections: Sequence[Detection]) -> list[Detection]:
    """Leave out what is seen twice, the surest first.

    That is a box under two names that are easily confused, or a part of somebody who was found whole.
    """
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda detection: -detection.confidence):
        same = [other for other in kept if confused_kind(other.label) == confused_kind(one.label)]
        if same:
            shared, inside = overlaps([one.box], [other.box for other in same])
            share = _area(one.box) / np.array([max(_area(other.box), 1e-9) for other in same])
            if shared.max() > 0.6 or (one.confidence < _PART_SURE and ((inside[0] > 0.9) & (share > 0.15)).any()):
                continue
        kept.append(one)
    return kept


def _area(box: Sequence[float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def state_of(box: Sequence[float]) -> np.ndarray:
    """Turn corners into float64 (4,): centre x, centre y, width, height."""
    left, top, right, bottom = box
    return np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])


def histogram(picture: np.ndarray) -> np.ndarray:
    """Return the colours of the upper and the lower half of a cut-out: square roots of two histograms over 4 x 4 x 4
    bins of red, green and blue, float64 (128,) of unit length (Bhattacharyya: the product of two is their likeness)."""
    if not picture.size:
        return np.zeros(128)
    small = cv2.resize(picture, (12, 24), interpolation=cv2.INTER_AREA).reshape(2, -1, 3) // 64
    codes = small[..., 0].astype(int) * 16 + small[..., 1] * 4 + small[..., 2]
    counts = np.concatenate([np.bincount(half, minlength=64) for half in codes])
    root: np.ndarray = np.sqrt(counts / counts.sum())
    return root


def overlaps(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return intersection over union (N, M) of boxes, and the share of each of `one` that lies in one of `other`."""
    a, b = np.asarray(one, float)[:, None], np.asarray(other, float)[None]
    sides = (np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])).clip(0)
    shared = sides[..., 0] * sides[..., 1]
    area_a, area_b = ((x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1]) for x in (a, b))
    return shared / np.maximum(area_a + area_b - shared, 1e-9), shared / np.maximum(area_a, 1e-9)


def _assigned(paths: Sequence[_Path], some: Sequence[int], found: Sequence[Detection], looks: Sequence[np.ndarray],
              seconds: float, *, by_look: bool, aspect: float) -> list[tuple[_Path, int]]:
    """Match paths to the detections `some`; a pair must overlap or, `by_look`, lie near and look alike."""
    if not paths or not some:
        return []
    states = np.stack([path.state for path in paths])
    corners = np.concatenate([states[:, :2] - states[:, 2:] / 2, states[:, :2] + states[:, 2:] / 2], 1)
    boxes = np.array([found[k].box for k in some])
    there = np.stack([state_of(box) for box in boxes])
    overlap, _ = overlaps(corners.tolist(), boxes.tolist())
    # distances in units of the longer side, so that a narrow box may move its own width and more
    shape = np.array([aspect, 1.0])
    longer = ((states[:, None, 2:] + there[None, :, 2:]) / 2 * shape).max(2)
    far = np.sqrt((((states[:, None, :2] - there[None, :, :2]) * shape) ** 2).sum(2)) / np.maximum(longer, 0.03)
    alike = np.stack([path.look for path in paths]) @ np.stack([looks[k] for k in some]).T
    ratio = np.maximum(states[:, None, 2:] / there[None, :, 2:], there[None, :, 2:] / states[:, None, 2:]).max(2)
    waited = np.array([min(seconds - path.seconds[-1], KEEP_SECONDS) for path in paths])[:, None]
    cost = (1 - overlap) + np.minimum(far, 2) + (0.8 * (1 - alike) if by_look else 0)
    near = (far <= 0.4 + 0.6 * waited) & (alike > 0.5) & (ratio < 2)
    allowed = overlap > 0.25
    if by_look:
        allowed = (allowed & (alike > 0.15)) | near
    kinds = [confused_kind(path.label) for path in paths]
    allowed &= np.array([[kind == confused_kind(found[k].label) for k in some] for kind in kinds])
    cost = np.where(allowed, cost, _NEVER)
    return [(paths[row], some[column]) for row, column in least_cost_pairs(cost) if cost[row, column] < _NEVER]


__all__ = [
    "KEEP_SECONDS",
    "MOST_TRACKS",
    "SURE",
    "UNSURE",
    "ObjectTracker",
    "confused_kind",
    "distinct",
    "histogram",
    "overlaps",
    "state_of",
]
