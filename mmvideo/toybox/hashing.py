"""Random numbers that depend on a scene's seed alone, made for a whole batch at once on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from mmvideo.toybox import vocabulary as v

_LOW32 = 0xFFFFFFFF


def _mix(x: Tensor) -> Tensor:
    """Scramble 32-bit integers held in int64 (Chris Wellons' `lowbias32`)."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & _LOW32
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & _LOW32
    return x ^ (x >> 16)


def hashed_uniform(seeds: Tensor, count: int, *, salt: int = 0) -> Tensor:
    """Return float32 (B, count) in [0, 1): the same row for the same seed, whatever the batch and the device.

    Args:
        seeds: int64 (B,), non-negative.
        count: numbers for each seed.
        salt: another salt gives independent numbers.
    """
    key = _mix((seeds & _LOW32) ^ _mix((seeds >> 32) + 0x9E3779B9 * (salt + 1) & _LOW32))
    index = torch.arange(count, device=seeds.device) * 0x9E3779B1 & _LOW32
    bits = _mix(_mix(key)[:, None] ^ index[None])
    return (bits >> 8).float() * 2.0**-24


def seeds_of(specs: list, device: torch.device | str | None = None) -> Tensor:
    """Return one seed for each scene specification, int64 (B,): seed 7 looks different at each level."""
    seeds = [spec.seed * len(v.LEVELS) + v.LEVELS.index(spec.level) for spec in specs]
    return torch.tensor(seeds, dtype=torch.int64, device=device)
