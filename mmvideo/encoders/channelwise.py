"""Channelwise (2+1)D: a 2D CNN with a convolution over time, one kernel a channel, behind its spatial filters.

R(2+1)D (Tran et al. 2018, https://arxiv.org/abs/1711.11248) follows each convolution in space with one in time; CSN
(Tran et al. 2019, https://arxiv.org/abs/1904.02811) makes convolutions in space and time channelwise. Here both: nets
with depthwise convolutions (MobileNet, EfficientNet) get a channelwise kernel in time behind each of these, others
behind every k x k convolution. Kernels begin as (0, 1, 0), so the network begins as the 2D one, trained or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, linear_head
from mmvideo.encoders.preset import LITE0_INPUT, Input, Preset
from mmvideo.errors import InvalidInput
from mmvideo.nn.frame_backbone import LITE0, TINY_RESNET, FrameBackbone
from mmvideo.types import Features


class _Clock:
    num_frames = 1


class TimeConvolved(nn.Module):
    """A convolution on frames (B T, C, H, W), then a kernel of three frames for each of its channels.

    Args:
        net: the convolution in space.
        clock: says how many frames a clip has; shared by the network.
    """

    def __init__(self, net: nn.Conv2d, clock: _Clock):
        super().__init__()
        self.net, self.clock = net, clock
        self.kernel = nn.Parameter(torch.tensor([0.0, 1.0, 0.0])[:, None].repeat(1, net.out_channels))

    def forward(self, frames: Tensor) -> Tensor:
        maps = self.net(frames)
        before, now, after = self.kernel.to(maps.dtype)[..., None, None]
        clips = maps.unflatten(0, (-1, self.clock.num_frames))
        mixed = clips * now
        if clips.shape[1] > 1:
            zero = torch.zeros_like(clips[:, :1])
            mixed = mixed + torch.cat((zero, clips[:, :-1]), 1) * before + torch.cat((clips[:, 1:], zero), 1) * after
        return mixed.flatten(0, 1)


class Channelwise2Plus1D(VideoEncoder):
    """Any 2D CNN of timm with channelwise convolutions over time; tokens on the grid (T, h, w).

    Args:
        backbone: an architecture of timm.
        backbone_options: further keyword arguments of it.
        first_stage: stages of the 2D network before this one stay as they are.
        dropout: before the classifier.

    Raises:
        InvalidInput: the network has no convolution larger than 1 x 1 from that stage on.
    """

    any_length: ClassVar[bool] = True
    PRESETS: ClassVar = {
        "channelwise-lite0": Preset(
            "EfficientNet-Lite0 with a kernel over time behind each depthwise convolution; takes the ImageNet weights "
            "that ship", LITE0_INPUT, {"backbone": LITE0}, views=(1, 1)),
        "channelwise-resnet50": Preset("ResNet-50 with kernels over time", Input(8, 224, 224),
                                       {"backbone": "resnet50"}, views=(10, 1)),
        "channelwise-tiny": Preset(
            "small enough to train in minutes", Input(16, 64, 64),
            {"backbone": "resnet18", "backbone_options": TINY_RESNET, "dropout": 0.0}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "resnet50",
                 backbone_options: Mapping[str, Any] | None = None, first_stage: int = 0, dropout: float = 0.3):
        super().__init__(input=input, num_classes=num_classes)
        self.frames = FrameBackbone(backbone, height=input.height, width=input.width, channels=len(input.mean),
                                    options=backbone_options)
        self._clock = _Clock()
        self.convolved = _convolve_time(self.frames.net, self._clock, first_stage)
        self.dim, self.any_size = self.frames.dim, self.frames.any_size
        self.head = linear_head(self.dim_pooled, num_classes, dropout=dropout)

    @property
    def dim_pooled(self) -> int:
        """Width of what the 2D network's classifier reads."""
        return self.frames.dim_pooled

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: the positions of the 2D network's last map, for each frame."""
        self.check(num_frames, height, width)
        self._clock.num_frames = 1
        return num_frames * math.prod(self.frames.grid(height, width))

    def encode(self, frames: Tensor) -> Features:
        b, t = frames.shape[:2]
        self._clock.num_frames = t
        raw = self.frames.raw(frames.flatten(0, 1))
        maps = self.frames.split(raw)[0]
        tokens = maps.flatten(2).transpose(1, 2).reshape(b, -1, self.dim)
        pooled = self.frames.pool(raw).unflatten(0, (b, t)).mean(1)
        return Features(tokens=tokens, grid=(t, *maps.shape[2:]), pooled=pooled)


def _convolve_time(network: nn.Module, clock: _Clock, first_stage: int) -> tuple[str, ...]:
    """Put a kernel over time behind the spatial convolutions of residual blocks, in place; return their names."""
    wide = [(name, conv) for name, conv in network.named_modules()
            if isinstance(conv, nn.Conv2d) and max(conv.kernel_size) > 1 and _stage_of(name) >= first_stage]
    deep = [(name, conv) for name, conv in wide if 1 < conv.groups == conv.out_channels]
    chosen = deep or [(name, conv) for name, conv in wide if _stage_of(name) >= 0]
    if not chosen:
        raise InvalidInput(f"{type(network).__name__} has no convolution in space from stage {first_stage} on to "
                           "follow with one over time; take a CNN of timm, or a smaller first_stage.")
    for name, conv in chosen:
        parent, _, last = name.rpartition(".")
        setattr(network.get_submodule(parent), last, TimeConvolved(conv, clock))
    return tuple(name for name, _ in chosen)


def _stage_of(name: str) -> int:
    """Return the number of the stage that a convolution of timm lies in; -1 for the stem."""
    first, _, rest = name.partition(".")
    if first in ("blocks", "stages", "features"):
        return int(rest.partition(".")[0])
    return int(first.removeprefix("layer")) - 1 if first.startswith("layer") else -1


__all__ = ["Channelwise2Plus1D", "TimeConvolved"]
