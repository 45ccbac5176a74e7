"""How well a voice fits a mouth, without any training: its loudness against the movement of the mouth."""

from __future__ import annotations

import numpy as np

from mmvideo.faces.tracks import lips_of

MAX_LAG = 3
"""Moments of 40 ms by which sound may be early or late."""


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


__all__ = ["MAX_LAG", "agreement", "movement"]
