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
    varied = table + 0.10 * (hashing.uniform(seeds, num_toys * 3, salt=4).view(table.shape) - 0.5)
    return varied.clamp(0.02, 1.0)


def kinds(specs: list, num_toys: int) -> tuple[Tensor, Tensor]:
    """Return the toys' shapes and materials as indices into SHAPES and MATERIALS, int64 (B, N)."""
    pad = [(0, 0)] * num_toys
    rows = [[(v.SHAPES.index(t.shape), v.MATERIALS.index(t.material)) for t in spec.toys] for spec in specs]
    table = torch.tensor([(row + pad)[:num_toys] for row in rows], dtype=torch.int64)
    return table[..., 0], table[..., 1]


def _by_kind(kind: Tensor, function, *fields: Tensor) -> Tensor | tuple[Tensor, ...]:
    """Apply function(value, *fields of that kind) to each group of equal `kind` (K,) and put the results together."""
    values = kind.unique().tolist()
    if len(values) == 1:
        return function(values[0], *fields)
    result = None
    for value in values:
        rows = (kind == value).nonzero().squeeze(1)
        part = function(value, *(field[rows] for field in fields))
        part = part if isinstance(part, tuple) else (part,)
        if result is None:
            result = tuple(p.new_empty(len(kind), *p.shape[1:]) for p in part)
        for whole, piece in zip(result, part, strict=True):
            whole[rows] = piece
    return result if len(result) > 1 else result[0]


def _rubber(d: Tensor, x: Tensor, y: Tensor, u: Tensor, w: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Matte: soft light from the top left and a dark outline."""
    width = (1.25 * pixel).clamp(min=0.13)
    inside = (((-width) - d) / pixel + 0.5).clamp(0, 1)
    tint = (0.93 - 0.16 * x - 0.20 * y) * (0.22 + 0.78 * inside)
    return tint, 0.02 * inside


def _metal(d: Tensor, x: Tensor, y: Tensor, u: Tensor, w: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Polished: bands of reflected light across the picture, a white glint and a light rim."""
    across = 0.55 * x + 0.80 * y
    glint = (1 - ((across + 0.34) / 0.26).square()).clamp(min=0)
    tint = 0.60 + 0.42 * (4.2 * across + 0.5).cos()
    width = (0.8 * pixel).clamp(min=0.09)
    rim = ((d + width) / pixel + 0.5).clamp(0, 1)
    white = 0.06 + torch.maximum(0.92 * glint, 0.70 * rim)
    return tint * (1 - 0.8 * torch.maximum(glint, 0.8 * rim)), white


def _wood(d: Tensor, x: Tensor, y: Tensor, u: Tensor, w: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
    """Grain: dark and light stripes that turn with the toy."""
    grain = (0.5 + 1.3 * (7.2 * u + 0.9 * (2.3 * w).sin()).sin()).clamp(0, 1)
    width = (0.7 * pixel).clamp(min=0.07)
    edge = ((d + width) / pixel + 0.5).clamp(0, 1)
    tint = (1.04 - 0.62 * grain) * (1 - 0.45 * edge) - 0.05 * y
    return tint, 0.03 * (1 - grain)


_SURFACES = (_rubber, _metal, _wood)


def paint(x: Tensor, y: Tensor, pixel: Tensor, turn: Tensor, shape: Tensor, material: Tensor,
          flash: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what toys do to the pixels under them: ``new = old * keep + color * tint + white``, each (K, P, P).

    Args:
        x, y: float (K, P, P), from the toy's centre in radii, as the picture stands.
        pixel: float (K, 1, 1), size of a pixel in radii.
        turn: float (K, 1, 1), clockwise radians of the toy in the picture.
        shape, material: int64 (K,).
        flash: float (K, 1, 1) in [0, 1].
    """
    cos, sin = turn.cos(), turn.sin()
    u, w = cos * x + sin * y, cos * y - sin * x
    d = _by_kind(shape, lambda k, a, b: shapes.DISTANCES[k](a, b), u, w)
    alpha = (0.5 - d / pixel).clamp(0, 1)
    tint, white = _by_kind(material, lambda k, *fields: _SURFACES[k](*fields), d, x, y, u, w, pixel.expand_as(d))
    ball = (shape == 0).to(d.dtype)[:, None, None]
    dot = ball * (0.5 + (0.24 - ((u - 0.50).square() + w.square()).sqrt()) / pixel).clamp(0, 1)
    tint, white = tint * (1 - 0.85 * dot), white * (1 - dot)
    falloff = (1 - d.clamp(min=0) / (REACH - 1)).clamp(min=0).square()
    keep = 1 - falloff * (0.34 + 0.16 * (x + y)).clamp(0.1, 0.6)
    if bool((flash > 0).any()):
        tint, white = tint * (1 - 0.8 * flash), white * (1 - 0.8 * flash) + 0.8 * flash
        halo = 0.75 * flash * falloff
        return (1 - alpha) * (keep + (1 - keep) * flash) * (1 - halo), alpha * tint, alpha * white + (1 - alpha) * halo
    return (1 - alpha) * keep, alpha * tint, alpha * white
