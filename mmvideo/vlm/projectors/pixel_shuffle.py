"""Neighbouring tokens side by side in one wider token (pixel unshuffle of Idefics 3 and InternVL), then two layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.types import Features
from mmvideo.vlm.projectors.base import Projector, on_grid


class PixelShuffle(Projector):
    """`factor` x `factor` tokens of a frame become one; a grid that does not divide is filled with zeros."""

    def __init__(self, *, dim_in: int, dim_out: int, factor: int = 2):
        super().__init__(dim_in=dim_in, dim_out=dim_out, factor=factor)
        wide = dim_in * factor * factor
        self.layers = nn.Sequential(nn.LayerNorm(wide), nn.Linear(wide, dim_out), nn.GELU(),
                                    nn.Linear(dim_out, dim_out))
        self.beside = nn.Linear(dim_in, dim_out)

    def forward(self, features: Features) -> Tensor:
        """Map a grid (t, h, w) to t * ceil(h / factor) * ceil(w / factor) visual tokens; others stay as many."""
        maps, beside = on_grid(features)
        f = self.config["factor"]
        maps = F.pad(maps, (0, -maps.shape[4] % f, 0, -maps.shape[3] % f))
        b, _, t, h, w = maps.shape
        x = maps.permute(0, 2, 3, 4, 1).reshape(b, t, h // f, f, w // f, f, -1).transpose(3, 4).flatten(-3)
        x = self.layers(x.flatten(1, 3))
        return torch.cat((x, self.beside(beside)), 1)
