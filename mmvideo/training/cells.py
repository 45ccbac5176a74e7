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

_PARTS = {"here": 1, "shape": len(v.SHAPES), "material": len(v.MATERIALS), "size": len(v.SIZES),
          "offset": 2, "velocity": 2}


class CellHead(nn.Module):
    """Linear read-outs per token and slot."""

    def __init__(self, dim: int):
        super().__init__()
        self.read = nn.Linear(dim, NUM_SLOTS * sum(_PARTS.values()))

    def loss(self, features: Features, facts: Facts) -> Tensor:
        """Return the mean loss over cells (is this toy here?) and over toys seen (what and where is it?).

        Args:
            features: a grid of (M, h, w) tokens, M the facts' spans of time.
            facts: what is true; see mmvideo.toybox.facts.
        """
        m, h, w = features.grid
        tokens = features.tokens[:, : m * h * w]
        out = self.read(tokens).float().view(len(tokens), m, h * w, NUM_SLOTS, -1).transpose(2, 3).transpose(1, 2)
        place = (facts["place"] / 2 + 0.5) * torch.tensor([w, h])  # (B, K, M, 2) in cells
        cell = place.floor().long()
        inside = ((cell >= 0) & (cell < torch.tensor([w, h]))).all(-1) & (facts["seen"][..., 0] > 0)
        cell = torch.minimum(cell.clamp_min(0), torch.tensor([w - 1, h - 1]))
        index = cell[..., 1] * w + cell[..., 0]
        here = F.one_hot(index, h * w) * inside[..., None]
        total = 12 * F.binary_cross_entropy_with_logits(out[..., 0], here.float(), pos_weight=torch.tensor(4.0))
        at = out.gather(3, index[..., None, None].expand(*index.shape, 1, out.shape[-1]))[..., 0, :][inside]
        parts = dict(zip(_PARTS, at.split(list(_PARTS.values()), -1), strict=True))
        for name in ("shape", "material", "size"):
            truth = facts[name][..., None].expand(inside.shape)[inside]
            total = total + F.cross_entropy(parts[name], truth)
        total = total + 4 * F.smooth_l1_loss(parts["offset"], (place - index_centre(cell))[inside], beta=0.1)
        return total + 4 * F.smooth_l1_loss(parts["velocity"], facts["velocity"][inside], beta=0.1)


def index_centre(cell: Tensor) -> Tensor:
    """Return the centre of a cell, in cells."""
    return cell + 0.5
