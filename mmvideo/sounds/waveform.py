"""Sound as tagger and speech finder take it: one channel at 16 kHz."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.media.samples import as_audio, mixed_down
from mmvideo.types import Audio

RATE = 16_000
"""Samples per second."""


def mono(sound: Audio) -> Tensor:
    """Return one channel (S,) at 16 kHz, float32, all finite and in [-1, 1]; sound without a sample stays so."""
    if not sound.samples.shape[1]:
        return torch.zeros(0)
    sound = as_audio(sound.samples, sound.sample_rate)
    if sound.sample_rate == RATE and sound.samples.shape[0] == 1:
        return sound.samples[0]
    mixed = mixed_down(sound.samples.numpy(), sound.sample_rate, layout="mono", to_rate=RATE)
    return torch.from_numpy(mixed[0])


def as_sounds(samples: Sequence[Tensor], sample_rate: int, start_seconds: float | Sequence[float]) -> list[Audio]:
    """Return sounds of a list of waveforms, (S,) or (channels, S).

    Args:
        samples: float32.
        sample_rate: of all of them.
        start_seconds: of all, or one each.

    Raises:
        InvalidInput: another type or shape, or not as many times as waveforms.
    """
    starts = [start_seconds] * len(samples) if isinstance(start_seconds, int | float) else list(start_seconds)
    if len(starts) != len(samples):
        raise InvalidInput(f"{len(samples)} sounds but {len(starts)} start_seconds; give one, or one a sound.")
    return [Audio(one if one.ndim == 2 else one[None], sample_rate, start_seconds=float(start))
            for one, start in zip(samples, starts, strict=True)]


__all__ = ["RATE", "as_sounds", "mono"]
