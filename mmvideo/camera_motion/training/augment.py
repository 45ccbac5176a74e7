"""What cameras and files do to pictures: focus, light, noise, block compression, bars, overlays."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.camera_motion.training.draws import NUM_FRAMES, SIDE, chance, draw_uniform, log_uniform


def degrade(frames: Tensor, generator: torch.Generator, *, noise: tuple[float, float] = (0.003, 0.06)) -> Tensor:
    """Add what cameras and files add: focus, gamma, brightness change, noise, block compression, bars, overlays.

    Args:
        frames: float (B, T, 64, 64) in [0, 1].
        noise: least and largest spread of the noise, which 0.6 of the clips have.

    Returns:
        uint8 (B, T, 1, 64, 64).
    """
    num = len(frames)
    soft = chance(generator, 0.35, num)
    if soft.any():  # a small or soft source, or blur that has nothing to do with the camera
        frames[soft] = _directional_blur(frames[soft], generator)
    frames = frames.clamp(1e-3, 1) ** draw_uniform(generator, 0.6, 1.6, num, 1, 1, 1)
    ramp = torch.linspace(-0.5, 0.5, NUM_FRAMES) * draw_uniform(generator, -0.5, 0.5, num, 1)
    flicker = torch.randn(num, NUM_FRAMES, generator=generator) * 0.05
    light = 1 + ramp * chance(generator, 0.3, num, 1) + flicker * chance(generator, 0.2, num, 1)
    gain, lift = draw_uniform(generator, 0.6, 1.1, num, 1), draw_uniform(generator, -0.05, 0.2, num, 1)
    frames = frames * (light * gain)[..., None, None] + lift[..., None, None]
    sigma = log_uniform(generator, *noise, num, 1, 1, 1) * chance(generator, 0.6, num, 1, 1, 1)
    frames = frames + torch.randn(frames.shape, generator=generator) * sigma
    packed = chance(generator, 0.4, num)
    if packed.any():
        frames[packed] = _block_compress(frames[packed], generator)
    return _bars_and_overlays(frames, generator).clamp(0, 1).mul(255).round().to(torch.uint8)[:, :, None]


def _directional_blur(frames: Tensor, generator: torch.Generator) -> Tensor:
    num = len(frames)
    axis = torch.arange(-3.0, 4.0)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    angle = draw_uniform(generator, 0, math.pi, num, 1, 1)
    along, across = x * angle.cos() + y * angle.sin(), -x * angle.sin() + y * angle.cos()
    long, short = draw_uniform(generator, 0.4, 2.0, num, 1, 1), draw_uniform(generator, 0.3, 0.9, num, 1, 1)
    kernel = (-(along / long) ** 2 / 2 - (across / short) ** 2 / 2).exp()
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    padded = F.pad(frames, (3, 3, 3, 3), mode="replicate").transpose(0, 1)
    return F.conv2d(padded, kernel[:, None], groups=num).transpose(0, 1)


def _block_compress(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Quantise 8x8 cosine coefficients coarsely, as a strongly compressed file does."""
    k = torch.arange(8.0)
    basis = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) * math.sqrt(0.25)
    basis[0] *= math.sqrt(0.5)
    blocks = frames.unflatten(2, (8, 8)).unflatten(4, (8, 8)).transpose(3, 4)
    step = (1 + k[:, None] + k[None]) * 0.012 * log_uniform(generator, 0.3, 3.0, len(frames), 1, 1, 1, 1, 1)
    coefficients = torch.round(basis @ blocks @ basis.T / step) * step
    return (basis.T @ coefficients @ basis).transpose(3, 4).flatten(4, 5).flatten(2, 3)


def _bars_and_overlays(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Put black bars on some clips and a small still caption or logo on others."""
    num = len(frames)
    bar = (draw_uniform(generator, 2, 12, num) * chance(generator, 0.12, num)).round()
    row = torch.arange(SIDE)
    inside = (row >= bar[:, None]) & (row < SIDE - bar[:, None])
    frames = frames * inside[:, None, :, None]
    logo = chance(generator, 0.12, num)
    if logo.any():
        count = int(logo.sum())
        pattern = torch.rand(count, 1, 4, 12, generator=generator).repeat_interleave(2, 2).repeat_interleave(2, 3)
        top, left = (int(v) for v in torch.randint(2, (2,), generator=generator))
        y, x = (2, SIDE - 10)[top], (3, SIDE - 27)[left]
        frames[logo, :, y:y + 8, x:x + 24] = pattern.round().expand(-1, NUM_FRAMES, -1, -1)
    return frames


__all__ = ["degrade"]
