"""The layers of RTFS-Net (Pegg et al. 2024, https://arxiv.org/abs/2309.17189, section 3)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable

import torch
from timm.layers import DropPath
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d, interpolate, pad, scaled_dot_product_attention

from mmvideo.separation.sru import BiSRU


def conv(a: int, b: int, kernel: int = 1, *, dims: int, stride: int = 1, groups: int = 1, bias: bool = True,
         norm: nn.Module | None = None, act: nn.Module | None = None) -> nn.Sequential:
    """Return a convolution over `dims` axes, its norm and its activation, by these names."""
    padding = "same" if stride == 1 else (kernel - 1) // 2
    layer = (nn.Conv1d, nn.Conv2d)[dims - 1](a, b, kernel, stride, padding, groups=groups, bias=bias)
    parts = [("conv", layer), ("norm", norm), ("act", act)]
    return nn.Sequential(OrderedDict((name, part) for name, part in parts if part is not None))


def global_norm(channels: int) -> nn.GroupNorm:
    """Return a norm over channels and all positions (gLN of Conv-TasNet)."""
    return nn.GroupNorm(1, channels)


class ChannelNorm(nn.Module):
    """A norm of (B, C, T, F) over the channels, and over the F bins too if their number is given."""

    def __init__(self, channels: int, bins: int = 1):
        super().__init__()
        self.axes = (1, 3) if bins > 1 else (1,)
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, bins))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, bins))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, self.axes, correction=0, keepdim=True)
        return (x - mean) * torch.rsqrt(variance + 1e-5) * self.gamma + self.beta


class Sweep(nn.Module):
    """Recurrent units along one axis of (B, C, T, F): overlapping stretches in, a transposed convolution out."""

    def __init__(self, channels: int, *, along: int, width: int = 32, stretch: int = 8, layers: int = 4):
        super().__init__()
        self.along, self.stretch = along, stretch
        self.norm = ChannelNorm(channels)
        self.rnn = BiSRU(channels * stretch, width, layers)
        self.out = nn.ConvTranspose1d(2 * width, channels, stretch)

    def forward(self, x: Tensor) -> Tensor:
        lines = self.norm(x).movedim(self.along, 3).transpose(1, 2)  # (B, other axis, C, this axis)
        b, other, c, length = lines.shape
        lines = pad(lines, (0, max(0, self.stretch - length))).flatten(0, 1)
        stretches = lines.unfold(2, self.stretch, 1).permute(2, 0, 1, 3).flatten(2)  # (steps, B * other, C * stretch)
        swept = self.out(self.rnn(stretches).permute(1, 2, 0))[..., :length]
        return x + swept.view(b, other, c, length).transpose(1, 2).movedim(3, self.along)


class FrameAttention(nn.Module):
    """Attention of frames to frames, over all channels and bins of a frame at once."""

    def __init__(self, channels: int, bins: int, *, heads: int = 4, width: int = 4):
        super().__init__()
        make = self._projection
        self.queries = nn.ModuleList(make(channels, width, bins) for _ in range(heads))
        self.keys = nn.ModuleList(make(channels, width, bins) for _ in range(heads))
        self.values = nn.ModuleList(make(channels, channels // heads, bins) for _ in range(heads))
        self.out = make(channels, channels, bins)

    @staticmethod
    def _projection(a: int, b: int, bins: int) -> nn.Sequential:
        return nn.Sequential(OrderedDict(conv=nn.Conv2d(a, b, 1), act=nn.PReLU(), norm=ChannelNorm(b, bins)))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (torch.stack([head(x) for head in part], 1).transpose(2, 3)
                   for part in (self.queries, self.keys, self.values))  # (B, heads, T, width, F)
        seen = scaled_dot_product_attention(q.flatten(3), k.flatten(3), v.flatten(3))
        return x + self.out(seen.view_as(v).transpose(2, 3).flatten(1, 2))


class SequenceAttention(nn.Module):
    """Attention over the frames of (B, C, T), then a feed-forward part with a depthwise convolution."""

    def __init__(self, channels: int, *, heads: int = 8, kernel: int = 3, dropout: float = 0.1):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, heads, dropout, batch_first=True)
        self.dropout, self.skip = nn.Dropout(dropout), DropPath(dropout)
        wide = 2 * channels
        self.widen = conv(channels, wide, dims=1, bias=False, norm=global_norm(wide))
        self.refine = conv(wide, wide, kernel, dims=1, groups=wide, act=nn.ReLU())
        self.narrow = conv(wide, channels, dims=1, bias=False, norm=global_norm(channels))

    def forward(self, x: Tensor) -> Tensor:
        frames = self.norm1(x.transpose(1, 2))
        frames = frames + _positions(frames.shape[1], frames.shape[2]).to(frames)
        frames = self.norm2(self.dropout(self.attention(frames, frames, frames, need_weights=False)[0]) + frames)
        x = x + self.skip(frames.transpose(1, 2))
        return x + self.skip(self.narrow(self.skip(self.refine(self.widen(x)))))


def _positions(length: int, width: int, longest: int = 10_000) -> Tensor:
    rate = torch.exp(torch.arange(0, width, 2) * -(math.log(longest) / width))
    angle = torch.arange(length).unsqueeze(1) * rate
    return torch.stack((angle.sin(), angle.cos()), 2).flatten(1)


class Injection(nn.Module):
    """Let a coarse map steer a fine one: gate it and add to it."""

    def __init__(self, channels: int, kernel: int, *, dims: int, norm: type[nn.Module]):
        super().__init__()
        options = {"dims": dims, "groups": channels, "bias": False}
        self.local = conv(channels, channels, kernel, norm=norm(channels), **options)
        self.gate = conv(channels, channels, kernel, norm=norm(channels), act=nn.Sigmoid(), **options)
        self.coarse = conv(channels, channels, kernel, norm=norm(channels), **options)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        size = fine.shape[2:]
        if math.prod(size) > math.prod(coarse.shape[2:]):
            gate, added = (interpolate(layer(coarse), size) for layer in (self.gate, self.coarse))
        else:
            coarse = interpolate(coarse, size)
            gate, added = self.gate(coarse), self.coarse(coarse)
        return self.local(fine) * gate + added


class Pyramid(nn.Module):
    """Squeeze, look at several scales, think at the coarsest, and put the scales together again, with a residual.

    Args:
        dims: axes behind the channels: 1 for (B, C, T), 2 for (B, C, T, F).
        channels: C.
        width: channels inside.
        scales: how many, each half the one before.
        kernel: of the depthwise convolutions.
        norm: of all convolutions inside.
        think: what runs on the sum of all scales at the coarsest.
    """

    def __init__(self, channels: int, width: int, scales: int, kernel: int, *, dims: int, norm: type[nn.Module],
                 think: Iterable[nn.Module]):
        super().__init__()
        self.pool = (adaptive_avg_pool1d, adaptive_avg_pool2d)[dims - 1]
        self.gateway = conv(channels, channels, dims=dims, groups=channels, act=nn.PReLU())
        self.squeeze = conv(channels, width, dims=dims, norm=norm(width), act=nn.PReLU())
        self.down = nn.ModuleList(conv(width, width, kernel, dims=dims, stride=2 if n else 1, groups=width,
                                       norm=norm(width)) for n in range(scales))
        self.think = nn.Sequential(*think)
        self.inject = nn.ModuleList(Injection(width, kernel, dims=dims, norm=norm) for _ in range(scales))
        self.join = nn.ModuleList(Injection(width, kernel, dims=dims, norm=norm) for _ in range(scales - 1))
        self.out = conv(width, channels, dims=dims)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.gateway(x)
        scale, scales = self.squeeze(residual), []
        for layer in self.down:
            scale = layer(scale)
            scales.append(scale)
        coarse = self.think(sum(self.pool(s, scales[-1].shape[2:]) for s in scales))
        steered = [inject(s, coarse) for inject, s in zip(self.inject, scales, strict=True)]
        joined = steered.pop()
        for n in reversed(range(len(steered))):
            joined = self.join[n](steered[n], joined) + scales[n]
        return self.out(joined) + residual


class Fusion(nn.Module):
    """Cross-dimensional attention fusion: lips (B, V, T') steer sound (B, C, T, F), channel by channel."""

    def __init__(self, channels: int, visual: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        options = {"dims": 2, "groups": channels, "bias": False}
        self.key = conv(channels, channels, norm=nn.BatchNorm2d(channels), act=nn.ReLU(), **options)
        self.value = conv(channels, channels, norm=nn.BatchNorm2d(channels), **options)
        self.attend = conv(visual, heads * channels, dims=1, groups=channels, norm=global_norm(heads * channels))
        self.resize = conv(visual, channels, dims=1, groups=channels, norm=global_norm(channels))

    def forward(self, sound: Tensor, lips: Tensor) -> Tensor:
        frames = sound.shape[2]
        gated = self.key(sound) * interpolate(self.resize(lips), frames).unsqueeze(3)
        attention = self.attend(lips).unflatten(1, (-1, self.heads)).mean(2).softmax(-1)
        return gated + self.value(sound) * interpolate(attention, frames).unsqueeze(3)


__all__ = ["FrameAttention", "Fusion", "Pyramid", "SequenceAttention", "Sweep", "conv", "global_norm"]
