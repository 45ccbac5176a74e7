"""Cuts: where one shot ends and the next begins.

Each frame is reduced to a coarse luma grid and a colour histogram. A cut is a change between neighbouring frames that
is large, stands out from the changes around it (so fast motion is not a cut; the idea of PySceneDetect's
AdaptiveDetector, https://www.scenedetect.com/docs/latest/api/detectors.html), and lasts (so a flash is not a cut).
Dissolves and fades are found by `find_boundaries`, in six frames a second: the pictures between two shots that stand
still are mixtures of both. Memory is bounded: three numbers are kept per frame, and a description of those six.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


MIXED_FPS = 6.0
"""Frames a second in which dissolves are looked for."""
_STEPS = (3, 4, 6, 9, 12)
"""Lengths of dissolves that are tried, in such frames: half a second to two."""
_DISSOLVE = 0.12
"""Smallest distance between the pictures before and after a dissolve."""
_STILL, _MIXTURE = 0.3, 0.3
"""Most that either side may move, and that a picture in between may differ from a mixture of both, as shares of that
distance."""


def find_boundaries(source: _Streams) -> list[float]:
    """Return the seconds at which a new shot begins, by a cut or in the middle of a dissolve or fade; increasing.

    Args:
        source: an opened source; its frames are read once.
    """
    kept: list[Tensor] = []
    times: list[float] = []

    def frames() -> Iterator[Video]:
        for video in source.stream(size=FRAME_SIZE, fit="squash", batch=64):
            for frame, seconds in video:
                if not times or seconds - times[-1] >= 1 / MIXED_FPS - 1e-3:
                    times.append(seconds)
                    kept.append(shot_features(frame[None])[0])
            yield video

    cuts = find_cuts(frames())
    mixed = dissolves(torch.stack(kept), times, cuts) if kept else []
    return sorted([*cuts, *mixed])


def dissolves(described: Tensor, times: Sequence[float], cuts: Sequence[float] = ()) -> list[float]:
    """Return the middles of dissolves: pictures that turn from one standing picture into another, as a mixture of both.

    Args:
        described: (T, D), of `shot_features`, of evenly spaced frames.
        times: of these frames.
        cuts: seconds of hard cuts, near which there is no dissolve.
    """
    found: list[tuple[float, float]] = []
    for steps in _STEPS:
        if len(described) < steps + 5:
            continue
        first, last = described[2:-steps - 2], described[steps + 2:-2]
        change = (last - first).abs().sum(1)
        moved = torch.maximum((first - described[:-steps - 4]).abs().sum(1),
                              (described[steps + 4:] - last).abs().sum(1))
        error = torch.zeros_like(change)
        for n in range(1, steps):
            share = n / steps
            between = described[2 + n:len(described) - steps - 2 + n]
            error = torch.maximum(error, (between - first * (1 - share) - last * share).abs().sum(1))
        good = (change >= _DISSOLVE) & (moved <= _STILL * change) & (error <= _MIXTURE * change)
        for at in good.nonzero().flatten().tolist():
            begin, end = times[at + 2], times[at + 2 + steps]
            if not any(begin - 0.3 <= cut <= end + 0.3 for cut in cuts):
                found.append((float(error[at] / change[at]), (begin + end) / 2))
    chosen: list[float] = []
    for _, middle in sorted(found):
        if all(abs(middle - other) > 1.0 for other in chosen):
            chosen.append(middle)
    return sorted(chosen)
