"""Overlap-add for people who come and go: each has a lane that fades in and out with the windows that see them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Lanes:
    """Puts windows of several voices together.

    Args:
        window: samples of a window.
        hop: samples from one to the next, at least half a window.
    """

    def __init__(self, window: int, hop: int):
        self.window, self.hop, self.at = window, hop, 0
        overlap = window - hop
        self._ramp = torch.sin((torch.arange(overlap) + 0.5) / max(1, overlap) * torch.pi / 2).square()
        self._held: dict[int, Tensor] = {}

    def add(self, voices: Mapping[int, Tensor], *, last: bool = False) -> dict[int, Tensor]:
        """Add the next window, and give out what no later window changes.

        Args:
            voices: number of the person -> float (window,).
            last: this is the last window.

        Returns:
            who -> the next `hop` samples (a whole window, if it is the last); people without sound are left out.
        """
        fade = torch.ones(self.window)
        overlap = len(self._ramp)
        if self.at:
            fade[:overlap] *= self._ramp
        if not last:
            fade[self.hop:] *= self._ramp.flip(0)
        total = {who: torch.nn.functional.pad(tail, (0, self.window - len(tail))) for who, tail in self._held.items()}
        for who, wave in voices.items():
            total[who] = total.get(who, torch.zeros(self.window)) + wave * fade
        self.at += self.hop
        if last:
            return total
        self._held = {who: total[who][self.hop:].clone() for who in voices}
        return {who: wave[:self.hop] for who, wave in total.items()}


__all__ = ["Lanes"]
