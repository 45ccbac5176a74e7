"""What every general projector shares: it is built from two widths and maps Features to visual tokens."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Features


class Projector(Pretrained):
    """Features (B, N, dim_in) -> visual tokens (B, M, dim_out) for a language model.

    Args:
        dim_in: D of the encoder's tokens.
        dim_out: width of the language model's embeddings.
    """

    any_tokens: ClassVar[bool] = False
    """Whether tokens that lie on no grid are taken, so that some can be left out."""

    def __init__(self, *, dim_in: int, dim_out: int, **options: int):
        super().__init__()
        for name, value in {"dim_in": dim_in, "dim_out": dim_out, **options}.items():
            if value < 1:
                raise InvalidInput(f"{type(self).__name__}: {name} must be 1 or more, not {value}.")
        self.config = {"dim_in": dim_in, "dim_out": dim_out, **options}

    def forward(self, features: Features) -> Tensor:
        """Return visual tokens, float (B, M, dim_out)."""
        raise NotImplementedError


def on_grid(features: Features) -> tuple[Tensor, Tensor]:
    """Return the tokens of the grid as (B, D, t, h, w), and those beside it (sound, registers) as (B, K, D)."""
    t, h, w = features.grid
    tokens, num = features.tokens, t * h * w
    return tokens[:, :num].transpose(1, 2).unflatten(2, (t, h, w)), tokens[:, num:]


__all__ = ["Projector", "on_grid"]
