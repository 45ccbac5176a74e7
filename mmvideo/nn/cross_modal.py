"""Transformer layers over tokens of two kinds, one of which may be absent."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.nn.attention import unit_init


class SelfBlock(nn.Module):
    """A pre-norm transformer layer whose tokens may be hidden from one another."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.apply(unit_init)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """Map (B, N, D) to the same shape; `seen`, bool (B, N), is False for tokens that no token may look at."""
        b, n, d = x.shape
        query, key, value = self.qkv(self.norms[0](x)).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mask = None if seen is None else seen[:, None, None, :]
        mixed = F.scaled_dot_product_attention(query, key, value, mask)
        x = x + self.out(mixed.transpose(1, 2).reshape(b, n, d))
        return x + self.mlp(self.norms[1](x))


class Joint(nn.Module):
    """All tokens attend to all: one set of layers for both kinds."""

    def __init__(self, dim: int, heads: int, depth: int):
        super().__init__()
        self.layers = nn.ModuleList(SelfBlock(dim, heads) for _ in range(depth))

    def forward(self, video: Tensor, audio: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens (B, N, D) and (B, M, D); where `heard`, bool (B,), is False no token looks at the second."""
        n, m = video.shape[1], audio.shape[1]
        seen = torch.cat((heard.new_ones(len(heard), n), heard[:, None].expand(-1, m)), 1)
        x = torch.cat((video, audio), 1)
        for layer in self.layers:
            x = layer(x, seen)
        return x[:, :n], x[:, n:]


class BottleneckFusion(nn.Module):
    """Both kinds keep layers of their own and meet in a few tokens only (Nagrani et al. 2021, equations 8 and 9).

    In every layer each kind attends to its own tokens and to the bottleneck; the two bottlenecks that come out are
    averaged, over what is present.
    """

    def __init__(self, dim: int, heads: int, depth: int, bottlenecks: int):
        super().__init__()
        self.video = nn.ModuleList(SelfBlock(dim, heads) for _ in range(depth))
        self.audio = nn.ModuleList(SelfBlock(dim, heads) for _ in range(depth))
        self.bottleneck = nn.Parameter(torch.zeros(1, bottlenecks, dim))
        nn.init.trunc_normal_(self.bottleneck, std=0.02)

    def forward(self, video: Tensor, audio: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Map tokens (B, N, D) and (B, M, D); where `heard`, bool (B,), is False the second has no say."""
        n, m = video.shape[1], audio.shape[1]
        shared = self.bottleneck.to(video.dtype).expand(len(video), -1, -1)
        keep = heard.to(video.dtype)[:, None, None]
        for see, hear in zip(self.video, self.audio, strict=True):
            x, y = see(torch.cat((video, shared), 1)), hear(torch.cat((audio, shared), 1))
            video, audio = x[:, :n], y[:, :m]
            shared = (x[:, n:] + keep * y[:, m:]) / (1 + keep)
        return video, audio
