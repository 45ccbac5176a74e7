"""How a toy's pixels look: material, light, outline, shadow and glow from the distance to its outline.

A surface is two fields, so that colour costs one product a channel: ``tint`` multiplies the toy's colour and
``white`` is added. Legend: K toy pictures (one toy in one frame), P pixels a side of its square crop.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmvideo.toybox import hashing, shapes
from mmvideo.toybox import vocabulary as v

REACH = 1.28
"""Radii from the centre to the end of everything a toy draws, its shadow included."""
_RGB = {
    "red": (0.90, 0.10, 0.10), "green": (0.12, 0.66, 0.16), "blue": (0.12, 0.28, 0.94),
    "yellow": (0.99, 0.84, 0.06), "purple": (0.60, 0.14, 0.82), "cyan": (0.08, 0.84, 0.88),
}
_TAN = (0.80, 0.58, 0.34)
_PAINT = {(m, c): tuple(0.8 * a + 0.2 * b for a, b in zip(_RGB[c], _TAN, strict=True)) if m == "wood" else _RGB[c]
          for m in v.MATERIALS for c in v.COLORS}
assert v.MATERIALS == ("rubber", "metal", "wood")


def colors(specs: list, seeds: Tensor, num_toys: int) -> Tensor:
    """Return the toys' colours, float (B, N, 3) in [0, 1], each varied a little by its scene's seed."""
    rows = [[_PAINT[toy.material, toy.color] for toy in spec.toys] for spec in specs]
    table = torch.tensor([row + [(0.0, 0.0, 0.0)] * (num_toys - len(row)) for row in rows], device=seeds.device)
    varied = table + 0.10 * (hashing.hashed_uniform(seeds, num_toys * 3, salt=4).view(table.shape) - 0.5)
    return varied.clamp(0.02, 1.0)


def kinds(specs: list, num_toys: int) -> tuple[Tensor, Tensor]:
    """Return the toys' shapes and materials as indices into SHAPES and MATERIALS, int64 (B, N)."""
    pad = [(0, 0)] * num_toys
    rows = [[(v.SHAPES.index(t.shape), v.MATERIALS.index(t.material)) for t in spec.toys] for spec in specs]
    table = torch.tensor([(row + pad)[:num_toys] for row in rows], dtype=torch.int64)
    return table[..., 0], table[..., 1]


def _rubber(d: Tensor, x: Tensor, y: Tensor, u: Tensor, w: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Matte: soft light from the top left and a dark outline."""
    width = (1.25 * pixel).clamp(0.13, 0.21)
    inside = ((0.5 - width / pixel) - d / pixel).clamp_(0, 1)
    return (0.93 - 0.16 * x - 0.20 * y) * (0.22 + 0.78 * inside), 0.02 * inside


def _metal(d: Tensor, x: Tensor, y: Tensor, u: Tensor, w: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Polished: bands of reflected light across the picture, a white glint and a light rim."""
    across = 0.55 * x + 0.80 * y
    glint = (1 - ((across + 0.34) * (1 / 0.26)).square_()).clamp_(min=0)
    tint = 0.60 + 0.42 * (4.2 * across + 0.5).cos_()
    width = (0.8 * pixel).clamp(0.09, 0.14)
    rim = (d / pixel + (0.5 + width / pixel)).clamp_(0, 1)
    light = torch.maximum(glint, 0.78 * rim)
    return tint * (1 - 0.8 * light), 0.06 + 0.91 * light


def _wood(d: Tensor, x: Tensor, y: Tensor, u: Tensor, w: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Grain: dark and light stripes that turn with the toy."""
    grain = (0.5 + 1.3 * (7.2 * u + 0.9 * (2.3 * w).sin_()).sin_()).clamp_(0, 1)
    width = (0.7 * pixel).clamp(min=0.07)
    edge = (d / pixel + (0.5 + width / pixel)).clamp_(0, 1)
    return (1.04 - 0.62 * grain) * (1 - 0.45 * edge) - 0.05 * y, 0.03 * (1 - grain)


_SURFACES = (_rubber, _metal, _wood)


def paint(x: Tensor, y: Tensor, pixel: Tensor, turn: Tensor, shape: int, material: int,
          flash: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what toys of one kind do to the pixels under them: ``new = old * keep + color * tint + white``.

    Args:
        x: float (K, 1, P), from the toy's centre in radii, as the picture stands.
        y: float (K, P, 1).
        pixel: float (K, 1, 1), size of a pixel in radii.
        turn: float (K, 1, 1), clockwise radians of the toy in the picture.
        shape: index into SHAPES.
        material: index into MATERIALS.
        flash: float (K, 1, 1) in [0, 1].

    Returns:
        keep, tint and white, each float (K, P, P).
    """
    cos, sin = turn.cos(), turn.sin()
    u, w = cos * x + sin * y, cos * y - sin * x
    per_pixel = 1 / pixel
    d = shapes.DISTANCES[shape](u, w)
    alpha = (0.5 - d * per_pixel).clamp_(0, 1)
    tint, white = _SURFACES[material](d, x, y, u, w, pixel)
    if shape == 0:
        clear = (0.5 - (0.24 - ((u - 0.50).square_() + w.square()).sqrt_()) * per_pixel).clamp_(0, 1)
        tint, white = tint * (0.15 + 0.85 * clear), white * clear
    falloff = (1 - d.clamp(min=0) * (1 / (REACH - 1))).clamp_(min=0).square_()
    shadow = falloff * (0.34 + 0.16 * (x + y)).clamp_(0.1, 0.6)
    outside = 1 - alpha
    if bool((flash > 0).any()):
        tint, white = tint * (1 - 0.8 * flash), white * (1 - 0.8 * flash) + 0.8 * flash
        halo = 0.75 * flash * falloff
        keep = outside * (1 - shadow * (1 - flash)) * (1 - halo)
        return keep, alpha * tint, alpha * white + outside * halo
    return torch.addcmul(outside, outside, shadow, value=-1), tint.mul_(alpha), alpha * white
