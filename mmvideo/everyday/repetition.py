"""Counts movements that are done again and again, from small pictures and without a trained network.

A picture that comes back after a fixed time shows in the similarity of the video with itself (as RepNet uses it,
Dwibedi et al. 2020, https://arxiv.org/abs/2006.15418). Here the mean squared difference of pictures at each distance
in time is compared with that of any two pictures: it falls far below one at the period, and rises above it between. How
often the movement happens is read from its main direction of change, so that it may be done faster and slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvideo.errors import InvalidInput
from mmvideo.everyday.facts import RepeatedMovement

RATE = 10.0
"""Pictures a second at which movements are followed; what comes at another rate is interpolated."""
SIDE = 24
"""Height and width of the pictures that are compared."""
SHORTEST, LONGEST = 0.4, 6.0
"""Seconds that one repetition may take."""
LONGEST_STRETCH = 40.0
"""Seconds that are compared at once; longer stretches are cut."""
MIN_CHANGE = 2.0
"""Grey levels, root mean square over the quarter of the picture that changes most; noise and lips stay below."""
MIN_PERIODICITY = 0.5
"""How far the difference must fall at the period (see `_Period.strength`); chosen on training clips."""
SIMILAR = 0.6
"""A picture has come back when it differs less than this share of the difference of any two."""


@dataclass(frozen=True)
class _Period:
    lag: int
    """Pictures from one repetition to the next."""
    strength: float
    """Rise and fall of the difference of pictures up to the period, as a share of the difference of any two."""


def _uniform(pictures: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor]:
    """Interpolate pictures (T, D) to `RATE` a second; return them and their times."""
    count = int((seconds[-1] - seconds[0]) * RATE) + 1
    times = seconds[0] + torch.arange(count, dtype=torch.float64) / RATE
    right = torch.searchsorted(seconds, times).clamp(1, len(seconds) - 1)
    before, after = seconds[right - 1], seconds[right]
    share = ((times - before) / (after - before)).clamp(0, 1).to(pictures.dtype)[:, None]
    return torch.lerp(pictures[right - 1], pictures[right], share), times


def _small(frames: Tensor) -> Tensor:
    """Return grey pictures (T, SIDE * SIDE) of uint8 frames (T, 3, h, w), a little blurred."""
    grey = (frames.float() * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    return F.adaptive_avg_pool2d(grey, SIDE).flatten(1)  # (T, SIDE * SIDE)


def _stretches(pictures: Tensor) -> list[tuple[int, int]]:
    """Return spans without cuts in which something moves; short rests stay inside."""
    change = (pictures[1:] - pictures[:-1]).abs().mean(1)  # (T - 1)
    cut = (change > 18) & (change > 5 * change.median())
    moving = F.max_pool1d((change > 0.12 * change[~cut].quantile(0.9)).float()[None, None], 11, 1, 5)[0, 0] > 0
    spans, start = [], None
    for index, good in enumerate([*(moving & ~cut).tolist(), False]):
        if good and start is None:
            start = index
        elif not good and start is not None:
            spans.append((start, index + 1))
            start = None
    longest = int(LONGEST_STRETCH * RATE)
    return [(first, min(last, first + longest)) for begin, last in spans for first in range(begin, last, longest)]


def _active(pictures: Tensor) -> Tensor:
    """Return the quarter of the picture that changes most, without its slow drift: (T, D)."""
    window = min(len(pictures), int(2 * LONGEST * RATE)) // 2 * 2 + 1
    padded = F.pad(pictures.T[None], (window // 2, window // 2), mode="replicate")
    steady = pictures - F.avg_pool1d(padded, window, 1)[0].T
    variance = steady.var(0)
    return steady[:, variance.topk(max(1, len(variance) // 4)).indices]


def _period(pictures: Tensor) -> _Period | None:
    """Return the shortest distance in time at which the pictures come back, if there is any."""
    count = len(pictures)
    gram = pictures @ pictures.T
    norm = gram.diagonal()
    distance = (norm[:, None] + norm[None] - 2 * gram).clamp(min=0)  # (T, T)
    lags = min(int(LONGEST * RATE), int(0.65 * count))
    mean = distance.sum() / (count * (count - 1))
    by_lag = torch.stack([distance.diagonal(lag).mean() for lag in range(lags + 1)]) / mean
    best: _Period | None = None
    for lag in range(max(3, math.ceil(SHORTEST * RATE)), lags):
        if by_lag[lag] > by_lag[lag - 1] or by_lag[lag] > by_lag[lag + 1]:
            continue
        strength = float(by_lag[:lag].max() - by_lag[lag])
        if best is None or strength > 1.15 * best.strength:
            best = _Period(lag, strength)
    return best


def _turns(signal: Tensor) -> list[int]:
    """Return where a signal (T) goes through its middle, when it goes well beyond on both sides."""
    low, high = signal.quantile(0.1), signal.quantile(0.9)
    middle, margin = (low + high) / 2, 0.15 * (high - low)
    state, turns = 0, []
    for index, value in enumerate((signal - middle).tolist()):
        now = 1 if value > margin else -1 if value < -margin else state
        if state and now != state:
            turns.append(index)
        state = now
    return turns


def _main_direction(pictures: Tensor, lag: int) -> Tensor:
    """Return the direction of change (T) that comes back best after `lag` pictures, smoothed."""
    centred = pictures - pictures.mean(0)
    _, vectors = torch.linalg.eigh(centred @ centred.T)
    parts = vectors[:, -3:].T  # (3, T)
    back = ((parts[:, lag:] - parts[:, :-lag]) ** 2).mean(1) / (2 * parts.var(1))
    signal = parts[-1] if back[-1] < 0.5 else parts[int(back.argmin())]  # the strongest comes last
    width = max(1, lag // 5) // 2 * 2 + 1
    return F.avg_pool1d(F.pad(signal[None, None], (width // 2, width // 2), mode="replicate"), width, 1)[0, 0]


def _trimmed(pictures: Tensor, lag: int) -> tuple[int, int]:
    """Return the longest span in which each picture comes back after about `lag` pictures."""
    distance = torch.cdist(pictures, pictures).square()
    mean = distance.mean()
    near = torch.stack([distance.diagonal(shift)[: len(pictures) - lag - 2] for shift in range(lag - 2, lag + 3)
                        if shift > 0]).amin(0)
    width = min(lag, len(near)) // 2 * 2 + 1
    smooth = F.avg_pool1d(near[None, None], width, 1, width // 2, count_include_pad=False)[0, 0]
    best, start = (0, 0), None
    for index, good in enumerate([*(smooth < SIMILAR * mean).tolist(), False]):
        if good and start is None:
            start = index
        elif not good and start is not None:
            best = max(best, (start, index), key=lambda span: span[1] - span[0])
            start = None
    return best[0], min(len(pictures), best[1] + lag + 2)


def _in_stretch(pictures: Tensor, times: Tensor) -> RepeatedMovement | None:
    if len(pictures) < 2 * math.ceil(SHORTEST * RATE) + 2:
        return None
    active = _active(pictures)
    if float(active.square().mean().sqrt()) < MIN_CHANGE:
        return None
    period = _period(active)
    if period is None or period.strength < MIN_PERIODICITY:
        return None
    start, end = _trimmed(active, period.lag)
    if end - start < 1.7 * period.lag:
        return None
    signal = _main_direction(active[start:end], period.lag)
    turns = _turns(signal)
    count = round((len(turns) + 0.1) / 2)
    expected = (end - start) / period.lag
    if not 0.6 * expected <= count <= 1.6 * expected:  # the direction turns more or less than once for each
        count, turns = round(expected), []
    if count < 2:
        return None
    begins = tuple(float(times[start + index]) for index in [0, *turns[1::2]][:count]) if turns else ()
    confidence = 1 / (1 + math.exp(-6 * (period.strength - MIN_PERIODICITY) - 0.4))
    return RepeatedMovement(float(times[start]), float(times[end - 1]), count, confidence, begins)


def repeated_movement(frames: Tensor, seconds: Tensor) -> RepeatedMovement | None:
    """Find the movement that is repeated longest, and count it; None where nothing is done at least twice.

    Args:
        frames: uint8 (T, 3, h, w), about 8 to 10 a second; 64 by 64 pixels are enough.
        seconds: (T,) increasing times of the frames.

    Raises:
        InvalidInput: The frames are no uint8 (T, 3, h, w), or the times do not fit them or do not increase.
    """
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.dtype != torch.uint8:
        raise InvalidInput(f"Frames must be uint8 (T, 3, h, w), not {frames.dtype} {tuple(frames.shape)}.")
    seconds = seconds.to(torch.float64)
    if seconds.shape != frames.shape[:1] or bool((seconds.diff() <= 0).any()):
        raise InvalidInput(f"{len(frames)} frames need as many increasing times, not {tuple(seconds.shape)}.")
    if len(frames) < 4 or seconds[-1] - seconds[0] < 2 * SHORTEST:
        return None
    pictures, times = _uniform(torch.cat([_small(part) for part in frames.split(256)]), seconds)
    found = [movement for start, end in _stretches(pictures)
             if (movement := _in_stretch(pictures[start:end], times[start:end])) is not None]
    return max(found, key=lambda movement: movement.confidence * (movement.end_seconds - movement.start_seconds),
               default=None)


__all__ = ["repeated_movement"]
