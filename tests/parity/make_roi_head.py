"""python tests/parity/make_roi_head.py: keep what PySlowFast's ResNetRoIHead gives on fabricated weights.

The module is written out here after slowfast/models/head_helper.py (Apache-2.0, facebookresearch/SlowFast): mean over
time, RoIAlign (detectron2's, which is torchvision's with aligned=True, sampling_ratio=0), the largest place, dropout
(none in evaluation), a linear layer, a sigmoid.
"""

from __future__ import annotations

import fabricate
import torch
from torch import nn
from torchvision import __version__
from torchvision.ops import roi_align


class ResNetRoIHead(nn.Module):
    def __init__(self, dim_in: list[int], num_classes: int, pool_size: list[int], scale: list[int]):
        super().__init__()
        self.scale = scale
        for number, frames in enumerate(pool_size):
            self.add_module(f"s{number}_tpool", nn.AvgPool3d([frames, 1, 1], stride=1))
            self.add_module(f"s{number}_spool", nn.MaxPool2d([7, 7], stride=1))
        self.projection = nn.Linear(sum(dim_in), num_classes, bias=True)

    def forward(self, inputs: list[torch.Tensor], boxes: torch.Tensor) -> torch.Tensor:
        pools = []
        for number, x in enumerate(inputs):
            out = getattr(self, f"s{number}_tpool")(x).squeeze(2)
            out = roi_align(out, boxes, (7, 7), 1.0 / self.scale[number], 0, True)
            pools.append(getattr(self, f"s{number}_spool")(out))
        x = torch.cat(pools, 1)
        return torch.sigmoid(self.projection(x.view(x.shape[0], -1)))


head = ResNetRoIHead([12, 6], 9, [4, 8], [16, 16])
shapes = fabricate.fill(head)
maps = [fabricate.tensor("slow", (2, 12, 4, 14, 18)), fabricate.tensor("fast", (2, 6, 8, 14, 18))]
boxes = torch.tensor([[0, 10.0, 20.0, 100.0, 200.0], [0, 0.0, 0.0, 288.0, 224.0], [1, 250.0, 100.0, 300.0, 230.0],
                      [1, 50.0, 60.0, 51.0, 61.0], [1, 33.3, 7.7, 260.1, 190.9]])
with torch.no_grad():
    aligned = roi_align(maps[0].mean(2), boxes, (7, 7), 1 / 16, 0, True)
    outputs = {"scores": head(maps, boxes), "aligned": aligned[:, :3]}
fabricate.keep("roi_head", reference=f"slowfast/models/head_helper.py, written out; torchvision {__version__}",
               shapes=shapes, outputs=outputs)
