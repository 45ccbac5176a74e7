"""SlowFast: few frames seen by a wide network, all frames by a narrow one (Feichtenhofer et al. 2019).

https://arxiv.org/abs/1812.03982. A clip of T frames goes whole into the fast pathway; the slow one takes every alpha-th
frame, and after the stem and each stage but the last also what the fast one saw. T x tau in a preset's name are the
slow pathway's frames and stride.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import KINETICS_MEAN, KINETICS_STD, Input, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.resnet3d import DEPTHS, ResNet3d, initialise
from mmvideo.types import Features

SLOW_KERNELS, FAST_KERNELS = ((1,), (1,), (3,), (3,)), ((3,),) * 4
"""K_t of the blocks of res2 to res5 (table 1)."""
LATERALS = ("conv", "to-channel", "sample")
LIMITS_50 = (3, 4, 6, 3)
"""Blocks from which on an R101 of the paper is flat in time: as many see time as in an R50."""
NON_LOCAL = {"non_local": {2: (6, 13, 20)}, "non_local_options": {"kind": "dot-product", "pool": (1, 2, 2)}}
PAPER = "Feichtenhofer et al. 2019, arXiv:1812.03982"
ZOO = "model zoo of PyTorchVideo (docs/source/model_zoo.md)"
X3D_TABLE = "parameters as listed by Feichtenhofer 2020, arXiv:2004.04730, table 4"


def _input(num_frames: int) -> Input:
    return Input(num_frames, 256, 256, KINETICS_MEAN, KINETICS_STD, fps=15)


class Lateral(nn.Module):
    """What the slow pathway gets from the fast one: (B, D, T, h, w) -> (B, channels, T / alpha, h, w); section 3.4.

    Args:
        dim: D.
        alpha: frames of the fast pathway for one of the slow.
        kind: "conv" (a convolution of `kernel` frames with stride alpha gives 2 D channels), "to-channel" (alpha
            frames become alpha D channels) or "sample" (every alpha-th frame).
        kernel: of "conv".
    """

    def __init__(self, dim: int, *, alpha: int, kind: str = "conv", kernel: int = 5):
        super().__init__()
        self.kind, self.alpha = kind, alpha
        self.channels = {"conv": 2 * dim, "to-channel": alpha * dim, "sample": dim}[kind]
        if kind == "conv":
            self.conv = nn.Conv3d(dim, self.channels, (kernel, 1, 1), (alpha, 1, 1), (kernel // 2, 0, 0), bias=False)
            self.norm = nn.BatchNorm3d(self.channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "conv":
            return F.relu(self.norm(self.conv(x)), inplace=True)
        if self.kind == "sample":
            return x[:, :, ::self.alpha]
        return x.unflatten(2, (-1, self.alpha)).transpose(2, 3).flatten(1, 2)


class SlowFast(VideoEncoder):
    """Two 3D ResNets at two frame rates, joined by lateral connections.

    Tokens are the slow pathway's last map with the fast one's, averaged over the alpha frames of each slow frame,
    beside it on channels; their mean is what the paper's classifier reads.

    Args:
        alpha: frames of the fast pathway for one of the slow.
        depths: blocks of each stage, of both pathways.
        width: channels of the slow pathway's stem.
        beta: width of the fast pathway as a share of the slow one's, as 1 / `beta`.
        lateral: "conv", "to-channel" or "sample"; see `Lateral`.
        lateral_kernel: frames that a lateral convolution sees.
        kernel_limits: per stage, the block from which on nothing sees time; None for no limit.
        spread: take the slow pathway's frames evenly from the first to the last, as the public weights were trained,
            instead of every alpha-th.
        non_local: blocks of the slow pathway that a non-local block follows, as `ResNet3d` takes them.
        non_local_options: options of `NonLocal3d`.
        dropout: before the classifier.

    Raises:
        InvalidInput: no such lateral connection, or a number of frames that is not a multiple of alpha.
    """

    PRESETS: ClassVar = {
        "slowfast-r50-4x16": Preset(
            "ResNet-50, 4 and 32 frames", _input(32), {"alpha": 8, "lateral_kernel": 5},
            weights="pytorchvideo and pyslowfast: SLOWFAST_4x16_R50",
            published=Published(ZOO, 34.48, 36.69, top1=75.34, top1_on="Kinetics-400")),
        "slowfast-r50-8x8": Preset(
            "ResNet-50, 8 and 32 frames", _input(32), {"alpha": 4, "lateral_kernel": 7},
            weights="pytorchvideo and pyslowfast: SLOWFAST_8x8_R50",
            published=Published(f"{PAPER}, table 2 (GFLOPs 65.7); {ZOO}", 34.57, 65.71, top1=77.0,
                                top1_on="Kinetics-400")),
        "slowfast-r101-8x8": Preset(
            "ResNet-101, 8 and 32 frames, the paper's: res4 sees time in 6 blocks", _input(32),
            {"alpha": 4, "depths": DEPTHS[101], "kernel_limits": LIMITS_50},
            weights="pyslowfast: SLOWFAST_8x8_R101_50_50",
            published=Published(f"{PAPER}, table 2; {X3D_TABLE}", 53.7, 106, top1=77.9, top1_on="Kinetics-400")),
        "slowfast-r101-8x8-deep": Preset(
            "ResNet-101, 8 and 32 frames, with time in every block of res4", _input(32),
            {"alpha": 4, "depths": DEPTHS[101]}, weights="pytorchvideo: SLOWFAST_8x8_R101",
            published=Published(ZOO, 62.83, 127.20, top1=77.90, top1_on="Kinetics-400")),
        "slowfast-r101-8x8-nl": Preset(
            "ResNet-101 with non-local blocks, 8 and 32 frames", _input(32),
            {"alpha": 4, "depths": DEPTHS[101], "kernel_limits": LIMITS_50, **NON_LOCAL},
            published=Published(f"{PAPER}, table 2; {X3D_TABLE}", 59.9, 116, top1=78.7, top1_on="Kinetics-400")),
        "slowfast-r101-16x8": Preset(
            "ResNet-101, 16 and 64 frames", _input(64),
            {"alpha": 4, "depths": DEPTHS[101], "kernel_limits": LIMITS_50},
            weights="pytorchvideo and pyslowfast: SLOWFAST_16x8_R101_50_50",
            published=Published(ZOO, 53.77, 215.61, top1=78.70, top1_on="Kinetics-400")),
        "slowfast-r101-16x8-nl": Preset(
            "ResNet-101 with non-local blocks, 16 and 64 frames", _input(64),
            {"alpha": 4, "depths": DEPTHS[101], "kernel_limits": LIMITS_50, **NON_LOCAL},
            weights="pyslowfast: SLOWFAST_NLN_16x8_R101_50_50",
            published=Published(f"{PAPER}, table 2; {X3D_TABLE}", 59.9, 234, top1=79.8, top1_on="Kinetics-400")),
        "slowfast-tiny": Preset(
            "small enough to train in minutes", Input(16, 64, 64, KINETICS_MEAN, KINETICS_STD),
            {"alpha": 4, "depths": (1, 1, 1, 1), "width": 32}, num_classes=10, views=(1, 1)),
    }
    any_size: bool = True
    averages: ClassVar[str] = "probabilities"

    def __init__(self, *, input: Input, num_classes: int = 0, alpha: int = 4, depths: Sequence[int] = DEPTHS[50],
                 width: int = 64, beta: int = 8, lateral: str = "conv", lateral_kernel: int = 5,
                 kernel_limits: Sequence[int | None] = (None,) * 4, spread: bool = False,
                 non_local: Mapping[int | str, Sequence[int]] | None = None,
                 non_local_options: Mapping[str, Any] | None = None, dropout: float = 0.5):
        super().__init__(input=input, num_classes=num_classes)
        if lateral not in LATERALS:
            raise InvalidInput(f"A lateral connection of SlowFast is {', '.join(LATERALS)}, not {lateral!r}.")
        if input.num_frames % alpha:
            raise InvalidInput(f"SlowFast with alpha={alpha} takes a multiple of {alpha} frames, not "
                               f"{input.num_frames}; change input.num_frames or alpha.")
        self.alpha, self.spread = alpha, spread
        shared = {"in_channels": len(input.mean), "depths": depths, "kernel_limits": kernel_limits}
        self.fast = ResNet3d(width=width // beta, stem_kernel=5, kernels=FAST_KERNELS, **shared)
        self.laterals = nn.ModuleList(
            Lateral(dim, alpha=alpha, kind=lateral, kernel=lateral_kernel)
            for dim in (width // beta, *self.fast.dims[:-1]))
        self.slow = ResNet3d(width=width, kernels=SLOW_KERNELS, non_local=non_local,
                             non_local_options=non_local_options,
                             extra_channels=[part.channels for part in self.laterals], **shared)
        self.dim = self.slow.dim + self.fast.dim
        self.head = linear_head(self.dim, num_classes, dropout=dropout)
        initialise(self.laterals)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: one token for alpha frames and 32x32 pixels, counting parts of them."""
        self.check(num_frames, height, width)
        return num_frames // self.alpha * -(-height // 32) * -(-width // 32)

    def slow_frames(self, frames: Tensor) -> Tensor:
        """Return the frames (B, T / alpha, C, H, W) of the slow pathway."""
        if not self.spread:
            return frames[:, ::self.alpha]
        count = frames.shape[1]
        # Positions as linspace gives them, rounded down, without its floating point.
        last = count // self.alpha - 1
        return frames[:, [i * (count - 1) // last if last else 0 for i in range(last + 1)]]

    def encode(self, frames: Tensor) -> Features:
        slow, fast = self.paths(self.slow_frames(frames).transpose(1, 2), frames.transpose(1, 2))
        return features_of_map(torch.cat((slow, F.avg_pool3d(fast, (self.alpha, 1, 1))), 1))

    def paths(self, slow: Tensor, fast: Tensor) -> tuple[Tensor, Tensor]:
        """Map the inputs of both pathways, (B, C, T / alpha, H, W) and (B, C, T, H, W), to their last maps."""
        slow, fast = self.slow.stem(slow), self.fast.stem(fast)
        for lateral, wide, narrow in zip(self.laterals, self.slow.stages, self.fast.stages, strict=True):
            slow, fast = wide(torch.cat((slow, lateral(fast)), 1)), narrow(fast)
        return slow, fast


PATHS = (("0", "slow"), ("1", "fast"))
SlowFast.CHECKPOINTS = {
    "pytorchvideo": Format(
        "https://github.com/facebookresearch/pytorchvideo, model zoo",
        rename=(
            *((rf"^blocks\.0\.multipathway_blocks\.{i}\.", f"{path}.stem.") for i, path in PATHS),
            *((rf"^blocks\.{stage + 1}\.multipathway_blocks\.{i}\.res_blocks\.", f"{path}.stages.{stage}.")
              for stage in range(4) for i, path in PATHS),
            (r"^blocks\.(\d)\.multipathway_fusion\.conv_fast_to_slow\.", r"laterals.\1.conv."),
            (r"^blocks\.(\d)\.multipathway_fusion\.norm\.", r"laterals.\1.norm."),
            (r"\.branch1_(conv|norm)\.", r".\1_skip."), (r"\.branch2\.", "."), (r"^blocks\.6\.proj\.", "head.1."))),
    "pyslowfast": Format(
        "https://github.com/facebookresearch/SlowFast, model zoo (as .pyth; .pkl files hold code and are refused)",
        rename=(
            *((rf"^s1\.pathway{i}_stem\.", f"{path}.stem.") for i, path in PATHS),
            *((rf"^s{stage + 2}\.pathway{i}_(res|nonlocal)", rf"{path}.stages.{stage}.\1")
              for stage in range(4) for i, path in PATHS),
            *((rf"^s{stage + 1}_fuse\.", f"laterals.{stage}.") for stage in range(4)),
            (r"\.nonlocal(\d+)\.conv_", r".\1.non_local."), (r"\.nonlocal(\d+)\.", r".\1.non_local."),
            (r"\.res(\d+)\.", r".\1."), (r"\.branch1_bn\.", ".norm_skip."), (r"\.branch1\.", ".conv_skip."),
            (r"\.branch2\.([abc])_bn\.", r".norm_\1."), (r"\.branch2\.([abc])\.", r".conv_\1."),
            (r"\.conv_f2s\.", ".conv."), (r"\.bn\.", ".norm."), (r"^head\.projection\.", "head.1."))),
}
