"""Where the mouth of a followed face is, how large and how much rolled, by the points of FaceMesh.

Boxes of a detector tremble and know nothing of a tilted head. Points give the middle between the corners of the mouth,
a scale that a turned head does not change (the distance between the eyes in three dimensions) and the roll of the eyes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import torch

from mmvideo import weights
from mmvideo.faces.facemesh import EYES, MOUTH_CORNERS, FaceMesh
from mmvideo.faces.follow import cut_out, running_mean

EVERY = 0.08
"""Seconds between two looks at the points."""
MOUTH_IN_EYES = 1.245
"""Side of the mouth region in distances between the outer corners of the eyes; as large as 0.66 of a face box (medians
of 14 clips, quartiles 3 % apart)."""
_CENTRE, _ROLL, _SIDE = 0.12, 0.4, 1.0
"""Seconds on both sides over which the middle, the roll and the size are averaged."""
REACH = _SIDE + 1.5 * EVERY
"""Seconds after a moment whose points its pose depends on."""
_NEAR = 0.3
"""Seconds from the last points beyond which the detector's box is used."""
_AROUND = 1.5
"""Side of the crop that FaceMesh is shown, in sides of the face."""
_LOWER = 0.075
"""The middle of the points lies that share of a box side below the middle of the box."""
_LEAST_FACE = 0.5
_LARGEST_BATCH = 8
Found = tuple[np.ndarray, np.ndarray]
"""A pose (4,) and the region (4,) of the points: centre x, y, side, roll."""


class MouthPoses:
    """The poses of one face's mouth over time, each float32 (4,): centre x, centre y, side in pixels, roll in rad."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.poses: list[np.ndarray] = []

    def add(self, seconds: float, pose: np.ndarray) -> None:
        """Take what was found at a time later than all before."""
        self.times.append(seconds)
        self.poses.append(pose)

    def at(self, seconds: float) -> np.ndarray | None:
        """Return the smoothed pose, float32 (4,), or None where no points were found near."""
        after = bisect_left(self.times, seconds - 1e-6)
        gaps = [abs(self.times[i] - seconds) for i in (after - 1, after) if 0 <= i < len(self.times)]
        if not gaps or min(gaps) > _NEAR:
            return None
        pose = running_mean(self.times, self.poses, seconds, _CENTRE)
        pose[2] = running_mean(self.times, self.poses, seconds, _SIDE)[2]
        pose[3] = running_mean(self.times, self.poses, seconds, _ROLL)[3]
        return pose

    def forget(self, before: float) -> None:
        """Drop what no pose from a time on depends on."""
        keep = max(0, bisect_right(self.times, before - _SIDE - _NEAR) - 1)
        del self.times[:keep], self.poses[:keep]


class Aligner:
    """Find the points of faces and what they say of the mouth.

    Raises:
        WeightsError: the weights are missing or damaged.
    """

    def __init__(self) -> None:
        mesh = FaceMesh.from_pretrained(weights.part("faces", "mesh"))
        self._mesh = mesh.to(memory_format=torch.channels_last)  # half the time on a CPU

    def __call__(self, picture: np.ndarray, regions: Sequence[np.ndarray]) -> list[Found | None]:
        """Return for each face its pose and its region by the points, or None if none is to be seen.

        Args:
            picture: uint8 (H, W, 3) RGB.
            regions: centre x, centre y and side of each face, in pixels, and its roll in rad.
        """
        found: list[Found | None] = []
        for start in range(0, len(regions), _LARGEST_BATCH):
            some = np.asarray(regions[start:start + _LARGEST_BATCH], np.float32)
            sides = some[:, 2] * _AROUND
            crops = np.stack([cut_out(picture, x, y, side, FaceMesh.size, roll=float(roll))
                              for (x, y, _, roll), side in zip(some, sides, strict=True)])
            with torch.inference_mode():
                points, scores = self._mesh(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255)
            scale = (sides / FaceMesh.size)[:, None, None]
            points = points.numpy() * scale
            across, down = (points[..., axis] - sides[:, None] / 2 for axis in (0, 1))
            cos, sin = np.cos(some[:, 3:]), np.sin(some[:, 3:])
            points[..., 0] = some[:, :1] + across * cos - down * sin
            points[..., 1] = some[:, 1:2] + across * sin + down * cos
            found += [_pose(p, region) if score >= _LEAST_FACE else None
                      for p, region, score in zip(points, some, scores.tolist(), strict=True)]
        return found


def region_of(box: np.ndarray) -> np.ndarray:
    """Return centre x, y, side and a roll of 0 of the face in a detector's box (centre x, centre y, side)."""
    x, y, side = box
    return np.array([x, y + _LOWER * side, side, 0.0], np.float32)


def _pose(points: np.ndarray, region: np.ndarray) -> Found | None:
    """Return pose and region by points (468, 3) in pixels; None if they lie as no face in this region would."""
    left, right = points[EYES[0][0]], points[EYES[1][1]]
    eyes = float(np.linalg.norm(right - left))
    across = right - left
    middle = points[list(MOUTH_CORNERS), :2].mean(0)
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    roll = float(np.arctan2(across[1], across[0]))
    new = np.array([*((low + high) / 2), (high - low).max(), roll], np.float32)
    side = float(region[2])
    fits = 0.5 < new[2] / side < 1.6 and np.abs(new[:2] - region[:2]).max() < 0.4 * side and eyes > 0.2 * side
    if not fits:
        return None
    return np.array([*middle, eyes * MOUTH_IN_EYES, roll], np.float32), new


__all__ = ["EVERY", "MOUTH_IN_EYES", "REACH", "Aligner", "Found", "MouthPoses", "region_of"]
