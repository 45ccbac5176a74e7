"""A way around wrong gradients of 3D convolutions in bfloat16 on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class RightConv3d(TorchFunctionMode):
    """While it is entered, a 3D convolution whose kernel is longer than its input along an axis runs in float32.

    oneDNN 3.12 (in torch 2.14), on CPUs with AVX-512 BF16, leaves part of such a convolution's weight gradient
    unwritten (`jit_bf16:avx512_core_bf16`, backward_weights, 16 channels or more): what was in memory before is taken
    for a gradient, which may be anything, NaN, or end the process. Networks on short clips have such layers: C3D and
    R(2+1)D see 2 frames with kernels of 3 in their last stage. The smallest case:

        x, w = torch.rand(4, 32, 2, 4, 4).bfloat16(), torch.rand(32, 32, 3, 1, 1).bfloat16().requires_grad_()
        torch.conv3d(x, w, padding=(1, 0, 0)).sum().backward()   # w.grad[:, :, 1:] is arbitrary

    Such maps are small, so float32 costs little. Elsewhere, and on other devices, nothing changes.
    """

    def __torch_function__(self, func: Callable, types: Any, args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        if func is torch.conv3d and _concerned(*args[:2], dilation=_dilation(args, kwargs or {})):
            tensors = tuple(x.float() if isinstance(x, Tensor) else x for x in args[:3])
            others = {k: x.float() if isinstance(x, Tensor) else x for k, x in (kwargs or {}).items()}
            with torch.autocast("cpu", enabled=False):
                return func(*tensors, *args[3:], **others).to(torch.bfloat16)
        return func(*args, **(kwargs or {}))


def _concerned(x: Tensor, weight: Tensor, *, dilation: Sequence[int]) -> bool:
    if x.device.type != "cpu":
        return False
    half = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
    longer = any((k - 1) * d >= n for k, d, n in zip(weight.shape[2:], dilation, x.shape[2:], strict=True))
    return longer and (half or x.dtype == torch.bfloat16)


def _dilation(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[int, ...]:
    found = kwargs.get("dilation", args[5] if len(args) > 5 else 1)
    return (found,) * 3 if isinstance(found, int) else tuple(found)
