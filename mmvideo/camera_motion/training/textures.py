"""Pictures for the camera-motion world: noise of several octaves, shapes, lettering, gradients, photos, user frames.

Everything is luma only (the classifier looks at luma only), float32 in [0, 1].
"""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.errors import MediaError
from mmvideo.media import MediaLimits, open_source
from mmvideo.media.memory import IMAGE_SUFFIXES, read_image

CANVAS = 192
"""Side of a square texture in pixels; a frame shows roughly a third of it."""

_VIDEO_SUFFIXES = {".mp4", ".mkv", ".mpg", ".avi", ".mov", ".webm"}


def octave_noise(rng: np.random.Generator, *, size: int = CANVAS) -> np.ndarray:
    """Draw noise of several octaves with a random roughness.

    Returns:
        float32 (size, size) in [0, 1].
    """
    total = np.zeros((size, size), np.float32)
    roughness = rng.uniform(0.35, 0.95)
    for octave, side in enumerate((3, 6, 12, 24, 48, 96)):
        layer = rng.standard_normal((side, side)).astype(np.float32)
        total += roughness**octave * cv2.resize(layer, (size, size), interpolation=cv2.INTER_CUBIC)
    kind = rng.integers(4)
    if kind == 0:  # ridges, as in marble or foliage
        total = np.abs(total)
    elif kind == 1:  # flat patches with sharp borders
        total = np.round(total * rng.uniform(0.6, 2.0))
    return _unit(total)


def shapes(rng: np.random.Generator, *, size: int = CANVAS) -> np.ndarray:
    """Draw rectangles, ellipses, lines and lettering over a gradient or faint noise.

    Returns:
        float32 (size, size) in [0, 1].
    """
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.8)
    ramp = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    picture = 0.5 + strength * (np.cos(angle) * ramp[None] + np.sin(angle) * ramp[:, None])
    picture = picture + rng.uniform(0, 0.4) * (octave_noise(rng, size=size) - 0.5)
    picture = np.ascontiguousarray(np.clip(picture, 0, 1), np.float32)
    for _ in range(int(rng.integers(8, 60))):
        _draw_one(picture, rng, size)
    return picture


def _draw_one(picture: np.ndarray, rng: np.random.Generator, size: int) -> None:
    ink = float(rng.uniform(0, 1))
    x, y = (int(v) for v in rng.integers(0, size, 2))
    w, h = (int(v) for v in np.exp(rng.uniform(np.log(4), np.log(60), 2)))
    thickness = -1 if rng.random() < 0.7 else int(rng.integers(1, 4))
    kind = rng.integers(4)
    if kind == 0:
        cv2.rectangle(picture, (x, y), (x + w, y + h), ink, thickness)
    elif kind == 1:
        cv2.ellipse(picture, (x, y), (w // 2 + 1, h // 2 + 1), float(rng.uniform(0, 180)), 0, 360, ink, thickness,
                    cv2.LINE_AA)
    elif kind == 2:
        far = (int(rng.integers(0, size)), int(rng.integers(0, size)))
        cv2.line(picture, (x, y), far, ink, int(rng.integers(1, 6)), cv2.LINE_AA)
    else:
        letters = "".join(chr(c) for c in rng.integers(48, 123, int(rng.integers(1, 7))))
        cv2.putText(picture, letters, (x, y), cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.3, 1.6)), ink,
                    int(rng.integers(1, 4)), cv2.LINE_AA)


def photo_crop(photo: np.ndarray, rng: np.random.Generator, *, size: int = CANVAS) -> np.ndarray:
    """Cut a random square of a photo, turned by a random angle.

    Args:
        photo: uint8 (H, W) luma.

    Returns:
        float32 (size, size) in [0, 1].
    """
    height, width = photo.shape
    side = rng.uniform(0.35, 1.0) * min(height, width)
    centre = (rng.uniform(0.25, 0.75) * width, rng.uniform(0.25, 0.75) * height)
    angle = rng.uniform(0, 360) if rng.random() < 0.3 else rng.normal(0, 8)
    matrix = cv2.getRotationMatrix2D(centre, angle, size / side)
    matrix[:, 2] += np.array([size / 2, size / 2]) - np.array(centre)
    if side > 1.5 * size:
        photo = cv2.blur(photo, (int(side / size), int(side / size)))
    cut = cv2.warpAffine(photo, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return cut.astype(np.float32) / 255.0


def load_photos(folder: str | Path | None = None, *, max_frames: int = 400) -> list[np.ndarray]:
    """Collect photos as luma: scikit-learn's two sample pictures if it is installed, and a user's folder.

    Args:
        folder: images and videos, searched recursively; eight frames of each video are taken.
        max_frames: stop after this many pictures of the folder.

    Returns:
        uint8 (H, W) arrays, at most 720 pixels on the short side.
    """
    photos: list[np.ndarray] = []
    try:
        from sklearn.datasets import load_sample_images

        photos += [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in load_sample_images().images]
    except ImportError:  # the two photos are a help, not a need
        pass
    taken = 0
    for path in sorted(Path(folder).rglob("*")) if folder else []:
        for picture in _read_pictures(path):
            if taken < max_frames:
                photos.append(picture)
                taken += 1
    return photos


def _read_pictures(path: Path) -> list[np.ndarray]:
    suffix = path.suffix.lower()
    try:
        if suffix in IMAGE_SUFFIXES:
            frames = [read_image(path, MediaLimits().max_pixels)]
        elif suffix in _VIDEO_SUFFIXES:
            with open_source(path) as source:
                shown = chain.from_iterable(video.frames for video in source.stream(batch=10))
                frames = [frame.permute(1, 2, 0).numpy() for frame in islice(shown, 0, 80, 10)]
        else:
            return []
    except MediaError:  # a folder of photos may hold anything
        return []
    return [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames]


def texture_bank(rng: np.random.Generator, num: int, photos: list[np.ndarray], *, size: int = CANVAS) -> Tensor:
    """Draw many textures, about a third of each kind (noise, shapes, photos).

    Returns:
        float32 (num, size, size) in [0, 1].
    """
    pictures = []
    for _ in range(num):
        kind = rng.random()
        if photos and kind < 0.4:
            picture = photo_crop(photos[int(rng.integers(len(photos)))], rng, size=size)
        elif kind < 0.7:
            picture = shapes(rng, size=size)
        else:
            picture = octave_noise(rng, size=size)
        if rng.random() < 0.35:
            sigma = float(rng.uniform(0.5, 2.0))  # out of focus
            picture = cv2.GaussianBlur(picture, (0, 0), sigma)
        spread = max(float(picture.std()), 1e-3)
        wanted = rng.uniform(0.08, 0.28)  # low contrast is common, none at all is undecidable
        picture = (picture - picture.mean()) * (wanted / spread)
        blocks = picture.reshape(size // 16, 16, size // 16, 16).std((1, 3))
        if np.quantile(blocks, 0.4) < 0.03:  # a wide flat area shows no motion at all
            picture = picture + rng.uniform(0.15, 0.5) * (octave_noise(rng, size=size) - 0.5)
        picture = picture + rng.uniform(0.3, 0.7)
        pictures.append(np.clip(picture, 0, 1))
    return torch.from_numpy(np.stack(pictures).astype(np.float32))


def blob_masks(generator: torch.Generator, num: int, *, size: int, cover: Tensor) -> Tensor:
    """Draw soft-edged irregular masks that cover a given share of the picture.

    Args:
        cover: float (num,) share of pixels inside the mask.

    Returns:
        float32 (num, size, size) in [0, 1].
    """
    inner = size // 2
    field = torch.zeros(num, 1, inner, inner)
    for side, weight in ((3, 1.0), (6, 0.7), (12, 0.35)):
        coarse = torch.randn(num, 1, side, side, generator=generator)
        field += weight * F.interpolate(coarse, size=(inner, inner), mode="bicubic", align_corners=False)
    flat = field.flatten(1)
    rank = ((1 - cover).clamp(0, 0.999) * flat.shape[1]).long()
    level = flat.sort(dim=1).values.gather(1, rank[:, None])
    mask = ((flat - level) / 0.06).add(0.5).clamp(0, 1).view(num, 1, inner, inner)
    return F.interpolate(mask, size=(size, size), mode="bilinear", align_corners=False)[:, 0]


def _unit(picture: np.ndarray) -> np.ndarray:
    low, high = np.percentile(picture, [1, 99])
    return np.clip((picture - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)
