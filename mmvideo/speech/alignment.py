"""When each word is said: dynamic time warping over where a model listened while it wrote (Radford et al. 2022).

The path through attention that each token passes through gives the time at which it begins, as in Whisper's own code
(https://github.com/openai/whisper, timing.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

MEDIAN_WIDTH = 7
_SPACELESS = frozenset(("zh", "ja", "th", "lo", "my", "yue", "km"))
"""Languages written without spaces: each character is a word."""
_MARK = re.compile(r"^[^\w]+$")


@dataclass(frozen=True)
class TimedText:
    """A word, or part of one, between two times of its piece."""

    text: str
    start: float
    end: float
    confidence: float


def token_starts(attention: Tensor, seconds_per_frame: float) -> list[float]:
    """Return when each token begins, in seconds from the first frame.

    Args:
        attention: float (heads, N tokens, T frames); row n is where was listened to write token n.
    """
    rows = attention.float()
    spread, mean = torch.std_mean(rows, dim=-2, keepdim=True, unbiased=False)
    rows = _median((rows - mean) / spread.clamp_min(1e-6))
    return [frame * seconds_per_frame for frame in _path(-rows.mean(0).double().numpy())]


def _median(rows: Tensor) -> Tensor:
    """Filter along time by the median of neighbours, edges mirrored."""
    half = MEDIAN_WIDTH // 2
    if rows.shape[-1] <= half:
        return rows
    padded = F.pad(rows, (half, half), mode="reflect")
    return padded.unfold(-1, MEDIAN_WIDTH, 1).sort()[0][..., half]


def _path(cost: np.ndarray) -> list[int]:
    """Return the first frame of each token on the cheapest monotonous path through (N, T)."""
    num, frames = cost.shape
    total = np.full((num + 1, frames + 1), np.inf)
    total[0, 0] = 0.0
    for diagonal in range(2, num + frames + 1):  # cells of one diagonal do not depend on each other
        i = np.arange(max(1, diagonal - frames), min(num, diagonal - 1) + 1)
        j = diagonal - i
        total[i, j] = cost[i - 1, j - 1] + np.minimum(total[i - 1, j - 1],
                                                      np.minimum(total[i - 1, j], total[i, j - 1]))
    i, j = num, frames
    first = [0] * num
    while i > 0 and j > 0:
        first[i - 1] = j - 1
        moves = (total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
        best = int(np.argmin(moves))
        i, j = i - (best != 2), j - (best != 1)
    return first


def timed_words(ids: Sequence[int], starts: Sequence[float], confidences: Sequence[float],
             decode: Callable[[list[int]], str], language: str | None = None) -> list[TimedText]:
    """Join tokens into words.

    Args:
        ids: N tokens.
        starts: N + 1 times: of each token, and of the end.
        confidences: N probabilities.
        decode: tokens -> text.
        language: in one that knows no spaces, every character is a word.
    """
    found: list[TimedText] = []
    told, first = "", 0
    for n in range(len(ids)):
        text = decode(list(ids[:n + 1]))
        if text.endswith("�") and n + 1 < len(ids):  # a character of several tokens
            continue
        added = text[len(told):] if text.startswith(told) else text
        told = text
        if not added:
            continue
        sure = sum(confidences[first:n + 1]) / (n + 1 - first)
        part = TimedText(added, starts[first], starts[n + 1], sure)
        first = n + 1
        joins = found and not added.startswith(" ") and (language not in _SPACELESS or bool(_MARK.match(added)))
        if found and (joins or _MARK.match(added.strip())):
            last = found[-1]
            found[-1] = TimedText(last.text + added, last.start, part.end if joins else last.end,
                                  min(last.confidence, sure))
        else:
            found.append(part)
    return [TimedText(one.text.strip(), one.start, max(one.start, one.end), one.confidence)
            for one in found if one.text.strip()]


__all__ = ["MEDIAN_WIDTH", "TimedText", "timed_words", "token_starts"]
