"""Whole talking heads, drawn: skin, hair, eyes that blink, brows, nose, and the mouth of `draw_mouths`; no photograph.

They are plain, but a detector of real faces finds them, so that a film of them goes the way that a film of people goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from mmvideo.separation.talkers.articulation import FRAME, articulate
from mmvideo.separation.talkers.mouth import MouthLook, draw_mouths

FPS = 25
_MOUTH_Y, _MOUTH_SHARE = 0.30, 0.66
"""Where the face stage looks for a mouth, from the middle of a face, in sides of its box."""
_SKINS = ((0.95, 0.78, 0.66), (0.87, 0.66, 0.52), (0.72, 0.52, 0.40), (0.50, 0.35, 0.27))
_HAIR = ((0.12, 0.09, 0.07), (0.30, 0.20, 0.12), (0.55, 0.42, 0.25), (0.45, 0.45, 0.46))
_SHIRT = ((0.20, 0.32, 0.52), (0.55, 0.20, 0.22), (0.18, 0.40, 0.30), (0.75, 0.72, 0.66))


@dataclass(frozen=True)
class HeadLook:
    """How one head looks and moves; drawn from a seed."""

    skin: np.ndarray
    """RGB in [0, 1], as are the next two."""
    hair: np.ndarray
    shirt: np.ndarray
    width: float
    """Of the head, in face boxes."""
    eyes: float
    brows: float
    fringe: float
    """How far the hair comes down."""
    mouth: MouthLook
    seed: int

    @classmethod
    def draw(cls, seed: int) -> HeadLook:
        """Draw a head from a seed."""
        rng = np.random.default_rng(seed)
        skin = np.array(_SKINS[seed % len(_SKINS)]) * rng.uniform(0.94, 1.04)
        grey = float(skin @ [0.299, 0.587, 0.114])
        values = {"half_width": rng.uniform(0.5, 0.6), "x": 0.0, "y": 0.02, "turn": 0.0, "skin": grey,
                  "lips": grey * rng.uniform(0.62, 0.76), "inside": 0.07, "teeth": min(0.92, grey + 0.25), "beard": 0.0,
                  "thickness": rng.uniform(0.2, 0.28), "wide_open": rng.uniform(0.55, 0.75), "light": 0.0,
                  "softness": 0.035}
        mouth = MouthLook(**{k: torch.tensor([float(v)]) for k, v in values.items()})
        return cls(skin, np.array(_HAIR[rng.integers(len(_HAIR))]), np.array(_SHIRT[seed % len(_SHIRT)]),
                   rng.uniform(0.50, 0.54), rng.uniform(0.95, 1.1), rng.uniform(0.9, 1.2), rng.uniform(0.0, 0.08),
                   mouth, seed)


def render_heads(sound: Tensor, seed: int, *, side: int = 120) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draw the head that says a sound, picture by picture, 25 a second.

    Args:
        sound: float (S,) at 16 kHz: one clean voice.
        seed: of how the head looks and moves.
        side: of its face box in pixels.

    Yields:
        float32 RGB (2.4 side, 2.2 side, 3) and its opacity (2.4 side, 2.2 side), the face in the middle of the upper
        part.
    """
    look = HeadLook.draw(seed)
    gestures = articulate(sound)
    still, alpha, eyes = _still(look, side)
    pixels = round(_MOUTH_SHARE * side)
    rng = np.random.default_rng([seed, 1])
    blinks = rng.random(len(gestures)) < 1 / (3.2 * FPS)
    for first in range(0, len(gestures), 50):
        mouths = draw_mouths(gestures[None, first:first + 50], look.mouth, side=pixels)[0].numpy()
        for offset, mouth in enumerate(mouths):
            row = first + offset
            picture = _with_mouth(still.copy(), mouth, look, side)
            if blinks[max(0, row - 3):row + 1].any():
                picture = picture * (1 - eyes[..., None]) + look.skin * 0.92 * eyes[..., None]
            yield _moved(picture, alpha, row, look.seed, side)


def film(voices: Sequence[Tensor], seeds: Sequence[int], *, height: int = 360, width: int = 640, side: int = 118,
         rate: int = 16000) -> Iterator[np.ndarray]:
    """Film several talkers side by side in front of a wall.

    Args:
        voices: float (S,) each, at 16 kHz; a silent one keeps the mouth shut.
        seeds: of each talker.
        height: pixels.
        width: pixels.
        side: of a face box in pixels.
        rate: samples per second of the voices.

    Yields:
        uint8 (height, width, 3) RGB, 25 a second.
    """
    assert rate == FRAME * FPS
    wall = _wall(height, width, seeds[0])
    heads = [render_heads(voice, seed, side=side) for voice, seed in zip(voices, seeds, strict=True)]
    for pictures in zip(*heads, strict=False):
        frame = wall.copy()
        for number, (picture, alpha) in enumerate(pictures):
            x = round(width * (number + 0.5) / len(pictures) - picture.shape[1] / 2)
            _paste(frame, picture, alpha, x, height - picture.shape[0])
        yield np.clip(frame * 255 + 0.5, 0, 255).astype(np.uint8)


def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of every pixel of a head's picture, in face boxes from the middle of the face."""
    high, wide = round(2.4 * side), round(2.2 * side)
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    return (x + 0.5 - wide / 2) / side, (y + 0.5) / side - 0.95


def _blob(x: np.ndarray, y: np.ndarray, cx: float, cy: float, a: float, b: float, soft: float = 0.03) -> np.ndarray:
    radius = np.sqrt(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2)
    return 1 / (1 + np.exp(np.clip((radius - 1) * min(a, b) / soft * 4, -30, 30)))


def _still(look: HeadLook, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw all but the mouth: RGB, opacity, and where the lids come down."""
    x, y = _grid(side)
    out = np.zeros((*x.shape, 3), np.float32)
    alpha = np.zeros_like(x)

    def paint(mask: np.ndarray, colour: np.ndarray | float, *, solid: bool = False) -> None:
        nonlocal alpha
        out[:] = out * (1 - mask[..., None]) + np.asarray(colour, np.float32) * mask[..., None]
        if solid:
            alpha = np.maximum(alpha, mask)

    paint(_blob(x, y, 0, 1.75, 1.0, 0.72), look.shirt, solid=True)
    paint(_blob(x, y, 0, -0.12, look.width + 0.07, 0.72), look.hair, solid=True)
    paint(_blob(x, y, 0, 0.75, 0.24, 0.42), look.skin * 0.82, solid=True)
    for s in (-1, 1):
        paint(_blob(x, y, s * look.width, -0.02, 0.07, 0.14), look.skin * 0.88, solid=True)
    face = _blob(x, y, 0, 0.02, look.width, 0.66)
    shade = 1 - 0.22 * (x / 0.55) ** 2 - 0.06 * np.clip(y, 0, 1)
    paint(face, look.skin * shade[..., None], solid=True)
    paint(_blob(x, y, 0, -0.66, look.width * 1.05, 0.24 + look.fringe), look.hair)
    for s in (-1, 1):
        ex, ey = s * 0.205, -0.13
        paint(_blob(x, y, ex, ey, 0.15, 0.085, 0.05) * 0.45, look.skin * 0.55)
        paint(_blob(x, y, ex, ey - 0.125, 0.13, 0.024 * look.brows, 0.02) * 0.9, look.hair * 0.8)
        paint(_blob(x, y, ex, ey, 0.088 * look.eyes, 0.042 * look.eyes, 0.012), 0.93)
        paint(_blob(x, y, ex, ey, 0.042, 0.042, 0.01), (0.16, 0.12, 0.10))
        paint(_blob(x, y, ex, ey - 0.042, 0.095 * look.eyes, 0.012, 0.012) * 0.85, look.skin * 0.3)
        paint(_blob(x, y, s * 0.25, 0.14, 0.14, 0.11, 0.12) * 0.25, look.skin * [1.08, 0.98, 0.98])
        paint(_blob(x, y, s * 0.055, 0.135, 0.028, 0.018, 0.015) * 0.8, look.skin * 0.4)
        paint(_blob(x, y, s * 0.095, 0.10, 0.03, 0.05, 0.03) * 0.35, look.skin * 0.7)
    paint(_blob(x, y, 0.0, 0.0, 0.04, 0.13, 0.05) * 0.35, np.minimum(1, look.skin * 1.12))
    paint(_blob(x, y, 0.0, 0.165, 0.08, 0.02, 0.03) * 0.4, look.skin * 0.6)
    eyes = sum(_blob(x, y, s * 0.205, -0.13, 0.1, 0.055, 0.012) for s in (-1, 1))
    return out, alpha, np.clip(eyes, 0, 1)


def _with_mouth(picture: np.ndarray, mouth: np.ndarray, look: HeadLook, side: int) -> np.ndarray:
    """Put a grey mouth where it belongs, in the colour of the skin; redder where it is darker."""
    pixels = len(mouth)
    top = round((0.95 + _MOUTH_Y) * side - pixels / 2)
    left = round(picture.shape[1] / 2 - pixels / 2)
    axis = np.linspace(-1, 1, pixels)
    soft = np.clip((1 - np.maximum(np.abs(axis)[:, None] * 1.35, np.abs(axis)[None])) * 3, 0, 1)[..., None]
    grey = float(look.mouth.skin)
    ratio = (mouth / grey)[..., None]
    tint = look.skin * (1 + np.clip(1 - ratio, 0, 0.4) * np.array([0.25, -0.1, -0.05]))
    white = np.clip((ratio - 1.02) * 4, 0, 1)
    colour = tint * np.minimum(ratio, 1.05) * (1 - white) + mouth[..., None] * white
    part = picture[top:top + pixels, left:left + pixels]
    part[:] = part * (1 - soft) + colour * soft
    return picture


def _moved(picture: np.ndarray, alpha: np.ndarray, row: int, seed: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Let the head sway a little."""
    t = row / FPS
    phase = np.random.default_rng([seed, 2]).uniform(0, 6.28, 6)
    speed = (0.31, 0.47, 0.23, 0.71, 0.19, 0.53)
    wave = [np.sin(2 * np.pi * s * t + p) for s, p in zip(speed, phase, strict=True)]
    angle = 1.6 * wave[0] + 0.8 * wave[1]
    high, wide = alpha.shape
    matrix = cv2.getRotationMatrix2D((wide / 2, high * 0.8), angle, 1 + 0.01 * wave[2])
    matrix[:, 2] += side * np.array([0.02 * wave[3] + 0.02 * wave[4], 0.012 * wave[5]])
    both = cv2.warpAffine(np.dstack([picture, alpha]).astype(np.float32), matrix, (wide, high), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)
    return both[..., :3], both[..., 3]


def _wall(height: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 3])
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    tone = rng.uniform(0.45, 0.65, 3)
    light = 0.85 + 0.25 * x / width - 0.25 * y / height
    grain = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 6)
    return (tone * light[..., None] + 0.05 * grain[..., None]).astype(np.float32)


def _paste(frame: np.ndarray, picture: np.ndarray, alpha: np.ndarray, x: int, y: int) -> None:
    high, wide = frame.shape[:2]
    x0, x1, y0, y1 = max(0, x), min(wide, x + picture.shape[1]), max(0, y), min(high, y + picture.shape[0])
    a = alpha[y0 - y:y1 - y, x0 - x:x1 - x, None]
    frame[y0:y1, x0:x1] = frame[y0:y1, x0:x1] * (1 - a) + picture[y0 - y:y1 - y, x0 - x:x1 - x] * a


__all__ = ["HeadLook", "film", "render_heads"]
