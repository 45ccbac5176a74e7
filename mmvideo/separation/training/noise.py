"""What is heard beside voices: coloured noise and hums, float32 (N, 40960) of any level, on the generator's device."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmvideo.separation.training.bank import RATE
from mmvideo.separation.training.store import SAMPLES


def coloured_noise(num: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """Make noise between white and pink that swells and fades, up to three times a second."""
    device = generator.device
    spectrum = torch.randn(num, SAMPLES // 2 + 1, 2, generator=generator, device=device)
    hertz = (torch.arange(SAMPLES // 2 + 1, device=device) * (RATE / SAMPLES)).clamp_min(30.0)
    slope, often, phase = (_each(rng, top, num, device, least) for least, top in ((0, 1.1), (0.1, 3), (0, 6)))
    sound = torch.fft.irfft(torch.view_as_complex(spectrum) * hertz ** -slope, SAMPLES)
    return sound * (1 + 0.5 * torch.sin(_seconds(device) * 2 * torch.pi * often + phase))


def hum(num: int, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
    """Make the first eleven harmonics of a tone of 45 to 130 Hz."""
    device = generator.device
    base = _each(rng, 130, num, device, 45)
    out = torch.zeros(num, SAMPLES, device=device)
    for k in range(1, 12):
        loud, phase = _each(rng, 1, num, device), _each(rng, 6, num, device)
        out += loud / k * torch.sin(2 * torch.pi * k * base * _seconds(device) + phase)
    return out


def _each(rng: np.random.Generator, top: float, num: int, device: torch.device, least: float = 0) -> Tensor:
    return torch.from_numpy(rng.uniform(least, top, (num, 1))).float().to(device)


def _seconds(device: torch.device) -> Tensor:
    return torch.arange(SAMPLES, device=device) / RATE


__all__ = ["coloured_noise", "hum"]
