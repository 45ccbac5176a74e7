"""A small residual network over log-mel spectrograms: the least that hears.

- a second input channel says how high a band is: to a convolution alone all pitches are alike.
- normalised in groups, not over the batch: silence and clips without sound do not move what others see.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.encoders.audio_base import AudioEncoder, features_of_spectrum
from mmvideo.encoders.base import linear_head
from mmvideo.encoders.preset import AudioInput, Preset
from mmvideo.errors import InvalidInput
from mmvideo.types import Features

GROUP = 16
"""Channels that are normalised together."""


class LogMelStage(nn.Module):
    """Halve time and pitch, then a residual block (He et al. 2016)."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        widths = ((width_in, width, 2), (width, width, 1), (width, width, 1))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, stride, 1, bias=False) for a, b, stride in widths)
        self.norms = nn.ModuleList(nn.GroupNorm(width // GROUP, width) for _ in widths)
        nn.init.zeros_(self.norms[2].weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, f, t) to (B, width, f / 2, t / 2), rounded up."""
        x = F.relu(self.norms[0](self.convs[0](x)))
        y = F.relu(self.norms[1](self.convs[1](x)))
        return F.relu(x + self.norms[2](self.convs[2](y)))


class LogMelCNN(AudioEncoder):
    """Strided residual convolutions over a log-mel spectrogram.

    Features are tokens on a grid (t, 1, f), time first: with four stages each stands for 160 ms and 16 bands. Pooled is
    their mean plus their maximum.

    Args:
        widths: channels of the stages, multiples of 16; each halves time and pitch.
        num_mels: bands of the spectrogram.
        dropout: before the classifier.

    Raises:
        InvalidInput: widths that are not multiples of 16.
    """

    PRESETS: ClassVar = {
        "logmel-cnn-s": Preset("10 s of sound, as many classes as AudioSet", AudioInput(16_000, 10.0),
                               {"widths": (64, 128, 256, 512), "num_mels": 128, "dropout": 0.2}, num_classes=527,
                               views=(1, 1)),
        "logmel-cnn-tiny": Preset("small enough to train in minutes", AudioInput(16_000, 2.0),
                                  {"widths": (16, 32, 64, 128), "num_mels": 64}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: AudioInput, num_classes: int = 0, widths: tuple[int, ...] = (16, 32, 64, 128),
                 num_mels: int = 64, dropout: float = 0.0):
        super().__init__(input=input, num_classes=num_classes, num_mels=num_mels)
        if any(w % GROUP for w in widths):
            raise InvalidInput(f"Widths must be multiples of {GROUP}, not {tuple(widths)}.")
        self.dim, self.bands, self.steps = widths[-1], num_mels, self.num_frames
        for _ in widths:
            self.bands, self.steps = -(-self.bands // 2), -(-self.steps // 2)
        self.stages = nn.Sequential(*(LogMelStage(a, b) for a, b in pairwise((2, *widths))))
        self.register_buffer("pitch", torch.linspace(-1, 1, num_mels).view(1, 1, -1, 1), persistent=False)
        self.head = linear_head(self.dim, num_classes, dropout=dropout)

    @property
    def num_tokens(self) -> int:
        """N: one token a cell of the last map."""
        return self.steps * self.bands

    def encode(self, spectrogram: Tensor) -> Features:
        """Encode normalised log-mel spectrograms, float (B, num_frames, num_mels)."""
        x = spectrogram.transpose(1, 2)[:, None]
        maps = self.stages(torch.cat((x, self.pitch.to(x.dtype).expand_as(x)), 1))
        return features_of_spectrum(maps, pooled=maps.mean((2, 3)) + maps.amax((2, 3)))
