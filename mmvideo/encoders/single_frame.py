"""Single frame: a 2D network sees each frame alone; the clip's class probabilities are their mean.

The baseline of Karpathy et al. 2014 (CVPR, Large-scale video classification) and of every study since.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.nn.frame_backbone import TINY_RESNET, FrameBackbone, release_formats
from mmvideo.types import Features

HALF = (0.5, 0.5, 0.5)
TIMES_8 = "; GFLOPs a frame, times the 8 frames of the preset"
TIMM_LICENCE = "Apache-2.0 (timm); weights as their card states"


def _imagenet(about: str, backbone: str, source: str, params: float, gflops: float, **input_options: Any) -> Preset:
    return Preset(about, Input(8, 224, 224, **input_options), {"backbone": backbone}, num_classes=1000, views=(1, 1),
                  licence=TIMM_LICENCE, weights=f"timm {backbone}: format timm",
                  published=Published(source + TIMES_8, params_millions=params, gflops=gflops * 8))


class SingleFrame(VideoEncoder):
    """Any timm backbone on each frame; tokens on the grid (T, h, w), tokens outside a frame's grid after them.

    Frames do not meet before the probabilities are averaged, so a clip in another order gets the same answer.

    Args:
        backbone: an architecture of timm.
        backbone_options: further keyword arguments of it.
    """

    any_length: ClassVar[bool] = True
    averages: ClassVar[str] = "probabilities"
    PRESETS: ClassVar = {
        "single-frame-resnet50": Preset(
            "ResNet-50 on 8 frames, with the classes of Kinetics-400", Input(8, 224, 224), {"backbone": "resnet50"},
            weights="train it, from an ImageNet network of timm", views=(10, 1),
            published=Published("Lin et al. 2019, arXiv:1811.08383 (TSM), table 2: TSN with 8 frames",
                                params_millions=24.3, gflops=33)),
        "single-frame-resnet50-imagenet": _imagenet(
            "ResNet-50 with ImageNet's classes; reads torchvision's resnet50 too", "resnet50",
            "torchvision model table, resnet50", 25.557, 4.09),
        "single-frame-resnet18-imagenet": _imagenet(
            "ResNet-18 with ImageNet's classes; reads torchvision's resnet18 too", "resnet18",
            "torchvision model table, resnet18", 11.69, 1.81),
        "single-frame-efficientnet-b0": _imagenet(
            "EfficientNet-B0 with ImageNet's classes", "efficientnet_b0",
            "torchvision model table, efficientnet_b0", 5.289, 0.386),
        "single-frame-convnext-tiny": _imagenet(
            "ConvNeXt-T with ImageNet's classes", "convnext_tiny",
            "torchvision model table, convnext_tiny", 28.589, 4.456),
        "single-frame-vit-small": _imagenet(
            "ViT-S/16 with ImageNet's classes", "vit_small_patch16_224",
            "Touvron et al. 2021, arXiv:2012.12877 (DeiT-S)", 22, 4.6, mean=HALF, std=HALF),
        "single-frame-tiny": Preset(
            "small enough to train in minutes", Input(16, 64, 64),
            {"backbone": "resnet18", "backbone_options": TINY_RESNET}, num_classes=10, views=(1, 1)),
    }
    CHECKPOINTS: ClassVar = release_formats()

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "resnet50",
                 backbone_options: Mapping[str, Any] | None = None):
        super().__init__(input=input, num_classes=num_classes)
        self.frames = FrameBackbone(backbone, height=input.height, width=input.width, channels=len(input.mean),
                                    num_classes=num_classes, options=backbone_options)
        self.dim, self.any_size = self.frames.dim, self.frames.any_size

    @property
    def dim_pooled(self) -> int:
        """Width of what the 2D network's classifier reads."""
        return self.frames.dim_pooled

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: the tokens of a frame, with those outside its grid, for each frame."""
        self.check(num_frames, height, width)
        return num_frames * (math.prod(self.frames.grid(height, width)) + self.frames.num_prefix)

    def encode(self, frames: Tensor) -> Features:
        b, t = frames.shape[:2]
        raw = self.frames.raw(frames.flatten(0, 1))
        maps, prefix = self.frames.split(raw)
        grid = maps.flatten(2).transpose(1, 2).reshape(b, -1, self.dim)
        tokens = torch.cat((grid, prefix.reshape(b, -1, self.dim)), 1)
        pooled = self.frames.pool(raw).unflatten(0, (b, t)).mean(1)
        return Features(tokens=tokens, grid=(t, *maps.shape[2:]), pooled=pooled, num_extra=t * self.frames.num_prefix)

    def frame_logits(self, features: Features) -> Tensor:
        """Return the 2D network's logits of every frame, float (B, T, num_classes)."""
        (t, h, w), b = features.grid, features.tokens.shape[0]
        tokens, prefix = features.tokens.split((t * h * w, features.num_extra), 1)
        maps = tokens.reshape(b * t, h * w, self.dim).transpose(1, 2).unflatten(2, (h, w))
        return self.frames.head(self.frames.join(maps, prefix.reshape(b * t, -1, self.dim))).unflatten(0, (b, t))

    def classify(self, features: Features) -> Tensor:
        """Return the logarithm of the mean over frames of the class probabilities, float (B, num_classes).

        Where outputs are no classes: the mean of the frames' logits.
        """
        logits = self.frame_logits(features)
        if self.outputs != "classes":
            return logits.mean(1)
        return logits.log_softmax(-1).logsumexp(1) - math.log(logits.shape[1])
