"""CNN + LSTM: features of each frame into an LSTM.

Donahue et al. 2015 (https://arxiv.org/abs/1411.4389): one layer of 256 units, predictions of all steps averaged. Ng et
al. 2015 (https://arxiv.org/abs/1503.08909): five layers of 512 units; last step, maximum or a weighted sum of steps.
Both used 2D networks of their time (CaffeNet, AlexNet, GoogLeNet); here it is any of timm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo.encoders.base import VideoEncoder, features_of_map, linear_head
from mmvideo.encoders.preset import LITE0_INPUT, Input, Preset
from mmvideo.errors import UnknownName
from mmvideo.nn.frame_backbone import LITE0, TINY_RESNET, FrameBackbone
from mmvideo.types import Features

READOUTS = ("mean", "last", "weighted")


class CNNLSTM(VideoEncoder):
    """A timm backbone, an LSTM over its frame vectors, one linear layer read at every step.

    Tokens are the top layer's outputs, one a frame, grid (T, 1, 1). The classifier is linear, so reading the weighted
    mean of the outputs is the weighted mean of the steps' logits.

    Args:
        backbone: an architecture of timm.
        backbone_options: further keyword arguments of it.
        dim_hidden: units of each LSTM layer.
        num_layers: of the LSTM.
        readout: how steps join: "mean" (Donahue et al.; here of logits), "last", or "weighted", by weights that rise
            linearly to the last step (Ng et al.).
        dropout: before the LSTM, between its layers and before the classifier.

    Raises:
        UnknownName: no such readout.
    """

    any_length: ClassVar[bool] = True
    PRESETS: ClassVar = {
        "cnn-lstm-resnet50": Preset("ResNet-50, one layer of 256 units, logits of 16 steps averaged (after LRCN)",
                                    Input(16, 224, 224), {"dropout": 0.5}, views=(10, 1)),
        "cnn-lstm-resnet50-5x512": Preset(
            "ResNet-50, five layers of 512 units, late steps weigh more (after Ng et al.)", Input(30, 224, 224, fps=1),
            {"num_layers": 5, "dim_hidden": 512, "readout": "weighted"}, views=(1, 1)),
        "cnn-lstm-lite0": Preset(
            "EfficientNet-Lite0, one layer of 256 units; takes the ImageNet weights that ship", LITE0_INPUT,
            {"backbone": LITE0, "dropout": 0.3}, views=(1, 1)),
        "cnn-lstm-tiny": Preset(
            "small enough to train in minutes", Input(16, 64, 64),
            {"backbone": "resnet18", "backbone_options": TINY_RESNET, "dim_hidden": 128}, num_classes=10,
            views=(1, 1)),
    }

    def __init__(self, *, input: Input, num_classes: int = 0, backbone: str = "resnet50",
                 backbone_options: Mapping[str, Any] | None = None, dim_hidden: int = 256, num_layers: int = 1,
                 readout: str = "mean", dropout: float = 0.0):
        super().__init__(input=input, num_classes=num_classes)
        if readout not in READOUTS:
            raise UnknownName("readout", readout, READOUTS)
        self.frames = FrameBackbone(backbone, height=input.height, width=input.width, channels=len(input.mean),
                                    options=backbone_options)
        self.dim, self.readout, self.any_size = dim_hidden, readout, self.frames.any_size
        self.lstm = nn.LSTM(self.frames.dim_pooled, dim_hidden, num_layers, batch_first=True,
                            dropout=dropout if num_layers > 1 else 0.0)
        self.dropout = nn.Dropout(dropout)
        self.head = linear_head(dim_hidden, num_classes, dropout=dropout)

    def num_tokens(self, num_frames: int, height: int, width: int) -> int:
        """Return N: one token a frame."""
        self.check(num_frames, height, width)
        return num_frames

    def encode(self, frames: Tensor) -> Features:
        return self.over_time(self.frame_vectors(frames))

    def frame_vectors(self, frames: Tensor) -> Tensor:
        """Return the 2D network's vector of each frame, (B, T, dim_pooled of it), of normalised clips."""
        return self.frames.pool(self.frames.raw(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])

    def over_time(self, vectors: Tensor) -> Features:
        """Return the features of clips whose frames' vectors (B, T, dim_pooled of the 2D network) are known."""
        t = vectors.shape[1]
        steps = self.lstm(self.dropout(vectors))[0]
        if self.readout == "last":
            pooled = steps[:, -1]
        elif self.readout == "weighted":
            weights = torch.arange(1, t + 1, device=steps.device, dtype=steps.dtype)
            pooled = torch.einsum("btd,t->bd", steps, weights / weights.sum())
        else:
            pooled = steps.mean(1)
        return features_of_map(steps.transpose(1, 2)[..., None, None], pooled=pooled)

    def step_logits(self, features: Features) -> Tensor:
        """Return the logits after each frame, float (B, T, num_classes); a step knows only its past."""
        return self.head(features.tokens)
