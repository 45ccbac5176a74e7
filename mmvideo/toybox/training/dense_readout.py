"""A read-out of the encoder's own tokens, for training only: which toy is in this cell, what is it, where exactly.

It reaches every token directly, before the resampler's queries have learned where to look.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.nn.facts import Facts
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.facts import NUM_SLOTS
from mmvideo.types import Features

_PARTS = {"shape": len(v.SHAPES), "material": len(v.MATERIALS), "size": len(v.SIZES), "offset": 2, "velocity": 2}


class CellHead(nn.Module):
    """Linear read-outs of the token in whose cell a toy is."""

    def __init__(self, dim: int, dim_stem: int = 128):
        super().__init__()
        self.read = nn.Linear(dim, NUM_SLOTS * sum(_PARTS.values()))

        self.shape_in_frame = nn.Linear(dim_stem, len(v.SHAPES))

    def shape_loss(self, maps: Tensor, facts: Facts) -> Tensor:
        """Return the cross-entropy of every seen toy's shape, read off the stem's map of each single frame.

        Args:
            maps: (B * T, C, h, w), the convolutional stem's last maps; T is a multiple of the facts' spans of time.
            facts: what is true.
        """
        h, w = maps.shape[-2:]
        b, _, m, _ = facts["place"].shape
        maps = maps.reshape(b, m, -1, maps.shape[1], h * w).permute(0, 1, 4, 2, 3)  # (B, M, cells, frames, C)
        index, inside = _cells(facts, h, w)[1:]
        scene, slot, span = inside.nonzero(as_tuple=True)
        logits = self.shape_in_frame(maps[scene, span, index[inside]]).float()
        truth = facts["shape"][scene, slot][:, None].expand(logits.shape[:2])
        return F.cross_entropy(logits.flatten(0, 1), truth.flatten())

    def loss(self, features: Features, heat: Tensor, facts: Facts) -> Tensor:
        """Return the mean loss over cells (is this toy here?) and over toys seen (what and where exactly is it?).

        Args:
            features: a grid of (M, h, w) tokens, M the facts' spans of time.
            heat: (B, K, M, h * w), log-odds that the slot's toy is in the cell.
            facts: what is true; see mmvideo.toybox.facts.
        """
        m, h, w = features.grid
        out = self.read(features.tokens[:, : m * h * w]).float()
        out = out.view(len(out), m, h * w, NUM_SLOTS, -1).permute(0, 3, 1, 2, 4)  # (B, K, M, cells, ...)
        offset, index, inside = _cells(facts, h, w)
        here = (F.one_hot(index, h * w) * inside[..., None]).float()
        total = 12 * F.binary_cross_entropy_with_logits(heat, here, pos_weight=torch.tensor(4.0))
        at = out.gather(3, index[..., None, None].expand(*index.shape, 1, out.shape[-1]))[..., 0, :][inside]
        parts = dict(zip(_PARTS, at.split(list(_PARTS.values()), -1), strict=True))
        for name in ("shape", "material", "size"):
            total = total + F.cross_entropy(parts[name], facts[name][..., None].expand(inside.shape)[inside])
        total = total + 4 * F.smooth_l1_loss(parts["offset"], offset[inside], beta=0.1)
        return total + 4 * F.smooth_l1_loss(parts["velocity"], facts["velocity"][inside], beta=0.1)


def _cells(facts: Facts, h: int, w: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return each toy's offset from the centre of its cell (B, K, M, 2), the cell's index and whether it is seen."""
    size = torch.tensor([w, h])
    place = (facts["place"] / 2 + 0.5) * size  # in cells
    cell = place.floor().long()
    inside = ((cell >= 0) & (cell < size)).all(-1) & (facts["seen"][..., 0] > 0)
    cell = torch.minimum(cell.clamp_min(0), size - 1)
    return place - cell - 0.5, cell[..., 1] * w + cell[..., 0], inside
