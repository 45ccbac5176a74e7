"""How well a voice fits a mouth, without any training: its loudness against the movement of the mouth."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np

from mmvideo.faces.tracks import lips_of

MAX_LAG = 3
"""Moments of 40 ms by which sound may be early or late."""
_ROW = 640


def movement(mouths: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Measure how much each mouth picture differs from the one before.

    Args:
        mouths: uint8 (T, H, W).
        valid: bool (T,).

    Returns:
        float32 (T,), NaN where the mouth is not seen; the first is 0.
    """
    middle = lips_of(mouths).astype(np.float32)
    change = np.abs(np.diff(middle, axis=0, prepend=middle[:1])).mean((1, 2))
    change[1:][~valid[:-1]] = 0
    return np.where(valid, change, np.nan).astype(np.float32)


def agreement(moved: np.ndarray, loud: np.ndarray) -> float:
    """Correlate movement and loudness over time, at the best lag.

    Args:
        moved: float (T,), of `movement`; NaN where unseen.
        loud: float (T,), logarithm of the voice's power in each moment.

    Returns:
        The correlation, at least 0; 0 where less than a second can be compared.
    """
    count = min(len(moved), len(loud))
    known = np.isfinite(moved[:count]) & np.isfinite(loud[:count])
    if known.sum() < 25:
        return 0.0
    smooth = [np.convolve(np.where(known, x[:count], x[:count][known].mean()), np.ones(5) / 5, "same")
              for x in (moved, np.maximum(loud, np.nanmax(loud) - 9.2))]
    best = 0.0
    for lag in range(-MAX_LAG, MAX_LAG + 1):
        a = smooth[0][max(0, lag):count + min(0, lag)]
        b = smooth[1][max(0, -lag):count + min(0, -lag)]
        ok = known[max(0, lag):count + min(0, lag)] & known[max(0, -lag):count + min(0, -lag)]
        if ok.sum() > 20 and a[ok].std() > 1e-6 and b[ok].std() > 1e-6:
            best = max(best, float(np.corrcoef(a[ok], b[ok])[0, 1]))
    return best


class Follows:
    """What is compared with the movement of one mouth, moment by moment of 40 ms."""

    def __init__(self) -> None:
        self._moved, self._voice, self._mixture = array("f"), array("f"), array("f")

    def skip(self, count: int) -> None:
        """Leave out moments in which there is nothing to compare."""
        for kept in (self._moved, self._voice, self._mixture):
            kept.extend([float("nan")] * count)

    def add(self, moved: Sequence[float], voice: Sequence[float], mixture: Sequence[float]) -> None:
        """Take moments: how much the mouth moved, and the loudness (`loudness`) of its voice and of everything."""
        self._moved.extend(moved)
        self._voice.extend(voice)
        self._mixture.extend(mixture)

    @property
    def moved(self) -> np.ndarray:
        """Movement of the mouth in each moment, float32 (T,); NaN where it cannot be told."""
        return np.asarray(self._moved)

    @property
    def loud(self) -> np.ndarray:
        """Loudness of the voice in each moment, float32 (T,); NaN where moments were left out."""
        return np.asarray(self._voice)

    @property
    def voice(self) -> float:
        """How well the voice follows the mouth (`agreement`)."""
        return agreement(np.asarray(self._moved), np.asarray(self._voice))

    @property
    def mixture(self) -> float:
        """How well the sound of the clip, as it was, follows the same mouth in the same moments."""
        return agreement(np.asarray(self._moved), np.asarray(self._mixture))


def loudness(samples: np.ndarray, rows: int) -> np.ndarray:
    """Return the logarithm of the power of each of the first `rows` stretches of 640 samples, float (rows,)."""
    return np.log(np.square(samples[:rows * _ROW].reshape(rows, _ROW)).mean(1) + 1e-8)


__all__ = ["MAX_LAG", "Follows", "agreement", "loudness", "movement"]
