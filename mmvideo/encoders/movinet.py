"""MoViNet: searched mobile networks that can also look at a video as it comes (Kondratyuk et al. 2021).

https://arxiv.org/abs/2103.11511. `base` convolves in space and time together and sees the whole clip. `stream` never
looks ahead: fed a frame at a time it gives what it gives for the clip, in memory that does not grow.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import Input, Preset, Published
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.movinet_blocks import Conv, CumulativeMean, Memory, MoViNetBlock
from mmvideo.types import Features

STRIDES = (2, 2, 2, 1, 2)
"""In space, of each stage's first block; the stem has one more."""
DIM_HIDDEN = 2048
ARCHITECTURES: dict[str, tuple[int, tuple[tuple[int, str], ...], int]] = {
    "tiny": (16, (
        (24, "72:15"),
        (40, "120:33 120:33 120:33"),
        (64, "216:53 128:33 216:33"),
        (64, "216:53 216:33 216:33"),
        (104, "384:53 280:15 280:15")), 480),
    "a0": (8, (
        (8, "24:15"),
        (32, "80:33 80:33 80:33"),
        (56, "184:53 112:33 184:33"),
        (56, "184:53 184:33 184:33 184:33"),
        (104, "384:53 280:15 280:15 344:15")), 480),
    "a1": (16, (
        (16, "40:15 40:33"),
        (40, "96:33 120:33 96:33 96:33"),
        (64, "216:53 128:33 216:33 168:33 216:33"),
        (64, "216:53 216:33 216:33 128:33 128:15 216:33"),
        (136, "456:53 360:15 360:15 360:15 456:15 456:33 544:13")), 600),
    "a2": (16, (
        (16, "40:15 40:33 64:33"),
        (40, "96:33 120:33 96:33 96:33 120:33"),
        (72, "240:53 160:33 240:33 192:33 240:33"),
        (72, "240:53 240:33 240:33 240:33 144:15 240:33"),
        (144, "480:53 384:15 384:15 480:15 480:15 480:33 576:13")), 640),
    "a3": (16, (
        (16, "40:15 40:33 64:33 40:33"),
        (48, "112:33 144:33 112:33 112:15 144:33 144:33"),
        (80, "240:53 152:33 240:33 192:33 240:33"),
        (88, "264:53 264:33 264:33 264:33 160:15 264:33 264:33 264:33"),
        (168, "560:53 448:15 448:15 560:15 560:15 560:33 448:15 448:15 560:33 672:13")), 744),
    "a4": (24, (
        (24, "64:15 64:33 96:33 64:33 96:33 64:33"),
        (56, "168:33 168:33 136:33 136:33 168:33 168:33 168:33 136:15 136:33"),
        (96, "320:53 160:33 320:33 192:33 320:33 160:33 320:33 256:33 320:33"),
        (96, "320:53 320:33 320:33 320:33 192:15 320:33 320:33 192:33 320:33 320:33"),
        (192, "640:53 512:15 512:15 640:15 640:15 640:33 512:15 512:15 640:15 768:15 640:15 640:33 768:33")), 856),
    "a5": (24, (
        (24, "64:15 64:15 96:33 64:33 96:33 64:33"),
        (64, "192:53 152:33 152:33 152:33 192:33 192:33 192:33 152:33 152:33 192:33 192:33"),
        (112, "376:53 224:33 376:33 376:33 296:33 376:33 224:33 376:33 376:33 296:33 376:33 376:33 376:33"),
        (120, "376:53 376:33 376:33 376:33 224:15 376:33 376:33 224:33 376:33 376:33 376:33"),
        (224, "744:53 744:33 600:15 600:15 744:15 744:15 744:33 896:15 600:15 600:15 896:15 744:15 744:33 896:15 "
              "600:15 600:15 744:15 744:33")), 992),
}
"""Channels of the stem, stages of (channels, blocks), channels of the last convolution (appendix C of the paper).

A block is `channels in the middle:kernel`, and kernel 53 spans 5 frames and 3x3 pixels."""

RELEASES = {  # frames, pixels, 10^9 multiply-adds, top-1 of base and stream on Kinetics-600
    "a0": (50, 172, 2.71, 72.28, 72.05), "a1": (50, 172, 6.02, 76.69, 76.45), "a2": (50, 224, 10.3, 78.62, 78.40),
    "a3": (120, 256, 56.9, 81.79, 80.09), "a4": (80, 290, 105, 83.48, 81.49), "a5": (120, 320, 281, 84.27, 82.37)}
SOURCE = ("Kondratyuk et al. 2021, arXiv:2103.11511 (GFLOPs), and the README of official/projects/movinet in "
          "github.com/tensorflow/models (GFLOPs to two digits, accuracies of the release)")
COUNTED = ("The paper also counts a multiply-add for every value that is normalised or gated: with them ours is 2.71 "
           "(A0), 6.02 (A1), 56.9 (A3), 105 (A4) and 281 (A5).")
OTHER_A2 = ("The released A2, which this is, is larger than what the paper counted: 11.9 with its normalisations and "
            "gates, by the count that gives the paper's figures of all other members.")
SPLIT = "Stated is the cost of the unsplit kernels; the released streams split them into space and time. " + COUNTED

def _preset(arch: str, *, stream: bool) -> Preset:
    frames, size, gflops, top1_base, top1_stream = RELEASES[arch]
    encodes, ported = arch in {"a3", "a4", "a5"}, not stream or arch in {"a0", "a1", "a2"}
    difference = "" if arch in {"a4", "a5"} else OTHER_A2 if arch == "a2" else COUNTED
    return Preset(
        f"{arch.upper()}, {'causal: can be fed as the video comes' if stream else 'sees the whole clip'}",
        Input(frames, size, size, mean=(0.0,) * 3, std=(1.0,) * 3, fps=frames / 10),
        {"arch": arch, "causal": stream, "encode_time": stream and encodes}, num_classes=600, views=(1, 1),
        weights="movinet-pytorch: a port of the authors' TensorFlow release" if ported else "",
        published=Published(SOURCE, gflops=gflops, top1=top1_stream if stream else top1_base, top1_on="Kinetics-600",
                            difference=SPLIT + (f" {OTHER_A2}" if arch == "a2" else "") if stream else difference))


class MoViNet(VideoEncoder):
    """MoViNet; tokens are the last feature map, a token for a frame and 32x32 pixels.

    Args:
        arch: a name in `ARCHITECTURES`.
        causal: never look ahead, so that `stream` can be used: kernels split into space and time, cumulative means.
        encode_time: positional encoding in the squeeze-excitation of causal networks (A3 and larger have it).
        dim_hidden: width of the layer before the classifier.
        dropout: before the classifier.

    Raises:
        UnknownName: no such architecture.
    """

    PRESETS: ClassVar = {
        **{f"movinet-{arch}-{'stream' if stream else 'base'}": _preset(arch, stream=stream)
           for arch in RELEASES for stream in (False, True)},
        "movinet-tiny": Preset(
            "small enough to train in minutes", Input(16, 64, 64, mean=(0.0,) * 3, std=(1.0,) * 3),
            {"arch": "tiny", "dim_hidden": 256}, num_classes=10, views=(1, 1)),
        "movinet-tiny-stream": Preset(
            "small and causal", Input(16, 64, 64, mean=(0.0,) * 3, std=(1.0,) * 3),
            {"arch": "tiny", "dim_hidden": 256, "causal": True, "encode_time": True}, num_classes=10, views=(1, 1)),
    }
    any_length: ClassVar[bool] = True
    any_size: bool = True

    def __init__(self, *, input: Input, num_classes: int = 0, arch: str = "a0", causal: bool = False,
                 encode_time: bool = False, dim_hidden: int = DIM_HIDDEN, dropout: float = 0.2):
        super().__init__(input=input, num_classes=num_classes)
        if arch not in ARCHITECTURES:
            raise UnknownName("architecture of MoViNet", arch, ARCHITECTURES)
        self.causal = causal
        width, stages, self.dim = ARCHITECTURES[arch]
        activation = nn.Hardswish() if causal else nn.SiLU()
        self.stem = Conv(len(input.mean), width, space=3, stride=2, activation=activation)
        self.stages = nn.ModuleList()
        for (dim, blocks), stride in zip(stages, STRIDES, strict=True):
            stage = nn.ModuleList()
            for i, (inner, kernel) in enumerate(block.split(":") for block in blocks.split()):
                stage.append(MoViNetBlock(width, int(inner), dim, time=int(kernel[0]), space=int(kernel[1]),
                                          stride=1 if i else stride, causal=causal, encode_time=encode_time))
                width = dim
            self.stages.append(stage)
        self.last = Conv(width, self.dim, activation=activation)
        self.mean_so_far = CumulativeMean() if causal else None
        self.hidden = nn.Linear(self.dim, dim_hidden) if num_classes else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.head = linear_head(dim_hidden, num_classes)
        for part in self.modules():
            if isinstance(part, nn.Conv3d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: one token for a frame and 32x32 pixels, counting parts of them."""
        self.check(num_frames, height, width)
        return num_frames * -(-height // 32) * -(-width // 32)

    def encode(self, frames: Tensor, memory: Memory | None = None) -> Features:
        x = self.stem(frames.transpose(1, 2))
        for stage in self.stages:
            for block in stage:
                x = block(x, memory)
        x = self.last(x)
        if self.mean_so_far is None:
            return features_of_map(x)
        means = self.mean_so_far(x.mean((3, 4), keepdim=True), memory)
        return features_of_map(x, pooled=means[:, :, -1, 0, 0])

    def classify(self, features: Features) -> Tensor:
        return self.head(self.dropout(F.silu(self.hidden(features.pooled))))

    def stream(self) -> MoViNetStream:
        """Begin to look at videos as they come; see `MoViNetStream`.

        Raises:
            InvalidInput: the network looks ahead.
        """
        return MoViNetStream(self)


class MoViNetStream:
    """A batch of videos that a causal MoViNet sees a few frames at a time, in evaluation mode.

    Memory is the same after 16 frames and after 1,600: each layer's last frames, and running sums.
    """

    def __init__(self, encoder: MoViNet):
        if not encoder.causal:
            raise InvalidInput(f"{encoder.preset or 'This MoViNet'} looks ahead and cannot be fed as the video comes; "
                               "take a preset whose name ends in -stream, or causal=True.")
        self.encoder, self._memory = encoder, Memory()
        self._shape: tuple[int, ...] | None = None
        self.num_frames = 0

    def step(self, frames: Tensor) -> Features:
        """Look at the next frames.

        Args:
            frames: (B, T, C, H, W) as the encoder takes them; T of 1 or more, the other sizes as in the first step.

        Returns:
            The tokens of these frames; `pooled` is of all frames so far, so that `encoder.classify` of it gives the
            logits of all that was seen.

        Raises:
            InvalidInput: as the encoder, or the shape changed.
        """
        prepared = self.encoder.prepare(frames)
        shape = (prepared.shape[0], *prepared.shape[2:])
        if self._shape not in (None, shape):
            raise InvalidInput(f"This stream began with (B, C, H, W) = {self._shape}, now comes {shape}; begin another "
                               "with encoder.stream().")
        self._shape = shape
        self.num_frames += prepared.shape[1]
        return self.encoder.encode(prepared, self._memory)

    def memory_bytes(self) -> int:
        """Return how many bytes the memory takes."""
        held: list[Any] = [part for kept in self._memory.values() for part in (kept if isinstance(kept, tuple) else
                                                                              (kept,))]
        return sum(part.nbytes for part in held if isinstance(part, Tensor))


def _as_ours(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the port's 2D kernels their third axis, and make its 1x1x1 convolutions behind the pooling linear."""
    result = {}
    for name, tensor in tensors.items():
        if name in {"hidden.weight", "head.weight"}:
            tensor = tensor.flatten(1)
        elif tensor.ndim == 4:
            # The port lays time and the flattened picture out as the two axes of its temporal kernels.
            tensor = tensor.unsqueeze(-1 if ".temporal." in name else 2)
        result[name] = tensor
    return result


MoViNet.CHECKPOINTS = {
    "movinet-pytorch": Format(
        "https://github.com/Atze00/MoViNet-pytorch, converted from the authors' TensorFlow release",
        rename=(
            (r"^conv1\.", "stem."), (r"^conv7\.", "last."), (r"^classifier\.0\.", "hidden."),
            (r"^classifier\.3\.", "head."), (r"^blocks\.b(\d+)_l(\d+)\.", r"stages.\1.\2."),
            (r"\.deep\.conv_2\.", ".temporal."), (r"\.deep\.", ".depthwise."), (r"\.se\.fc1\.", ".attend.reduce."),
            (r"\.se\.fc2\.", ".attend.expand."), (r"\.res\.[01]\.", ".skip."), (r"\.alpha$", ".scale"),
            (r"\.conv_1\.", "."), (r"(hidden|head|attend\.\w+)\.conv[23]d\.", r"\1."),
            (r"\.conv[23]d\.", ".conv.")),
        convert=_as_ours)}
