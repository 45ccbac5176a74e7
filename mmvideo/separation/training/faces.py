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

from mmvideo.separation.training.bank import FRAME, RATE, SIDE, Utterance

_BANDS = 20
_CONTEXT = 4
"""Frames before and after that the mouth depends on."""
_MOST_FRAMES = 150
"""Of one film that components are fitted to."""


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
    def fit(cls, voices: list[Utterance], *, num: int = 20, most: int = 300, ridge: float = 30.0) -> EigenMouths:
        """Fit to voices with filmed mouths, each against its own mean picture."""
        chosen = voices[:: max(1, len(voices) // most)]
        shapes, heard = [], []
        mean = torch.zeros(SIDE * SIDE)
        for voice in chosen:
            rows = torch.from_numpy(voice.mouths[:_MOST_FRAMES]).flatten(1).float() / 255
            mean += rows.mean(0) / len(chosen)
            shapes.append(rows - rows.mean(0))
            part = voice.sound[:(len(rows) + 2 * _CONTEXT) * FRAME]
            heard.append(_features(part.astype(np.float32) / 32768)[:len(rows)])
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

    def to(self, device: torch.device | str) -> EigenMouths:
        """Return the same on a device."""
        return EigenMouths(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    def coefficients(self, sound: np.ndarray) -> Tensor:
        """Return how a mouth moves to sound, float32 (T, K), 25 a second, for float32 sound of any length."""
        return (_features(sound) @ self.weights) * self.gain

    def compose(self, moved: Tensor, generator: torch.Generator) -> Tensor:
        """Return mouths (N, T, 48, 48) in [0, 1] of N people, each of whom moves in their own way.

        Args:
            moved: `coefficients` (N, T, K); zeros hold a mouth still, but for small movements.
            generator: draws how a person moves.
        """
        n, num, components = moved.shape

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device=moved.device)

        own = 1 + 0.25 * normal(n, 1, components)
        drift = F.interpolate(normal(n, components, 5) * 0.25, num, mode="linear", align_corners=True).transpose(1, 2)
        moved = moved * own + drift + normal(n, num, components) * 0.12
        return (self.mean + moved @ self.pictures).clamp(0, 1).view(n, num, SIDE, SIDE)


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


def spoil(mouths: Tensor, generator: torch.Generator, *, turned: float = 0.0) -> Tensor:
    """Do to mouths what cameras and detectors do: another cut, light, blur, small size, trembling, noise, mirror.

    Args:
        mouths: float (N, T, 48, 48) in [0, 1].
        generator: on the device of `mouths`.
        turned: share of heads that look to one side, so that the near half of the mouth is wide and the far one narrow.

    Returns:
        uint8 (N, T, 48, 48).
    """
    n, t = mouths.shape[:2]
    device = mouths.device

    def between(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device) * (high - low) + low

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    # as much as is left where crops follow the points of a face
    tremble = normal(n, 2, t) * 0.008
    wander = F.interpolate(normal(n, 2, 6) * 0.03, t, mode="linear", align_corners=True)
    shift = (between(-0.1, 0.1, n, 2, 1) + tremble + wander).transpose(1, 2)
    size = between(0.8, 1.3, n, 1) * between(0.9, 1.1, n, 2)
    flip = torch.where(between(0, 1, n) < 0.5, -1.0, 1.0)
    roll = between(-0.14, 0.14, n)
    away = (between(0, 1, n) < turned).float() * between(-1, 1, n)
    axis = (torch.arange(SIDE, device=device) + 0.5) / SIDE * 2 - 1
    x, y = axis.expand(SIDE, SIDE), axis[:, None].expand(SIDE, SIDE)
    # a head that looks away is narrower, and one half of it more than the other
    x = x / (1 - 0.35 * away.abs()).view(n, 1, 1) + 0.3 * away.view(n, 1, 1) * (x.square() - 0.3)
    x, y = x * (size[:, 0] * flip).view(n, 1, 1), y * size[:, 1].view(n, 1, 1)
    cos, sin = roll.cos().view(n, 1, 1), roll.sin().view(n, 1, 1)
    places = torch.stack([cos * x - sin * y, sin * x + cos * y], -1)  # (N, 48, 48, 2)
    grid = (places[:, None] + shift[:, :, None, None]).flatten(0, 1)
    x = F.grid_sample(mouths.reshape(n * t, 1, SIDE, SIDE), grid, padding_mode="border", align_corners=False)
    x = x.view(n, t, SIDE, SIDE)
    for side in (12, 20, 30):
        small = between(0, 1, n) < 0.12
        if small.any():
            part = F.interpolate(x[small], size=(side, side), mode="area")
            x[small] = F.interpolate(part, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    stain = F.interpolate(between(-0.12, 0.12, n, 1, 5, 5), size=(SIDE, SIDE), mode="bicubic", align_corners=True)
    x = (x + stain).clamp(0.002, 1) ** between(0.6, 1.7, n, 1, 1, 1)
    x = x * between(0.5, 1.15, n, 1, 1, 1) + between(-0.05, 0.2, n, 1, 1, 1)
    x = x + normal(*x.shape) * between(0, 0.03, n, 1, 1, 1)
    return x.clamp(0, 1).mul(255).round().byte()


__all__ = ["EigenMouths", "spoil"]
