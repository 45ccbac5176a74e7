"""When most moves: spans in which neighbouring small frames differ most, beyond what they differ all the time."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F

from mmvideo.everyday.look import Frames

_SMOOTH_SECONDS = 0.5
_SHARE_OF_PEAK = 0.6
"""A span lasts as long as the movement is above this share of its peak, between it and what is usual."""
_MOST = 3
_LEAST = 0.4
"""Peaks that rise over the usual by less than this share of it are none."""


def stir_spans(frames: Frames, spans: Sequence[tuple[float, float]]) -> tuple[tuple[float, float, float], ...]:
    """Return start, end and strength of the spans in which most moves, the strongest first.

    Args:
        frames: small, close in time.
        spans: shots; between two nothing is compared.

    Returns:
        Strength is how far the peak rises over the median of its shot, in medians.
    """
    found = []
    for start, end in spans:
        inside = frames.within(start, end)
        if len(inside) < 6:
            continue
        pictures, times = inside.pictures.float(), (inside.seconds[1:] + inside.seconds[:-1]) / 2
        blurred = F.avg_pool2d(pictures, 4)
        change = (blurred[1:] - blurred[:-1]).abs().mean((1, 2, 3))
        step = float((times[-1] - times[0]) / max(1, len(times) - 1))
        width = max(1, round(_SMOOTH_SECONDS / max(step, 1e-3))) | 1
        change = F.avg_pool1d(change[None], width, 1, width // 2, count_include_pad=False)[0]
        usual = float(change.median())
        peak = int(change.argmax())
        strength = (float(change[peak]) - usual) / max(usual, 0.2)
        if strength < _LEAST:
            continue
        least = usual + _SHARE_OF_PEAK * (float(change[peak]) - usual)
        first = last = peak
        while first > 0 and change[first - 1] >= least:
            first -= 1
        while last < len(change) - 1 and change[last + 1] >= least:
            last += 1
        found.append((float(times[first]) - step / 2, float(times[last]) + step / 2, strength))
    return tuple(sorted(found, key=lambda one: -one[2])[:_MOST])


__all__ = ["stir_spans"]
