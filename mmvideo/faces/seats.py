"""Join the tracks of one person across cutaways: the same face, alike in its surroundings, in about the same place.

A track ends at a cut, and where a face is lost for two seconds. When the film returns to the shot, or the person turns
back, the face is near where it was, as large as it was, and its picture is alike; then both are one track, with a gap.
Never are two people one track: who is seen at the same time is not joined, and likeness must be high in both the
colours of the still face with what surrounds it and the directions of its edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from mmvideo.faces.tracks import MOUTH_SIDE, FaceTrack, SeatMouths

NEAR, NEAR_IN_SHOT = 0.5, 1.0
"""Distance between the places before and after, in sides of the face: across a cut, and within one shot."""
SIZE = 1.25
"""Largest ratio of the sides."""
COLOURS_ALIKE, EDGES_ALIKE = 0.935, 0.5
"""Least likeness of colours and of edges. On stills of 18 newsreaders, all near the middle of the picture, one of
5,238 pairs of different people was above 0.93 and 0.5; all 30 pairs of the two people of an interview were."""
_EDGES = cv2.HOGDescriptor((64, 64), (16, 16), (8, 8), (8, 8), 9)
_BINS, _RANGES = [6, 8, 8], [0, 256, 96, 160, 96, 160]


@dataclass
class Appearance:
    """What a still face looks like."""

    colours: np.ndarray
    """Square roots of a histogram in CIELAB, unit length."""
    edges: np.ndarray
    """Histograms of oriented gradients (Dalal & Triggs 2005), zero mean, unit length."""

    @classmethod
    def of(cls, still: np.ndarray) -> Appearance:
        """Describe a square still of a face, uint8 (S, S, 3) RGB, which shows 1.4 sides of its box."""
        counts = cv2.calcHist([cv2.cvtColor(still, cv2.COLOR_RGB2LAB)], [0, 1, 2], None, _BINS, _RANGES).ravel()
        low, high = round(still.shape[0] * 0.16), round(still.shape[0] * 0.84)
        inner = cv2.resize(still[low:high, low:high], (64, 64), interpolation=cv2.INTER_AREA)
        edges = np.asarray(_EDGES.compute(cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY))).ravel()
        edges = edges - edges.mean()
        return cls(np.sqrt(counts / max(counts.sum(), 1)), edges / max(float(np.linalg.norm(edges)), 1e-6))

    def likeness(self, other: Appearance) -> float:
        """Return the sum of both likenesses, each at most 1; 0 where one of them is too low."""
        colours, edges = float(self.colours @ other.colours), float(self.edges @ other.edges)
        return colours + edges if colours >= COLOURS_ALIKE and edges >= EDGES_ALIKE else 0.0


@dataclass
class _Seat:
    tracks: list[FaceTrack] = field(default_factory=list)
    looks: list[list[Appearance]] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.tracks[-1].first + len(self.tracks[-1])

    def score(self, track: FaceTrack, looks: list[Appearance], cuts: Sequence[int]) -> float:
        """Say how well a track goes on from this seat; 0 if not."""
        if track.first < self.end:
            return 0.0
        same_shot = not any(self.end - 1 <= cut <= track.first + 1 for cut in cuts)
        if same_shot and not _near(self.tracks[-1].boxes[-1], track.boxes[0], NEAR_IN_SHOT):
            return 0.0
        return max((own.likeness(look) for before, known in zip(self.tracks, self.looks, strict=True)
                    if same_shot or _near(before.boxes[-1], track.boxes[0], NEAR)
                    for own in known for look in looks), default=0.0)


def join_seats(tracks: Sequence[FaceTrack], cuts: Sequence[int] = ()) -> list[FaceTrack]:
    """Return the tracks, those of one person in one seat joined, in the order of their first rows.

    Args:
        tracks: of one clip.
        cuts: rows at which shots begin.
    """
    seats: list[_Seat] = []
    waiting = sorted(tracks, key=lambda t: t.first)
    while waiting:
        begins = waiting[0].first
        together = [t for t in waiting if t.first <= begins + 1]  # one shot's faces are given out at once
        waiting = waiting[len(together):]
        looks = [[Appearance.of(still) for still in (t.thumbnail, *t.looks)] for t in together]
        pairs = sorted(((seat.score(track, look, cuts), i, j) for i, seat in enumerate(seats)
                        for j, (track, look) in enumerate(zip(together, looks, strict=True))), reverse=True)
        taken: dict[int, int] = {}
        for score, i, j in pairs:
            if score > 0 and i not in taken.values() and j not in taken:
                taken[j] = i
        for j, (track, look) in enumerate(zip(together, looks, strict=True)):
            seat = seats[taken[j]] if j in taken else _Seat()
            if j not in taken:
                seats.append(seat)
            seat.tracks.append(track)
            seat.looks.append(look)
    return [_joined(seat.tracks) for seat in seats]


def _near(before: np.ndarray, after: np.ndarray, reach: float) -> bool:
    sides = [float(box[2] - box[0]) for box in (before, after)]
    far = np.hypot(*((before[:2] + before[2:]) / 2 - (after[:2] + after[2:]) / 2))
    return bool(far <= reach * np.sqrt(sides[0] * sides[1]) and max(sides) <= SIZE * min(sides))


def _joined(tracks: list[FaceTrack]) -> FaceTrack:
    """Make one track of several; it is not seen between them."""
    first, *rest = tracks
    if not rest:
        return first
    total = tracks[-1].first + len(tracks[-1]) - first.first
    boxes, valid = np.full((total, 4), np.nan, np.float32), np.zeros(total, bool)
    changed, contrast = np.full(total, np.nan, np.float32), np.full(total, np.nan, np.float32)
    for track in tracks:
        rows = slice(track.first - first.first, track.first - first.first + len(track))
        boxes[rows], valid[rows] = track.boxes, track.valid
        changed[rows], contrast[rows] = track.changed, track.contrast
    mouths = SeatMouths([(t.first - first.first, t.mouths) for t in tracks], total, (MOUTH_SIDE, MOUTH_SIDE))
    longest = max(tracks, key=lambda t: int(t.valid.sum()))
    return FaceTrack(first.number, first.first, boxes, valid, mouths, longest.thumbnail,
                     float(np.average([t.mouth_pixels for t in tracks], weights=[len(t) for t in tracks])),
                     changed, contrast, looks=tuple(look for track in tracks for look in track.looks))


__all__ = ["Appearance", "join_seats"]
