"""Find the faces of a clip in one pass, in memory that does not grow with its length.

A frame is looked at when the frames after it are known: 8 of them say whether it is a cut, 1.2 s of them how its faces
move. Then its mouths are cut out and it is forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput
from mmvideo.faces.align import EVERY, REACH, Aligner, region_of
from mmvideo.faces.beside import PointsSeeker, read_ahead
from mmvideo.faces.blazeface_detector import BlazeFace
from mmvideo.faces.detect import Detector
from mmvideo.faces.follow import Follower, Path, centred, overlap
from mmvideo.faces.record import Record
from mmvideo.faces.seats import join_seats
from mmvideo.faces.tracks import MIN_MOUTH, RATE, Faces, TrackGiven
from mmvideo.nn.threads import one_thread
from mmvideo.registry import find
from mmvideo.sampling.shots import FRAME_SIZE, LAGS, NEIGHBOURS, changes, cut_frames, shot_features

DELAY = 1.2
"""Seconds of detections that must follow a frame before its boxes are final."""
_LOOK_AHEAD = LAGS + NEIGHBOURS
_GLANCES = 2
"""Searches in the whole picture alone between two that also look at squares."""
MAX_SIDE = 1920
"""Larger pictures are scaled down to this."""


class FaceFinder:
    """Detect, follow, and cut out mouths.

    Args:
        detector: a name (`mmvideo list face-detectors`), a callable, or None for BlazeFace.
        interval: seconds between detections.
        min_mouth: pixels that a mouth region must have; smaller faces are refused.
    """

    def __init__(self, detector: str | Detector | None = None, *, interval: float = 0.2,
                 min_mouth: float = MIN_MOUTH):
        if not 0 < interval <= 0.4:
            raise InvalidInput(f"interval must be above 0 and at most 0.4 s, not {interval}.")
        if detector is None:
            self.detector: Detector = BlazeFace()
        else:
            self.detector = find("face-detectors", detector)() if isinstance(detector, str) else detector
        self.aligner = Aligner()
        self.interval, self.min_mouth = interval, min_mouth

    def __call__(self, source: Any, *, given: Sequence[TrackGiven] = (),
                 on_progress: Callable[[float], None] | None = None) -> Faces:
        """Find the faces of an opened source.

        Args:
            source: a `mmvideo.media.Source`.
            given: faces marked by hand; then none is searched for.
            on_progress: called with the share of the clip that is done.

        Raises:
            NoVideoTrack: there is no moving picture.
            VideoDecodeError: nothing can be decoded.
        """
        start, end = source.start_seconds, source.end_seconds
        videos = source.stream(size=_size(source), fit="squash", batch=8)
        with one_thread() as threaded, PointsSeeker(self.aligner, threaded=threaded) as seeker:
            work = _Work(self, seeker, start, end, scale=_scale(source), given=given)
            for video in read_ahead(videos) if threaded else videos:
                work.push(video)
                if on_progress is not None:
                    on_progress(min(1.0, (float(video.pts_seconds[-1]) - start) / max(1e-6, end - start)))
            return work.finish(source.warnings)


def find_faces(source: Any, **options: Any) -> Faces:
    """Find the faces of an opened source with the usual settings; `options` go to `FaceFinder.__call__`."""
    return FaceFinder()(source, **options)


class _Work:
    """One pass over one clip."""

    def __init__(self, finder: FaceFinder, seeker: PointsSeeker, start: float, end: float, *, scale: float,
                 given: Sequence[TrackGiven]):
        self.finder, self.seeker, self.start, self.end, self.scale = finder, seeker, start, end, scale
        self.num_rows = max(1, round((end - start) * RATE))
        self.follower = Follower(finder.interval)
        self.searching = not given
        self.records: list[Record] = [Record(_marked(g, start, scale)) for g in given]
        self.done: list[Record] = []
        self.cuts: list[float] = []
        self._waiting: deque[tuple[float, np.ndarray]] = deque()  # before the search for faces: RGB
        self._looked: deque[tuple[float, np.ndarray]] = deque()  # after it: grey
        self._described = torch.zeros(0, 0)
        self._described_at: deque[float] = deque()
        self._last_search = self._last_points = -1e9
        self._glances, self._small = 0, True
        self._newest = start
        self._border = start
        self._row = 0
        self._known = 0

    def push(self, video: Any) -> None:
        """Take a batch of frames."""
        pictures = np.ascontiguousarray(video.frames.permute(0, 2, 3, 1).numpy())
        small = np.stack([cv2.resize(p, FRAME_SIZE[::-1], interpolation=cv2.INTER_AREA) for p in pictures])
        described = shot_features(torch.from_numpy(small).permute(0, 3, 1, 2))
        self._described = torch.cat([self._described, described]) if len(self._described) else described
        for seconds, picture in zip(video.pts_seconds.tolist(), pictures, strict=True):
            self._waiting.append((seconds, picture))
            self._described_at.append(seconds)
        self._search(keep=_LOOK_AHEAD)

    def _search(self, keep: int) -> None:
        """Look for cuts and faces in the frames whose surroundings are known."""
        ready = len(self._waiting) - keep
        if ready <= 0:
            return
        first = len(self._described) - len(self._waiting)
        cuts = {t for t in cut_frames(changes(self._described).numpy()) if first <= t < first + ready}
        for index in range(ready):
            check()
            seconds, picture = self._waiting.popleft()
            cut = first + index in cuts
            if cut:
                self.cuts.append(seconds)
                self.follower.cut(seconds)
                self._border = seconds
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            if self.searching and (cut or seconds - self._last_search >= self.finder.interval - 1e-3):
                boxes = _without_doubles(self._detected(picture, whole=not cut))
                known = len(self.follower.paths)
                self.follower.add(seconds, boxes, grey, begins=max(self._border, seconds - self.finder.interval))
                self.records += [Record(path) for path in self.follower.paths[known:]]
                self._last_search = seconds
                self.follower.paths = self.follower.live[:]
            if cut or seconds - self._last_points >= EVERY - 1e-3:
                self._points(seconds, picture)
                self._last_points = seconds
            for record in self.records:
                record.consider(seconds, picture, grey)
            self._looked.append((seconds, grey))
            self._newest = seconds
        extra = len(self._described) - len(self._waiting) - _LOOK_AHEAD
        if extra > 0:
            self._described = self._described[extra:]
        self._cut_out(until=self._newest - DELAY)

    def _detected(self, picture: np.ndarray, *, whole: bool) -> np.ndarray:
        """Return the boxes of faces; twice of three times in the whole picture alone where all lately were seen there.

        Args:
            picture: uint8 (H, W, 3) RGB.
            whole: allow that; not where a shot begins.
        """
        detector = self.finder.detector
        if not isinstance(detector, BlazeFace):
            return detector(picture)
        live = sum(path.confirmed for path in self.follower.live)
        self._glances = self._glances + 1 if whole and self._glances < _GLANCES and not self._small else 0
        boxes, small = detector.glance(picture, whole=self._glances > 0)
        if self._glances and len(boxes) < live:  # somebody is missing: look closely before they are given up
            self._glances = 0
            boxes, small = detector.glance(picture, whole=False)
        self._small = small if not self._glances else self._small
        return boxes

    def _points(self, seconds: float, picture: np.ndarray) -> None:
        """Look for the points of the faces that were just found, or where their last points were."""
        asked = []
        for record in self.records:
            path = record.path
            if not path.ends > seconds or not path.times:
                continue
            if path.fixed:
                if path.seen_at(seconds):
                    asked.append((record, region_of(path.at(seconds))))
            elif seconds - path.times[-1] <= self.finder.interval:
                asked.append((record, region_of(path.boxes[-1])))
        self.seeker.look(seconds, picture, asked)

    def _cut_out(self, until: float) -> None:
        """Cut out the mouths of all rows before a time; forget the frames that are over."""
        self.seeker.settle(until + REACH)
        while len(self._looked) > 1 and self._looked[1][0] <= until:
            self._rows(*self._looked.popleft(), self._looked[0][0])
        for record in self.records:
            record.path.forget(until)
            record.poses.forget(until)

    def _rows(self, shown: float, grey: np.ndarray, end: float) -> None:
        """Fill the rows at which a frame is shown: from its own time to `end`."""
        while self._row < self.num_rows and self.start + self._row / RATE < end - 1e-6:
            seconds = self.start + self._row / RATE
            for record in self.records:
                record.add(self._row, seconds, shown, grey)
            self._row += 1
        over = [r for r in self.records if r.path.ends <= end]
        if over:
            self.records = [r for r in self.records if r.path.ends > end]
            for record in over:
                self._keep(record)

    def _keep(self, record: Record) -> None:
        if record.path.confirmed and record.num_seen:
            self.done.append(record)
        else:
            record.close()

    def finish(self, warnings: tuple[str, ...]) -> Faces:
        """Take what is left, number the tracks and refuse small mouths."""
        self._search(keep=0)
        self._cut_out(until=float("inf"))
        if self._looked:
            self._rows(*self._looked.popleft(), self.end + 1 / RATE)
        for record in self.records:
            self._keep(record)
        tracks = [record.track(self.scale) for record in self.done]
        if self.searching:
            tracks = join_seats(tracks, [round((cut - self.start) * RATE) for cut in self.cuts])
        tracks.sort(key=lambda t: (t.first // RATE, float(t.boxes[0, 0])))
        good = [t for t in tracks if t.mouth_pixels >= self.finder.min_mouth]
        small = [t for t in tracks if t.mouth_pixels < self.finder.min_mouth]
        for number, track in enumerate([*good, *small], 1):
            track.number = number
        notes = tuple(f"a face of {t.mouth_pixels:.0f} pixels around the mouth, from {t.spans(self.start)[0][0]:.1f} s,"
                      f" is too small to read (at least {self.finder.min_mouth:g})" for t in small)
        return Faces(good, self.start, self.num_rows, small, tuple(self.cuts), (*warnings, *notes))


def _marked(given: TrackGiven, start: float, scale: float) -> Path:
    """Make the path of a face that was marked by hand, at the scale of the pictures looked at."""
    boxes = list(centred(np.asarray(given.boxes, np.float32) * scale))
    times = [float(t) for t in given.times_seconds] or [start]
    still = len(times) == 1
    return Path(times=times, boxes=boxes, begins=start if still else times[0], hits=10**6,
                interval=float("inf") if still else 0.2, max_gap=float("inf"), fixed=True)


def _without_doubles(boxes: np.ndarray) -> np.ndarray:
    """Keep the larger of two boxes that overlap by half, or of which one lies in the other."""
    order: list[int] = np.argsort(-(boxes[:, 2] - boxes[:, 0])).tolist() if len(boxes) else []
    kept: list[int] = []
    squares = centred(boxes)
    for i in order:
        inside = [overlap(squares[i], squares[j]) >= 0.4 or bool(
            (np.abs(squares[i, :2] - squares[j, :2]) < squares[j, 2] / 2 - squares[i, 2] / 4).all()) for j in kept]
        if not any(inside):
            kept.append(int(i))
    return boxes[kept].reshape(-1, 4)


def _scale(source: Any) -> float:
    main = source.info.main_video
    return 1.0 if main is None else min(1.0, MAX_SIDE / max(main.width, main.height))


def _size(source: Any) -> tuple[int, int] | None:
    scale, main = _scale(source), source.info.main_video
    return None if scale == 1.0 else tuple(max(1, round(side * scale)) for side in main.upright)


__all__ = ["FaceFinder", "find_faces"]
