"""Which places of the picture stand still: evidence that a camera does not move, whatever moves before it.

Small displacements are measured by least squares on the gradient (Lucas & Kanade 1981), at 15x15 overlapping places of
8x8 pixels, from the first, the middle and the last frame to all frames. With one grey level of gradient per pixel this
resolves a tenth of a pixel. A place holds if it stays within a fraction of a pixel through the clip or most of it, and
changes no more than such a shift explains. A moving camera leaves hardly a textured place unmoved, a moving person
leaves those around; so what counts is how many hold near the border, in how many quarters of the picture.
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

PLACE = 8
"""Side of a place in pixels; places overlap by half."""
WITHIN = (0.15, 0.4)
"""Displacements in pixels below which a place holds."""
TEXTURES = (0.0012, 0.003, 0.008)
"""Root mean square gradients per pixel, of luma in [0, 1], from which a place counts."""
THROUGH = (0.6, 0.8, 1.0)
"""Shares of the frames in which a place has to hold."""
BORDER = 4
"""Places nearer to the border than this count."""
NUM_FACTS = 3 * len(THROUGH) * len(WITHIN) * len(TEXTURES) * 5
LEAST_POWER = 2e-7
SHARPNESS = 4.0


def border_quarters(side: int) -> Tensor:
    """Say which of the places are near the border, by quarter of the picture; float (P * P, 4) of 0 and 1."""
    places = side // (PLACE // 2) - 1
    row, column = torch.meshgrid(torch.arange(places), torch.arange(places), indexing="ij")
    depth = torch.minimum(torch.minimum(row, places - 1 - row), torch.minimum(column, places - 1 - column))
    middle = places // 2
    return torch.stack([(up & left & (depth < BORDER)).flatten().float()
                        for up in (row < middle, row > middle) for left in (column < middle, column > middle)], 1)


def displacements(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Measure how far each place is from where it was in the first, middle and last frame.

    Args:
        luma: float (B, T, S, S) in [0, 1].

    Returns:
        Displacements along x and y in pixels, (2, B, 3, P * P, T): at least 0.4 of those that would explain the whole
        change of the place. And the mean square gradients along x and y, (2, B, 3, P * P).
    """
    num_frames = luma.shape[1]
    references = [0, (num_frames - 1) // 2, num_frames - 1]
    smooth = blurred(luma)
    padded = F.pad(smooth[:, references], (1, 1, 1, 1), mode="replicate")
    slope_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    slope_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    places = _places(torch.cat([smooth, slope_x, slope_y], 1))
    products = places @ places[:, :, :num_frames].transpose(2, 3)  # (B, P * P, T + 6, T)
    slopes = places[:, :, num_frames:]
    power = slopes.square().mean(3).unflatten(2, (2, 3))  # (B, P * P, 2, 3)
    along = products[:, :, num_frames:].unflatten(2, (2, 3))
    along = along - torch.stack([along[:, :, :, k, r] for k, r in enumerate(references)], 3)[..., None]
    shift = along.abs() / PLACE**2 / (power + LEAST_POWER)[..., None]
    own = products[:, :, :num_frames].diagonal(dim1=2, dim2=3)
    change = own[:, :, references, None] + own[:, :, None] - 2 * products[:, :, references]
    change = change.clamp_min(0) / PLACE**2
    unexplained = (change / (power.sum(2) + 2 * LEAST_POWER)[..., None]).sqrt()  # (B, P * P, 3, T)
    return torch.maximum(shift, 0.4 * unexplained[:, :, None]).permute(2, 0, 3, 1, 4), power.permute(2, 0, 3, 1)


def still_facts(luma: Tensor, quarters: Tensor) -> Tensor:
    """Count the places that hold.

    Args:
        luma: float (B, T, S, S) in [0, 1].
        quarters: as of `border_quarters`.

    Returns:
        float (B, NUM_FACTS) in [0, 1]: for displacements along x, along y and along both, for each of THROUGH, WITHIN
        and TEXTURES, the saturated numbers of holding places in the four quarters, least first, and their share of the
        textured ones.
    """
    with nullcontext() if luma.is_meta else torch.autocast(luma.device.type, enabled=False):
        off, power = displacements(luma.float())
        off = torch.cat([off, off.amax(0, keepdim=True)])
        power = torch.cat([power, power.amin(0, keepdim=True)])
        ranks = [round((1 - share) * (luma.shape[1] - 1)) for share in THROUGH]
        farthest = off.topk(max(ranks) + 1, 4).values[..., ranks].movedim(4, 3)
        farthest = farthest.clamp_min(1e-3).log()  # (3, B, 3 references, 2, P * P)
        steepness = power.clamp_min(1e-9).log()[:, :, :, None] / 2
        facts = []
        for least in TEXTURES:
            textured = torch.sigmoid((steepness - math.log(least)) * SHARPNESS)
            counted = (textured @ quarters).amax(2)
            for within in WITHIN:
                holds = textured * torch.sigmoid((math.log(within) - farthest) * SHARPNESS)
                held = (holds @ quarters).amax(2)  # (3, B, 2, 4), the best of the references
                share = held.sum(-1, keepdim=True) / (counted.sum(-1, keepdim=True) + 1)
                facts.append(torch.cat([torch.tanh(held / 4).sort(-1).values, share], -1))
        return torch.stack(facts).permute(2, 0, 1, 3, 4).flatten(1)  # (B, 6 * 3 * 2 * 5)


def blurred(luma: Tensor) -> Tensor:
    """Blur frames by the binomial filter 1 2 1 along both sides; float (B, T, S, S), as is what it returns."""
    padded = F.pad(luma, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] / 4 + padded[..., 1:-1, :] / 2 + padded[..., 2:, :] / 4
    return rows[..., :-2] / 4 + rows[..., 1:-1] / 2 + rows[..., 2:] / 4


def _places(maps: Tensor) -> Tensor:
    """Cut maps (B, C, S, S) into places of 8x8 pixels that overlap by half, less their means; (B, P * P, C, 64)."""
    cut = maps.unfold(2, PLACE, PLACE // 2).unfold(3, PLACE, PLACE // 2)  # (B, C, P, P, 8, 8)
    cut = cut.permute(0, 2, 3, 1, 4, 5).flatten(4).flatten(1, 2)
    return cut - cut.mean(3, keepdim=True)


__all__ = ["NUM_FACTS", "border_quarters", "displacements", "still_facts"]
