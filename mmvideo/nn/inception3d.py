"""Inception-v1 with cubic kernels and TensorFlow's "SAME" padding: the network of I3D.

Carreira & Zisserman 2017 (https://arxiv.org/abs/1705.07750, figure 3) over Szegedy et al. 2015.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.nn.resnet3d import initialise

Size = tuple[int, int, int]
BLOCKS = {
    "3b": (64, 96, 128, 16, 32, 32), "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64), "4c": (160, 112, 224, 24, 64, 64), "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64), "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128), "5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of a block's six convolutions: 1; 1 and 3 behind it; 1 and 3 behind it; 1 behind the pooling."""
POOLED_BEFORE: dict[str, tuple[Size, Size]] = {
    "3b": ((1, 3, 3), (1, 2, 2)), "4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
"""Kernel and stride of the pooling before a block."""
STRIDES = (8, 32, 32)
"""Of the whole network, in time, height and width."""


def same_padding(size: Size, kernel: Size, stride: Size) -> list[tuple[int, int]]:
    """Return what is put before and behind each side, so that n give ceil(n / stride); the odd one goes behind."""
    missing = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride, strict=True)]
    return [(m // 2, m - m // 2) for m in missing]


def _padded(x: Tensor, kernel: Size, stride: Size) -> tuple[Tensor, Size]:
    """Return x with what a layer cannot pad by itself, and what it then pads by itself."""
    sides = same_padding(tuple(x.shape[2:]), kernel, stride)
    if all(a == b for a, b in sides):
        return x, tuple(a for a, _ in sides)
    return F.pad(x, [side for pair in reversed(sides) for side in pair]), (0, 0, 0)


def max_pool_same(x: Tensor, kernel: Size, stride: Size) -> Tensor:
    """Pool the largest of a map that has no negative values (so that padding with zeros changes nothing)."""
    x, padding = _padded(x, kernel, stride)
    return F.max_pool3d(x, kernel, stride, padding)


class Unit3d(nn.Module):
    """Convolution, normalisation, ReLU."""

    def __init__(self, dim_in: int, dim: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv3d(dim_in, dim, kernel, stride, bias=False)
        self.norm = nn.BatchNorm3d(dim, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x, padding = _padded(x, self.conv.kernel_size, self.conv.stride)
        return F.relu(self.norm(F.conv3d(x, self.conv.weight, None, self.conv.stride, padding)), inplace=True)


class Block3d(nn.Module):
    """Four ways side by side: 1, 1 and 3, 1 and 3, pooling and 1; the 5 x 5 of the 2D network is a 3 here."""

    def __init__(self, dim_in: int, widths: tuple[int, ...]):
        super().__init__()
        w = widths
        self.point = Unit3d(dim_in, w[0], 1)
        self.cube = nn.Sequential(Unit3d(dim_in, w[1], 1), Unit3d(w[1], w[2], 3))
        self.second_cube = nn.Sequential(Unit3d(dim_in, w[3], 1), Unit3d(w[3], w[4], 3))
        self.pooled = Unit3d(dim_in, w[5], 1)
        self.dim = w[0] + w[2] + w[4] + w[5]

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.pooled(max_pool_same(x, (3, 3, 3), (1, 1, 1)))
        return torch.cat((self.point(x), self.cube(x), self.second_cube(x), pooled), 1)


class Inception3d(nn.Module):
    """(B, C, T, H, W) -> (B, 1024, T / 8, H / 32, W / 32), rounded up.

    Args:
        in_channels: C.
        width: a multiple of all channels.
    """

    def __init__(self, *, in_channels: int = 3, width: float = 1.0):
        super().__init__()
        def scaled(n: int) -> int:
            return max(round(n * width), 1)
        self.stem = Unit3d(in_channels, scaled(64), 7, 2)
        self.reduce = Unit3d(scaled(64), scaled(64), 1)
        self.spread = Unit3d(scaled(64), scaled(192), 3)
        dim, blocks = scaled(192), {}
        for name, widths in BLOCKS.items():
            blocks[name] = Block3d(dim, tuple(map(scaled, widths)))
            dim = blocks[name].dim
        self.blocks, self.dim = nn.ModuleDict(blocks), dim
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = max_pool_same(self.stem(x), (1, 3, 3), (1, 2, 2))
        x = self.spread(self.reduce(x))
        for name, block in self.blocks.items():
            if name in POOLED_BEFORE:
                x = max_pool_same(x, *POOLED_BEFORE[name])
            x = block(x)
        return x
