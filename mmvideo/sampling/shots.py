"""Cuts: where one shot ends and the next begins.

Each frame is reduced to a coarse luma grid and a colour histogram. A cut is a change between neighbouring frames that
is large, stands out from the changes around it (so fast motion is not a cut; the idea of PySceneDetect's
AdaptiveDetector, https://www.scenedetect.com/docs/latest/api/detectors.html), and lasts (so a flash is not a cut).
Dissolves and fades are not found. Memory is bounded: three numbers are kept per frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo import checks
from mmvideo.types import Video

FRAME_SIZE = (48, 64)
GRID = (12, 16)
BINS = 6
LAGS = 3
"""A change must still be there this many frames later."""
NEIGHBOURS = 5
"""Frames on each side against which a change must stand out."""


class _Streams(Protocol):
    def stream(self, *, size: tuple[int, int], fit: str, batch: int) -> Iterator[Video]: ...


def shot_features(frames: Tensor) -> Tensor:
    """Reduce frames to what a cut changes.

    Args:
        frames: uint8 (T, 3, H, W) RGB.

    Returns:
        float32 (T, D): a coarse luma grid and a histogram per colour channel, scaled so that the mean absolute
        difference of unrelated pictures is around 0.2.
    """
    small = frames.float() / 255
    luma = (small * small.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    grid = F.adaptive_avg_pool2d(luma, GRID).flatten(1)
    # soft bins: a slow change of light moves weight gradually instead of all at once
    place = small.flatten(2)[..., None] * (BINS - 1)
    weight = (1 - (place - torch.arange(BINS)).abs()).clamp_min(0)
    histogram = weight.mean(2).flatten(1)
    return torch.cat([grid / grid.shape[1], histogram / 6], 1)


def changes(described: Tensor) -> Tensor:
    """Measure how much each frame differs from the one before it, and how much of that lasts.

    Args:
        described: (T, D).

    Returns:
        (T, LAGS): column k holds the distance between frame t - 1 and frame t + k; row 0 is zero, frames after the end
        count as the last one.
    """
    num = len(described)
    out = torch.zeros(num, LAGS)
    for lag in range(LAGS):
        later = described[torch.arange(1, num).add(lag).clamp(max=num - 1)]
        out[1:, lag] = (later - described[:-1]).abs().sum(1)
    return out


def cut_frames(change: np.ndarray, *, threshold: float = 0.10, ratio: float = 2.5) -> list[int]:
    """Pick the first frame of each new shot.

    Args:
        change: (T, LAGS) as from `changes`.
        threshold: smallest change of a cut.
        ratio: how many times the mean change around it a cut must be.
    """
    first = change[:, 0]
    found = []
    for t in np.flatnonzero(first >= threshold):
        low, high = max(1, t - NEIGHBOURS), min(len(first), t + NEIGHBOURS + 1)
        others = np.concatenate([first[low:t], first[t + 1:high]])
        usual = float(others.mean()) if len(others) else 0.0
        stands_out = first[t] >= ratio * usual and first[t] >= first[low:high].max()
        # new against each of the next frames, and against each of the last: a flash comes back
        lasting = min(*change[t], *(change[t - k, k] for k in range(1, LAGS) if t - k >= 1))
        if stands_out and lasting >= 0.6 * first[t]:
            found.append(int(t))
    return found


def find_cuts(source: _Streams | Iterable[Video], *, threshold: float = 0.10, ratio: float = 2.5) -> list[float]:
    """Find the seconds at which a new shot begins.

    Args:
        source: an opened source, or batches of frames in order.
        threshold: smallest change of a cut; unrelated pictures differ by about 0.2 to 0.6.
        ratio: how many times the mean change around it a cut must be.

    Returns:
        Times of the first frame of every shot but the first, increasing; on the clock of the source.

    Raises:
        InvalidInput: `threshold` or `ratio` is not positive.
    """
    threshold, ratio = checks.number("threshold", threshold, above=0), checks.number("ratio", ratio, above=0)
    batches = source.stream(size=FRAME_SIZE, fit="squash", batch=64) if hasattr(source, "stream") else source
    seconds: list[float] = []
    rows: list[Tensor] = []
    held: Tensor | None = None  # the last frame that is done, and those whose later frames are still to come
    for video in batches:
        if not len(video):
            continue
        seconds += video.pts_seconds.tolist()
        described = shot_features(_small(video.frames))
        held = torch.cat([described[:1] if held is None else held, described])  # the first frame follows itself
        num_done = len(held) - LAGS
        if num_done > 0:
            rows.append(changes(held)[1:num_done + 1])
            held = held[num_done:]
    if held is None:
        return []
    change = torch.cat([*rows, changes(held)[1:]]).numpy()
    return [seconds[t] for t in cut_frames(change, threshold=threshold, ratio=ratio)]


def _small(frames: Tensor) -> Tensor:
    if tuple(frames.shape[-2:]) == FRAME_SIZE:
        return frames
    return F.interpolate(frames.float(), size=FRAME_SIZE, mode="area").round().to(torch.uint8)
