"""From the crops of a cue to what a network sees of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.transforms.functional import center_crop

from mmvideo.encoders.preset import IMAGENET_MEAN, IMAGENET_STD
from mmvideo.separation.base import MOUTH_SIZE


class MouthInput(nn.Module):
    """Mouth crops, cut to their middle and normalised; what was not seen becomes plain grey.

    Args:
        size: height and width of the middle, of crops of 96 x 96 pixels; others are resized to that first.
        mean: of the grey values in [0, 1].
        std: of the same.
    """

    def __init__(self, size: int, *, mean: float, std: float):
        super().__init__()
        self.size, self.mean, self.std = size, mean, std

    def forward(self, mouths: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return float (B, T, size, size) of crops (B, T, H, W), uint8 or float in [0, 1]."""
        mouths = mouths / 255 if mouths.dtype == torch.uint8 else mouths
        if mouths.shape[-1] != MOUTH_SIZE or mouths.shape[-2] != MOUTH_SIZE:
            mouths = interpolate(mouths, (MOUTH_SIZE, MOUTH_SIZE), mode="bilinear", antialias=True)
        crops = (center_crop(mouths, [self.size, self.size]) - self.mean) / self.std
        return crops if valid is None else crops * valid[..., None, None]


class FaceInput(nn.Module):
    """Whole faces, resized to 224 x 224 pixels and normalised as for ImageNet."""

    def __init__(self, size: int = 224):
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(-1, 1, 1), persistent=False)

    def forward(self, faces: Tensor) -> Tensor:
        """Return float (B, 3, size, size) of pictures (B, 3, H, W), uint8 or float in [0, 1]."""
        faces = faces / 255 if faces.dtype == torch.uint8 else faces
        if faces.shape[-2:] != (self.size, self.size):
            faces = interpolate(faces, (self.size, self.size), mode="bilinear", antialias=True)
        return (faces - self.mean) / self.std


__all__ = ["FaceInput", "MouthInput"]
