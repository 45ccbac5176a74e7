"""TSM: a 2D CNN whose residual branches trade channels with the neighbouring frames (Lin et al. 2019).

https://arxiv.org/abs/1811.08383. No parameter and no multiply-add is added to the 2D network. `online` takes from the
past alone: such an encoder sees a video as it comes, with a cache per residual block. The clip's logits are the mean of
its frames' logits; the classifier being linear, that is the logits of the mean feature.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmvideo.encoders.base import VideoEncoder, linear_head
from mmvideo.encoders.preset import LITE0_INPUT, Input, Preset, Published
from mmvideo.errors import InvalidInput
from mmvideo.nn.checkpoints import Format
from mmvideo.nn.frame_backbone import LITE0, TINY_RESNET, FrameBackbone
from mmvideo.nn.temporal_shift import Insertion, insert_shifts
from mmvideo.types import Features

PAPER = "Lin et al. 2019, arXiv:1811.08383"
RELEASE = "https://github.com/mit-han-lab/temporal-shift-module"
KINETICS = "the authors' release for Kinetics-400"
MOBILENET_STAGES = (1, 2, 3, 4, 3, 3, 1)
"""Blocks in the stages of MobileNetV2; the release numbers them through, timm by stage."""
FIRST_STAGE = ((0, "conv_dw"), (1, "bn1"), (3, "conv_pw"), (4, "bn2"))
OTHER_STAGES = ((0, "conv_pw"), (1, "bn1"), (3, "conv_dw"), (4, "bn2"), (6, "conv_pwl"), (7, "bn3"))


def _mobilenet(prefix: str) -> tuple[tuple[str, str], ...]:
    """Return the table from the release's names of MobileNetV2 (after a pattern) to ours."""
    table = [(rf"^{prefix}features\.{n}\.{i}\.", f"frames.net.{part}.")
             for n, parts in ((0, ("conv_stem", "bn1")), (18, ("conv_head", "bn2"))) for i, part in enumerate(parts)]
    places = [(s, b) for s, blocks in enumerate(MOBILENET_STAGES) for b in range(blocks)]
    for n, (s, b) in enumerate(places, 1):
        table += [(rf"^{prefix}features\.{n}\.conv\.{i}\.", f"frames.net.blocks.{s}.{b}.{part}.")
                  for i, part in (OTHER_STAGES if s else FIRST_STAGE)]
    return tuple(table)


class TSM(VideoEncoder):
    """Any residual 2D CNN of timm with the temporal shift; tokens on the grid (T, h, w).

    Args:
        backbone: an architecture of timm with residual blocks.
        backbone_options: further keyword arguments of it.
        fraction: one part in so many of a block's channels moves each way.
        every: shift in front of every so manieth block of a stage.
        online: shift from the past alone, so that `stream` can be used.
        dropout: before the classifier, for each frame.

    Raises:
        UnknownName: timm has no such architecture.
        InvalidInput: it has no residual blocks.
    """

    any_length: ClassVar[bool] = True
    PRESETS: ClassVar = {
        "tsm-r50-8f": Preset(
            "ResNet-50, 8 frames", Input(8, 224, 224), {"backbone": "resnet50"}, licence="MIT (code of the release)",
            weights=f"{KINETICS}: format tsm-resnet",
            published=Published(f"{PAPER}, table 2; accuracy: README of the release, dense sampling",
                                params_millions=24.3, gflops=33, top1=74.1, top1_on="Kinetics-400")),
        "tsm-r50-16f": Preset(
            "ResNet-50, 16 frames", Input(16, 224, 224), {"backbone": "resnet50"}, licence="MIT (code of the release)",
            weights=f"{KINETICS}: format tsm-resnet", views=(1, 1),
            published=Published(f"{PAPER}, table 2; accuracy: README of the release, uniform sampling, 1 crop",
                                params_millions=24.3, gflops=65, top1=72.6, top1_on="Kinetics-400")),
        "tsm-r101-8f": Preset(
            "ResNet-101, 8 frames, shift in front of every second block", Input(8, 224, 224),
            {"backbone": "resnet101", "every": 2}, num_classes=174, licence="MIT (code of the release)",
            weights="the authors' release for Something-Something: format tsm-resnet", views=(2, 3),
            published=Published(f"{RELEASE}, README, full resolution, 2 clips", top1=63.3,
                                top1_on="Something-Something V2")),
        "tsm-mobilenetv2-8f": Preset(
            "MobileNetV2, 8 frames", Input(8, 224, 224), {"backbone": "mobilenetv2_100"},
            licence="MIT (code of the release)", weights=f"{KINETICS}: format tsm-mobilenetv2",
            published=Published(f"{RELEASE}, README, dense sampling", top1=69.5, top1_on="Kinetics-400")),
        "tsm-r50-online": Preset(
            "ResNet-50 that takes a frame at a time", Input(8, 224, 224), {"backbone": "resnet50", "online": True},
            published=Published(f"{PAPER}, table 2: the shift adds nothing in either direction", params_millions=24.3,
                                gflops=33)),
        "tsm-mobilenetv2-online": Preset(
            "MobileNetV2 that takes a frame at a time, with the 27 gestures of Jester", Input(8, 224, 224),
            {"backbone": "mobilenetv2_100", "online": True}, num_classes=27, views=(1, 1),
            licence="MIT (code of the release)", weights="the authors' online demo: format tsm-online-demo"),
        "tsm-lite0": Preset(
            "EfficientNet-Lite0 with the shift; takes the ImageNet weights that ship", LITE0_INPUT,
            {"backbone": LITE0}, views=(1, 1)),
        "tsm-tiny": Preset(
            "small enough to train in minutes", Input(16, 64, 64),
            {"backbone": "resnet18", "backbone_options": TINY_RESNET}, num_classes=10, views=(1, 1)),
        "tsm-tiny-online": Preset(
            "the small one that takes a frame at a time", Input(16, 64, 64),
            {"backbone": "resnet18", "backbone_options": TINY_RESNET, "online": True}, num_classes=10, views=(1, 1)),
    }
    CHECKPOINTS: ClassVar = {
        "tsm-resnet": Format(RELEASE, ((r"^base_model\.", "frames.net."), (r"^new_fc\.", "head."))),
        "tsm-mobilenetv2": Format(RELEASE, (*_mobilenet(r"base_model\."), (r"^new_fc\.", "head."))),
        # The demo shifts outside the convolutions: its names lack our `net`.
        "tsm-online-demo": Format(f"{RELEASE}, folder online_demo", (
            *_mobilenet(""), (r"^(frames\.net\.blocks\.[1-5]\.[1-9]\.conv_pw)\.", r"\1.net."),
            (r"^classifier\.", "head."))),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "resnet50",
                 backbone_options: Mapping[str, Any] | None = None, fraction: int = 8, every: int = 1,
                 online: bool = False, dropout: float = 0.5):
        super().__init__(input=input, num_classes=num_classes)
        self.frames = FrameBackbone(backbone, height=input.height, width=input.width, channels=len(input.mean),
                                    options={"drop_rate": dropout, **(backbone_options or {})})
        self.shifts: Insertion = insert_shifts(self.frames.net, fraction=fraction, every=every, online=online)
        self.online, self.dim, self.any_size = online, self.frames.dim, self.frames.any_size
        self.head = linear_head(self.dim_pooled, num_classes)

    @property
    def dim_pooled(self) -> int:
        """Width of what the 2D network's classifier reads."""
        return self.frames.dim_pooled

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: the positions of the 2D network's last map, for each frame."""
        self.check(num_frames, height, width)
        with self._running(1, None):
            return num_frames * math.prod(self.frames.grid(height, width))

    def encode(self, frames: Tensor) -> Features:
        features, pooled = self._seen(frames)
        return Features(tokens=features.tokens, grid=features.grid, pooled=pooled.mean(1))

    def frame_logits(self, frames: Tensor) -> Tensor:
        """Return logits of every frame, float (B, T, num_classes), of clips (B, T, C, H, W); the clip's are their mean.

        Raises:
            InvalidInput: as `forward`, or the encoder was built without a classifier.
        """
        self.need_classifier()
        return self.head(self._seen(self.prepare(frames))[1])

    def stream(self) -> TSMStream:
        """Begin to look at videos as they come; see `TSMStream`.

        Raises:
            InvalidInput: the network looks ahead.
        """
        return TSMStream(self)

    def _seen(self, frames: Tensor, memory: dict[int, Tensor] | None = None) -> tuple[Features, Tensor]:
        """Return tokens, and what the classifier reads of each frame, (B, T, dim_pooled)."""
        b, t = frames.shape[:2]
        with self._running(t, memory):
            raw = self.frames.raw(frames.flatten(0, 1))
        maps, pooled = self.frames.split(raw)[0], self.frames.pool(raw).unflatten(0, (b, t))
        tokens = maps.flatten(2).transpose(1, 2).reshape(b, -1, self.dim)
        return Features(tokens=tokens, grid=(t, *maps.shape[2:]), pooled=pooled[:, -1]), pooled

    @contextmanager
    def _running(self, num_frames: int, memory: dict[int, Tensor] | None) -> Iterator[None]:
        clock = self.shifts.clock
        clock.num_frames, clock.memory = num_frames, memory
        try:
            yield
        finally:
            clock.memory = None


class TSMStream:
    """A batch of videos that an online TSM sees a few frames at a time, in evaluation mode.

    Memory is the same after 16 frames and after 1,600: an eighth of each residual block's input, and a running sum.
    """

    def __init__(self, encoder: TSM):
        if not encoder.online:
            raise InvalidInput(f"{encoder.preset or 'This TSM'} looks ahead and cannot be fed as the video comes; take "
                               "a preset whose name ends in -online, or online=True.")
        self.encoder, self.num_frames = encoder, 0
        self._memory: dict[int, Tensor] = {}
        self._sum: Tensor | None = None
        self._shape: tuple[int, ...] | None = None
        self.newest: Tensor | None = None
        """What the classifier reads of the newest frame alone, (B, dim_pooled): `encoder.head` of it judges now."""

    @torch.no_grad()
    def step(self, frames: Tensor) -> Features:
        """Look at the next frames.

        Args:
            frames: (B, T, C, H, W) as the encoder takes them; T of 1 or more, the other sizes as in the first step.

        Returns:
            The tokens of these frames; `pooled` is of all frames so far, so that `encoder.classify` of it gives the
            logits of all that was seen.

        Raises:
            InvalidInput: as the encoder, or the shape changed, or the encoder is in training mode.
        """
        if self.encoder.training:
            raise InvalidInput("A stream needs the encoder in evaluation mode; call encoder.eval() first.")
        prepared = self.encoder.prepare(frames)
        shape = (prepared.shape[0], *prepared.shape[2:])
        if self._shape not in (None, shape):
            raise InvalidInput(f"This stream began with (B, C, H, W) = {self._shape}, now comes {shape}; begin another "
                               "with encoder.stream().")
        self._shape = shape
        features, pooled = self.encoder._seen(prepared, self._memory)
        self.newest, self.num_frames = pooled[:, -1].clone(), self.num_frames + pooled.shape[1]
        self._sum = pooled.sum(1) if self._sum is None else self._sum + pooled.sum(1)
        return Features(tokens=features.tokens, grid=features.grid, pooled=self._sum / self.num_frames)

    def memory_bytes(self) -> int:
        """Return how many bytes the memory takes."""
        held = [*self._memory.values(), self._sum, self.newest]
        return sum(part.nbytes for part in held if part is not None)
