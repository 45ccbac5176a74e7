"""Early fusion: frames become channels, and the first convolution sees all of them (Karpathy et al. 2014, CVPR)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset
from mmvideo.nn.frame_backbone import FrameBackbone
from mmvideo.types import Features


class EarlyFusion(VideoEncoder):
    """A timm backbone with T * C input channels, frame by frame; time is gone after its first convolution.

    Args:
        backbone: an architecture of timm.
        backbone_options: further keyword arguments of it.
    """

    PRESETS: ClassVar = {
        "early-fusion-resnet50": Preset("ResNet-50 on 10 frames at once", Input(10, 224, 224),
                                        {"backbone": "resnet50"}, views=(10, 1)),
        "early-fusion-tiny": Preset(
            "small enough to train in minutes; the cost of a frame's network is spent once a clip, so it is wider",
            Input(16, 64, 64), {"backbone": "resnet18"}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "resnet50",
                 backbone_options: Mapping[str, Any] | None = None):
        super().__init__(input=input, num_classes=num_classes)
        self.frames = FrameBackbone(backbone, height=input.height, width=input.width,
                                    channels=input.num_frames * len(input.mean), options=backbone_options)
        self.dim, self.any_size = self.frames.dim, self.frames.any_size
        self.head = linear_head(self.frames.dim_pooled, num_classes)

    @property
    def dim_pooled(self) -> int:
        """Width of what the 2D network's classifier would read."""
        return self.frames.dim_pooled

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: one map for the whole clip."""
        self.check(num_frames, height, width)
        return math.prod(self.frames.grid(height, width))

    def encode(self, frames: Tensor) -> Features:
        raw = self.frames.raw(frames.flatten(1, 2))
        return features_of_map(self.frames.split(raw)[0].unsqueeze(2), pooled=self.frames.pool(raw))
