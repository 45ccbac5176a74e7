"""Learned queries that look at the encoder's tokens (Q-Former, Li et al. 2023; Perceiver, Alayrac et al. 2022).

However many tokens the encoder gives, there are `num_queries` visual tokens.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from mmvideo.nn.attention import CrossBlock, unit_init
from mmvideo.types import Features
from mmvideo.vlm.projectors.base import Projector


class QFormer(Projector):
    """Cross-attention blocks of queries over tokens."""

    any_tokens: ClassVar = True

    def __init__(self, *, dim_in: int, dim_out: int, num_queries: int = 32, dim: int = 256, depth: int = 2,
                 heads: int = 4):
        super().__init__(dim_in=dim_in, dim_out=dim_out, num_queries=num_queries, dim=dim, depth=depth, heads=heads)
        self.queries = nn.Parameter(torch.randn(1, num_queries, dim) * 0.5)
        self.context_norm = nn.LayerNorm(dim_in)
        self.blocks = nn.ModuleList(CrossBlock(dim, heads, dim_in) for _ in range(depth))
        self.norm, self.project = nn.LayerNorm(dim), nn.Linear(dim, dim_out)
        self.apply(unit_init)

    def forward(self, features: Features) -> Tensor:
        """Map (B, N, dim_in) to (B, num_queries, dim_out)."""
        context = self.context_norm(features.tokens)
        x = self.queries.expand(context.shape[0], -1, -1)
        for block in self.blocks:
            x = block(x, context)
        return self.project(self.norm(x))
