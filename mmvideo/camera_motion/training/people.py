"""People of the camera-motion world: jointed figures and busts that walk, sway, bend and crouch before the ground.

A still camera is most often taken for a moving one where a person moves: people are large and close, and the wall
behind them has little to match.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.camera_motion.training.draws import NUM_FRAMES, chance, draw_uniform, log_uniform, wobble
from mmvideo.camera_motion.training.layers import Layer, bare
from mmvideo.camera_motion.training.textures import CANVAS, octave_noise

SPRITE = 96
"""Side of a drawn person in pixels."""
JOINTS = 4
"""Side of the grid of points by which a figure is bent."""
STANDING = 0.5
"""Of those who sway, bend or crouch: their feet stay; the others move as a whole."""


def people_bank(rng: np.random.Generator, num: int) -> Tensor:
    """Draw people: half of them busts, cut off below as before a news desk, half whole figures.

    Returns:
        float32 (num, 2, SPRITE, SPRITE): luma and alpha in [0, 1].
    """
    drawn = [_bust(rng) if k % 2 == 0 else _figure(rng) for k in range(num)]
    return torch.from_numpy(np.stack(drawn).astype(np.float32))


def _canvas() -> tuple[np.ndarray, np.ndarray]:
    return np.full((SPRITE, SPRITE), 0.5, np.float32), np.zeros((SPRITE, SPRITE), np.float32)


def _paint(luma: np.ndarray, alpha: np.ndarray, part: np.ndarray, rng: np.random.Generator, ink: float) -> None:
    """Cover a part (uint8 mask) with one tone and some texture."""
    inside = cv2.GaussianBlur(part.astype(np.float32) / 255, (0, 0), 0.7)
    cloth = ink + rng.uniform(0.0, 0.35) * (octave_noise(rng, size=SPRITE) - 0.5)
    luma += inside * (cloth - luma)
    np.maximum(alpha, inside, out=alpha)


def _limb(points: list[tuple[float, float]], width: float) -> np.ndarray:
    mask = np.zeros((SPRITE, SPRITE), np.uint8)
    line = np.array([(round(x * SPRITE * 8), round(y * SPRITE * 8)) for x, y in points], np.int32)
    cv2.polylines(mask, [line], False, 255, max(2, round(width * SPRITE)), cv2.LINE_AA, 3)
    return mask


def _ellipse(x: float, y: float, w: float, h: float) -> np.ndarray:
    mask = np.zeros((SPRITE, SPRITE), np.uint8)
    middle, half = ((round(a * SPRITE), round(b * SPRITE)) for a, b in ((x, y), (w, h)))
    cv2.ellipse(mask, middle, half, 0, 0, 360, 255, -1, cv2.LINE_AA)
    return mask


def _head(luma: np.ndarray, alpha: np.ndarray, rng: np.random.Generator, x: float, y: float, size: float) -> None:
    skin, hair = rng.uniform(0.25, 0.9), rng.uniform(0.02, 0.6)
    _paint(luma, alpha, _ellipse(x, y - 0.25 * size, 1.1 * size, (1.2 + 0.8 * rng.random()) * size), rng, hair)
    _paint(luma, alpha, _ellipse(x, y, 0.75 * size, size), rng, skin)
    for side in (-0.3, 0.3):
        _paint(luma, alpha, _ellipse(x + side * size, y - 0.15 * size, 0.16 * size, 0.09 * size), rng, skin * 0.4)
    _paint(luma, alpha, _ellipse(x, y + 0.45 * size, 0.3 * size, 0.1 * size), rng, skin * 0.5)


def _bust(rng: np.random.Generator) -> np.ndarray:
    luma, alpha = _canvas()
    size, tilt = rng.uniform(0.14, 0.24), rng.uniform(-0.05, 0.05)
    top = size * 1.5 + 0.03
    shoulders, cloth = rng.uniform(0.25, 0.45), rng.uniform(0.02, 0.95)
    _paint(luma, alpha, _limb([(0.5, top + size), (0.5, 1.1)], 1.2 * size), rng, rng.uniform(0.25, 0.9))
    _paint(luma, alpha, _ellipse(0.5, 1.05, shoulders, 1.0 - top - size * 0.9), rng, cloth)
    if rng.random() < 0.5:  # gesturing arms
        for side in (-1, 1):
            hand = (0.5 + side * rng.uniform(0.05, 0.45), rng.uniform(0.4, 1.0))
            _paint(luma, alpha, _limb([(0.5 + side * shoulders * 0.9, 0.85), (0.5 + side * 0.45, 0.95), hand],
                                      rng.uniform(0.06, 0.12)), rng, cloth)
    _head(luma, alpha, rng, 0.5 + tilt, top, size)
    return np.stack([luma, alpha])


def _figure(rng: np.random.Generator) -> np.ndarray:
    luma, alpha = _canvas()
    size = rng.uniform(0.05, 0.075)
    hip, thick = rng.uniform(0.48, 0.62), rng.uniform(0.05, 0.1)
    neck, lean = 3.2 * size, rng.uniform(-0.1, 0.1)
    shirt, trousers = rng.uniform(0.02, 0.95, 2)
    for side in (-1, 1):  # legs, then arms
        knee = (0.5 + side * rng.uniform(0.02, 0.15), (hip + 0.96) / 2)
        foot = (0.5 + side * rng.uniform(0.02, 0.25), 0.95)
        _paint(luma, alpha, _limb([(0.5, hip), knee, foot], thick), rng, trousers)
    _paint(luma, alpha, _limb([(0.5 + lean, neck + 0.05), (0.5, hip)], 2.6 * thick), rng, shirt)
    for side in (-1, 1):
        elbow = (0.5 + lean + side * rng.uniform(0.08, 0.22), neck + rng.uniform(0.0, 0.2))
        hand = (elbow[0] + rng.uniform(-0.18, 0.18), elbow[1] + rng.uniform(-0.2, 0.2))
        _paint(luma, alpha, _limb([(0.5 + lean, neck + 0.05), elbow, hand], 0.7 * thick), rng, shirt)
    _head(luma, alpha, rng, 0.5 + lean * 1.3, 1.8 * size, size)
    return np.stack([luma, alpha])


def bends(generator: torch.Generator, num: int) -> Tensor:
    """Draw how a figure is bent over time: each of JOINTS x JOINTS points goes back and forth, or to another place.

    Returns:
        float (num, T, 2, JOINTS, JOINTS), in half widths of the sprite.
    """
    times = torch.linspace(0, 1, NUM_FRAMES)[None, :, None, None, None]
    shape = (num, 1, 2, JOINTS, JOINTS)
    cycles = draw_uniform(generator, 0.2, 1.0, *shape) * draw_uniform(generator, 0.5, 3.0, num, 1, 1, 1, 1)
    wave = torch.sin(2 * math.pi * (cycles * times + draw_uniform(generator, 0, 1, *shape)))
    strength = log_uniform(generator, 0.003, 0.25, num, 1, 1, 1, 1)
    return wave * strength * draw_uniform(generator, 0, 1, *shape) * chance(generator, 0.7, num, 1, 1, 1, 1)


def leaning(sway: Tensor, size: Tensor) -> Tensor:
    """Bend figures so that the head sways and the feet stay where they are.

    Args:
        sway: of the head, (num, T, 2) in half frames.
        size: (num,), half widths of the sprites in half frames.

    Returns:
        float (num, T, 2, JOINTS, JOINTS), in half widths of the sprite.
    """
    height = torch.linspace(1, 0, JOINTS)[:, None].expand(JOINTS, JOINTS)  # rows from head to feet
    return -(sway / size[:, None, None])[..., None, None] * height  # pixels look where the body came from


def movements(generator: torch.Generator, num: int, *, mirrored: Tensor | None = None, in_place: Tensor | None = None
              ) -> tuple[Tensor, Tensor, Tensor]:
    """Draw where people stand and how they move: they sway, walk through, or go up and down on the spot.

    Args:
        mirrored: float (num, 6), the `own` of a first person whom this one comes towards or leaves; None for the first.
        in_place: bool (num,), of whom few walk through; None for nobody.

    Returns:
        own (num, 6) and sway (num, T, 2) as of `layers.Layer`, and the size (num,) in half frames.
    """
    shares = torch.tensor([0.45, 0.3, 0.25]).expand(num, -1)
    if in_place is not None:
        shares = torch.where(in_place[:, None], torch.tensor([0.45, 0.05, 0.5]), shares)
    kind = torch.multinomial(shares, 1, generator=generator)[:, 0]
    sways, walks = kind == 0, kind == 1
    times = torch.linspace(0, 1, NUM_FRAMES).expand(num, -1)
    size = torch.where(sways, draw_uniform(generator, 0.5, 2.0, num), draw_uniform(generator, 0.3, 1.0, num))
    speed = torch.stack([log_uniform(generator, 0.05, 1.4, num), draw_uniform(generator, -0.1, 0.1, num)], 1)
    speed = speed * torch.where(chance(generator, 0.5, num, 1), 1.0, -1.0)
    drift = log_uniform(generator, 0.03, 0.4, num, 2) * torch.tensor([1.0, 0.4]) * chance(generator, 0.8, num, 2)
    drift = drift * torch.where(chance(generator, 0.5, num, 2), 1.0, -1.0)
    velocity = torch.where(walks[:, None], speed, torch.where(sways[:, None], drift, 0.0))
    growth = draw_uniform(generator, -0.2, 0.2, num, 1) * chance(generator, 0.4, num, 1)
    lean = draw_uniform(generator, -0.35, 0.35, num, 1) * chance(generator, 0.4, num, 1)
    place = torch.stack([draw_uniform(generator, -0.6, 0.6, num), draw_uniform(generator, -0.1, 0.5, num)], 1)
    own = torch.cat([velocity, growth, lean, place - velocity * 0.5], 1)
    if mirrored is not None:  # two who meet, part, or strike
        turned = mirrored * torch.tensor([-1.0, 1, 1, -1, -1, 1])
        own = torch.where(chance(generator, 0.5, num, 1), turned, own)
    sway = wobble(generator, num, times)[..., :2] * log_uniform(generator, 0.01, 0.2, num, 1, 1)
    sway = sway * chance(generator, 0.5, num, 1, 1)
    slow = torch.sin(2 * math.pi * (draw_uniform(generator, 0.2, 1.5, num, 1, 2) * times[..., None]
                                    + draw_uniform(generator, 0, 1, num, 1, 2)))
    slow = slow * draw_uniform(generator, 0, 0.2, num, 1, 1)
    slow = slow * chance(generator, 0.6, num, 1, 1)
    crouch = slow * torch.tensor([0.2, 2.0]) + sway * 0.3
    sway = torch.where((kind == 2)[:, None, None], crouch, (sway + slow) * (~walks)[:, None, None])
    return own, sway, size


def draw_scene(bank: Tensor, crowd: Tensor, num: int, generator: torch.Generator) -> list[Layer]:
    """Draw a ground, textured or nearly bare whether it moves or not, and one to three people before it.

    Args:
        bank: textures, as of `textures.texture_bank`.
        crowd: people, as of `people_bank`.
        num: B.
        generator: of all draws.

    Returns:
        Layers, the furthest first.
    """
    ground = bank[torch.randint(len(bank), (num,), generator=generator)]
    ground = _defocused(ground, chance(generator, 0.35, num), generator)
    ground = bare(ground, chance(generator, 0.45, num), generator, least=0.02)
    blank = chance(generator, 0.2, num)
    ground = torch.where(blank[:, None, None], studio(generator, num, CANVAS), ground)
    zero, rest = torch.zeros(num), torch.zeros(num, NUM_FRAMES, 2)
    layers = [Layer(torch.stack([ground, torch.ones_like(ground)], 1), zero + 1, torch.zeros(num, 6), zero, rest)]
    layers.append(_equipment(crowd, chance(generator, 0.25, num), generator))
    in_place = blank & chance(generator, 0.6, num)
    own, num_people = None, int(torch.randint(1, 4, (1,), generator=generator))
    for k in range(num_people):
        sprites = crowd[torch.randint(len(crowd), (num,), generator=generator)]
        sprites = torch.where(chance(generator, 0.5, num, 1, 1, 1), sprites, sprites.flip(3))
        own, sway, size = movements(generator, num, mirrored=own, in_place=in_place)
        seen = chance(generator, 1.0 if k == 0 else 0.6, num, 1, 1)
        sprites = torch.cat([sprites[:, :1], sprites[:, 1:] * seen[:, None]], 1)
        # the camera follows this one; not where nobody could tell
        follows = torch.where(chance(generator, 0.2, num) & ~blank, 0.0, 1.0)
        stands = chance(generator, STANDING, num, 1, 1)
        bent = bends(generator, num) + leaning(sway * stands, size)
        layers.append(Layer(sprites, follows, own, size, sway * ~stands, bent))
    return layers


def _equipment(crowd: Tensor, there: Tensor, generator: torch.Generator) -> Layer:
    """Draw something with arms and legs that stands or lies still before the ground, as a bench or a machine."""
    num = len(there)
    sprites = crowd[torch.randint(len(crowd), (num,), generator=generator)]
    sprites = torch.where(chance(generator, 0.6, num, 1, 1, 1), sprites.transpose(2, 3), sprites)
    sprites = torch.cat([sprites[:, :1], sprites[:, 1:] * there[:, None, None, None]], 1)
    place = torch.cat([draw_uniform(generator, -0.7, 0.7, num, 1), draw_uniform(generator, -0.3, 0.6, num, 1)], 1)
    return Layer(sprites, torch.ones(num), torch.cat([torch.zeros(num, 4), place], 1),
                 draw_uniform(generator, 0.25, 1.0, num), torch.zeros(num, NUM_FRAMES, 2))


def _defocused(ground: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Take the fine detail off some grounds (B, S, S), as behind somebody on whom the lens is focused."""
    side = int(torch.randint(10, 40, (1,), generator=generator))
    soft = F.interpolate(F.adaptive_avg_pool2d(ground[:, None], side), size=ground.shape[1:], mode="bicubic")[:, 0]
    return torch.where(chosen[:, None, None], soft, ground).clamp(0, 1)


def add_ticker(frames: Tensor, generator: torch.Generator, *, share: float = 0.15) -> Tensor:
    """Lay a still band of lettering over the lower or upper edge of some clips, as news do.

    Args:
        frames: uint8 (B, T, 1, 64, 64).
    """
    num, side = len(frames), frames.shape[-1]
    letters = torch.rand(num, 1, 1, 4, 24, generator=generator)
    letters = F.interpolate((letters > 0.5).flatten(0, 1).float(), size=(side // 4, side))[:, None]
    dark, light = draw_uniform(generator, 0, 255, 2, num, 1, 1, 1, 1)
    band = F.pad(dark + (light - dark) * letters, (0, 0, side - side // 4, 0))
    height = torch.randint(5, side // 4 + 1, (num,), generator=generator)
    inside = torch.arange(side)[None] >= side - height[:, None]
    inside = (inside & chance(generator, share, num, 1))[:, None, None, :, None]
    laid = torch.where(inside, band.to(torch.uint8), frames)
    above = chance(generator, 0.3, num, 1, 1, 1, 1) & inside.any(3, keepdim=True)
    return torch.where(above, torch.where(inside.flip(3), band.flip(3).to(torch.uint8), frames), laid)


def studio(generator: torch.Generator, num: int, size: int) -> Tensor:
    """Draw grounds with nothing to match: one tone, brighter to one side, as a paper wall or a night sky.

    Returns:
        float (num, size, size).
    """
    axis = torch.linspace(-0.5, 0.5, size)
    angle = draw_uniform(generator, 0, 2 * math.pi, num, 1, 1)
    ramp = angle.cos() * axis[None, None] + angle.sin() * axis[None, :, None]
    tone = torch.where(chance(generator, 0.5, num, 1, 1), draw_uniform(generator, 0.8, 1.0, num, 1, 1),
                       draw_uniform(generator, 0.02, 0.9, num, 1, 1))
    return (tone + ramp * draw_uniform(generator, 0, 0.15, num, 1, 1)).clamp(0, 1)


__all__ = ["JOINTS", "SPRITE", "STANDING", "add_ticker", "bends", "draw_scene", "leaning", "movements", "people_bank",
           "studio"]
