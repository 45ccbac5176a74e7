"""How far places of the picture have drifted over a clip: small steps between neighbouring frames, added up.

Between neighbouring frames a slow camera moves by a tenth of a pixel, which is within reach of least squares on the
gradient (Lucas & Kanade 1981); what noise and compression add goes to and fro and cancels in the sum. So a place before
a still camera ends where it began though it has little texture, and before a camera that moves slowly hardly one does.
`still_places` compares far frames directly instead, which is exact where there is texture.
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.camera_motion.still_places import PLACE, blurred

TEXTURE = 0.008
"""Root mean square gradient per pixel, of luma in [0, 1], from which a place counts."""
NEAR, FAR = 0.2, 0.4
"""Drifts in pixels, root mean square over the clip, below which a place holds."""
LIGHT = 16
"""Side in pixels of the squares whose common change of brightness is taken off."""
SLOPE, ENOUGH, MOST = 4.0, 0.1, 1.5
"""The best quarter adds to the logit of "static" SLOPE times what it has above ENOUGH, MOST at most either way."""
NONE = 1.0
"""What is taken off where no second quarter has a place within FAR."""
_LEAST = 64 * 2e-6
_SHARPNESS = 4.0


def drifts(luma: Tensor) -> tuple[Tensor, Tensor]:
    """Add up the small displacements of each place.

    Args:
        luma: float (B, T, S, S) in [0, 1].

    Returns:
        Where each place is, along x and y in pixels from where it was in the first frame, (B, T - 1, 2, P, P); and the
        root mean square gradient per pixel, (B, P, P).
    """
    smooth = blurred(luma)
    middle, change = (smooth[:, 1:] + smooth[:, :-1]) / 2, smooth[:, 1:] - smooth[:, :-1]
    change = change - F.avg_pool2d(change, LIGHT).repeat_interleave(LIGHT, 2).repeat_interleave(LIGHT, 3)
    padded = F.pad(middle, (1, 1, 1, 1), mode="replicate")
    along_x = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    along_y = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    xx, yy, xy, xt, yt = (_sums(a * b) for a, b in ((along_x, along_x), (along_y, along_y), (along_x, along_y),
                                                    (along_x, change), (along_y, change)))
    texture = ((xx + yy).mean(1) / PLACE**2).sqrt()
    xx, yy = xx + _LEAST, yy + _LEAST
    scale = -1 / (xx * yy - xy.square())
    step = torch.stack([(yy * xt - xy * yt) * scale, (xx * yt - xy * xt) * scale], 2)
    return step.cumsum(1), texture


def held_places(luma: Tensor, quarters: Tensor) -> Tensor:
    """Count the textured places near the border that end where they began.

    Args:
        luma: float (B, T, S, S) in [0, 1].
        quarters: as of `still_places.border_quarters`.

    Returns:
        float (B, 2, 4) in [0, 1]: within NEAR and FAR, the saturated numbers in the four quarters, least first.
    """
    path, texture = drifts(luma.float())
    far = path.square().sum(2).mean(1).clamp_min(1e-6).log().flatten(1) / 2  # (B, P * P)
    steepness = texture.clamp_min(1e-5).log().flatten(1)
    textured = torch.sigmoid((steepness - math.log(TEXTURE)) * _SHARPNESS)
    counts = [(textured * torch.sigmoid((math.log(within) - far) * _SHARPNESS)) @ quarters for within in (NEAR, FAR)]
    return torch.tanh(torch.stack(counts, 1) / 4).sort(-1).values


def stillness(luma: Tensor, quarters: Tensor) -> Tensor:
    """Say what the drift adds to the logit of "static".

    Args:
        luma: float (B, T, S, S) in [0, 1].
        quarters: as of `still_places.border_quarters`.

    Returns:
        float (B, 1), at most MOST either way, and NONE less where only one quarter or none holds.
    """
    with nullcontext() if luma.is_meta else torch.autocast(luma.device.type, enabled=False):
        near, far = held_places(luma, quarters).unbind(1)
        best = (SLOPE * (near[:, 3:] - ENOUGH)).clamp(-MOST, MOST)
        return best - NONE * (1 - far[:, 2:3] / ENOUGH).clamp(0, 1)


def _sums(maps: Tensor) -> Tensor:
    """Add up maps (B, C, S, S) over places of 8x8 pixels that overlap by half; (B, C, P, P)."""
    half = F.avg_pool2d(maps, PLACE // 2) * (PLACE // 2) ** 2
    rows = half[..., 1:, :] + half[..., :-1, :]
    return rows[..., 1:] + rows[..., :-1]


__all__ = ["drifts", "held_places", "stillness"]
