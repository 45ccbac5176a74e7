"""R(2+1)D, R3D and MC3: residual networks whose 3D convolutions are whole, factored or left out (Tran et al. 2018).

https://arxiv.org/abs/1711.11248. The blocks are torchvision's; 18 layers are its networks, tensor for tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import UnknownName
from mmvideo.nn.checkpoints import Format
from mmvideo.types import Features

CONVOLUTIONS = {"2plus1": ("2plus1",) * 4, "3d": ("3d",) * 4, "mixed": ("3d", "2d", "2d", "2d")}
"""What the four stages convolve with; MC3 sees time in the stem and the first stage only."""
KINETICS_15 = Input(16, 112, 112, (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989), fps=15)
STAGES = (2, 2, 2, 2)
ZOO = "torchvision's page of video models (its figures for one clip of 16x112x112)"


def middle_channels(dim_in: int, dim: int, *, time: int = 3, side: int = 3) -> int:
    """Return M of section 3.5: as many planes between the convolutions in space and in time as match a 3D one.

    M = floor(t d^2 N_in N / (d^2 N_in + t N)), so that M (d^2 N_in + t N) is at most the t d^2 N_in N parameters of the
    t x d x d convolution from N_in to N planes, and short of them by less than one plane.
    """
    return time * side**2 * dim_in * dim // (side**2 * dim_in + time * dim)


class R2Plus1D(VideoEncoder):
    """torchvision's video ResNet; tokens are its last map.

    Args:
        convolution: "2plus1", "3d", or "mixed".
        depths: blocks of each stage: (2, 2, 2, 2) for 18 layers, (3, 4, 6, 3) for 34.
        width: channels of the first stage.
        own_middle: M from each factored convolution's own planes, as the paper has it; torchvision's networks (False)
            take that of a block's first convolution for both, which gives a stage's first block fewer planes.

    Raises:
        UnknownName: no such convolution.
    """

    PRESETS: ClassVar = {
        "r2plus1d-18": Preset(
            "factored convolutions, 18 layers", KINETICS_15, weights="torchvision: R2Plus1D_18_Weights.KINETICS400_V1",
            licence="BSD-3-Clause (torchvision)", views=(5, 1),
            published=Published(ZOO, 31.505325, 40.52, top1=67.463, top1_on="Kinetics-400")),
        "r2plus1d-r3d-18": Preset(
            "3D convolutions, 18 layers", KINETICS_15, {"convolution": "3d"}, views=(5, 1),
            weights="torchvision: R3D_18_Weights.KINETICS400_V1", licence="BSD-3-Clause (torchvision)",
            published=Published(ZOO, 33.371472, 40.70, top1=63.2, top1_on="Kinetics-400")),
        "r2plus1d-mc3-18": Preset(
            "3D convolutions below, 2D ones above, 18 layers", KINETICS_15, {"convolution": "mixed"}, views=(5, 1),
            weights="torchvision: MC3_18_Weights.KINETICS400_V1", licence="BSD-3-Clause (torchvision)",
            published=Published(ZOO, 11.69544, 43.34, top1=63.96, top1_on="Kinetics-400")),
        "r2plus1d-34": Preset(
            "factored convolutions, 34 layers, 32 frames", Input(32, 112, 112, KINETICS_15.mean, KINETICS_15.std),
            {"depths": (3, 4, 6, 3), "own_middle": True}, views=(10, 1),
            published=Published("Feichtenhofer et al. 2019, arXiv:1812.03982, table 2", gflops=152, top1=72.0,
                                top1_on="Kinetics-400")),
        "r2plus1d-tiny": Preset("small enough to train in minutes", Input(16, 64, 64),
                                {"width": 12, "depths": (1, 1, 1, 1)}, num_classes=10, views=(1, 1)),
    }
    CHECKPOINTS: ClassVar = {
        "torchvision": Format("https://github.com/pytorch/vision, r2plus1d_18, r3d_18 and mc3_18",
                              ((r"^fc\.", "head."), (r"^(stem|layer\d)\.", r"network.\1."))),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, convolution: str = "2plus1",
                 depths: Sequence[int] = STAGES, width: int = 64, own_middle: bool = False):
        super().__init__(input=input, num_classes=num_classes)
        if convolution not in CONVOLUTIONS:
            raise UnknownName("convolution of R2Plus1D", convolution, CONVOLUTIONS)
        self.network = _video_resnet(len(input.mean), convolution, tuple(depths), width, own_middle)
        self.dim = 8 * width
        self.head = linear_head(self.dim, num_classes)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: a token for 16x16 pixels and 8 frames, or all frames of the first stage for "mixed"."""
        self.check(num_frames, height, width)
        t = num_frames
        for conv in (self.network.layer2, self.network.layer3, self.network.layer4):
            t = -(-t // conv[0].downsample[0].stride[0])
        return t * -(-height // 16) * -(-width // 16)

    def encode(self, frames: Tensor) -> Features:
        x, n = frames.transpose(1, 2), self.network
        return features_of_map(n.layer4(n.layer3(n.layer2(n.layer1(n.stem(x))))))


def _video_resnet(channels: int, convolution: str, depths: tuple[int, ...], width: int, own_middle: bool) -> nn.Module:
    from torchvision.models.video import resnet

    class OwnMiddle(resnet.Conv2Plus1D):
        def __init__(self, in_planes: int, out_planes: int, midplanes: int, stride: int = 1, padding: int = 1):
            super().__init__(in_planes, out_planes, middle_channels(in_planes, out_planes), stride, padding)

    makers = {"2plus1": OwnMiddle if own_middle else resnet.Conv2Plus1D, "3d": resnet.Conv3DSimple,
              "2d": resnet.Conv3DNoTemporal}
    convs = [makers[kind] for kind in CONVOLUTIONS[convolution]]
    factored = convolution == "2plus1"
    network = resnet.VideoResNet(resnet.BasicBlock, convs, list(depths) if width == 64 else [1] * 4,
                                 resnet.R2Plus1dStem if factored else resnet.BasicStem, num_classes=1)
    if width != 64:  # torchvision fixes the widths
        network.inplanes = width
        for i, (conv, depth) in enumerate(zip(convs, depths, strict=True)):
            setattr(network, f"layer{i + 1}",
                    network._make_layer(resnet.BasicBlock, conv, width * 2**i, depth, stride=2 if i else 1))
    if width != 64 or channels != 3:
        network.stem = _stem(channels, width, factored)
    del network.fc
    _initialise(network)
    return network


def _stem(channels: int, width: int, factored: bool) -> nn.Sequential:
    """Build torchvision's stem for other widths; its 45 planes in the middle are for 64."""
    def unit(dim_in: int, dim: int, kernel: Any, stride: Any) -> list[nn.Module]:
        padding = tuple(k // 2 for k in kernel)
        return [nn.Conv3d(dim_in, dim, kernel, stride, padding, bias=False), nn.BatchNorm3d(dim), nn.ReLU(inplace=True)]
    if not factored:
        return nn.Sequential(*unit(channels, width, (3, 7, 7), (1, 2, 2)))
    middle = max(round(width * 45 / 64), 1)
    return nn.Sequential(*unit(channels, middle, (1, 7, 7), (1, 2, 2)), *unit(middle, width, (3, 1, 1), 1))


def _initialise(network: nn.Module) -> None:
    for part in network.modules():
        if isinstance(part, nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
