"""BlazeFace, the face detector of MediaPipe, for near faces (short range) and for small ones (full range).

Bazarevsky et al. 2019, https://arxiv.org/abs/1907.05047. The networks are those of MediaPipe's releases
(`face_detection_short_range`, `face_detection_full_range`); batch normalisation is folded into the convolutions before
it, as in these. Weights are converted by `mmvideo.faces.convert`.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.nn.pretrained import Pretrained

NUM_VALUES = 16
"""Values that a cell gives for a face: centre, size and six key points, (x, y) each, in pixels of the input."""


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding: what is left over goes to the right and below."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', ceil(H / stride), ceil(W / stride))."""
        extra = [max((-(-n // s) - 1) * s + k - n, 0)
                 for n, s, k in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)]
        (top, left), (bottom, right) = [e // 2 for e in extra], [e - e // 2 for e in extra]
        return super().forward(F.pad(x, (left, right, top, bottom)))


class BlazeBlock(nn.Module):
    """A depthwise and a pointwise convolution beside a shortcut that is max-pooled and padded with zero channels.

    Args:
        activation: after the sum.
    """

    def __init__(self, channels: int, out: int, *, stride: int = 1, activation: nn.Module | None = None):
        super().__init__()
        self.stride, self.extra = stride, out - channels
        self.depthwise = SameConv(channels, channels, 3, stride, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, out, 1)
        self.activation = activation or nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride)."""
        y = self.pointwise(self.depthwise(x))
        if self.stride > 1:
            x = F.max_pool2d(x, self.stride)
        return self.activation(F.pad(x, (0, 0, 0, 0, 0, self.extra)) + y)


class ShortRange(Pretrained):
    """The network for faces within about 2 m: 128x128 pixels in, 896 anchors out; 0.10 M parameters."""

    size = 128
    strides = ((8, 2), (16, 6))
    """Grids of anchors: pixels between cells, anchors in each."""

    def __init__(self) -> None:
        super().__init__()
        self.config: dict = {}
        self.stem = SameConv(3, 24, 5, 2)
        widths = [24, 24, 28, 32, 36, 42, 48, 56, 64, 72, 80, 88, 96, 96, 96, 96, 96]
        self.blocks = nn.ModuleList(BlazeBlock(a, b, stride=2 if b in (32, 48, 96) and a != b else 1)
                                    for a, b in pairwise(widths))
        self.regress_coarse, self.regress_fine = nn.Conv2d(96, 96, 1), nn.Conv2d(88, 32, 1)
        self.classify_coarse, self.classify_fine = nn.Conv2d(96, 6, 1), nn.Conv2d(88, 2, 1)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Look for faces.

        Args:
            pictures: float32 (B, 3, 128, 128) in [-1, 1], RGB.

        Returns:
            Logits (B, 896) that an anchor holds a face, and its values (B, 896, 16).
        """
        x = F.relu(self.stem(pictures))
        for block in self.blocks[:11]:
            x = block(x)
        fine = x  # (B, 88, 16, 16)
        for block in self.blocks[11:]:
            x = block(x)  # (B, 96, 8, 8)
        values = [by_anchor(head(y), NUM_VALUES) for head, y in ((self.regress_fine, fine), (self.regress_coarse, x))]
        logits = [by_anchor(head(y), 1) for head, y in ((self.classify_fine, fine), (self.classify_coarse, x))]
        return torch.cat(logits, 1)[..., 0], torch.cat(values, 1)


class BlazeBottleneck(nn.Module):
    """Two separable convolutions through few channels, added to what came in where shapes allow."""

    def __init__(self, channels: int, middle: int, out: int, *, stride: int = 1):
        super().__init__()
        self.adds = stride == 1 and channels == out
        self.first = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels)
        self.reduce = nn.Conv2d(channels, middle, 1)
        self.second = nn.Conv2d(middle, middle, 3, 1, 1, groups=middle)
        self.expand = nn.Conv2d(middle, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H / stride, W / stride)."""
        y = self.expand(self.second(F.relu(self.reduce(self.first(x)))))
        return F.relu(x + y if self.adds else y)


class _Level(nn.Module):
    """A step up the pyramid: coarse maps enlarged, finer ones added, both merged."""

    def __init__(self, below: int, out: int, beside: int, repeats: int):
        super().__init__()
        self.up, self.lateral = nn.Conv2d(below, out, 1), nn.Conv2d(beside, out, 1)
        self.merge = nn.Sequential(*[BlazeBottleneck(out, out // 2, out) for _ in range(repeats)])

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """Map (B, C, H, W) and (B, C', 2 H, 2 W) to (B, C'', 2 H, 2 W)."""
        x = F.interpolate(F.relu(self.up(x)), scale_factor=2, mode="bilinear", align_corners=False)
        return self.merge(F.relu(self.lateral(beside)) + x)


class FullRange(Pretrained):
    """The network for faces within about 5 m: 192x192 pixels in, 2,304 anchors out; 0.5 M parameters."""

    size = 192
    strides = ((4, 1),)

    def __init__(self) -> None:
        super().__init__()
        self.config: dict = {}
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        plan = [(32, 8, 32, 2), (64, 16, 64, 2), (128, 32, 128, 2), (192, 48, 192, 2), (384, 96, 384, 3)]
        stages, channels = [], 32
        for number, (out, middle, _, repeats) in enumerate(plan):
            down = [BlazeBottleneck(channels, middle, out, stride=2)] if number else []
            stages.append(nn.Sequential(*down, *[BlazeBottleneck(out, middle, out) for _ in range(repeats)]))
            channels = out
        self.stages = nn.ModuleList(stages)
        self.levels = nn.ModuleList(_Level(*widths) for widths in (
            (384, 96, 192, 2), (96, 64, 128, 2), (64, 48, 64, 1)))
        self.regress = nn.Sequential(nn.Conv2d(48, 64, 1), nn.Conv2d(64, 64, 3, 2, 1, groups=64))
        self.classify = nn.Sequential(nn.Conv2d(48, 4, 1), nn.Conv2d(4, 4, 3, 2, 1, groups=4))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Look for faces.

        Args:
            pictures: float32 (B, 3, 192, 192) in [-1, 1], RGB.

        Returns:
            Logits (B, 2304) that an anchor holds a face, and its values (B, 2304, 16).
        """
        x, seen = F.relu(self.stem(pictures)), []
        for stage in self.stages:
            x = stage(x)
            seen.append(x)  # 96, 48, 24, 12 and 6 cells a side
        for level, beside in zip(self.levels, seen[3:0:-1], strict=True):
            x = level(x, beside)  # (B, 48, 48, 48) in the end
        logits, values = (depth_to_space(head(x)) for head in (self.classify, self.regress))
        return by_anchor(logits, 1)[..., 0], by_anchor(values, NUM_VALUES)


def by_anchor(maps: Tensor, values: int) -> Tensor:
    """Bring maps (B, A * values, H, W) into the order of anchors: (B, H * W * A, values)."""
    return maps.permute(0, 2, 3, 1).reshape(maps.shape[0], -1, values)


def depth_to_space(maps: Tensor) -> Tensor:
    """Lay channels (B, 4 C, H, W) out as pixels (B, C, 2 H, 2 W), in TensorFlow's order: block before channel."""
    b, c, h, w = maps.shape
    blocks = maps.reshape(b, 2, 2, c // 4, h, w)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(b, c // 4, 2 * h, 2 * w)


__all__ = ["BlazeBlock", "FullRange", "SameConv", "ShortRange"]
