"""Float32 matrix products through oneDNN, for inference on a CPU.

torch gives float32 products to MKL, which on other makers' processors does not use their whole width: one core of an
AMD EPYC with AVX-512 did 100 GFLOP/s through MKL and 235 through oneDNN, both with errors below 1e-6 of the scale.
Only the order of additions differs; nothing is rounded to fewer bits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_ROWS = 196
"""Queries at a time: their scores for one head stay in the cache."""


def available() -> bool:
    """Whether this build of torch has what is needed."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def takes(x: Tensor) -> bool:
    """Whether a tensor is one that these products are for."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and available() and not torch.is_autocast_enabled("cpu")


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply (..., in) by (out, in), transposed, and add (out); without gradients."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class PackedLinear(nn.Linear):
    """A linear layer that also keeps its weights in the order in which oneDNN reads them; for inference only."""

    packed: Any = None

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        if torch.is_grad_enabled() or x.dtype != torch.float32 or x.device.type != "cpu":
            return super().forward(x)
        return product(x, self.packed, self.bias)


def pack(network: nn.Module) -> nn.Module:
    """Let the float32 linear layers of a network on the CPU run through oneDNN; their weights must not change any more.

    The weights are then held twice. Layers of other kinds, precisions or places stay as they are.

    Returns:
        The same network.
    """
    if not available():
        return network
    for layer in network.modules():
        weight = getattr(layer, "weight", None)
        if type(layer) is nn.Linear and type(weight.data) is Tensor and weight.dtype == torch.float32 and (
                weight.device.type == "cpu"):
            layer.__class__ = PackedLinear
            layer.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
    return network


def attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attend without a mask, head by head.

    Args:
        query: float32 (B, H, N, D).
        key: (B, H, M, D).
        value: (B, H, M, D).
        scale: factor of the scores.

    Returns:
        (B, H, N, D).
    """
    out = torch.empty_like(query)
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            keys, values = key[b, h].contiguous(), value[b, h].t().contiguous()
            for first in range(0, query.shape[2], _ROWS):
                rows = slice(first, first + _ROWS)
                out[b, h, rows] = product(product(query[b, h, rows] * scale, keys).softmax(-1), values)
    return out


__all__ = ["PackedLinear", "attention", "available", "pack", "product", "takes"]
