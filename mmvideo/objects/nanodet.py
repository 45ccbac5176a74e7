"""NanoDet-g, an anchor-free object detector of 3.8 M parameters: a plain CSP backbone, a PAN neck and a GFL head.

RangiLyu 2021, https://github.com/RangiLyu/nanodet; the head's loss and its distributions over distances are those of
Generalized Focal Loss, Li et al. 2020, https://arxiv.org/abs/2006.04388. Batch normalisation is folded into the
convolutions, as in the weights that ship; these are converted by `mmvideo.objects.convert`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.nn.pretrained import Pretrained

STRIDES = (8, 16, 32)
"""Pixels of the input between cells of the three levels."""
NUM_BINS = 11
"""Values that a distance from a cell to a side of its box is spread over: 0 to 10 strides."""
MEAN = (103.53, 116.28, 123.675)
STD = (57.375, 57.12, 58.395)
"""Of blue, green and red, in [0, 255]: what the network was trained with."""
_SLOPE = 0.1


class ConvLeaky(nn.Conv2d):
    """A 3x3 convolution that keeps the size or halves it, and a leaky ReLU."""

    def __init__(self, channels: int, out: int, *, stride: int = 1):
        super().__init__(channels, out, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride)."""
        return F.leaky_relu(super().forward(x), _SLOPE, inplace=not self.training)


class TinyBlock(nn.Module):
    """Two convolutions to half the channels, one after the other, whose outputs are joined."""

    def __init__(self, channels: int):
        super().__init__()
        self.first = ConvLeaky(channels, channels // 2)
        self.second = ConvLeaky(channels // 2, channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Keep (B, C, H, W)."""
        x = self.first(x)
        return torch.cat((self.second(x), x), 1)


class CspStage(nn.Module):
    """A convolution, blocks, a convolution; its output is joined with that of the first (cross-stage partial)."""

    def __init__(self, channels: int, *, blocks: int, stride: int):
        super().__init__()
        self.enter = ConvLeaky(channels, channels, stride=stride)
        self.blocks = nn.Sequential(*[TinyBlock(channels) for _ in range(blocks)])
        self.leave = ConvLeaky(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, 2 C, H / stride, W / stride)."""
        x = self.enter(x)
        return torch.cat((self.leave(self.blocks(x)), x), 1)


class CspBackbone(nn.Module):
    """From a picture to feature maps at strides 8, 16 and 32."""

    widths = (128, 256, 512)

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvLeaky(3, 32, stride=2)
        self.stages = nn.ModuleList(CspStage(channels, blocks=blocks, stride=stride)
                                    for channels, blocks, stride in ((32, 1, 1), (64, 2, 2), (128, 2, 2), (256, 3, 2)))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map (B, 3, H, W) to (B, C, H / s, W / s) for each stride s."""
        x = F.max_pool2d(self.stem(x), 3, 2, 1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps[1:]


class PanNeck(nn.Module):
    """Coarse maps added to finer ones and back again, with no convolution but the first (PAN)."""

    def __init__(self, widths: tuple[int, ...], channels: int):
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Map three (B, C, H, W) to three (B, channels, H, W) of the same sizes."""
        fine, middle, coarse = (lateral(x) for lateral, x in zip(self.laterals, maps, strict=True))
        middle = middle + _resized(coarse, middle)
        fine = fine + _resized(middle, fine)
        middle = middle + _resized(fine, middle)
        return [fine, middle, coarse + _resized(middle, coarse)]


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


class GflHead(nn.Module):
    """For each cell of a level, scores of the classes and a distribution over the distance to each side."""

    def __init__(self, channels: int, outputs: int):
        super().__init__()
        self.tower = ConvLeaky(channels, channels)
        self.out = nn.Conv2d(channels, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, H W, outputs), row by row."""
        return self.out(self.tower(x)).flatten(2).transpose(1, 2)


class NanoDet(Pretrained):
    """Find objects of `classes` in pictures whose sides are multiples of 32 pixels.

    Args:
        classes: names, in the order of the scores.
        calibration: scale and offset of the logit of a score that make it a probability; see
            `mmvideo.objects.calibration`.
    """

    def __init__(self, classes: list[str], *, calibration: list[float] | None = None):
        super().__init__()
        self.config = {"classes": list(classes), "calibration": list(calibration or (1.0, 0.0))}
        self.classes = tuple(classes)
        self.backbone = CspBackbone()
        self.neck = PanNeck(CspBackbone.widths, 128)
        self.heads = nn.ModuleList(GflHead(128, len(classes) + 4 * NUM_BINS) for _ in STRIDES)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Score every cell of the three levels, finest first, each row by row from the top left.

        Args:
            pictures: float32 (B, 3, H, W), blue, green, red, standardised by `standardised`.

        Returns:
            Logits of the classes (B, N, K), and logits over the bins of the distances to the left, top, right and
            bottom of the box (B, N, 4 x 11).
        """
        rows = [head(x) for head, x in zip(self.heads, self.neck(self.backbone(pictures)), strict=True)]
        scores, distances = torch.cat(rows, 1).split((len(self.classes), 4 * NUM_BINS), 2)
        return scores, distances


def standardised(frames: Tensor) -> Tensor:
    """Turn uint8 (B, 3, H, W) RGB into what the network takes: float32 BGR, standardised."""
    mean, std = (torch.tensor(values, device=frames.device)[:, None, None] for values in (MEAN, STD))
    return (frames.flip(1).float() - mean) / std


def cells(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """Return float32 (N, 3): x, y in pixels and stride of every cell of a picture, in the order of the scores."""
    levels = []
    for stride in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // stride, device=device),
                              torch.arange(width // stride, device=device), indexing="ij")
        levels.append(torch.stack((x, y, torch.ones_like(x)), 2).flatten(0, 1).float() * stride)
    points = torch.cat(levels)
    points[:, :2] += points[:, 2:] / 2  # the middle of a cell
    return points


def distances_to_boxes(distances: Tensor, points: Tensor) -> Tensor:
    """Turn logits over bins (..., 44) and cells (..., 3) into boxes (..., 4): left, top, right, bottom in pixels."""
    bins = torch.arange(NUM_BINS, device=distances.device, dtype=distances.dtype)
    expected = distances.unflatten(-1, (4, NUM_BINS)).softmax(-1) @ bins * points[..., 2:]
    return torch.cat((points[..., :2] - expected[..., :2], points[..., :2] + expected[..., 2:]), -1)


__all__ = ["MEAN", "NUM_BINS", "STD", "STRIDES", "ConvLeaky", "CspBackbone", "CspStage", "GflHead", "NanoDet",
           "PanNeck", "TinyBlock", "cells", "distances_to_boxes", "standardised"]
