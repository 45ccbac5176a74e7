"""3D convolutions that see time alone, space alone or one point, by better kernels on a CPU: the same sums.

torch decides by rules made for pictures whether oneDNN or a slow kernel of its own runs a 3D convolution: with one
thread one of Kx1x1 counts as pointwise, and a single clip whose B * C * T * H is 20480 or less as too small. And oneDNN
is slow at pointwise convolutions of large maps. One clip, float32, one core (AMD EPYC, torch 2.14), as conv3d and here
(`python benchmarks/flat_conv.py`): 3x1x1 from 32 to 8 channels over 32x64x64 42.7 and 5.2 ms, from 1024 to 256 over
8x16x16 38.5 and 13.8 ms, 1x3x3 from 8 to 8 over 32x64x64 32.7 and 3.6 ms, 1x1x1 from 64 to 256 over 8x64x64 28.7 and
20.6 ms.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.nn import onednn

SMALL = 20_480
"""Values of B * C * T * H up to which torch does not use oneDNN for a single clip (`ConvParams::use_mkldnn` of
aten/src/ATen/native/Convolution.cpp)."""


class FlatConv3d(nn.Conv3d):
    """A 3D convolution whose kernel is 1 in time or 1x1 in space."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) as `nn.Conv3d` does."""
        if x.device.type != "cpu" or x.ndim != 5:
            return super().forward(x)
        if self.kernel_size[1:] == (1, 1):
            if self.kernel_size[0] > 1:
                return over_time(self, x)
            if not torch.is_grad_enabled() and onednn.takes(x) and onednn.takes(self.weight):
                return pointwise_conv(self, x)
        elif x.shape[0] == 1 and x.shape[:4].numel() <= SMALL:
            return over_space(self, x)
        return super().forward(x)


def over_time(conv: nn.Conv3d, x: Tensor) -> Tensor:
    """Run a convolution of Kx1x1 over maps of T rows and H * W columns."""
    y = F.conv2d(x.flatten(3), conv.weight[..., 0], conv.bias, (conv.stride[0], 1), (conv.padding[0], 0),
                 (conv.dilation[0], 1), conv.groups)
    return y.unflatten(3, x.shape[3:])


def over_space(conv: nn.Conv3d, x: Tensor) -> Tensor:
    """Run a convolution of 1xKxK on each frame alone."""
    y = F.conv2d(x.transpose(1, 2).flatten(0, 1), conv.weight[:, :, 0], conv.bias, conv.stride[1:], conv.padding[1:],
                 conv.dilation[1:], conv.groups)
    return y.unflatten(0, (x.shape[0], -1)).transpose(1, 2).contiguous()


def pointwise_conv(conv: nn.Conv3d, x: Tensor) -> Tensor:
    """Run a convolution of 1x1x1 as a matrix product."""
    t, h, w = conv.stride
    x = x[:, :, ::t, ::h, ::w]
    weight, columns = conv.weight.flatten(1), x.flatten(2)
    found = [onednn.product(weight, each.t()) for each in columns]
    y = torch.stack(found) if len(found) > 1 else found[0][None]
    if conv.bias is not None:
        y += conv.bias[:, None]
    return y.unflatten(2, x.shape[2:])


def is_flat(conv: nn.Module) -> bool:
    """Whether a module is a plain 3D convolution of one of these kinds."""
    if type(conv) is not nn.Conv3d or conv.padding_mode != "zeros" or isinstance(conv.padding, str):
        return False
    time, *space = zip(conv.kernel_size, conv.stride, conv.padding, strict=True)
    still = (1, 1, 0)
    if conv.kernel_size == (1, 1, 1):
        return conv.padding == (0, 0, 0) and conv.groups == 1
    return time == still or all(axis == still for axis in space)


def flatten(network: nn.Module) -> nn.Module:
    """Let the flat convolutions of a network run in these ways; names and shapes of weights stay as they are.

    Returns:
        The same network.
    """
    for layer in network.modules():
        if is_flat(layer):
            layer.__class__ = FlatConv3d
    return network


__all__ = ["FlatConv3d", "flatten", "is_flat", "over_space", "over_time", "pointwise_conv"]
