"""C3D: eight 3x3x3 convolutions and three fully connected layers (Tran et al. 2015, https://arxiv.org/abs/1412.0767)."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.nn.checkpoints import Format
from mmvideo.types import Features

WIDTHS = (64, 128, 256, 256, 512, 512, 512, 512)
"""Channels of the eight convolutions."""
POOLED_AFTER = (0, 1, 3, 5, 7)
"""Convolutions that a pooling follows; the first pools space only, so that time is not merged too early."""
NAMES = ("conv1", "conv2", "conv3a", "conv3b", "conv4a", "conv4b", "conv5a", "conv5b")
SPORTS1M_INPUT = Input(16, 112, 112, mean=(0.407, 0.398, 0.353), std=(1 / 255,) * 3)
"""The release subtracts a mean picture from values in [0, 255]; ours is that picture's mean colour."""


class C3D(VideoEncoder):
    """A VGG that convolves in time; features are fc6 (4096 wide), tokens the last feature map.

    Args:
        width: a multiple of the channels.
        dim_hidden: width of fc6 and fc7.
        dropout: before fc7 and the classifier.
    """

    PRESETS: ClassVar = {
        "c3d-sports1m": Preset(
            "the network of the paper, with its 487 classes of sports", SPORTS1M_INPUT, num_classes=487,
            licence="MIT (code of the release)", weights="c3d-pytorch: a port of the Sports-1M release",
            published=Published("Tran et al. 2015, arXiv:1412.0767, table 2 (video hit@1, pretrained on I380K)",
                                top1=61.1, top1_on="Sports-1M")),
        "c3d-ucf101": Preset(
            "the network with 101 classes, whose parameters are the ones commonly stated", SPORTS1M_INPUT,
            num_classes=101, views=(10, 1),
            published=Published("MMAction2's configs/recognition/c3d/metafile.yml", 78.409573, 38.615, top1=82.92,
                                top1_on="UCF-101")),
        "c3d-tiny": Preset("small enough to train in minutes", Input(16, 64, 64), {"width": 0.125, "dim_hidden": 256},
                           num_classes=10, views=(1, 1)),
    }
    CHECKPOINTS: ClassVar = {
        "c3d-pytorch": Format(
            "https://github.com/DavideA/c3d-pytorch, converted from the authors' Caffe release",
            rename=((r"^fc8\.", "head.1."), *((rf"^{name}\.", f"convs.{i}.") for i, name in enumerate(NAMES)))),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, width: float = 1.0, dim_hidden: int = 4096,
                 dropout: float = 0.5):
        super().__init__(input=input, num_classes=num_classes)
        widths = (len(input.mean), *(round(width * w) for w in WIDTHS))
        self.convs = nn.ModuleList(
            nn.Conv3d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.dim, self._dim_pooled = widths[-1], dim_hidden
        t, h, w = self._grid(input.num_frames, input.height, input.width)
        # The last pooling pads the border: 7x7 becomes 4x4.
        self.fc6 = nn.Linear(widths[-1] * (t // 2) * (h // 2 + 1) * (w // 2 + 1), dim_hidden)
        self.fc7 = nn.Linear(dim_hidden, dim_hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = linear_head(dim_hidden, num_classes, dropout=dropout)
        # Without normalisation, torch's own initialisation leaves next to nothing of the clip after ten layers.
        for layer in (*self.convs, self.fc6, self.fc7):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    @property
    def dim_pooled(self) -> int:
        """Width of fc6."""
        return self._dim_pooled

    @staticmethod
    def _grid(num_frames: int, height: int, width: int) -> tuple[int, int, int]:
        return num_frames // 8, height // 16, width // 16

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: one token for 8 frames and 16x16 pixels."""
        self.check(num_frames, height, width)
        t, h, w = self._grid(num_frames, height, width)
        return t * h * w

    def encode(self, frames: Tensor) -> Features:
        x = frames.transpose(1, 2)
        for i, conv in enumerate(self.convs):
            x = F.relu(conv(x))
            if i in POOLED_AFTER[:-1]:
                x = F.max_pool3d(x, (1, 2, 2) if i == 0 else 2)
        last = F.max_pool3d(x, 2, padding=(0, 1, 1))
        return features_of_map(x, pooled=F.relu(self.fc6(last.flatten(1))))

    def classify(self, features: Features) -> Tensor:
        return self.head(F.relu(self.fc7(self.dropout(features.pooled))))
