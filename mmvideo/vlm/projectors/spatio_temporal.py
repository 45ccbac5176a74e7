"""Spatio-temporal convolution connector (VideoLLaMA 2's STC, Cheng et al. 2024, Apache-2.0): fewer tokens.

Residual convolutions over each frame, one 3D convolution that strides over time and space, residual convolutions
again, then two linear layers. Written from the paper's figure 3; the residual blocks are plain, where the release uses
RegNet's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.types import Features
from mmvideo.vlm.projectors.base import Projector, on_grid


class SpatialBlock(nn.Module):
    """Two 3 x 3 convolutions over each frame beside the identity."""

    def __init__(self, dim: int):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv3d(dim, dim, (1, 3, 3), padding=(0, 1, 1)) for _ in range(2))
        self.norms = nn.ModuleList(nn.GroupNorm(1, dim) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, t, h, w) to the same shape."""
        y = F.silu(self.norms[0](self.convs[0](x)))
        return F.silu(x + self.norms[1](self.convs[1](y)))


class SpatioTemporal(Projector):
    """`stride` tokens in time, height and width become one."""

    def __init__(self, *, dim_in: int, dim_out: int, stride: int = 2, depth: int = 1):
        super().__init__(dim_in=dim_in, dim_out=dim_out, stride=stride, depth=depth)
        self.enter = nn.Conv3d(dim_in, dim_out, 1)
        self.before = nn.ModuleList(SpatialBlock(dim_out) for _ in range(depth))
        self.shrink = nn.Conv3d(dim_out, dim_out, stride, stride)
        self.after = nn.ModuleList(SpatialBlock(dim_out) for _ in range(depth))
        self.read = nn.Sequential(nn.Linear(dim_out, dim_out), nn.GELU(), nn.Linear(dim_out, dim_out))
        self.beside = nn.Linear(dim_in, dim_out)

    def forward(self, features: Features) -> Tensor:
        """Map a grid (t, h, w) to the product of ceil(side / stride) visual tokens, and those beside it one by one."""
        maps, beside = on_grid(features)
        s = self.config["stride"]
        t, h, w = maps.shape[2:]
        x = self.enter(F.pad(maps, (0, -w % s, 0, -h % s, 0, -t % s)))
        for block in self.before:
            x = block(x)
        x = F.silu(self.shrink(x))
        for block in self.after:
            x = block(x)
        return torch.cat((self.read(x.flatten(2).transpose(1, 2)), self.beside(beside)), 1)
