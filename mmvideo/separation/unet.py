"""The network of VisualVoice that turns a mixture's spectrum and what is seen into a mask (Gao & Grauman 2021)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class MaskUNet(nn.Module):
    """Spectrum (B, 2, 256, T) and visual features (B, V, T / 4) -> values in (-1, 1), (B, outputs, 256, T).

    Two strided convolutions halve frequency and time; six double convolutions, each before a maximum over pairs of
    bins, bring the frequency down to one bin at the rate of the video's frames. There the visual features join. The way
    up mirrors the way down, each step fed with what the way down gave at its size.

    Args:
        visual: V.
        width: channels of the first layer.
        outputs: channels of the mask.
    """

    def __init__(self, visual: int, *, width: int = 64, outputs: int = 2):
        super().__init__()
        w = width
        wide = [2 * w, 4 * w, 8 * w, 8 * w, 8 * w, 8 * w, 8 * w]
        self.strided = nn.ModuleList((_strided(2, w), _strided(w, 2 * w)))
        self.down = nn.ModuleList(_double(a, b) for a, b in pairwise(wide))
        self.halve = nn.MaxPool2d((2, 1))
        ups = [8 * w, 8 * w, 8 * w, 8 * w, 4 * w, 2 * w]
        beside = [visual, 8 * w, 8 * w, 8 * w, 8 * w, 4 * w]
        self.up = nn.ModuleList(_upward(a + b, c) for a, b, c in zip([8 * w, *ups], beside, ups, strict=False))
        self.unstrided = nn.ModuleList((
            nn.Sequential(nn.ConvTranspose2d(4 * w, w, 4, 2, 1), nn.BatchNorm2d(w), nn.ReLU()),
            nn.ConvTranspose2d(2 * w, outputs, 4, 2, 1)))
        self.apply(_initialise)

    def forward(self, spectrum: Tensor, visual: Tensor) -> Tensor:
        """Return the mask's parts before scaling; T must be 4 times the frames of `visual`, F 256."""
        x, kept = spectrum, []
        for layer in self.strided:
            x = layer(x)
            kept.append(x)
        for layer in self.down:
            x = self.halve(layer(x))
            kept.append(x)
        x = torch.cat((visual.unsqueeze(2), kept.pop()), 1)
        for layer in [*self.up, *self.unstrided]:
            x = layer(x)
            if kept:
                x = torch.cat((x, kept.pop()), 1)
        return torch.tanh(x)


def _strided(a: int, b: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 4, 2, 1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))


def _double(a: int, b: int) -> nn.Sequential:
    return nn.Sequential(*(layer for n in (a, b) for layer in (
        nn.Conv2d(n, b, 3, padding=1), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))))


def _upward(a: int, b: int) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=(2, 1)), nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU())


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


RELEASE_NAMES = (
    (r"^audionet_convlayer([12])\.", lambda m: f"strided.{int(m[1]) - 1}."),
    (r"^audionet_convlayer([3-8])\.conv\.", lambda m: f"down.{int(m[1]) - 3}."),
    (r"^audionet_upconvlayer([1-6])\.up\.", lambda m: f"up.{int(m[1]) - 1}."),
    (r"^audionet_upconvlayer7\.", "unstrided.0."), (r"^audionet_upconvlayer8\.0\.", "unstrided.1."),
)
"""From the names of VisualVoice's release to ours."""

__all__ = ["RELEASE_NAMES", "MaskUNet"]
