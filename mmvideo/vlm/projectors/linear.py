"""One linear layer (LLaVA, Liu et al. 2023): every token of the encoder becomes a visual token."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from mmvideo.types import Features
from mmvideo.vlm.projectors.base import Projector


class Linear(Projector):
    """Tokens as they are, in another width."""

    any_tokens: ClassVar = True

    def __init__(self, *, dim_in: int, dim_out: int):
        super().__init__(dim_in=dim_in, dim_out=dim_out)
        self.project = nn.Linear(dim_in, dim_out)

    def forward(self, features: Features) -> Tensor:
        """Map (B, N, dim_in) to (B, N, dim_out)."""
        return self.project(features.tokens)
