"""How late the sound of a clip is against its mouths: correlation of lips and sound over offsets of up to one second.

Lips and sound are each mapped to a few numbers a row by matrices from canonical correlation analysis (Hotelling 1936),
and the two are correlated at every offset. The matrices are learned from people who face the camera
(`mmvideo.separation.training.sync`); what they see is normalised over the stretch, so that they know no face.
A positive offset says that the sound is late.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from mmvideo.nn.pretrained import Pretrained
from mmvideo.separation.clock import FRAME_SAMPLES, SAMPLE_RATE

MAX_ROWS = 25
"""Largest offset that is looked at, in rows of 40 ms."""
BLOCK_ROWS = 250
"""Rows that are compared at once."""
LEAST_ROWS = 50
"""Rows with a mouth below which nothing is said."""
ROW_MS = 1000 * FRAME_SAMPLES // SAMPLE_RATE
_SIDE = 48
_LIP_CONTEXT, _SOUND_CONTEXT = 3, 2
_TREND = 51
"""Rows of the running mean that is taken off."""
_BANDS_HZ = (80, 300, 600, 1000, 1600, 2500, 4000, 7500)
_FLOOR = 9.0
"""Nepers of power below the loudest row of a stretch at which sound counts as silent."""
_PEAK_ROWS = 5
"""Offsets this near to the peak belong to it."""
LIP_VALUES = (9 + 12 + 12 + 10) * (2 * _LIP_CONTEXT + 1)
SOUND_VALUES = len(_BANDS_HZ) * (2 * _SOUND_CONTEXT + 1)


def _trendless(values: np.ndarray) -> np.ndarray:
    """Take the running mean off columns (T, K)."""
    before = _TREND // 2
    sums = np.cumsum(np.pad(values, ((before + 1, _TREND - 1 - before), (0, 0)), mode="edge"), axis=0)
    return np.asarray(values - (sums[_TREND:] - sums[:-_TREND]) / _TREND)


def _smooth(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, ((1, 1), (0, 0)), mode="edge")
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def _stacked(values: np.ndarray, reach: int) -> np.ndarray:
    """Put rows (T, K) beside their neighbours: (T, (2 * reach + 1) K); at the ends the last row is repeated."""
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    return np.concatenate([padded[k:k + len(values)] for k in range(2 * reach + 1)], 1)


def lip_features(mouths: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Describe what a mouth does in each row, for any face.

    Where the mouth is not seen, the last row that showed it is repeated.

    Args:
        mouths: uint8 (T, 96, 96) or (T, 48, 48) grey.
        valid: bool (T,).

    Returns:
        float32 (T, 301): movement of nine regions, the brightness of strips down and across the middle, and how fast
        the strips change, in this row and the three on each side; zero mean and unit variance over the stretch.
    """
    if valid.any() and not valid.all():
        seen = np.flatnonzero(valid)
        mouths = mouths[seen[np.clip(np.searchsorted(seen, np.arange(len(mouths)), "right") - 1, 0, None)]]
    pictures = mouths.astype(np.float32)
    if pictures.shape[-1] != _SIDE:
        pictures = pictures.reshape(len(pictures), _SIDE, 2, _SIDE, 2).mean((2, 4))
    spread = float(pictures[:, 10:42, 6:42].std()) + 1.0
    down = pictures[:, 8:44, 17:31].mean(2).reshape(-1, 12, 3).mean(2)
    across = pictures[:, 17:31, 4:44].mean(1).reshape(-1, 10, 4).mean(2)
    down, across = (_smooth((strip - strip.mean(0)) / spread) for strip in (down, across))
    change = np.abs(np.diff(pictures, axis=0, prepend=pictures[:1]))[:, 8:44, 6:42]
    moved = change.reshape(-1, 3, 12, 3, 12).mean((2, 4)).reshape(-1, 9)
    shown_again = moved.max(1) == 0
    if not shown_again.all():  # a frame that is shown twice has no movement of its own
        first = np.flatnonzero(~shown_again)
        moved = moved[first[np.clip(np.searchsorted(first, np.arange(len(moved)), "right") - 1, 0, None)]]
    speed = np.abs(np.gradient(down, axis=0)) if len(down) > 1 else np.zeros_like(down)
    values = np.concatenate([np.log(moved / spread + 0.02), down, speed, across], 1)
    values = (values - values.mean(0)) / (values.std(0) + 1e-6)
    return np.asarray(_trendless(_stacked(values, _LIP_CONTEXT)), np.float32)


def sound_features(samples: np.ndarray) -> np.ndarray:
    """Describe the loudness of sound in each row.

    Args:
        samples: float (T * 640,) at 16 kHz.

    Returns:
        float32 (T, 40): logarithm of the power, of all and in seven bands, in this row and the two on each side.
    """
    rows = len(samples) // FRAME_SAMPLES
    around = np.pad(np.asarray(samples, np.float32), (160, 160))
    pieces = np.lib.stride_tricks.sliding_window_view(around, FRAME_SAMPLES + 320)[::FRAME_SAMPLES][:rows]
    power = np.abs(np.fft.rfft(pieces * np.hanning(FRAME_SAMPLES + 320).astype(np.float32), axis=1)) ** 2
    hertz = np.fft.rfftfreq(FRAME_SAMPLES + 320, 1 / SAMPLE_RATE)
    bands = [np.square(samples[:rows * FRAME_SAMPLES].reshape(rows, -1)).mean(1) + 1e-8]
    for low, high in pairwise(_BANDS_HZ):
        bands.append(power[:, (hertz >= low) & (hertz < high)].mean(1) + 1e-9)
    loud = np.log(np.stack(bands, 1))
    loud = np.maximum(loud, loud.max(0) - _FLOOR)
    return np.asarray(_trendless(_stacked(loud - loud.mean(0), _SOUND_CONTEXT)), np.float32)


@dataclass(frozen=True)
class SyncEstimate:
    """How late the sound is against the mouths."""

    offset_ms: float
    """Positive: the sound is late. 0 where nothing can be said."""
    confidence: float
    """Probability in [0, 1] that the offset is right to 80 ms."""
    in_step: float
    """Probability in [0, 1] that mouths and sound belong together as they are."""
    seconds: float = 0.0
    """Seconds of mouths that were compared, all faces together."""


class LipSync(Pretrained):
    """The two matrices.

    Args:
        components: numbers that a row of lips, and one of sound, is mapped to.
    """

    lips: Tensor
    sound: Tensor
    strength: Tensor

    def __init__(self, components: int = 6):
        super().__init__()
        self.config = {"components": components}
        self.register_buffer("lips", torch.zeros(LIP_VALUES, components))
        self.register_buffer("sound", torch.zeros(SOUND_VALUES, components))
        self.register_buffer("strength", torch.ones(components))
        """Canonical correlations."""

    def curve(self, mouths: np.ndarray, valid: np.ndarray, samples: np.ndarray) -> np.ndarray | None:
        """Correlate a mouth with sound at every offset.

        Args:
            mouths: uint8 (T, H, W).
            valid: bool (T,).
            samples: float ((T + 50) * 640,) at 16 kHz: the sound of these rows, and of 25 more on each side.

        Returns:
            float64 (51,): mean correlation, weighted by `strength`, with the sound of -25 to 25 rows later; None where
            fewer than 50 rows show the mouth.
        """
        if valid.sum() < LEAST_ROWS:
            return None
        seen = (lip_features(mouths, valid) @ self.lips.numpy())[valid]  # (N, C)
        heard = sound_features(samples) @ self.sound.numpy()  # (T + 50, C)
        seen = seen - seen.mean(0)
        weight = self.strength.numpy().astype(np.float64)
        out = np.zeros(2 * MAX_ROWS + 1)
        for offset in range(len(out)):
            other = heard[offset:offset + len(valid)][valid]
            other = other - other.mean(0)
            size = np.sqrt(np.square(seen).sum(0) * np.square(other).sum(0))
            out[offset] = ((seen * other).sum(0) / np.maximum(size, 1e-9)) @ weight
        return out / weight.sum()


class SyncCurve:
    """The curves of all faces and stretches of a clip, averaged."""

    def __init__(self) -> None:
        self._sum = np.zeros(2 * MAX_ROWS + 1)
        self.rows = 0

    def add(self, curve: np.ndarray | None, rows: int) -> None:
        """Take the curve of a stretch in which a mouth was seen for so many rows."""
        if curve is not None:
            self._sum += curve * rows
            self.rows += rows

    def estimate(self) -> SyncEstimate:
        """Return where the curve peaks, and how far the peak stands above the rest."""
        if not self.rows:
            return SyncEstimate(0.0, 0.0, 1.0)
        curve = self._sum / self.rows
        peak = int(curve.argmax())
        noise = NOISE / np.sqrt(self.rows / BLOCK_ROWS)
        far = np.abs(np.arange(len(curve)) - peak) > _PEAK_ROWS
        clear = (curve[peak] - curve[far].max()) / noise
        best = (curve[peak] - np.median(curve)) / noise
        return SyncEstimate((peak + _between(curve, peak) - MAX_ROWS) * ROW_MS,
                            _logistic(3 * (clear - 1.3) + best - 3.5), self.in_step(0), self.rows * ROW_MS / 1000)

    def in_step(self, shift_rows: int) -> float:
        """Return how likely mouths and sound belong together once the sound is taken to be late by so many rows.

        1 where no mouth was compared with anything.
        """
        if not self.rows:
            return 1.0
        curve, noise = self._sum / self.rows, NOISE / np.sqrt(self.rows / BLOCK_ROWS)
        middle = slice(max(0, MAX_ROWS + shift_rows - 2), MAX_ROWS + shift_rows + 3)
        there, best = ((x - np.median(curve)) / noise for x in (curve[middle].max(), curve.max()))
        return _logistic(1.5 * (there - 2.5)) * float(np.clip(there / max(best, 1e-6), 0, 1))


NOISE = 0.07
"""Standard deviation of the curve of 10 s where lips and sound have nothing to do with each other."""


def _between(curve: np.ndarray, peak: int) -> float:
    """Return how far the top of a parabola through the peak and its neighbours lies from it, in rows."""
    if not 0 < peak < len(curve) - 1:
        return 0.0
    low, top, high = curve[peak - 1:peak + 2]
    bend = low - 2 * top + high
    return float(np.clip(0.5 * (low - high) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(x, -30, 30))))


__all__ = ["BLOCK_ROWS", "LEAST_ROWS", "LIP_VALUES", "MAX_ROWS", "ROW_MS", "SOUND_VALUES", "LipSync", "SyncCurve",
           "SyncEstimate", "lip_features", "sound_features"]
