"""Augmentation of clips: every operation is drawn once a clip and applied to all of its frames alike.

RandAugment (Cubuk et al. 2020, https://arxiv.org/abs/1909.13719) with its operations and magnitudes; crops of another
scale and shape as in Inception's training (Szegedy et al. 2015); segments along time as in TSN (Wang et al. 2016).
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from mmvideo.errors import UnknownName
from mmvideo.labelled.rows import MAGNITUDES, STRENGTHS

_SIDED = re.compile(r"\b(?:left|right|clockwise|counterclockwise|anticlockwise|l|r)\b", re.IGNORECASE)


def says_sides(labels: Iterable[str]) -> bool:
    """Say whether a label is another one in the mirror: it names left, right or a sense of rotation."""
    return any(_SIDED.search(re.sub(r"[_\-/]+|(?<=[a-z])(?=[A-Z])", " ", label)) for label in labels)


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for each clip.

    Raises:
        UnknownName: no such strength.
    """

    strength: str = "strong"
    """none (the middle of the picture, the same frames), light (crops, flips, colour) or strong (RandAugment too)."""
    flip: bool = True
    num_ops: int = 2
    magnitude: int = 9

    def __post_init__(self) -> None:
        if self.strength not in STRENGTHS:
            raise UnknownName("augmentation", self.strength, STRENGTHS)

    @property
    def smallest_crop(self) -> float:
        """Least share of the picture that a crop keeps."""
        return {"none": 1.0, "light": 0.6, "strong": 0.35}[self.strength]

    def __call__(self, kept: np.ndarray, num_frames: int, size: tuple[int, int], rng: random.Random, *,
                 spread: bool = True) -> Tensor:
        """Draw a clip.

        Args:
            kept: frames that are kept of it, uint8 (F, h, w, 3).
            num_frames: T.
            size: height and width of the result, in pixels.
            rng: decides all.
            spread: the kept frames are spread over the clip; else they are neighbours, and so must be those that are
                drawn.

        Returns:
            uint8 (T, 3, H, W).
        """
        if self.strength == "none":
            return seen_whole(kept, num_frames, size, spread=spread)
        times = _segments(len(kept), num_frames, rng) if spread else _window(len(kept), num_frames, rng)
        frames = torch.from_numpy(kept[times]).permute(0, 3, 1, 2)
        top, left, height, width = _crop(frames.shape[2], frames.shape[3], size, self.smallest_crop, rng)
        frames = TF.resize(frames[..., top:top + height, left:left + width], list(size), antialias=True)
        if self.flip and rng.random() < 0.5:
            frames = frames.flip(-1)
        if self.strength == "strong":
            for name in rng.choices(sorted(OPERATIONS), k=self.num_ops):
                frames = OPERATIONS[name](frames, self.magnitude / MAGNITUDES * rng.choice((-1.0, 1.0)))
        if rng.random() < 0.8:
            for change in (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation):
                frames = change(frames, rng.uniform(0.7, 1.3))
        return frames.contiguous()


def seen_whole(kept: np.ndarray, num_frames: int, size: tuple[int, int], *, spread: bool = True) -> Tensor:
    """Return the middle of a clip's picture as the stage `classify` sees it, uint8 (T, 3, H, W)."""
    if spread:
        times = ((np.arange(num_frames) + 0.5) * len(kept) / num_frames).astype(int)
    else:
        first = max(0, len(kept) - num_frames) // 2
        times = np.minimum(first + np.arange(num_frames), len(kept) - 1)
    frames = torch.from_numpy(kept[times]).permute(0, 3, 1, 2)
    scale = min(frames.shape[2] / size[0], frames.shape[3] / size[1])
    height, width = (min(side, max(1, round(length * scale))) for side, length in
                     zip(frames.shape[2:], size, strict=True))
    top, left = (frames.shape[2] - height) // 2, (frames.shape[3] - width) // 2
    return TF.resize(frames[..., top:top + height, left:left + width], list(size), antialias=True).contiguous()


def _segments(num_kept: int, num_frames: int, rng: random.Random) -> np.ndarray:
    """Return one frame of each segment of a part of the clip, three quarters to all of it."""
    length = num_kept * rng.uniform(0.75, 1.0)
    start = rng.uniform(0.0, num_kept - length)
    drawn = [start + (i + rng.random()) * length / num_frames for i in range(num_frames)]
    return np.minimum(np.array(drawn).astype(int), num_kept - 1)


def _window(num_kept: int, num_frames: int, rng: random.Random) -> np.ndarray:
    first = rng.randint(0, max(0, num_kept - num_frames))
    return np.minimum(first + np.arange(num_frames), num_kept - 1)


def _crop(height: int, width: int, size: tuple[int, int], smallest: float, rng: random.Random
          ) -> tuple[int, int, int, int]:
    """Return top, left, height and width of a crop whose area is a share of the largest of the result's shape."""
    whole = min(height / size[0], width / size[1])
    shape = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    side = whole * math.sqrt(rng.uniform(smallest, 1.0))
    h = min(height, max(1, round(size[0] * side / math.sqrt(shape))))
    w = min(width, max(1, round(size[1] * side * math.sqrt(shape))))
    return rng.randint(0, height - h), rng.randint(0, width - w), h, w


def _affine(frames: Tensor, *, angle: float = 0.0, shift: tuple[float, float] = (0.0, 0.0),
            shear: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    by = [round(shift[0] * frames.shape[-1]), round(shift[1] * frames.shape[-2])]
    return TF.affine(frames, angle=angle, translate=by, scale=1.0, shear=list(shear), fill=[128.0])


def with_stills(frames: Tensor, share: float) -> Tensor:
    """Lay one frame of another clip over all frames of some clips; what is to be learned of them stays.

    What stands still then says nothing of the label, only what moves does (Wang et al. 2021, "Removing the background
    by adding the background", https://arxiv.org/abs/2009.05769; StillMix, Li et al. 2023, takes other clips' frames,
    as here). Half of them are averaged with weights of 0.2 to 0.6, half multiplied, which puts people before a white
    wall into a place.

    Args:
        frames: uint8 (B, T, C, H, W).
        share: of the clips, in [0, 1]; drawn by torch's generator.
    """
    num = len(frames)
    if share <= 0 or num < 2:
        return frames
    found = frames.clone()
    for place in (torch.rand(num) < share).nonzero().flatten().tolist():
        other = (place + int(torch.randint(1, num, ()))) % num
        still = frames[other, int(torch.randint(frames.shape[1], ()))].float()
        own = frames[place].float()
        weight = float(torch.empty(()).uniform_(0.2, 0.6))
        mixed = own * still / 255 if bool(torch.rand(()) < 0.5) else torch.lerp(own, still.expand_as(own), weight)
        found[place] = mixed.round().to(frames.dtype)
    return found


OPERATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "identity": lambda x, m: x,
    "rotate": lambda x, m: _affine(x, angle=30 * m),
    "shear-x": lambda x, m: _affine(x, shear=(math.degrees(math.atan(0.3 * m)), 0.0)),
    "shear-y": lambda x, m: _affine(x, shear=(0.0, math.degrees(math.atan(0.3 * m)))),
    "shift-x": lambda x, m: _affine(x, shift=(0.3 * m, 0.0)),
    "shift-y": lambda x, m: _affine(x, shift=(0.0, 0.3 * m)),
    "brightness": lambda x, m: TF.adjust_brightness(x, 1 + 0.9 * m),
    "contrast": lambda x, m: TF.adjust_contrast(x, 1 + 0.9 * m),
    "saturation": lambda x, m: TF.adjust_saturation(x, 1 + 0.9 * m),
    "sharpness": lambda x, m: TF.adjust_sharpness(x, 1 + 0.9 * m),
    "posterize": lambda x, m: TF.posterize(x, 8 - round(4 * abs(m))),
    "solarize": lambda x, m: TF.solarize(x, 255 * (1 - abs(m))),
    "autocontrast": lambda x, m: TF.autocontrast(x),
    "equalize": lambda x, m: TF.equalize(x),
}
"""Name -> operation on uint8 (T, 3, H, W); m in [-1, 1] is the magnitude with its sign."""

__all__ = ["OPERATIONS", "Augmentation", "says_sides", "seen_whole", "with_stills"]
