"""Slow fusion: the 3D network of the Sports-1M study (Karpathy et al. 2014, CVPR), and its other ways to join frames.

The paper's network is C(96,11,3)-N-P-C(256,5,1)-N-P-C(384,3,1)-C(384,3,1)-C(256,3,1)-P-FC(4096)-FC(4096) on 170x170
pixels, where C(d,f,s) has d filters of f x f pixels at stride s, N normalises across channels and P pools 2x2. Slow
fusion lets the first convolution see 4 of 10 frames at stride 2, the next two 2 of its responses at stride 2, so
that the third sees the whole clip.

The paper leaves open, and this file chooses: no padding of the first convolution, padding by half the filter in the
others (6x6 cells are left, as in the network of Krizhevsky et al. 2012); no grouped convolutions; ReLU before N;
dropout of one half at both fully connected layers; that the alpha of N multiplies a sum over its channels, again as in
Krizhevsky et al.; Kaiming initialisation, so that it learns from scratch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset
from mmvideo.errors import InvalidInput
from mmvideo.types import Features

WIDTHS, SIZES, STRIDES = (96, 256, 384, 384, 256), (11, 5, 3, 3, 3), (3, 1, 1, 1, 1)
"""Filters of the five convolutions, their height and width, and their stride in space."""
NORMALISED, POOLED = (0, 1), (0, 1, 4)
"""Convolutions that the normalisation and the pooling follow."""
SPORTS1M = {"num_classes": 487, "views": (20, 4), "licence": "no public weights"}


class SlowFusion(VideoEncoder):
    """The Sports-1M network; features are the last hidden layer, tokens the last convolution's map.

    Its siblings of the study are other extents: one frame (single frame), all ten in the first convolution (early), two
    frames 15 apart whose columns share weights and meet in the first fully connected layer (late).

    Args:
        extents: frames that each of the first convolutions sees; the others see one.
        time_strides: their strides in time.
        width: a multiple of the filters.
        dim_hidden: width of the fully connected layers.
        dropout: at both of them.

    Raises:
        InvalidInput: extents and strides do not pair up, or leave nothing of the clip.
    """

    PRESETS: ClassVar = {
        "slow-fusion-sports1m": Preset("slow fusion of 10 frames", Input(10, 170, 170), **SPORTS1M),
        "slow-fusion-sports1m-early": Preset(
            "the study's early fusion: the first convolution sees all 10 frames", Input(10, 170, 170),
            {"extents": (10,), "time_strides": (1,)}, **SPORTS1M),
        "slow-fusion-sports1m-late": Preset(
            "the study's late fusion: 2 frames, 15 apart, meet in the first fully connected layer",
            Input(2, 170, 170), {"extents": (), "time_strides": ()}, **SPORTS1M),
        "slow-fusion-sports1m-single": Preset(
            "the study's single frame", Input(1, 170, 170), {"extents": (), "time_strides": ()}, **SPORTS1M),
        "slow-fusion-tiny": Preset(
            "small enough to train in minutes; extents 4, 3, 3, so that 16 frames become one", Input(16, 64, 64),
            {"extents": (4, 3, 3), "width": 0.5, "dim_hidden": 256, "dropout": 0.0}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, extents: Sequence[int] = (4, 2, 2),
                 time_strides: Sequence[int] = (2, 2, 2), width: float = 1.0, dim_hidden: int = 4096,
                 dropout: float = 0.5):
        super().__init__(input=input, num_classes=num_classes)
        if len(extents) != len(time_strides) or len(extents) > len(WIDTHS):
            raise InvalidInput(f"extents {tuple(extents)} and time_strides {tuple(time_strides)} do not pair up; "
                               f"give as many of one as of the other, {len(WIDTHS)} at most.")
        one = (1,) * (len(WIDTHS) - len(extents))
        self.extents, self.time_strides = (*extents, *one), (*time_strides, *one)
        widths = (len(input.mean), *(round(width * w) for w in WIDTHS))
        self.convs = nn.ModuleList(
            nn.Conv3d(a, b, (t, k, k), stride=(u, s, s), padding=0 if i == 0 else (0, k // 2, k // 2))
            for i, ((a, b), t, u, k, s) in enumerate(zip(pairwise(widths), self.extents, self.time_strides, SIZES,
                                                         STRIDES, strict=True)))
        # Krizhevsky's alpha of 1e-4 multiplies a sum over five channels, torch's a mean.
        self.norm = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.5, k=2.0)
        self.dim, self._dim_pooled = widths[-1], dim_hidden
        t, h, w = self._grid(input.num_frames, input.height, input.width)
        if min(t, h // 2, w // 2) < 1:
            raise InvalidInput(f"nothing is left of {input.num_frames} frames of {input.height}x{input.width} after "
                               f"convolutions over {self.extents} frames at strides {self.time_strides}; give a longer "
                               "or larger input, or smaller extents.")
        self.fc6 = nn.Linear(self.dim * t * (h // 2) * (w // 2), dim_hidden)
        self.fc7 = nn.Linear(dim_hidden, dim_hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = linear_head(dim_hidden, num_classes)
        for layer in (*self.convs, self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    @property
    def dim_pooled(self) -> int:
        """Width of the fully connected layers."""
        return self._dim_pooled

    def _grid(self, t: int, h: int, w: int) -> tuple[int, int, int]:
        """Return the size of the last map before its pooling."""
        for extent, stride in zip(self.extents, self.time_strides, strict=True):
            t = (t - extent) // stride + 1
        h, w = (((x - SIZES[0]) // STRIDES[0] + 1) // 2 // 2 for x in (h, w))
        return t, h, w

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: the last convolution's map."""
        self.check(num_frames, height, width)
        t, h, w = self._grid(num_frames, height, width)
        return t * h * w

    def encode(self, frames: Tensor) -> Features:
        x = frames.transpose(1, 2)
        for i, conv in enumerate(self.convs):
            maps = x = F.relu(conv(x))
            if i in NORMALISED:
                x = self.norm(x)
            if i in POOLED:
                x = F.max_pool3d(x, (1, 2, 2))
        hidden = self.dropout(F.relu(self.fc6(x.flatten(1))))
        return features_of_map(maps, pooled=self.dropout(F.relu(self.fc7(hidden))))
