"""Clips that are not toybox, for the border of its domain: empty, grey, still and night pictures, people, photographs.

All are procedural but for cuts from the two sample photographs of scikit-learn (china.jpg by danielbuechele, flower.jpg
by vultilion, CC BY 2.0).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.camera_motion.training.data import TRAIN_SEEDS, make_clips
from mmvideo.camera_motion.training.draws import NUM_FRAMES, SIDE, chance, draw_uniform, log_uniform
from mmvideo.camera_motion.training.people import studio
from mmvideo.camera_motion.training.textures import octave_noise
from mmvideo.errors import MissingExtra

KINDS = ("scene", "empty", "noise", "night", "photograph")
"""People and planes seen by a camera; bare walls and skies; noise; lights in the dark; cuts from photographs."""


def outside_clips(seed: int, num: int) -> Tensor:
    """Make clips of two seconds that the toybox model does not know, in equal parts of `KINDS`.

    Args:
        seed: equal seeds give equal clips.
        num: number of clips B.

    Returns:
        uint8 (B, 16, 3, 64, 64).

    Raises:
        MissingExtra: scikit-learn, which holds the photographs, is absent.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    make = {"scene": _scenes, "empty": _empty, "noise": _noise, "night": _night, "photograph": _photographs}
    parts = [make[kind](rng, len(range(k, num, len(KINDS))), generator) for k, kind in enumerate(KINDS)]
    return torch.cat(parts).clamp(0, 1).mul(255).round().to(torch.uint8)


def _tint(luma: Tensor, generator: torch.Generator) -> Tensor:
    """Colour luma (B, T, H, W) between a dark and a light tone of each clip's own; (B, T, 3, H, W)."""
    num = len(luma)
    vivid = log_uniform(generator, 0.01, 0.5, num, 1, 1, 1, 1)
    dark = (draw_uniform(generator, -0.5, 0.5, num, 1, 3, 1, 1) * vivid).clamp(-0.3, 0.3)
    light = (draw_uniform(generator, -0.5, 0.5, num, 1, 3, 1, 1) * vivid).clamp(-0.5, 0.5)
    return luma[:, :, None] + dark + (light - dark) * luma[:, :, None]


def _seen(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Show still pictures (B, 3, H, W), H and W above 64, for 16 frames: most stand still, some drift; add noise."""
    num, room = len(pictures), pictures.shape[-1] - SIDE
    start = draw_uniform(generator, 0, 1, num, 2)
    end = torch.where(chance(generator, 0.7, num, 1), start, draw_uniform(generator, 0, 1, num, 2))
    times = torch.linspace(0, 1, NUM_FRAMES)[None, :, None]
    corner = ((start[:, None] + (end - start)[:, None] * times) * room).round().long()
    rows, columns = corner[..., :1] + torch.arange(SIDE), corner[..., 1:] + torch.arange(SIDE)
    index = torch.arange(num)[:, None, None, None, None]
    channel = torch.arange(3)[None, None, :, None, None]
    frames = pictures[index, channel, rows[:, :, None, :, None], columns[:, :, None, None, :]]
    sigma = log_uniform(generator, 0.001, 0.06, num, 1, 1, 1, 1) * chance(generator, 0.7, num, 1, 1, 1, 1)
    flicker = torch.randn(num, NUM_FRAMES, 1, 1, 1, generator=generator) * 0.01
    light = 1 + flicker * chance(generator, 0.3, num, 1, 1, 1, 1)
    return frames * light + sigma * torch.randn(frames.shape, generator=generator)


def _scenes(rng: np.random.Generator, num: int, generator: torch.Generator) -> Tensor:
    clips = make_clips(int(rng.integers(TRAIN_SEEDS.start, TRAIN_SEEDS.stop)), num, people=0.6)
    return _tint(clips.frames[:, :, 0].float() / 255, generator)


def _grounds(rng: np.random.Generator, num: int, size: int) -> Tensor:
    """Draw noise of several octaves, float (B, size, size), about zero mean."""
    return torch.from_numpy(np.stack([octave_noise(rng, size=size) for _ in range(num)])) - 0.5


def _empty(rng: np.random.Generator, num: int, generator: torch.Generator) -> Tensor:
    size = SIDE + 16
    flat = studio(generator, num, size)
    contrast = log_uniform(generator, 0.003, 0.4, num, 1, 1) * chance(generator, 0.7, num, 1, 1)
    pictures = _tint((flat + contrast * _grounds(rng, num, size))[:, None], generator)[:, 0]
    return _seen(pictures, generator)


def _noise(rng: np.random.Generator, num: int, generator: torch.Generator) -> Tensor:
    side = torch.tensor([4, 8, 16, 32, 64])[torch.randint(5, (num,), generator=generator)]
    grain = torch.stack([F.interpolate(torch.randn(NUM_FRAMES, 3, n, n, generator=generator), size=(SIDE, SIDE))
                         for n in side.tolist()])
    grey = grain.mean(2, keepdim=True).expand_as(grain) * 1.7
    grain = torch.where(chance(generator, 0.5, num, 1, 1, 1, 1), grey, grain)
    still = grain[:, :1].expand_as(grain)
    grain = torch.where(chance(generator, 0.3, num, 1, 1, 1, 1), still, grain)
    level = draw_uniform(generator, 0.05, 0.9, num, 1, 1, 1, 1)
    return level + grain * log_uniform(generator, 0.005, 0.4, num, 1, 1, 1, 1)


def _night(rng: np.random.Generator, num: int, generator: torch.Generator) -> Tensor:
    size = SIDE + 16
    contrast = log_uniform(generator, 0.005, 0.15, num, 1, 1)
    ground = draw_uniform(generator, 0, 0.2, num, 1, 1) + contrast * _grounds(rng, num, size)
    frames = _seen(_tint(ground[:, None], generator)[:, 0] * 0.6, generator)
    axis = torch.linspace(-1, 1, SIDE)
    times = torch.linspace(0, 1, NUM_FRAMES)[None, :, None]
    for _ in range(int(torch.randint(2, 9, (1,), generator=generator))):
        place = draw_uniform(generator, -1, 1, num, 1, 2) + times * draw_uniform(generator, -1, 1, num, 1, 2) * chance(
            generator, 0.35, num, 1, 1)
        x, y = (axis - place[..., :1])[:, :, None], (axis - place[..., 1:])[..., None]
        wide = log_uniform(generator, 0.02, 0.2, num, 1, 1, 1)
        glow = (-(x * x + y * y) / (2 * wide * wide)).exp()[:, :, None]
        colour = draw_uniform(generator, 0.4, 1.0, num, 1, 3, 1, 1) * draw_uniform(generator, 0.2, 1.0, num, 1, 1, 1, 1)
        frames = frames + glow * colour * chance(generator, 0.6, num, 1, 1, 1, 1)
    return frames


def _photographs(rng: np.random.Generator, num: int, generator: torch.Generator) -> Tensor:
    try:
        from sklearn.datasets import load_sample_images
    except ImportError as error:
        raise MissingExtra("toybox_outside", "train", "scikit-learn") from error
    photos, size, pictures = load_sample_images().images, SIDE + 16, []
    for _ in range(num):
        photo = torch.tensor(photos[int(rng.integers(len(photos)))]).permute(2, 0, 1).float() / 255
        side = int(rng.uniform(0.2, 1.0) * min(photo.shape[1:]))
        top, left = int(rng.integers(photo.shape[1] - side + 1)), int(rng.integers(photo.shape[2] - side + 1))
        cut = photo[None, :, top:top + side, left:left + side]
        soft = round(float(np.exp(rng.uniform(np.log(3), np.log(size)))))  # blurred where smaller than the picture
        cut = F.interpolate(cut, size=(soft, soft), mode="bilinear", antialias=True)
        pictures.append(F.interpolate(cut, size=(size, size), mode="bicubic")[0])
    picture = torch.stack(pictures)
    grey = picture.mean(1, keepdim=True)
    picture = torch.lerp(grey, picture, draw_uniform(generator, 0, 1.2, num, 1, 1, 1))
    middle = picture.mean((1, 2, 3), keepdim=True)
    picture = middle + (picture - middle) * draw_uniform(generator, 0.1, 1.0, num, 1, 1, 1)
    dim = torch.where(chance(generator, 0.3, num, 1, 1, 1), draw_uniform(generator, 0.1, 0.6, num, 1, 1, 1), 1.0)
    return _seen(picture * dim, generator)


__all__ = ["KINDS", "outside_clips"]
