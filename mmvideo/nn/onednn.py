"""Matrix products through oneDNN with weights in its own order, for inference on a CPU.

torch gives float32 products to MKL, which on other makers' processors does not use their whole width: one core of an
AMD EPYC with AVX-512 did 100 GFLOP/s through MKL and 235 through oneDNN, both with errors below 1e-6 of the scale.
bfloat16 products take oneDNN anyway; with weights that are in order already they did 460 instead of 415. Only the order
of additions differs; nothing is rounded to fewer bits. Where packing does not pay on the processor at hand, layers stay
as they are (`mmvideo.nn.autotune`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmvideo.nn import autotune

_SCORES = 2**19
"""Scores of one head at a time: they stay in the cache."""
_MANY_ROWS, _SINGLE_ROWS = 512, 8
"""Rows on which a layer is timed: as when a video is read, and as when words are written one by one."""


def available() -> bool:
    """Whether this build of torch has what is needed."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def takes(x: Tensor) -> bool:
    """Whether a tensor is one that these products are for."""
    return x.dtype == torch.float32 and x.device.type == "cpu" and available() and not torch.is_autocast_enabled("cpu")


def precise(dtype: torch.dtype) -> bool:
    """Whether products of this precision can take this way on this processor."""
    return available() and (dtype == torch.float32 or (
        dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()))


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply (..., in) by (out, in), transposed, and add (out); without gradients."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class PackedLinear(nn.Linear):
    """A linear layer that holds its weights only in the order in which oneDNN reads them; for inference.

    Measured on one core in float32 (576 -> 1,536): 0.06 ms for 1 to 4 rows, which MKL takes for one row alone (4 rows:
    0.16 ms), so writing words in a batch gains as much as reading does.
    """

    packed: nn.Parameter

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """The weights (out, in) in their usual order, unpacked anew each time; who only multiplies needs them not."""
        return self.packed.to_dense()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        if torch.is_grad_enabled() or x.dtype != self.packed.dtype or x.device.type != "cpu":
            return functional.linear(x, self.weight, self.bias)
        return product(x, self.packed, self.bias)


def pack_linears(network: nn.Module) -> nn.Module:
    """Run the linear layers of a network on the CPU through oneDNN where it is faster; their weights must not change.

    Weights that another layer shares, as an embedding does with the layer that gives logits, are then held twice;
    others once. Layers of other kinds, precisions or places stay as they are. What was packed can neither be copied
    nor moved.

    Returns:
        The same network.
    """
    if not available():
        return network
    _count_operations()
    for layer in network.modules():
        weight = getattr(layer, "weight", None) if type(layer) is nn.Linear else None
        if weight is not None and type(weight.data) is Tensor and weight.device.type == "cpu" and (
                precise(weight.dtype)):
            if _fastest(weight.detach()) == autotune.PLAIN:
                continue
            packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
            del layer.weight
            layer.__class__ = PackedLinear
            layer.register_parameter("packed", nn.Parameter(packed, requires_grad=False))
    return network


@torch.inference_mode()
def _fastest(weight: Tensor) -> str:
    """Name the faster way to multiply by a weight (out, in), on many rows and on one at a time."""
    pack = cache(lambda: torch.ops.mkldnn._reorder_linear_weight(weight))
    rows = [torch.zeros(count, weight.shape[1], dtype=weight.dtype) for count in (_MANY_ROWS, *[1] * _SINGLE_ROWS)]
    shape = (str(weight.dtype).removeprefix("torch."), *weight.shape)
    return autotune.fastest("linear", shape, {
        autotune.PLAIN: lambda: [functional.linear(x, weight) for x in rows],
        "packed": lambda: [product(x, pack()) for x in rows]})


@cache
def _count_operations() -> None:
    """Let torch's counter of operations know these products."""
    from torch.utils.flop_counter import register_flop_formula  # it imports triton

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def count(x: Sequence[int], weight: Sequence[int], *_: Any, **__: Any) -> int:
        return 2 * prod(x) * weight[0]


def attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attend without a mask, head by head, in float32 throughout.

    torch's own kernel for this takes as long in bfloat16 as in float32 (36 ms for 12 heads of 1,024 tokens, 64 wide, on
    one core; this: 21 ms), so bfloat16 is brought to float32 first, and rounded once.

    Args:
        query: float32 or bfloat16 (B, H, N, D).
        key: (B, H, M, D).
        value: (B, H, M, D).
        scale: factor of the scores.

    Returns:
        (B, H, N, D).
    """
    out = torch.empty_like(query)
    step = max(64, _SCORES // key.shape[2])
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            keys, values = key[b, h].float().contiguous(), value[b, h].float().t().contiguous()
            for first in range(0, query.shape[2], step):
                rows = slice(first, first + step)
                scores = product(query[b, h, rows].float() * scale, keys)
                out[b, h, rows] = product(scores.softmax(-1), values).to(out.dtype)
    return out


__all__ = ["PackedLinear", "attention", "available", "pack_linears", "precise", "product", "takes"]
