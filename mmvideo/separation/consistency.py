"""Mixture consistency: voices that add up to what was heard (Wisdom et al. 2019, arXiv:1811.08521)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput


def mixture_consistent(estimates: Tensor, mixture: Tensor, *, share: Literal["equal", "power"] = "power") -> Tensor:
    """Give what the estimates leave of the mixture back to them, so that they add up to it.

    Args:
        estimates: (..., P, S), P of 1 or more.
        mixture: (..., S).
        share: who gets the rest: everybody alike, or each by the power of its estimate.

    Returns:
        (..., P, S), adding up to the mixture along P.

    Raises:
        InvalidInput: another `share`.
    """
    if share not in ("equal", "power"):
        raise InvalidInput(f"share={share!r}; allowed: 'equal', 'power'.")
    rest = mixture.unsqueeze(-2) - estimates.sum(-2, keepdim=True)
    power = estimates.square().mean(-1, keepdim=True) if share == "power" else torch.ones_like(estimates[..., :1])
    total = power.sum(-2, keepdim=True)
    weights = torch.where(total > 0, power / total.clamp_min(1e-30), 1 / estimates.shape[-2])
    return estimates + weights * rest


__all__ = ["mixture_consistent"]
