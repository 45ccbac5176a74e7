"""Mouths composed from real pictures, moved by any voice; and what cameras and detectors do to mouths.

`EigenMouths` is a linear map from sound to the first principal components of real mouth pictures (the idea of Brand
1999, "Voice Puppetry", at its simplest), fitted by ridge regression. It moves one person's mouth to another's voice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.training.separator_bank import FRAME, RATE, SIDE, Voice

_BANDS = 20
_CONTEXT = 4
"""Frames before and after that the mouth depends on."""
_MARGIN = 8
"""Frames around a stretch that `compose` is given."""


@dataclass(frozen=True)
class EigenMouths:
    """Sound -> components -> pictures."""

    mean: Tensor
    """float32 (48 * 48,) in [0, 1]."""
    pictures: Tensor
    """float32 (K, 48 * 48): principal components, scaled so that coefficients have unit variance."""
    weights: Tensor
    """float32 (D, K)."""
    gain: Tensor
    """float32 (K,): 1 / correlation of what is predicted, at most 2.5; it gives back the movement that ridge takes."""

    @classmethod
    def fit(cls, voices: list[Voice], *, num: int = 20, most: int = 300, ridge: float = 30.0) -> EigenMouths:
        """Fit to voices with filmed mouths, each against its own mean picture."""
        chosen = voices[:: max(1, len(voices) // most)]
        shapes, heard = [], []
        mean = torch.zeros(SIDE * SIDE)
        for voice in chosen:
            rows = torch.from_numpy(voice.mouths).flatten(1).float() / 255
            mean += rows.mean(0) / len(chosen)
            shapes.append(rows - rows.mean(0))
            heard.append(_features(voice.sound.astype(np.float32) / 32768)[:len(rows)])
        shape, sound = torch.cat(shapes), torch.cat(heard)
        picked = shape[:: max(1, len(shape) // 4000)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # the fit begins with random directions
            _, size, axes = torch.svd_lowrank(picked, q=num, niter=3)
        pictures = axes.T * (size / len(picked) ** 0.5)[:, None]
        wanted = shape @ (axes / (size / len(picked) ** 0.5))
        gram = sound.T @ sound + ridge * torch.eye(sound.shape[1])
        weights = torch.linalg.solve(gram, sound.T @ wanted)
        found = sound @ weights
        gain = wanted.std(0) / found.std(0).clamp_min(1e-3)
        return cls(mean, pictures, weights, gain.clamp(max=2.5))

    def compose(self, sound: np.ndarray, generator: torch.Generator, *, silent: bool = False) -> Tensor:
        """Return mouths (T, 48, 48) in [0, 1] for sound with 8 frames more on both sides.

        Args:
            sound: float32.
            generator: draws how this person moves.
            silent: hold the mouth still, but for small movements.
        """
        num = len(sound) // FRAME - 2 * _MARGIN
        components = len(self.gain)
        own = 1 + 0.25 * torch.randn(components, generator=generator)
        moved = (_features(sound)[_MARGIN:_MARGIN + num] @ self.weights) * self.gain * own
        if silent:
            moved = torch.zeros_like(moved)
        drift = torch.randn(1, components, 5, generator=generator) * 0.25
        drift = F.interpolate(drift, num, mode="linear", align_corners=True)[0].T
        noise = torch.randn(num, components, generator=generator) * 0.12
        return (self.mean + (moved + drift + noise) @ self.pictures).clamp(0, 1).view(num, SIDE, SIDE)


def _features(sound: np.ndarray) -> Tensor:
    """Return standardised log band energies of each frame and those around it, float32 (T, D)."""
    window = 1024
    wave = F.pad(torch.from_numpy(sound), (window // 2 - FRAME // 2, window))
    frames = wave.unfold(0, window, FRAME)[:len(sound) // FRAME]
    power = torch.fft.rfft(frames * torch.hann_window(window)).abs().square()
    edges = torch.linspace(np.log(120), np.log(7800), _BANDS + 1).exp()
    hertz = torch.arange(power.shape[1]) * RATE / window
    bands = torch.stack([((hertz >= a) & (hertz < b)).float() for a, b in pairwise(edges)])
    level = (power @ bands.T).clamp_min(1e-6).log()
    level = (level - level.mean(0)) / level.std(0).clamp_min(0.5)
    padded = F.pad(level.T[None], (_CONTEXT, _CONTEXT), mode="replicate")[0].T
    stacked = padded.unfold(0, 2 * _CONTEXT + 1, 1).flatten(1)
    return torch.cat([stacked, torch.ones(len(stacked), 1)], 1)


def spoil(mouths: Tensor, generator: torch.Generator) -> Tensor:
    """Do to mouths what cameras and detectors do: another cut, light, blur, small size, trembling, noise, mirror.

    Args:
        mouths: float (N, T, 48, 48) in [0, 1].

    Returns:
        uint8 (N, T, 48, 48).
    """
    n, t = mouths.shape[:2]

    def between(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    tremble = torch.randn(n, 2, t, generator=generator) * 0.012
    wander = F.interpolate(torch.randn(n, 2, 6, generator=generator) * 0.05, t, mode="linear", align_corners=True)
    shift = (between(-0.14, 0.14, n, 2, 1) + tremble + wander).transpose(1, 2)
    size = between(0.8, 1.3, n, 1, 1) * torch.tensor([1.0, 1.0])
    size = size * between(0.9, 1.1, n, 1, 2)
    flip = torch.where(torch.rand(n, 1, generator=generator) < 0.5, -1.0, 1.0)
    turn = between(-0.2, 0.2, n, 1)
    cos, sin = turn.cos().expand(n, t), turn.sin().expand(n, t)
    rows = torch.stack([torch.stack([cos * size[..., 0] * flip, -sin * size[..., 1], shift[..., 0]], -1),
                        torch.stack([sin * size[..., 0] * flip, cos * size[..., 1], shift[..., 1]], -1)], -2)
    grid = F.affine_grid(rows.flatten(0, 1), [n * t, 1, SIDE, SIDE], align_corners=False)
    x = F.grid_sample(mouths.reshape(n * t, 1, SIDE, SIDE), grid, padding_mode="border", align_corners=False)
    x = x.view(n, t, SIDE, SIDE)
    for side in (12, 20, 30):
        small = torch.rand(n, generator=generator) < 0.12
        if small.any():
            part = F.interpolate(x[small], size=(side, side), mode="area")
            x[small] = F.interpolate(part, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    stain = F.interpolate(between(-0.12, 0.12, n, 1, 5, 5), size=(SIDE, SIDE), mode="bicubic", align_corners=True)
    x = (x + stain).clamp(0.002, 1) ** between(0.6, 1.7, n, 1, 1, 1)
    x = x * between(0.5, 1.15, n, 1, 1, 1) + between(-0.05, 0.2, n, 1, 1, 1)
    x = x + torch.randn(x.shape, generator=generator) * between(0, 0.03, n, 1, 1, 1)
    return x.clamp(0, 1).mul(255).round().byte()


__all__ = ["EigenMouths", "spoil"]
