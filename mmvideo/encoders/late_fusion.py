"""Late fusion: a 2D network sees each frame alone, its features meet at the end (Karpathy et al. 2014, CVPR)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import UnknownName
from mmvideo.nn.frame_backbone import TINY_RESNET, FrameBackbone
from mmvideo.types import Features

FUSIONS = ("pool", "concat", "concat-maps")
TINY = {"backbone": "resnet18", "backbone_options": TINY_RESNET}


class LateFusion(VideoEncoder):
    """Features of the frames, pooled over space and time or concatenated into an MLP.

    Args:
        backbone: an architecture of timm.
        backbone_options: further keyword arguments of it.
        fusion: "pool" averages frames (blind to their order; any T); "concat" puts the frames' pooled vectors beside
            one another before a hidden layer; "concat-maps" their whole maps, as the paper's first fully connected
            layer sees them (of two frames 15 apart): many more parameters, but places are kept.
        dim_hidden: width of the hidden layer of the MLP.
        dropout: before the hidden layer and the classifier.

    Raises:
        UnknownName: no such fusion.
    """

    PRESETS: ClassVar = {
        "late-fusion-resnet50-pool": Preset(
            "ResNet-50 on 8 frames, features averaged over space and time", Input(8, 224, 224),
            {"backbone": "resnet50", "fusion": "pool"}, views=(10, 1),
            published=Published("Lin et al. 2019, arXiv:1811.08383 (TSM), table 2: TSN with 8 frames, which averages "
                                "scores with the same cost", params_millions=24.3, gflops=33)),
        "late-fusion-resnet50-concat": Preset(
            "ResNet-50 on 8 frames, their pooled features into an MLP", Input(8, 224, 224),
            {"backbone": "resnet50", "fusion": "concat"}, views=(10, 1)),
        "late-fusion-resnet50-maps": Preset(
            "ResNet-50 on 2 frames, their whole maps into an MLP, as Karpathy et al. join two columns",
            Input(2, 224, 224, fps=2), {"backbone": "resnet50", "fusion": "concat-maps", "dim_hidden": 1024},
            views=(10, 1)),
        "late-fusion-tiny": Preset("pooled; small enough to train in minutes", Input(16, 64, 64),
                                   {**TINY, "fusion": "pool"}, num_classes=10, views=(1, 1)),
        "late-fusion-tiny-concat": Preset(
            "concatenated; small enough to train in minutes", Input(16, 64, 64),
            {**TINY, "fusion": "concat", "dim_hidden": 128}, num_classes=10, views=(1, 1)),
        "late-fusion-tiny-maps": Preset(
            "maps concatenated; small enough to train in minutes", Input(16, 64, 64),
            {**TINY, "fusion": "concat-maps", "dim_hidden": 128}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "resnet50",
                 backbone_options: Mapping[str, Any] | None = None, fusion: str = "pool", dim_hidden: int = 512,
                 dropout: float = 0.0):
        super().__init__(input=input, num_classes=num_classes)
        if fusion not in FUSIONS:
            raise UnknownName("late fusion", fusion, FUSIONS)
        self.frames = FrameBackbone(backbone, height=input.height, width=input.width, channels=len(input.mean),
                                    options=backbone_options)
        self.fusion, self.dim = fusion, self.frames.dim
        self.any_length = fusion == "pool"
        self.any_size = self.frames.any_size and fusion != "concat-maps"
        self.dropout = nn.Dropout(dropout)
        if fusion != "pool":
            size = (self.frames.dim_pooled if fusion == "concat"
                    else self.dim * math.prod(self.frames.grid(input.height, input.width)))
            self.hidden = nn.Linear(size * input.num_frames, dim_hidden)
        self._dim_pooled = self.frames.dim_pooled if fusion == "pool" else dim_hidden
        self.head = linear_head(self._dim_pooled, num_classes, dropout=dropout)

    @property
    def dim_pooled(self) -> int:
        """Width of the frames' vectors ("pool") or of the hidden layer."""
        return self._dim_pooled

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: the last feature map of each frame."""
        self.check(num_frames, height, width)
        return num_frames * math.prod(self.frames.grid(height, width))

    def encode(self, frames: Tensor) -> Features:
        b, t = frames.shape[:2]
        raw = self.frames.raw(frames.flatten(0, 1))
        maps = self.frames.split(raw)[0]
        if self.fusion == "concat-maps":
            vectors = maps.reshape(b, -1)
        else:
            vectors = self.frames.pool(raw).unflatten(0, (b, t))
            vectors = vectors.mean(1) if self.fusion == "pool" else vectors.flatten(1)
        pooled = vectors if self.fusion == "pool" else F.relu(self.hidden(self.dropout(vectors)))
        return features_of_map(maps.unflatten(0, (b, t)).transpose(1, 2), pooled=pooled)
