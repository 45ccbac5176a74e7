"""Layers with GELU between them (LLaVA-1.5's mlp2x_gelu, Liu et al. 2024): every token becomes a visual token."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from mmvideo.types import Features
from mmvideo.vlm.projectors.base import Projector


class MLP(Projector):
    """Two linear layers by default; a norm in front steadies encoders of any scale."""

    any_tokens: ClassVar = True

    def __init__(self, *, dim_in: int, dim_out: int, depth: int = 2):
        super().__init__(dim_in=dim_in, dim_out=dim_out, depth=depth)
        layers: list[nn.Module] = [nn.LayerNorm(dim_in), nn.Linear(dim_in, dim_out)]
        for _ in range(depth - 1):
            layers += [nn.GELU(), nn.Linear(dim_out, dim_out)]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Features) -> Tensor:
        """Map (B, N, dim_in) to (B, N, dim_out)."""
        return self.layers(features.tokens)
