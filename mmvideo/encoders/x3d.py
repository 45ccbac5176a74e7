"""X3D: a small network grown along one axis at a time: frames, rate, pixels, width, depth (Feichtenhofer 2020).

https://arxiv.org/abs/2004.04730. Inverted bottlenecks whose 3x3x3 convolutions see one channel each; time keeps its
length to the end.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import KINETICS_MEAN, KINETICS_STD, Input, Preset, Published
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.movinet_blocks import SqueezeExcite, divisible
from mmvideo.types import Features

DEPTHS, WIDTHS = (1, 2, 5, 3), (12, 24, 48, 96)
"""Blocks and channels of res2 to res5 of X2D, from which the members are grown (table 1)."""
DIM_STEM, BOTTLENECK, DIM_HIDDEN = 12, 2.25, 2048
EPS = 1e-5
SOURCE = ("MODEL_ZOO.md of github.com/facebookresearch/SlowFast (GFLOPs; top-1 of 30 views); "
          "docs/source/model_zoo.md of github.com/facebookresearch/pytorchvideo (parameters)")


def _preset(about: str, num_frames: int, stride: int, size: int, gflops: float, params: float, top1: float,
            **options: float) -> Preset:
    return Preset(f"{about}: {num_frames} frames in steps of {stride}",
                  Input(num_frames, size, size, KINETICS_MEAN, KINETICS_STD, fps=30 / stride), options,
                  weights=f"pyslowfast and pytorchvideo: x3d_{about.lower()}",
                  published=Published(SOURCE, params, gflops, top1=top1, top1_on="Kinetics-400"))


class Stem(nn.Module):
    """1x3x3 with stride 2, then 5x1x1 for each channel, normalised; (B, C, T, H, W) -> (B, dim, T, H/2, W/2)."""

    def __init__(self, channels: int, dim: int):
        super().__init__()
        self.conv_space = nn.Conv3d(channels, dim, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        self.conv_time = nn.Conv3d(dim, dim, (5, 1, 1), padding=(2, 0, 0), groups=dim, bias=False)
        self.norm = nn.BatchNorm3d(dim)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv_time(self.conv_space(x))), inplace=True)


class X3DBlock(nn.Module):
    """Widen, convolve each channel in space and time, squeeze-excite in every second block, narrow; and a way around.

    Args:
        dim_in: channels that come in.
        dim: channels that go out; in the middle there are 2.25 times as many.
        stride: in space.
        attend: whether to squeeze and excite.
    """

    def __init__(self, dim_in: int, dim: int, *, stride: int = 1, attend: bool = True):
        super().__init__()
        inner = int(BOTTLENECK * dim)
        self.conv_a, self.norm_a = nn.Conv3d(dim_in, inner, 1, bias=False), nn.BatchNorm3d(inner)
        self.conv_b = nn.Conv3d(inner, inner, 3, (1, stride, stride), 1, groups=inner, bias=False)
        self.norm_b = nn.BatchNorm3d(inner)
        self.attend = SqueezeExcite(inner, dim_inner=divisible(inner / 16), activation=nn.ReLU()) if attend else None
        self.conv_c, self.norm_c = nn.Conv3d(inner, dim, 1, bias=False), nn.BatchNorm3d(dim)
        self.projects = dim_in != dim or stride > 1
        if self.projects:
            self.conv_skip = nn.Conv3d(dim_in, dim, 1, (1, stride, stride), bias=False)
            self.norm_skip = nn.BatchNorm3d(dim)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm_b(self.conv_b(F.relu(self.norm_a(self.conv_a(x)), inplace=True)))
        y = F.silu(y if self.attend is None else self.attend(y), inplace=True)
        y = self.norm_c(self.conv_c(y))
        return F.relu(y + (self.norm_skip(self.conv_skip(x)) if self.projects else x), inplace=True)


def _with_norms(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add the normalisation that PyTorchVideo leaves out where a block strides without widening, as the identity."""
    result = dict(tensors)
    for name, tensor in tensors.items():
        norm = name.replace(".conv_skip.weight", ".norm_skip")
        if norm != name and f"{norm}.weight" not in tensors:
            one, zero = torch.ones(len(tensor)), torch.zeros(len(tensor))
            result |= {f"{norm}.weight": one * math.sqrt(1 + EPS), f"{norm}.bias": zero, f"{norm}.running_mean": zero,
                       f"{norm}.running_var": one}
    return result


class X3D(VideoEncoder):
    """X3D; tokens are the last map after its widening by 1x1x1, a token for a frame and 32x32 pixels.

    The pooled vector is what the classifier reads: the average over windows of the preset's own size, one hidden layer,
    the mean over windows (there are several where frames are larger than the preset's).

    Args:
        width: a multiple of the channels of X2D.
        depth: a multiple of its blocks, rounded up.
        dim_hidden: width of the hidden layer before the classifier.
        dropout: before the classifier.
    """

    PRESETS: ClassVar = {
        "x3d-xs": _preset("XS", 4, 12, 160, 0.60, 3.79, 69.5),
        "x3d-s": _preset("S", 13, 6, 160, 1.96, 3.79, 73.5),
        "x3d-m": _preset("M", 16, 5, 224, 4.73, 3.79, 76.2),
        "x3d-l": _preset("L", 16, 5, 312, 18.37, 6.15, 77.5, depth=5.0),
        "x3d-tiny": Preset("small enough to train in minutes", Input(16, 64, 64, KINETICS_MEAN, KINETICS_STD),
                           {"depth": 0.5, "dim_hidden": 256}, num_classes=10, views=(1, 1)),
    }
    any_size: bool = True
    averages: ClassVar[str] = "probabilities"

    def __init__(self, *, input: Input, num_classes: int = 0, width: float = 2.0, depth: float = 2.2,
                 dim_hidden: int = DIM_HIDDEN, dropout: float = 0.5):
        super().__init__(input=input, num_classes=num_classes)
        dims = [divisible(width * dim) for dim in (DIM_STEM, *WIDTHS)]
        self.stem = Stem(len(input.mean), dims[0])
        self.stages = nn.ModuleList(
            _stage(dim_in, dim, math.ceil(depth * blocks))
            for dim_in, dim, blocks in zip(dims[:-1], dims[1:], DEPTHS, strict=True))
        self.dim, self._dim_pooled = int(BOTTLENECK * dims[-1]), dim_hidden
        self.conv_5, self.norm_5 = nn.Conv3d(dims[-1], self.dim, 1, bias=False), nn.BatchNorm3d(self.dim)
        self.lin_5 = nn.Conv3d(self.dim, dim_hidden, 1, bias=False)
        self.head = linear_head(dim_hidden, num_classes, dropout=dropout)
        self.window = (input.num_frames, -(-input.height // 32), -(-input.width // 32))
        for part in self.modules():
            if isinstance(part, nn.Conv3d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(part, X3DBlock):
                nn.init.zeros_(part.norm_c.weight)

    @property
    def dim_pooled(self) -> int:
        """Width of the hidden layer."""
        return self._dim_pooled

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for each frame and 32x32 pixels, counting parts of them."""
        self.check(num_frames, height, width)
        return num_frames * -(-height // 32) * -(-width // 32)

    def encode(self, frames: Tensor) -> Features:
        x = self.stem(frames.transpose(1, 2))
        for stage in self.stages:
            x = stage(x)
        x = F.relu(self.norm_5(self.conv_5(x)), inplace=True)
        window = tuple(min(a, b) for a, b in zip(self.window, x.shape[2:], strict=True))
        hidden = F.relu(self.lin_5(F.avg_pool3d(x, window, 1)))
        return features_of_map(x, pooled=hidden.mean((2, 3, 4)))


def _stage(dim_in: int, dim: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(X3DBlock(dim if i else dim_in, dim, stride=1 if i else 2, attend=i % 2 == 0)
                           for i in range(depth)))


X3D.CHECKPOINTS = {
    "pytorchvideo": Format(
        "https://github.com/facebookresearch/pytorchvideo, model zoo",
        rename=(
            # The stem's two convolutions are named the wrong way round there.
            (r"^blocks\.0\.conv\.conv_t\.", "stem.conv_space."), (r"^blocks\.0\.conv\.conv_xy\.", "stem.conv_time."),
            (r"^blocks\.0\.norm\.", "stem.norm."), (r"^blocks\.5\.pool\.pre_conv\.", "conv_5."),
            (r"^blocks\.5\.pool\.pre_norm\.", "norm_5."), (r"^blocks\.5\.pool\.post_conv\.", "lin_5."),
            (r"^blocks\.5\.proj\.", "head.1."),
            *((rf"^blocks\.{stage + 1}\.res_blocks\.", f"stages.{stage}.") for stage in range(4)),
            (r"\.branch1_(conv|norm)\.", r".\1_skip."), (r"\.branch2\.norm_b\.0\.", ".norm_b."),
            (r"\.branch2\.norm_b\.1\.block\.0\.", ".attend.reduce."),
            (r"\.branch2\.norm_b\.1\.block\.2\.", ".attend.expand."), (r"\.branch2\.", ".")),
        convert=_with_norms),
    "pyslowfast": Format(
        "https://github.com/facebookresearch/SlowFast, model zoo: x3d_xs.pyth and its like",
        rename=(
            (r"^s1\.pathway0_stem\.conv_xy\.", "stem.conv_space."), (r"^s1\.pathway0_stem\.conv\.", "stem.conv_time."),
            (r"^s1\.pathway0_stem\.bn\.", "stem.norm."), (r"^head\.conv_5\.", "conv_5."),
            (r"^head\.conv_5_bn\.", "norm_5."), (r"^head\.lin_5\.", "lin_5."), (r"^head\.projection\.", "head.1."),
            *((rf"^s{stage + 2}\.pathway0_res", f"stages.{stage}.") for stage in range(4)),
            (r"\.branch1_bn\.", ".norm_skip."), (r"\.branch1\.", ".conv_skip."),
            (r"\.branch2\.se\.fc1\.", ".attend.reduce."),
            (r"\.branch2\.se\.fc2\.", ".attend.expand."), (r"\.branch2\.([abc])_bn\.", r".norm_\1."),
            (r"\.branch2\.([abc])\.", r".conv_\1."))),
}
