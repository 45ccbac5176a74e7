"""Actions of boxes: features of a clip are cut out at each box, pooled, and scored, as in SlowFast on AVA.

Feichtenhofer et al. 2019, "SlowFast networks for video recognition" (https://arxiv.org/abs/1812.03982), section 5;
RoIAlign: He et al. 2017 (https://arxiv.org/abs/1703.06870). The head is PySlowFast's `ResNetRoIHead`, its names too.

Legend: B clips, C channels, T steps, H and W places, N boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.nn.pretrained import Pretrained

RESOLUTION = 7
"""Places of a box, across and down, before the largest is taken."""


def roi_align(maps: Tensor, boxes: Tensor, which: Tensor, *, resolution: int = RESOLUTION, scale: float = 1.0
              ) -> Tensor:
    """Return the features in boxes, by bilinear interpolation at points spread evenly in each of their places.

    As torchvision's `roi_align(..., sampling_ratio=0, aligned=True)`, which takes seconds to import.

    Args:
        maps: float (B, C, H, W).
        boxes: float (N, 4): left, top, right, bottom.
        which: int64 (N,), the map of each box.
        resolution: places of a box, across and down.
        scale: of the maps to the boxes' unit.

    Returns:
        float (N, C, resolution, resolution).
    """
    found = maps.new_zeros(len(boxes), maps.shape[1], resolution, resolution)
    sides = boxes.double() * scale - 0.5  # torchvision computes in float32; the difference is below 1e-5
    size = sides[:, 2:] - sides[:, :2]
    counts = (size / resolution).ceil().long().clamp(min=1)
    for count in torch.unique(counts, dim=0).tolist():
        rows = ((counts[:, 0] == count[0]) & (counts[:, 1] == count[1])).nonzero().flatten()
        parts = []
        for axis, points in enumerate(count):  # x, then y
            steps = (torch.arange(resolution * points, device=maps.device) + 0.5) / points
            parts.append(sides[rows, axis][:, None] + steps * (size[rows, axis] / resolution)[:, None])
        x_low, x_high, x_part, x_in = _around(parts[0], maps.shape[3])
        y_low, y_high, y_part, y_in = _around(parts[1], maps.shape[2])
        own = maps[which[rows]]  # (n, C, H, W)
        across = _picked(own, x_low, 3) * (1 - x_part[:, None, None]) + _picked(own, x_high, 3) * x_part[:, None, None]
        both = (_picked(across, y_low, 2) * (1 - y_part[:, None, :, None])
                + _picked(across, y_high, 2) * y_part[:, None, :, None])
        both = both * (y_in[:, None, :, None] & x_in[:, None, None, :])
        places = both.unflatten(3, (resolution, count[0])).unflatten(2, (resolution, count[1]))
        found[rows] = places.mean((3, 5))
    return found


def _around(at: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return for points (n, P) on an axis: the places before and after, the share of the latter, whether it counts."""
    inside = (at >= -1) & (at <= length)
    at = at.clamp(0, length - 1)
    low = at.floor().long()
    return low, (low + 1).clamp(max=length - 1), (at - low).float(), inside


def _picked(maps: Tensor, places: Tensor, axis: int) -> Tensor:
    """Take places (n, P) along an axis of (n, C, H, W)."""
    shape = [len(maps), 1, 1, 1]
    shape[axis] = places.shape[1]
    wanted = list(maps.shape)
    wanted[axis] = places.shape[1]
    return maps.gather(axis, places.view(shape).expand(wanted))


class RoIHead(Pretrained):
    """Boxes in one or more pathways of features to a score of every action.

    Args:
        dims: C of each pathway.
        num_classes: actions.
        resolution: of RoIAlign.
        strides: pixels of the boxes' unit to a place of each pathway.
        single: whether one action holds at a time (softmax); else any number (sigmoid), as on AVA.
        hidden: width of a layer before the scores; None for none, as in PySlowFast.
    """

    def __init__(self, *, dims: Sequence[int], num_classes: int, resolution: int = RESOLUTION,
                 strides: Sequence[float] = (16.0,), single: bool = False,
                 hidden: int | None = None):
        super().__init__()
        checks.whole("num_classes", num_classes, low=1)
        if len(dims) != len(strides) or not dims:
            raise InvalidInput(f"A head needs a stride for each pathway, not {len(strides)} for {len(dims)}.")
        self.config = {"dims": list(dims), "num_classes": num_classes, "resolution": resolution,
                       "strides": list(strides), "single": single, "hidden": hidden}
        self.resolution, self.strides, self.single = resolution, tuple(strides), single
        self.before = None if hidden is None else nn.Sequential(nn.Linear(sum(dims), hidden), nn.ReLU())
        self.projection = nn.Linear(hidden or sum(dims), num_classes)

    def pooled(self, pathways: Sequence[Tensor], boxes: Tensor, which: Tensor) -> Tensor:
        """Return the features of boxes, float (N, C of all pathways): mean over time, then the largest place.

        Args:
            pathways: each float (B, C, T, H, W).
            boxes: float (N, 4) in pixels.
            which: int64 (N,), the clip of each box.
        """
        parts = []
        for maps, stride in zip(pathways, self.strides, strict=True):
            cut = roi_align(maps.mean(2), boxes, which, resolution=self.resolution, scale=1 / stride)
            parts.append(cut.amax((2, 3)))
        return torch.cat(parts, 1)

    def logits(self, pooled: Tensor) -> Tensor:
        """Return float (N, classes) of pooled features."""
        return self.projection(pooled if self.before is None else self.before(pooled))

    def forward(self, pathways: Sequence[Tensor], boxes: Tensor, which: Tensor) -> Tensor:
        """Return the scores of every action, float (N, classes) in [0, 1]; arguments as for `pooled`."""
        logits = self.logits(self.pooled(pathways, boxes, which))
        return logits.softmax(-1) if self.single else logits.sigmoid()


__all__ = ["RESOLUTION", "RoIHead", "roi_align"]
