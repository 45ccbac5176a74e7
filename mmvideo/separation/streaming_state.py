"""What a network that looks back only must keep of what went by, so that it can go on in pieces."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor


class Past:
    """The memory of one stream: the last steps that convolutions reach back to, and sums of all that went by.

    A fresh one is the beginning of time: zeros. Every tensor has time as its second dimension.
    """

    def __init__(self) -> None:
        self._last: dict[Hashable, Tensor] = {}
        self._sums: dict[Hashable, Tensor] = {}

    def before(self, key: Hashable, x: Tensor, count: int) -> Tensor:
        """Return (N, T, ...) with the `count` steps that went before it, and keep its own last ones."""
        held = self._last.get(key)
        if held is None:
            held = x.new_zeros(x.shape[0], count, *x.shape[2:])
        whole = torch.cat([held.to(x.dtype), x], 1)
        self._last[key] = whole[:, whole.shape[1] - count:].clone()
        return whole

    def sum(self, key: Hashable, x: Tensor) -> Tensor:
        """Return at every step of (N, T, ...) the sum of all until then; kept in float64, so that hours do no harm."""
        sums = x.double().cumsum(1)
        if key in self._sums:
            sums = sums + self._sums[key]
        if x.shape[1]:
            self._sums[key] = sums[:, -1:].clone()
        return sums

    @property
    def num_bytes(self) -> int:
        """Bytes that are kept."""
        return sum(x.untyped_storage().nbytes() for x in (*self._last.values(), *self._sums.values()))


__all__ = ["Past"]
