"""What ActionFormer's points should say, and how far they are from it.

Legend: P points, N segments, C labels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RADIUS = 1.5
"""Points within so many strides of a segment's middle belong to it."""


def point_targets(points: Tensor, segments: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return what every point should say: labels (P, C), and offsets (P, 2) in strides, which mean nothing elsewhere.

    A point belongs to a segment if it lies in it, near its middle, and the segment's farther end is within the level's
    reach; to the shortest of several.

    Args:
        points: float (P, 4), as `ActionFormer.points` gives.
        segments: float (N, 2), in steps.
        labels: int64 (N,).
        num_classes: C.
    """
    if not len(segments):
        return points.new_zeros(len(points), num_classes), points.new_zeros(len(points), 2)
    at, stride = points[:, :1], points[:, 3:]
    offsets = torch.stack((at - segments[:, 0], segments[:, 1] - at), -1)  # (P, N, 2)
    middle = segments.mean(1)
    near = torch.stack((at - torch.maximum(middle - stride * RADIUS, segments[:, 0]),
                        torch.minimum(middle + stride * RADIUS, segments[:, 1]) - at), -1).amin(-1) > 0
    farthest = offsets.amax(-1)
    mine = near & (farthest >= points[:, 1:2]) & (farthest <= points[:, 2:3])
    lengths = (segments[:, 1] - segments[:, 0]).expand(len(points), -1).masked_fill(~mine, float("inf"))
    shortest, which = lengths.min(1)
    same = ((lengths <= shortest[:, None] + 1e-3) & mine).to(points.dtype)
    told = (same @ F.one_hot(labels, num_classes).to(points.dtype)).clamp(max=1)
    return told, offsets[torch.arange(len(points), device=points.device), which] / stride


def focal_loss(logits: Tensor, targets: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Return the sum of focal losses (Lin et al. 2017)."""
    chance = logits.sigmoid()
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    loss = loss * (1 - (chance * targets + (1 - chance) * (1 - targets))) ** gamma
    return (loss * (alpha * targets + (1 - alpha) * (1 - targets))).sum()


def distance_iou_loss(offsets: Tensor, targets: Tensor) -> Tensor:
    """Return the sum of 1 - tIoU plus the squared distance of the middles as a share of both spans (Zheng et al. 2020).

    Args:
        offsets: float (N, 2), to start and end, not negative.
        targets: likewise.
    """
    inner = torch.minimum(offsets, targets).sum(1)
    union = offsets.sum(1) + targets.sum(1) - inner
    whole = torch.maximum(offsets, targets).sum(1)
    apart = (offsets[:, 1] - offsets[:, 0] - targets[:, 1] + targets[:, 0]) / 2
    return (1 - inner / union.clamp(min=1e-8) + (apart / whole.clamp(min=1e-8)).square()).sum()


def localization_loss(scored: dict[str, list[Tensor]], told: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of both losses over valid points, and the number of points that belong to a segment.

    Args:
        scored: what `ActionFormer` gave.
        told: float (B, P, C).
        offsets: float (B, P, 2), in strides.
    """
    valid = torch.cat(scored["masks"], 1)
    positive = (told.sum(-1) > 0) & valid
    logits, found = torch.cat(scored["logits"], 1), torch.cat(scored["offsets"], 1)
    return (focal_loss(logits[valid].float(), told[valid]), distance_iou_loss(found[positive].float(),
                                                                             offsets[positive]), positive.sum())


__all__ = ["RADIUS", "distance_iou_loss", "focal_loss", "localization_loss", "point_targets"]
