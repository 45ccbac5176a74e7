"""The residual network of I3D, C2D, Slow and SlowFast: bottlenecks with a chosen extent in time.

Feichtenhofer et al. 2019 (https://arxiv.org/abs/1812.03982, table 1) and Wang et al. 2018
(https://arxiv.org/abs/1711.07971, table 1). A convolution of 1x1 becomes one of Kx1x1 where a network is to see time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.errors import InvalidInput
from mmvideo.nn.non_local import insert_non_local

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Bottlenecks in res2 to res5, by the usual name of the depth."""
EXPANSION = 4


def temporal_kernels(pattern: Sequence[int], depth: int, *, limit: int | None = None) -> tuple[int, ...]:
    """Return K_t of each of a stage's blocks: the pattern repeated, and 1 from block `limit` on."""
    limit = depth if limit is None else min(limit, depth)
    return tuple(pattern[i % len(pattern)] if i < limit else 1 for i in range(depth))


class Stem3d(nn.Module):
    """Convolution K_t x 7 x 7 with stride 2 in space, normalisation, ReLU, and pooling of space by 2."""

    def __init__(self, in_channels: int, width: int, kernel: int = 1):
        super().__init__()
        self.conv = nn.Conv3d(in_channels, width, (kernel, 7, 7), (1, 2, 2), (kernel // 2, 3, 3), bias=False)
        self.norm = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, T, H, W) to (B, width, T, H / 4, W / 4)."""
        x = F.relu(self.norm(self.conv(x)), inplace=True)
        return F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))


class Bottleneck3d(nn.Module):
    """Kx1x1, 1x3x3 (with the stride in space), 1x1x1, and a way around, projected where shapes differ."""

    def __init__(self, dim_in: int, dim_inner: int, dim: int, *, kernel: int = 1, stride: int = 1, dilation: int = 1):
        super().__init__()
        self.conv_a = nn.Conv3d(dim_in, dim_inner, (kernel, 1, 1), padding=(kernel // 2, 0, 0), bias=False)
        self.norm_a = nn.BatchNorm3d(dim_inner)
        self.conv_b = nn.Conv3d(dim_inner, dim_inner, (1, 3, 3), (1, stride, stride), (0, dilation, dilation),
                                (1, dilation, dilation), bias=False)
        self.norm_b = nn.BatchNorm3d(dim_inner)
        self.conv_c = nn.Conv3d(dim_inner, dim, 1, bias=False)
        self.norm_c = nn.BatchNorm3d(dim)
        self.projects = dim_in != dim or stride > 1
        if self.projects:
            self.conv_skip = nn.Conv3d(dim_in, dim, 1, (1, stride, stride), bias=False)
            self.norm_skip = nn.BatchNorm3d(dim)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm_a(self.conv_a(x)), inplace=True)
        y = F.relu(self.norm_b(self.conv_b(y)), inplace=True)
        y = self.norm_c(self.conv_c(y))
        y += self.norm_skip(self.conv_skip(x)) if self.projects else x
        return F.relu(y, inplace=True)


class Stage3d(nn.Sequential):
    """Bottlenecks of one width; the first has the stride in space. Non-local blocks go behind single bottlenecks.

    Args:
        dim_in: channels that come in, with those of a lateral connection.
        dim: channels that go out; the 3x3 convolutions have a quarter of them.
        kernels: K_t of each block's first convolution; their number is the depth.
        stride: of the first block, in space.
        dilation: of all 3x3 convolutions, in space.
    """

    def __init__(self, dim_in: int, dim: int, kernels: Sequence[int], *, stride: int = 1, dilation: int = 1):
        super().__init__(*(
            Bottleneck3d(dim if i else dim_in, dim // EXPANSION, dim, kernel=kernel, stride=1 if i else stride,
                         dilation=dilation)
            for i, kernel in enumerate(kernels)))


class ResNet3d(nn.Module):
    """Stem and four stages, res2 to res5 = `stages[0]` to `stages[3]`; (B, C, T, H, W) -> (B, 32 width, t, H/32, W/32).

    Args:
        in_channels: C.
        width: channels of the stem; the stages give 4, 8, 16 and 32 times as many.
        depths: blocks of each stage.
        stem_kernel: K_t of the stem.
        kernels: per stage, the pattern of K_t that its blocks repeat.
        kernel_limits: per stage, the block from which on K_t is 1; None for no limit.
        pool_time: extent and stride of a max pooling in time between res2 and res3; 1 for none.
        extra_channels: per stage, channels that a lateral connection adds to its input.
        strides: per stage, in space.
        dilations: per stage, in space.
        non_local: per stage, the blocks that a non-local block follows, as {stage: (block, ...)} from 0; as JSON
            makes its keys strings, these are taken too.
        non_local_options: options of `NonLocal3d`.

    Raises:
        InvalidInput: an even K_t, or a non-local block behind a block that is not there.
    """

    def __init__(self, *, in_channels: int = 3, width: int = 64, depths: Sequence[int] = DEPTHS[50],
                 stem_kernel: int = 1, kernels: Sequence[Sequence[int]] = ((1,),) * 4,
                 kernel_limits: Sequence[int | None] = (None,) * 4, pool_time: int = 1,
                 extra_channels: Sequence[int] = (0,) * 4, strides: Sequence[int] = (1, 2, 2, 2),
                 dilations: Sequence[int] = (1,) * 4, non_local: Mapping[int | str, Sequence[int]] | None = None,
                 non_local_options: Mapping[str, Any] | None = None):
        super().__init__()
        if even := [k for k in (stem_kernel, *(k for pattern in kernels for k in pattern)) if k % 2 == 0]:
            raise InvalidInput(f"Kernels in time must be odd, so that the length stays; not {even[0]}.")
        self.dims = tuple(width * EXPANSION * 2**i for i in range(4))
        self.pool_time = pool_time
        self.stem = Stem3d(in_channels, width, stem_kernel)
        self.stages = nn.ModuleList(
            Stage3d(dim_in + extra, dim, temporal_kernels(pattern, depth, limit=limit), stride=stride,
                    dilation=dilation)
            for dim_in, extra, dim, pattern, depth, limit, stride, dilation in zip(
                (width, *self.dims[:-1]), extra_channels, self.dims, kernels, depths, kernel_limits, strides, dilations,
                strict=True))
        initialise(self)
        for stage, blocks in (non_local or {}).items():
            if not 0 <= int(stage) < 4 or not all(0 <= b < depths[int(stage)] for b in blocks):
                raise InvalidInput(f"non_local={{{stage}: {tuple(blocks)}}} names a block that is not there; the four "
                                   f"stages have {tuple(depths)} blocks, both counted from 0.")
            insert_non_local(self, {f"stages.{stage}.{b}": self.dims[int(stage)] for b in blocks},
                             **(non_local_options or {}))

    @property
    def dim(self) -> int:
        """Channels of res5."""
        return self.dims[-1]

    def pool(self, x: Tensor) -> Tensor:
        """Pool time between res2 and res3."""
        return F.max_pool3d(x, (self.pool_time, 1, 1)) if self.pool_time > 1 else x

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.stages[0](self.stem(x)))
        for stage in self.stages[1:]:
            x = stage(x)
        return x


def initialise(network: nn.Module) -> None:
    """Initialise convolutions by He's rule over the outputs, and each residual branch as zero (Goyal et al. 2017)."""
    for part in network.modules():
        if isinstance(part, nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(part, Bottleneck3d):
            nn.init.zeros_(part.norm_c.weight)
