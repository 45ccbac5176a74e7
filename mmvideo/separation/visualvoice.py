"""VisualVoice: lip motion and the look of a face steer a complex mask on the mixture's spectrum (Gao & Grauman 2021).

https://arxiv.org/abs/2101.03149, written from the paper. The released code and weights are CC BY-NC 4.0: none of the
code is used here, and whoever has the weights may load them (`VisualVoice.load_release`) for what that licence allows.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torchvision.models import resnet18

from mmvideo.encoders.preset import Published
from mmvideo.errors import InvalidInput
from mmvideo.nn import checkpoints
from mmvideo.nn.checkpoints import Format
from mmvideo.separation import lip_motion, unet
from mmvideo.separation.base import FRAME_SAMPLES, Separator, SeparatorPreset
from mmvideo.separation.crops import FaceInput
from mmvideo.separation.lip_motion import LipMotion
from mmvideo.separation.spectrum import Spectrum, as_channels, as_complex
from mmvideo.separation.unet import MaskUNet
from mmvideo.types import Cues

PAPER = "Gao & Grauman 2021, arXiv:2101.03149"
RELEASE = "https://github.com/facebookresearch/VisualVoice"
RELEASE_LICENCE = "CC BY-NC 4.0 (released weights: no commercial use); this code: Apache-2.0"
RELEASE_FILES = {"lips": "lipreading_best.pth", "face": "facial_best.pth", "unet": "unet_best.pth"}
MASK_LIMIT = 5.0
"""Bound of each part of the complex mask."""
HOP = 160
MIXTURE_SHARE = 0.5
"""In training a mixture is half the sum of the voices, so a full mask makes a voice twice as loud as it is in there."""


class AttributeNet(nn.Module):
    """A ResNet-18 that ends in a maximum over all positions and a linear layer: pictures -> attributes (B, width)."""

    def __init__(self, channels: int, width: int = 128):
        super().__init__()
        self.net = resnet18(num_classes=width)
        self.net.avgpool = nn.AdaptiveMaxPool2d(1)
        if channels != 3:
            self.net.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.net(pictures)


ATTRIBUTE_NAMES = (
    (r"^conv1\.", None), (r"^feature_extraction\.0\.", "net.conv1."), (r"^feature_extraction\.1\.", "net.bn1."),
    (r"^feature_extraction\.([4-7])\.", lambda m: f"net.layer{int(m[1]) - 3}."), (r"^fc\.", "net.fc."),
)
"""From the names of VisualVoice's release to ours, for the face and the voice."""


PART_NAMES = {"lips": lip_motion.RELEASE_NAMES, "face": ATTRIBUTE_NAMES, "unet": unet.RELEASE_NAMES}


def _by_part(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of each part by its own table."""
    result = {}
    for part, table in PART_NAMES.items():
        own = {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}
        result |= {f"{part}.{name}": t for name, t in checkpoints.renamed_tensors(own, Format(RELEASE, table)).items()}
    return result | {name: t for name, t in tensors.items() if name.partition(".")[0] not in PART_NAMES}


class VisualVoice(Separator):
    """Mixture and faces -> one voice a face.

    Each window is brought to a level of 0.07, transformed (512 bins, Hann window of 25 ms, hop 10 ms), and multiplied
    with a complex mask whose parts lie within +-5. The lowest 256 bins are masked; the top one passes as it is.

    Args:
        looks: also see a still picture of the face, beside the lips.
        width: channels of the U-Net's first layer.
        lips: options of `LipMotion`.
        level: root mean square that a window is brought to.
    """

    PRESETS: ClassVar = {
        "visualvoice": SeparatorPreset(
            "lips and face, as published", licence=RELEASE_LICENCE, weights=f"{RELEASE}: load_release(folder)",
            published=Published("table of Dolphin (Li et al. 2026), for 1 s and without the training-only vocal net; "
                                "parts counted from the release", params_millions=66.5, gflops=16.7)),
        "visualvoice-lips": SeparatorPreset(
            "lips only", {"looks": False}, licence=RELEASE_LICENCE,
            published=Published(f"{PAPER}, ablation; no size stated")),
        "visualvoice-tiny": SeparatorPreset(
            "small enough to train in minutes on a CPU, lips only", {"looks": False, "width": 16, "lips": {
                "channels": [24, 32, 64, 96, 128], "repeats": [1, 1, 1], "width": 64, "levels": 3, "dropout": 0.0,
                "num_words": 1}}),
    }
    CHECKPOINTS: ClassVar = {"visualvoice": Format(
        f"{RELEASE}: three files, merged under the prefixes lips., face. and unet.", convert=_by_part)}
    window_seconds: float = 2.55

    def __init__(self, *, looks: bool = True, width: int = 64, lips: dict | None = None, level: float = 0.07):
        super().__init__()
        self.config = {"looks": looks, "width": width, "lips": dict(lips or {}), "level": level}
        self.needs_still, self.level = looks, level
        self.spectrum = Spectrum(512, 400, HOP, pad_mode="reflect")
        self.lips = LipMotion(**(lips or {}))
        visual = self.lips.words.in_features
        if looks:
            self.look, self.face = FaceInput(), AttributeNet(3)
            visual += self.face.net.fc.out_features
        self.unet = MaskUNet(visual, width=width)

    def forward(self, mixture: Tensor, cues: Cues | None = None) -> Tensor:
        """Separate windows of any length; 2.55 s is what the network was made for. See `Separator.forward`."""
        self.check(mixture, cues)
        samples = mixture.shape[1]
        frames = -(-(samples + HOP) // FRAME_SAMPLES)
        level = mixture.square().mean(1, keepdim=True).sqrt().clamp_min(1e-8) / self.level
        spec = self.spectrum.analyse(pad(mixture / level, (0, frames * FRAME_SAMPLES - HOP - samples)))
        masks = self.masks(spec, self.visual(cues.between(0, frames)))
        voices = self.spectrum.synthesise(apply_masks(masks, spec) * MIXTURE_SHARE, frames * FRAME_SAMPLES - HOP)
        return voices[..., :samples] * level.unsqueeze(1)

    def visual(self, cues: Cues) -> Tensor:
        """Return what is seen of each face, float (B, P, V, T): its look (128, the same in every frame), then its lips.

        Raises:
            InvalidInput: no still faces, and the network looks at them.
        """
        b, p = cues.mouths.shape[:2]
        seen = self.lips(cues.mouths.flatten(0, 1), cues.valid.flatten(0, 1))
        if self.needs_still:
            if cues.faces is None:
                raise InvalidInput("VisualVoice looks at a still picture of each face: give Cues.faces, or take the "
                                   "preset visualvoice-lips.")
            look = self.face(self.look(cues.faces.flatten(0, 1)))
            seen = torch.cat((look.unsqueeze(2).expand(-1, -1, seen.shape[2]), seen), 1)
        return seen.unflatten(0, (b, p))

    def masks(self, spec: Tensor, visual: Tensor) -> Tensor:
        """Return complex masks (B, P, 256, T) for spectra (B, 257, T) and what is seen, (B, P, V, T / 4)."""
        b, p = visual.shape[:2]
        given = as_channels(spec[:, :-1]).unsqueeze(1).expand(-1, p, -1, -1, -1)
        return MASK_LIMIT * as_complex(self.unet(given.flatten(0, 1), visual.flatten(0, 1))).unflatten(0, (b, p))

    def load_release(self, folder: str | Path) -> Self:
        """Fill the network with the released weights, from a folder that holds their three files, strictly.

        They are licensed CC BY-NC 4.0, which a warning repeats.

        Raises:
            WeightsError: a file is missing or damaged, or does not fit.
        """
        parts = {part: file for part, file in RELEASE_FILES.items() if hasattr(self, part)}
        tensors = {f"{part}.{name}": tensor for part, file in parts.items()
                   for name, tensor in checkpoints.read_checkpoint(Path(folder) / file).items()}
        self.load_tensors(tensors, "visualvoice", where=str(folder))
        warnings.warn(f"The weights in {folder} are licensed {RELEASE_LICENCE.split(';')[0]}.", stacklevel=2)
        return self


def apply_masks(masks: Tensor, spec: Tensor) -> Tensor:
    """Return the masked spectra, complex (B, P, F, T), of (B, F, T); bins above the mask's pass."""
    above = spec[:, None, masks.shape[2]:].expand(-1, masks.shape[1], -1, -1)
    return torch.cat((masks * spec[:, None, :masks.shape[2]], above), 2)


__all__ = ["VisualVoice", "apply_masks"]
