"""The layers of MoViNet, with stream buffers (Kondratyuk et al. 2021, https://arxiv.org/abs/2103.11511, section 3.2).

A causal layer remembers what it needs of the past in a `Memory` that the caller owns; without one, the past is zeros.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Memory = dict[nn.Module, Any]
"""What causal layers know of the frames before: layer -> its buffer, detached; of the same size after any number."""
EPS = 1e-3
"""Of batch normalisation, as in the authors' release."""


def divisible(width: float, *, by: int = 8) -> int:
    """Return the multiple of `by` nearest to a width, but not 10 % below it (the rule of the MobileNets)."""
    rounded = max(by, int(width + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * width else rounded


class HardSigmoid(nn.Module):
    """Keras' piecewise linear sigmoid, of slope 1/5; torch's has slope 1/6."""

    def forward(self, x: Tensor) -> Tensor:
        return (x / 5 + 0.5).clamp(0, 1)


def pad_same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad H and W so that they become ceil(size / stride); an odd row or column more goes to the bottom and right."""
    (top, bottom), (left, right) = (
        (missing // 2, missing - missing // 2)
        for missing in (max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[3:]))
    return F.pad(x, (left, right, top, bottom)) if top + bottom + left + right else x


def average_pool_same(x: Tensor) -> Tensor:
    """Average 3x3 pixels with stride 2, as `pad_same` would place them; pixels beyond the border do not count."""
    inside = x.new_ones((1, 1, 1, *x.shape[3:]))
    pooled, share = (F.avg_pool3d(pad_same(maps, 3, 2), (1, 3, 3), (1, 2, 2)) for maps in (x, inside))
    return pooled / share


class Conv(nn.Module):
    """Convolution, normalisation, activation; (B, D_in, T, H, W) -> (B, D, T, ceil(H / stride), ceil(W / stride)).

    Args:
        dim_in: D_in.
        dim: D.
        time: extent of the kernel in time, odd.
        space: extent in height and width.
        stride: in space.
        groups: of channels.
        causal: see the frame itself and those before it, instead of as many before as after.
        activation: applied at the end; None for none.
    """

    def __init__(self, dim_in: int, dim: int, *, time: int = 1, space: int = 1, stride: int = 1, groups: int = 1,
                 causal: bool = False, activation: nn.Module | None = None):
        super().__init__()
        self.before = time - 1 if causal else 0
        self.conv = nn.Conv3d(dim_in, dim, (time, space, space), (1, stride, stride), groups=groups, bias=False,
                              padding=(0 if causal else time // 2, 0, 0))
        self.norm = nn.BatchNorm3d(dim, eps=EPS)
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        if self.before:
            x = self._with_the_past(x, memory)
        x = pad_same(x, self.conv.kernel_size[1], self.conv.stride[1])
        return self.activation(self.norm(self.conv(x)))

    def _with_the_past(self, x: Tensor, memory: Memory | None) -> Tensor:
        if memory is None or self not in memory:
            x = F.pad(x, (0, 0, 0, 0, self.before, 0))
        else:
            x = torch.cat((memory[self], x), 2)
        if memory is not None:
            memory[self] = x[:, :, -self.before:].detach().clone()
        return x


class CumulativeMean(nn.Module):
    """The mean of every frame and all before it: (B, D, T, 1, 1) -> the same shape (equation 5 of the paper).

    Sums are kept in float64, so that the mean does not drift over hours and does not depend on the steps taken.
    """

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        total, count = (0.0, 0) if memory is None else memory.get(self, (0.0, 0))
        sums = x.cumsum(2, dtype=torch.float64) + total
        if memory is not None:
            memory[self] = sums[:, :, -1:].detach().clone(), count + x.shape[2]
        counts = torch.arange(count + 1, count + x.shape[2] + 1, device=x.device).view(-1, 1, 1)
        return (sums / counts).to(x.dtype)


class TimeEncoding(nn.Module):
    """Adds sines and cosines of the frame's number, times a learned weight that begins at zero; (B, D, T, 1, 1)."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.register_buffer("rates", 1e4 ** (-2 * (torch.arange(dim) // 2) / dim), persistent=False)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        start = 0 if memory is None else memory.get(self, 0)
        if memory is not None:
            memory[self] = start + x.shape[2]
        angles = torch.arange(start, start + x.shape[2], device=x.device) * self.rates[:, None]
        even = (torch.arange(len(self.rates), device=x.device) % 2 == 0)[:, None]
        return x + self.weight * torch.where(even, angles.sin(), angles.cos())[..., None, None]


class SqueezeExcite(nn.Module):
    """Scales every channel by what was seen: in the whole clip, or, if causal, in this frame and in those up to it.

    Args:
        dim: channels.
        causal: use the cumulative mean, and beside it the mean of the frame itself.
        encode_time: add a positional encoding to what was seen.
        dim_inner: channels in between; a quarter of what is seen unless given.
        activation: in between, instead of MoViNet's.
    """

    def __init__(self, dim: int, *, causal: bool = False, encode_time: bool = False, dim_inner: int = 0,
                 activation: nn.Module | None = None):
        super().__init__()
        self.causal, seen = causal, 2 * dim if causal else dim
        inner = dim_inner or divisible(seen / 4)
        self.mean = CumulativeMean() if causal else None
        self.time = TimeEncoding(seen) if encode_time else None
        self.reduce, self.expand = nn.Conv3d(seen, inner, 1), nn.Conv3d(inner, dim, 1)
        usual, self.gate = (nn.Hardswish(), HardSigmoid()) if causal else (nn.SiLU(), nn.Sigmoid())
        self.activation = activation or usual

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        if self.causal:
            frames = x.mean((3, 4), keepdim=True)
            seen = torch.cat((self.mean(frames, memory), frames), 1)
        else:
            seen = x.mean((2, 3, 4), keepdim=True)
        if self.time is not None:
            seen = self.time(seen, memory)
        return x * self.gate(self.expand(self.activation(self.reduce(seen))))


class MoViNetBlock(nn.Module):
    """An inverted bottleneck: widen, convolve each channel, squeeze-excite, narrow; scaled by a weight from zero.

    Causal blocks split the kernel into space and then time, each normalised and activated (the released streams).

    Args:
        dim_in: channels that come in.
        dim_inner: channels of the convolution in the middle.
        dim: channels that go out.
        time: extent of the kernel in time.
        space: extent in height and width.
        stride: in space.
        causal: never look ahead.
        encode_time: of the squeeze-excitation.
    """

    def __init__(self, dim_in: int, dim_inner: int, dim: int, *, time: int, space: int, stride: int = 1,
                 causal: bool = False, encode_time: bool = False):
        super().__init__()
        activation = nn.Hardswish() if causal else nn.SiLU()
        self.stride = stride
        self.expand = Conv(dim_in, dim_inner, activation=activation)
        self.depthwise = Conv(dim_inner, dim_inner, time=1 if causal else time, space=space, stride=stride,
                              groups=dim_inner, activation=activation)
        self.temporal = Conv(dim_inner, dim_inner, time=time, groups=dim_inner, causal=True,
                             activation=activation) if causal and time > 1 else None
        self.attend = SqueezeExcite(dim_inner, causal=causal, encode_time=encode_time)
        self.project = Conv(dim_inner, dim)
        self.skip = Conv(dim_in, dim) if stride > 1 or dim_in != dim else None
        self.scale = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        y = self.depthwise(self.expand(x))
        if self.temporal is not None:
            y = self.temporal(y, memory)
        y = self.project(self.attend(y, memory))
        if self.stride > 1:
            x = average_pool_same(x)
        return (x if self.skip is None else self.skip(x)) + self.scale * y
