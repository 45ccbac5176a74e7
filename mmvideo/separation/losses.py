"""How far an estimate is from a voice: ratios in decibels, and what training minimises.

Waveforms are float (..., S); each function reduces over S and keeps the other axes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor

SILENT_POWER = 1e-7
"""Mean power below which a target counts as silent (-70 dB of full scale)."""
_TINY = 1e-10


def snr(estimate: Tensor, target: Tensor) -> Tensor:
    """Return the signal-to-noise ratio in dB; the level of the estimate counts."""
    return _ratio(target.square().sum(-1), (estimate - target).square().sum(-1))


def si_sdr(estimate: Tensor, target: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, arXiv:1811.02508).

    Both waveforms are centred first, as torchmetrics does with `zero_mean=True`.
    """
    estimate = estimate - estimate.mean(-1, keepdim=True)
    target = target - target.mean(-1, keepdim=True)
    scale = (estimate * target).sum(-1, keepdim=True) / (target.square().sum(-1, keepdim=True) + _TINY)
    return snr(estimate, scale * target)


def _ratio(signal: Tensor, noise: Tensor) -> Tensor:
    return 10 * torch.log10((signal + _TINY) / (noise + _TINY))


def negative_snr(estimate: Tensor, target: Tensor, *, limit_db: float = 30.0) -> Tensor:
    """Return the loss -SNR, which nears -`limit_db` softly: what is good enough no longer pulls.

    The limit is a share of the target's power added to the noise (Wisdom et al. 2020, arXiv:2006.12701, eq. 2).
    """
    power = target.square().sum(-1)
    noise = (estimate - target).square().sum(-1) + 10 ** (-limit_db / 10) * power
    return -_ratio(power, noise)


def silent_target(estimate: Tensor, mixture: Tensor, *, limit_db: float = 30.0) -> Tensor:
    """Return the loss of an estimate whose target is silence: its level in dB under the mixture, to -`limit_db`."""
    power = mixture.square().sum(-1) + _TINY
    return 10 * torch.log10(estimate.square().sum(-1) / power + 10 ** (-limit_db / 10))


def separation_loss(estimate: Tensor, target: Tensor, mixture: Tensor, *, limit_db: float = 30.0) -> Tensor:
    """Return `negative_snr` where the target speaks and `silent_target` where it does not.

    Args:
        estimate: (B, P, S).
        target: (B, P, S).
        mixture: (B, S).

    Returns:
        (B, P).
    """
    silent = target.square().mean(-1) < SILENT_POWER
    absent = silent_target(estimate, mixture.unsqueeze(-2), limit_db=limit_db)
    # Both branches are differentiated, so the one not taken must be finite: a silent target has no power to divide by.
    present = negative_snr(estimate, torch.where(silent.unsqueeze(-1), estimate.detach() + 1e-3, target),
                           limit_db=limit_db)
    return torch.where(silent, absent, present)


def best_permutation(estimate: Tensor, target: Tensor,
                     loss: Callable[[Tensor, Tensor], Tensor] = negative_snr) -> tuple[Tensor, Tensor]:
    """Match outputs without an order to targets (utterance-level PIT, Kolbaek et al. 2017, arXiv:1703.06284).

    Args:
        estimate: (B, P, S).
        target: (B, P, S).
        loss: of waveforms (..., S), less is better.

    Returns:
        The mean loss of the best order, (B,), and that order, int (B, P): output `order[b, p]` belongs to target p.
    """
    pairs = loss(estimate.unsqueeze(1), target.unsqueeze(2))  # (B, target, output)
    orders = torch.tensor(list(permutations(range(target.shape[1]))), device=pairs.device)
    rows = torch.arange(target.shape[1], device=pairs.device)
    losses = pairs[:, rows, orders].mean(-1)  # (B, orders)
    best, at = losses.min(1)
    return best, orders[at]


__all__ = ["SILENT_POWER", "best_permutation", "negative_snr", "separation_loss", "si_sdr", "silent_target", "snr"]
