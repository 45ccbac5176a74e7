"""Clips whose camera motion is known: textured planes with parallax, moving subjects, and a camera path.

Everything comes from one seed; training and test use different seed ranges (`TRAIN_SEEDS`, `TEST_SEEDS`). Frames are
luma, 16 of 64x64, because that is all the classifier looks at. Directions are the camera's: see docs/camera-motion.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from mmvideo.camera_motion.training.augment import degrade
from mmvideo.camera_motion.training.draws import NUM_FRAMES, chance, draw_uniform
from mmvideo.camera_motion.training.layers import Layer, draw_layers, render
from mmvideo.camera_motion.training.paths import LABELS, STATIC, camera_paths
from mmvideo.camera_motion.training.people import add_ticker, draw_scene, people_bank
from mmvideo.camera_motion.training.textures import load_photos, texture_bank

TRAIN_SEEDS, TEST_SEEDS = range(0, 1_000_000), range(1_000_000, 1_100_000)

PEOPLE_NOISE = (0.0005, 0.02)
"""Spread of the noise in clips of people: shrinking a film of usual size to 64 pixels takes most of it away."""


@dataclass(frozen=True)
class CameraClips:
    """Clips with their true camera."""

    frames: Tensor
    """uint8 (B, T, 1, 64, 64) luma."""
    labels: Tensor
    """int64 (B,), an index into `LABELS`."""
    path: Tensor
    """float (B, T, 4): the camera path of the background."""
    squeeze: Tensor
    """float (B,): square root of the aspect ratio that was squeezed into a square."""

    def __len__(self) -> int:
        return len(self.labels)


def make_clips(seed: int, num: int, *, folder: str | None = None, bank_size: int | None = None,
               batch: int = 64, people: float = 0.0) -> CameraClips:
    """Make clips from a seed: balanced classes, and beside them clips of people, half of which are static.

    Args:
        seed: equal seeds give equal clips.
        num: number of clips B.
        folder: images and videos to use as further textures.
        bank_size: number of textures shared by the clips; about a tenth of `num` by default.
        batch: clips rendered at once.
        people: share of the clips that show people; 0 for balanced classes alone.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    bank = texture_bank(rng, bank_size or min(600, max(48, num // 6)), load_photos(folder))
    num_people = round(num * people)
    labels = torch.arange(num - num_people) % len(LABELS)
    labels = labels[torch.randperm(num - num_people, generator=generator)]
    parts = [_make_batch(labels[i:i + batch], partial(draw_layers, bank), generator)
             for i in range(0, len(labels), batch)]
    if num_people:
        extra = torch.randint(1, len(LABELS), (num_people,), generator=generator)
        extra[::2] = STATIC
        crowd = people_bank(rng, max(24, num_people // 6))
        for some in extra.split(batch):
            frames, *rest = _make_batch(some, partial(draw_scene, bank, crowd), generator, noise=PEOPLE_NOISE)
            parts.append((add_ticker(frames, generator), *rest))
        labels = torch.cat([labels, extra])
    frames, path, squeeze = (torch.cat(column) for column in zip(*parts, strict=True))
    return CameraClips(frames, labels, path, squeeze)


def _make_batch(labels: Tensor, draw: Callable[[int, torch.Generator], list[Layer]],
                generator: torch.Generator, **spoil: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    num = len(labels)
    times = torch.linspace(0, 1, NUM_FRAMES).expand(num, -1)
    # a source of few frames a second repeats some of the sixteen
    steps = torch.randint(7, 13, (num, 1), generator=generator)
    held = (times * steps).floor() / steps
    times = torch.where(chance(generator, 0.15, num, 1), held, times)
    path = camera_paths(labels, times, generator)
    squeeze = draw_uniform(generator, 0.75, 1.4, num)
    frames = render(path, times, squeeze, draw, generator)
    return degrade(frames, generator, **spoil), path, squeeze


__all__ = ["TEST_SEEDS", "TRAIN_SEEDS", "CameraClips", "make_clips"]
