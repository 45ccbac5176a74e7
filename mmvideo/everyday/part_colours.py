"""Which colours the parts of a person have: hair, upper and lower clothes, a tie; and what is behind everything.

Pictures are brightened first, so that their lightest places are nearly white: a white shirt in the shade is not
grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch.nn.functional as F

from mmvideo.everyday.look import Frames
from mmvideo.objects.colours import COLOURS, MIN_SHARE, colour_shares
from mmvideo.objects.tracks import ObjectTrack

BACKGROUND = 0
"""Stands for the number of a track: all that is outside the boxes."""
_LIGHTEST, _MOST_GAIN = 240.0, 2.0
_MOST_TIMES, _MOST_PEOPLE = 4, 12
_LEAST_OF_BEHIND, _LEAST_PIXELS = 0.1, 200
_SIDE = 160
"""Longer side in pixels from which colours are read."""
_FIGURE = ((2.0, {"hair": (.01, .08, .42, .58), "upper": (.2, .42, .38, .62), "lower": (.52, .8, .36, .64),
                  "shoes": (.93, 1., .3, .7)}),
           (1.3, {"hair": (.02, .1, .4, .6), "upper": (.38, .7, .32, .68), "lower": (.88, 1., .3, .7)}),
           (.0, {"hair": (.02, .12, .38, .62), "upper": (.82, 1., .25, .75), "tie": (.85, 1., .46, .54),
                 "outer": (.84, 1., .08, .3), "outer right": (.84, 1., .7, .92)}))
"""Least height over width of a person's box, and where its parts are: rows and columns, from and to, as shares."""


def part_colours(frames: Frames, tracks: Sequence[ObjectTrack]) -> dict[tuple[int, str], Mapping[str, float]]:
    """Return the shares of the named colours in each part of each person, and of what is behind, most first.

    Args:
        frames: in which the tracks were followed.
        tracks: of any label.

    Returns:
        (number of the track, "hair", "upper", "lower", "shoes", "outer" or "tie"), or (BACKGROUND, "all", "background",
        "top", "bottom", "left" or "right") -> colour -> share.
    """
    people = [track for track in tracks if track.label == "person"][:_MOST_PEOPLE]
    pictures = _Lit(frames)
    found: dict[tuple[int, str], Mapping[str, float]] = {}
    behind = _behind(pictures, frames, tracks)
    found.update({(BACKGROUND, part): shares for part, shares in behind.items()})
    at = {round(float(seconds), 3): number for number, seconds in enumerate(frames.seconds.tolist())}
    for track in people:
        best = sorted(range(len(track.seconds)), key=lambda k: -track.confidences[k])[:_MOST_TIMES]
        sums: dict[str, np.ndarray] = {}
        for k in best:
            number = at.get(round(track.seconds[k], 3))
            if number is None:
                continue
            for part, shares in _figure(pictures[number], track.boxes[k]).items():
                sums[part] = sums.get(part, np.zeros(len(COLOURS))) + shares
        if "outer right" in sums:
            sums["outer"] += sums.pop("outer right")
        for part, shares in sums.items():
            clothes = part in ("upper", "lower", "outer")
            found[track.number, part] = _ranked(shares, behind.get("background", {}) if clothes else {})
    return found


def dressed(track: ObjectTrack, parts: Mapping[tuple[int, str], Mapping[str, float]]) -> ObjectTrack:
    """Return a person with the colours of the upper clothes as its own; other tracks as they are."""
    upper = parts.get((track.number, "upper"))
    return track if upper is None else replace(track, colours=main_colours(upper))


def main_colours(shares: Mapping[str, float]) -> tuple[str, ...]:
    """Return the colours that stand out, at most two."""
    return tuple(name for name, share in list(shares.items())[:2] if share >= MIN_SHARE)


def colourfulness(frames: Frames) -> float | None:
    """Return the mean distance of the pixels from grey, 0 to 1; None without frames. A black and white film has 0."""
    if not len(frames):
        return None
    small = F.interpolate(frames.pictures[:: max(1, len(frames) // 8)].float() / 255, (32, 32), mode="area")
    return float((small.amax(1) - small.amin(1)).mean())


class _Lit:
    """The frames small, uint8 (H, W, 3), with their lightest places nearly white; each made when it is first needed."""

    def __init__(self, frames: Frames):
        self._frames, self._made = frames, dict[int, np.ndarray]()

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, number: int) -> np.ndarray:
        if number not in self._made:
            picture = self._frames.pictures[number]
            height, width = picture.shape[-2:]
            scale = min(1.0, _SIDE / max(height, width))
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(picture.permute(1, 2, 0).numpy(), size, interpolation=cv2.INTER_AREA).astype(np.float32)
            gain = min(_MOST_GAIN, max(1.0, _LIGHTEST / max(float(np.quantile(small.mean(-1), 0.98)), 1.0)))
            self._made[number] = (small * gain).clip(0, 255).round().astype(np.uint8)
        return self._made[number]


def _figure(picture: np.ndarray, box: tuple[float, float, float, float]) -> dict[str, np.ndarray]:
    height, width = picture.shape[:2]
    left, top, right, bottom = box
    tall = (bottom - top) * height / max((right - left) * width, 1e-6)
    found = {}
    for part, (upper, lower, first, last) in next(parts for least, parts in _FIGURE if tall >= least).items():
        y0, y1 = (int((top + (bottom - top) * share) * height) for share in (upper, lower))
        x0, x1 = (int((left + (right - left) * share) * width) for share in (first, last))
        found[part] = colour_shares(picture[max(y0, 0):max(y1, y0 + 1), max(x0, 0):max(x1, x0 + 1)])
    return found


def _behind(pictures: _Lit, frames: Frames, tracks: Sequence[ObjectTrack]) -> dict[str, Mapping[str, float]]:
    """Return the colours of the frame in the middle: all of it; outside the boxes as a whole, at its borders."""
    if not len(pictures):
        return {}
    middle = len(pictures) // 2
    seconds, picture = float(frames.seconds[middle]), pictures[middle]
    height, width = picture.shape[:2]
    outside = np.ones((height, width), bool)
    for track in tracks:
        k = min(range(len(track.seconds)), key=lambda n: abs(track.seconds[n] - seconds))
        if abs(track.seconds[k] - seconds) > 1:
            continue
        left, top, right, bottom = track.boxes[k]
        rows, columns = (slice(max(0, int(low * size)), int(high * size) + 1)
                         for low, high, size in ((top, bottom, height), (left, right, width)))
        outside[rows, columns] = False
    parts = {"background": outside, "top": outside & (np.arange(height) < height / 4)[:, None],
             "bottom": outside & (np.arange(height) >= height * 5 / 6)[:, None],
             "left": outside & (np.arange(width) < width / 3)[None],
             "right": outside & (np.arange(width) >= width * 2 / 3)[None]}
    found: dict[str, Mapping[str, float]] = {"all": _ranked(colour_shares(picture))}
    found.update({part: _ranked(colour_shares(picture[kept][:, None])) for part, kept in parts.items()
                  if kept.sum() >= _LEAST_PIXELS})
    return found


def _ranked(shares: np.ndarray, behind: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return shares by name, most first; those of the background count less, as a box holds some of it."""
    kept = shares * np.array([max(_LEAST_OF_BEHIND, 1 - (behind or {}).get(name, 0.0)) for name in COLOURS])
    total = max(float(kept.sum()), 1e-9)
    return {COLOURS[k]: float(kept[k]) / total for k in np.argsort(-kept, kind="stable") if kept[k] > 0}


__all__ = ["BACKGROUND", "colourfulness", "dressed", "main_colours", "part_colours"]
