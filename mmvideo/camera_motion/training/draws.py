"""Draws of the camera-motion world: numbers, chances, and curves that go back and forth."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NUM_FRAMES, SIDE = 16, 64


def draw_uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    """Draw numbers, evenly."""
    return torch.rand(*shape, generator=generator) * (high - low) + low


def log_uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    """Draw numbers, evenly on a logarithmic scale."""
    return draw_uniform(generator, math.log(low), math.log(high), *shape).exp()


def chance(generator: torch.Generator, share: float, *shape: int) -> Tensor:
    """Draw booleans, `share` of them true."""
    return torch.rand(*shape, generator=generator) < share


def wobble(generator: torch.Generator, num: int, times: Tensor) -> Tensor:
    """Draw back-and-forth curves without drift, peak 1: a few sines between 1.5 and 6.5 periods a clip.

    Returns:
        float (num, T, 4).
    """
    cycles = draw_uniform(generator, 1.5, 6.5, num, 1, 4, 4)
    phase = draw_uniform(generator, 0, 2 * math.pi, num, 1, 4, 4)
    weight = draw_uniform(generator, 0.1, 1, num, 1, 4, 4) / cycles.sqrt()
    wave = (weight * torch.sin(2 * math.pi * cycles * times[:, :, None, None] + phase)).sum(-1)
    centred = times - times.mean(1, keepdim=True)
    slope = (wave * centred[..., None]).sum(1, keepdim=True) / centred.square().sum(1)[:, None, None]
    wave = wave - slope * centred[..., None]
    wave = wave - wave.mean(1, keepdim=True)
    return wave / wave.abs().amax(1, keepdim=True).clamp_min(1e-6)


__all__ = ["NUM_FRAMES", "SIDE", "chance", "draw_uniform", "log_uniform", "wobble"]
