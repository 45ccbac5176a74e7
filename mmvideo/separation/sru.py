"""Simple recurrent units, both ways in time (Lei et al. 2018, https://arxiv.org/abs/1709.02755, eq. 3-7).

All products with weights are made at once for the whole sequence; only the cell state is carried from step to step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class BiSRU(nn.Module):
    """Layers of bidirectional units: (T, B, D) -> (T, B, 2 * width)."""

    def __init__(self, dim: int, width: int, layers: int):
        super().__init__()
        self.layers = nn.ModuleList(_Layer(2 * width if n else dim, width) for n in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class _Layer(nn.Module):
    """One layer; where input and output are equally wide the input itself is the skip term."""

    def __init__(self, dim: int, width: int):
        super().__init__()
        self.width, self.parts = width, 3 if dim == 2 * width else 4
        weight = torch.empty(dim, 2, width, self.parts).uniform_(-1, 1) * math.sqrt(3 / dim)
        weight[..., 1:3] *= math.sqrt(0.5)
        self.weight = nn.Parameter(weight.flatten(1))
        self.weight_c = nn.Parameter(torch.empty(4 * width).uniform_(-1, 1) * math.sqrt(1.5))
        self.bias = nn.Parameter(torch.zeros(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        t, b, _ = x.shape
        products = (x @ self.weight).to(self.bias).view(t, b, 2, self.width, self.parts)
        x = x.to(self.bias)  # in mixed precision too a cell's state is carried in full
        skip = x.view(t, b, 2, self.width) if self.parts == 3 else products[..., 3]
        forget_c, reset_c = self.weight_c.view(2, 2, self.width)
        forget_b, reset_b = self.bias.view(2, 2, self.width)
        given, forget = (_turned(part) for part in (products[..., 0], products[..., 1] + forget_b))
        cell, cells = torch.zeros_like(given[0]), []
        for now, gate in zip(given.unbind(0), forget.unbind(0), strict=True):
            cells.append(cell)
            cell = torch.lerp(now, cell, torch.sigmoid(torch.addcmul(gate, cell, forget_c)))
        before = _turned(torch.stack(cells))
        after = _turned(torch.stack([*cells[1:], cell]))
        reset = torch.sigmoid(products[..., 2] + before * reset_c + reset_b)
        return torch.lerp(skip, after, reset).flatten(2)


def _turned(x: Tensor) -> Tensor:
    """Turn the second direction of (T, B, 2, D) around in time."""
    return torch.stack((x[:, :, 0], x[:, :, 1].flip(0)), 2)


__all__ = ["BiSRU"]
