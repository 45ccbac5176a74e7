"""Frame transformer: vectors of a 2D network, one a frame, into a few transformer layers over time.

The temporal encoder of VTN (Neimark et al. 2021, https://arxiv.org/abs/2102.00719) and of the factorised ViViT with a
CNN in front: frames meet only after they have been pooled, so the 2D network may be frozen and its vectors kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import LITE0_INPUT, Input, Preset
from mmvideo.errors import InvalidInput
from mmvideo.nn.frame_backbone import LITE0, TINY_RESNET, FrameBackbone
from mmvideo.nn.vit import TransformerLayer, init_vit
from mmvideo.types import Features


class FrameTransformer(VideoEncoder):
    """A timm backbone on each frame, then transformer layers over the frames' vectors; tokens are one a frame.

    Args:
        backbone: an architecture of timm.
        backbone_options: further keyword arguments of it.
        dim: D of the layers over time.
        depth: how many layers.
        heads: of attention.
        dropout: of the frames' vectors and before the classifier.

    Raises:
        InvalidInput: heads that do not divide D.
    """

    any_length: ClassVar[bool] = True
    PRESETS: ClassVar = {
        "frame-transformer-lite0": Preset(
            "EfficientNet-Lite0 and two layers over time; takes the ImageNet weights that ship", LITE0_INPUT,
            {"backbone": LITE0}, views=(1, 1)),
        "frame-transformer-resnet50": Preset(
            "ResNet-50 and four layers over time", Input(16, 224, 224),
            {"backbone": "resnet50", "dim": 512, "depth": 4, "heads": 8}, views=(10, 1)),
        "frame-transformer-tiny": Preset(
            "small enough to train in minutes", Input(16, 64, 64),
            {"backbone": "resnet18", "backbone_options": TINY_RESNET, "dim": 96, "dropout": 0.0}, num_classes=10,
            views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "resnet50",
                 backbone_options: Mapping[str, Any] | None = None, dim: int = 256, depth: int = 2, heads: int = 4,
                 dropout: float = 0.3):
        super().__init__(input=input, num_classes=num_classes)
        if heads < 1 or dim % (2 * heads):
            raise InvalidInput(f"dim={dim} must be a multiple of twice the number of heads, {heads}.")
        self.frames = FrameBackbone(backbone, height=input.height, width=input.width, channels=len(input.mean),
                                    options=backbone_options)
        self.dim, self.any_size = dim, self.frames.any_size
        self.norm_frames = nn.LayerNorm(self.frames.dim_pooled)
        self.reduce = nn.Linear(self.frames.dim_pooled, dim)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(TransformerLayer(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.head = linear_head(dim, num_classes, dropout=dropout)
        for part in (self.reduce, self.layers, self.head):
            part.apply(init_vit)
        nn.init.trunc_normal_(self.reduce.weight, std=self.frames.dim_pooled**-0.5)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: one token a frame."""
        self.check(num_frames, height, width)
        return num_frames

    def encode(self, frames: Tensor) -> Features:
        return self.over_time(self.frame_vectors(frames))

    def frame_vectors(self, frames: Tensor) -> Tensor:
        """Return the 2D network's vector of each frame, (B, T, dim_pooled of it), of normalised clips."""
        return self.frames.pool(self.frames.raw(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])

    def over_time(self, vectors: Tensor) -> Features:
        """Return the features of clips whose frames' vectors (B, T, dim_pooled of the 2D network) are known."""
        x = self.reduce(self.dropout(self.norm_frames(vectors)))
        x = x + _places(x.shape[1], self.dim, x)
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        return features_of_map(x.transpose(1, 2)[..., None, None])


def _places(num: int, dim: int, like: Tensor) -> Tensor:
    """Return sinusoids (T, D) of a frame's place in its clip, the first at 0 and the last at 16, whatever T."""
    place = torch.linspace(0, 16, num, device=like.device, dtype=torch.float32)
    rate = torch.exp(torch.arange(0, dim, 2, device=like.device, dtype=torch.float32) * (-math.log(1000.0) / dim))
    angle = place[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1).to(like.dtype)


__all__ = ["FrameTransformer"]
