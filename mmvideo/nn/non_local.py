"""The non-local block and its insertion into any 3D CNN (Wang et al. 2018, https://arxiv.org/abs/1711.07971)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from mmvideo.errors import InvalidInput
from mmvideo.nn.module_surgery import insert_after

KINDS = ("embedded-gaussian", "dot-product")


class NonLocal3d(nn.Module):
    """Every position of a map looks at every other one in space and time: equation 6, z = W y + x.

    The last normalisation begins at zero, so that a new block is the identity and can be put into a trained network.

    Args:
        dim: channels of the map.
        dim_inner: channels of the three embeddings; half of `dim` unless given.
        pool: (t, h, w) of the max pooling of what is looked at (the subsampling of section 3.3); (1, 1, 1) for none.
        kind: "embedded-gaussian" (a softmax over positions; as in the authors' code, the products are divided by the
            square root of `dim_inner`, which equation 3 leaves out) or "dot-product" (products over their number).

    Raises:
        InvalidInput: no such kind.
    """

    def __init__(self, dim: int, *, dim_inner: int | None = None, pool: tuple[int, int, int] = (1, 2, 2),
                 kind: str = KINDS[0]):
        super().__init__()
        if kind not in KINDS:
            raise InvalidInput(f"A non-local block is of kind {' or '.join(KINDS)}, not {kind!r}.")
        inner = dim_inner or max(dim // 2, 1)
        self.kind, self.scale = kind, inner**-0.5
        self.theta, self.phi, self.g = (nn.Conv3d(dim, inner, 1) for _ in range(3))
        self.out = nn.Conv3d(inner, dim, 1)
        self.norm = nn.BatchNorm3d(dim)
        self.pool = nn.MaxPool3d(tuple(pool)) if max(pool) > 1 else nn.Identity()
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, D, t, h, w) to the same shape."""
        seen = self.pool(x)
        query, key, value = self.theta(x).flatten(2), self.phi(seen).flatten(2), self.g(seen).flatten(2)
        if self.kind == KINDS[0]:
            weights = ((query.transpose(1, 2) * self.scale) @ key).softmax(-1)
            y = value @ weights.transpose(1, 2)
        else:
            # Without a softmax the products are associative: D x D instead of N x N.
            y = (value @ key.transpose(1, 2)) @ query / key.shape[2]
        return x + self.norm(self.out(y.unflatten(2, x.shape[2:])))


def insert_non_local(network: nn.Module, after: Mapping[str, int], **options: Any) -> None:
    """Put a non-local block behind named parts of a network, whatever its class, in place.

    A part's block is its child `non_local`; all other names stay, so that checkpoints of the network's parts still fit.

    Args:
        network: gives maps (B, D, t, h, w) at the named parts.
        after: name as in `named_modules` -> channels D of what the part returns.
        options: of `NonLocal3d`.

    Raises:
        UnknownName: the network has no such part.
        InvalidInput: a part has its block already.
    """
    for name, dim in after.items():
        insert_after(network, name, "non_local", NonLocal3d(dim, **options))
