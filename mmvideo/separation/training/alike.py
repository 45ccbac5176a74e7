"""Which speakers sound alike: by the pitch and the long-term spectrum of what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from mmvideo.separation.training.bank import RATE

_WINDOW, _HOP = 1024, 512
_BANDS = 16
_MOST_SECONDS = 20
"""Of each speaker: more does not change the means."""
_LOWEST_HZ, _HIGHEST_HZ = 70, 350
_VOICED = 0.45
"""Autocorrelation at the pitch's period from which a frame counts as voiced."""
_OCTAVE = 3.0
"""An octave of pitch weighs like this many standard deviations of a band."""


def speaker_prints(sounds: Sequence[np.ndarray], speaker: np.ndarray) -> np.ndarray:
    """Return one row a speaker, float32 (speakers, D); the nearer two rows are, the more alike two voices.

    Args:
        sounds: int16 (S,) at 16 kHz, each of one speaker.
        speaker: number of each sound's speaker, 0 to speakers - 1.
    """
    rows = []
    for number in range(int(speaker.max()) + 1):
        heard = np.concatenate([sounds[i] for i in np.flatnonzero(speaker == number).tolist()])[:_MOST_SECONDS * RATE]
        rows.append(_print(heard.astype(np.float32) / 32768))
    prints = np.stack(rows)
    bands = prints[:, 1:]
    prints[:, 1:] = (bands - bands.mean(0)) / bands.std(0).clip(0.5) / _BANDS ** 0.5
    return prints


def nearest(prints: np.ndarray, among: np.ndarray, count: int) -> np.ndarray:
    """Return for each speaker the `count` most alike others among some, int (speakers, count), nearest first.

    Args:
        prints: of all speakers.
        among: numbers of the speakers that may be returned; at least two.
        count: how many; fewer if there are no more.
    """
    far = np.square(prints[:, None] - prints[None, among]).sum(-1)
    far[np.arange(len(prints))[:, None] == among] = np.inf  # oneself comes last
    return among[np.argsort(far, 1)[:, :min(count, len(among) - 1)]]


def _print(wave: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, (0, _WINDOW)), _WINDOW)[::_HOP]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), 2 * _WINDOW)))
    energy = power.sum(1)
    loud = energy > 0.1 * energy.mean()
    power = power[loud]
    correlation = np.fft.irfft(power)
    lags = np.arange(RATE // _HIGHEST_HZ, RATE // _LOWEST_HZ)
    # the window makes the correlation fall with the lag
    shape = np.fft.irfft(np.square(np.abs(np.fft.rfft(np.hanning(_WINDOW), 2 * _WINDOW))))
    strength = correlation[:, lags] / shape[lags] * shape[0] / correlation[:, :1].clip(1e-12)
    voiced = strength.max(1) > _VOICED
    period = lags[strength.argmax(1)][voiced]
    octave = np.log2(RATE / np.median(period)) if len(period) else np.log2(150.0)
    edges = np.geomspace(100, 7000, _BANDS + 1) / RATE * 2 * _WINDOW
    bands = [np.log(power[:, int(a):max(int(a) + 1, int(b))].mean() + 1e-9) for a, b in pairwise(edges)]
    return np.array([_OCTAVE * octave, *(np.array(bands) - np.mean(bands))], np.float32)


__all__ = ["nearest", "speaker_prints"]
