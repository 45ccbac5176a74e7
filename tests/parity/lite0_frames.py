"""Two drawn frames for the golden tensors of Lite0: a disk and bars, with some grain."""

from __future__ import annotations

import fabricate
import torch
from torch import Tensor


def frames() -> Tensor:
    """Return float (2, 3, 224, 224) in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 224), torch.linspace(-1, 1, 224), indexing="ij")
    disk = torch.stack([(x.square() + y.square() < 0.4) * share for share in (0.9, 0.55, 0.1)])
    bars = torch.stack([((8 * x).sin() > 0) * 0.6, ((5 * (x + y)).sin() > 0) * 0.5, (y + 1) / 2])
    return (torch.stack((disk, bars)) * 0.8 + 0.2 * fabricate.clip(2, 3, 224, 224)).clamp(0, 1)
