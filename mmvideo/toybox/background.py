"""Grounds, back walls and wall bars: muted textures, a function of the scene's seed and of world coordinates.

Noise is a sum of octaves, each a small random lattice that two matrix products resample with cubic B-splines, so a
whole batch costs little. Legend: B scenes, R texels a side.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.toybox import hashing

EXTENT = (-0.5, 1.5)
"""World coordinates that a texture covers on each axis; beyond it is mirrored."""
WALL_INSET = 0.02
"""How far a wall bar reaches into the frame, frame widths."""
WALL_OUTER = 0.06
"""How far it reaches outward."""
_OCTAVES = (4, 8, 16, 32, 64)
_PATTERNS = 5  # clouds, blotches, stripes, tiles, gradient


def texel_coordinates(num: int, low: float, high: float, device: torch.device | None = None) -> Tensor:
    """Return the (num,) centres of texels that tile [low, high]."""
    return low + (torch.arange(num, device=device) + 0.5) * ((high - low) / num)


def _spline(coordinates: Tensor, cells: int) -> Tensor:
    """Return the (R, cells + 3) cubic B-spline weights of lattice nodes over EXTENT."""
    place = (coordinates - EXTENT[0]) / (EXTENT[1] - EXTENT[0]) * cells
    distance = (place[:, None] - torch.arange(-1, cells + 2, device=coordinates.device)).abs()
    near = 2 / 3 - distance.square() + distance**3 / 2
    return torch.where(distance < 1, near, (2 - distance).clamp(min=0) ** 3 / 6)


def _noise(seeds: Tensor, coordinates: Tensor) -> list[Tensor]:
    """Return one field (B, R, R) an octave, mean 0, deviation about 0.3."""
    lattice = hashing.hashed_uniform(seeds, sum((c + 3) ** 2 for c in _OCTAVES), salt=1)
    fields, start = [], 0
    for cells in _OCTAVES:
        nodes = lattice[:, start:start + (cells + 3) ** 2].view(-1, cells + 3, cells + 3)
        weights = _spline(coordinates, cells)
        fields.append(torch.matmul(torch.matmul(weights, nodes * 2.2 - 1.1), weights.T))
        start += (cells + 3) ** 2
    return fields


def _muted(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return HSV colours (B,) each as RGB (B, 3, 1, 1)."""
    shift = torch.tensor([5.0, 3.0, 1.0], device=hue.device)
    k = (shift + hue[:, None] * 6) % 6
    falloff = torch.minimum(k, 4 - k).clamp(0, 1)
    return (value[:, None] * (1 - saturation[:, None] * falloff))[..., None, None]


def _pattern(kind: int, draw: Tensor, x: Tensor, y: Tensor, low: Tensor, soft: Tensor) -> Tensor:
    """Return the mix (K, R, R) in [0, 1] of the two ground colours of scenes with one kind of pattern."""
    if kind == 0:  # clouds
        return 0.5 + soft
    if kind == 1:  # blotches
        return (0.5 + 5.0 * low + 1.5 * soft).clamp_(0, 1)
    d = draw[:, :, None, None]
    turn = d[:, 1] * math.pi
    u = turn.cos() * x + turn.sin() * y
    if kind == 4:  # gradient
        return (0.5 + 0.7 * (u - 0.5 * (turn.cos() + turn.sin()))).clamp_(0, 1)
    frequency = 2 * math.pi * (2.0 + 5.0 * d[:, 2])
    if kind == 2:  # stripes
        return (0.5 + 1.8 * (frequency * u + 2.5 * d[:, 3] * low).sin_()).clamp_(0, 1)
    w = turn.cos() * y - turn.sin() * x
    checks = (0.5 + 3 * (frequency * u).sin() * (frequency * w).sin()).clamp_(0, 1)
    grout = ((0.5 * frequency * u).cos_().abs_().minimum((0.5 * frequency * w).cos_().abs_()) * 5).clamp_(0, 1)
    return grout + (checks - grout) * (d[:, 4] < 0.5)


def _mix(draw: Tensor, x: Tensor, y: Tensor, low: Tensor, soft: Tensor) -> Tensor:
    """Return each scene's pattern, (B, R, R)."""
    kinds = (draw[:, 0] * _PATTERNS).long()
    mix = torch.empty_like(soft)
    for kind in kinds.unique().tolist():
        rows = (kinds == kind).nonzero().squeeze(1)
        mix[rows] = _pattern(kind, draw[rows], x, y, low[rows], soft[rows])
    return mix


def textures(seeds: Tensor, side_view: Tensor, coordinates: Tensor) -> Tensor:
    """Return grounds as float (B, 3, R, R) in [0, 1] at world coordinates (R,) of both axes.

    Args:
        seeds: int64 (B,).
        side_view: bool (B,): a back wall with a floor instead of a ground seen from above.
        coordinates: float (R,), increasing, frame widths.
    """
    draw = hashing.hashed_uniform(seeds, 24, salt=2)
    fields = _noise(seeds, coordinates)
    x, y = coordinates[None, None, :], coordinates[None, :, None]
    slope = (0.45 + 0.45 * draw[:, 5])[:, None, None]
    low = fields[0] + 0.5 * fields[1]
    fine = fields[2] * slope + fields[3] * slope.square() + fields[4] * slope**3
    mix = _mix(draw, x, y, low, 0.7 * low + 0.5 * fine)
    value = 0.30 + 0.50 * draw[:, 6]
    first = _muted(draw[:, 7], 0.30 * draw[:, 8], value)
    step = (0.06 + 0.14 * draw[:, 9]) * torch.where(value > 0.55, -1.0, 1.0)
    second = _muted((draw[:, 7] + 0.25 * (draw[:, 10] - 0.5)) % 1, 0.30 * draw[:, 11], value + step)
    picture = first + (second - first) * mix[:, None]
    tilt = 0.25 * ((draw[:, 12, None, None] - 0.5) * (x - 0.5) + (draw[:, 13, None, None] - 0.5) * (y - 0.5))
    light = 1 + tilt + (0.10 + 0.25 * draw[:, 14])[:, None, None] * fine
    picture = picture * light[:, None]
    rows = side_view.nonzero().squeeze(1)
    if len(rows):
        picture[rows] = _add_floor(picture[rows], draw[rows], y, fine[rows], low[rows])
    return picture.clamp_(0.03, 0.97)


def _add_floor(picture: Tensor, draw: Tensor, y: Tensor, fine: Tensor, low: Tensor) -> Tensor:
    """Return the pictures with a floor below a skirting line, its front edge at y = 1."""
    texel = 1.0 / max(1.0, y.shape[1] / (float(y[0, -1, 0] - y[0, 0, 0]) + 1e-9))
    line = (0.84 + 0.07 * draw[:, 15])[:, None, None]
    coverage = ((y - line) / texel + 0.5).clamp(0, 1)
    value = 0.30 + 0.45 * ((draw[:, 6] + 0.35 + 0.3 * draw[:, 16]) % 1)
    color = _muted(draw[:, 17], 0.35 * draw[:, 18], value)
    depth = 0.72 + 0.28 * ((y - line) / (1 - line)).clamp(0, 1)
    skirting = 1 - 0.45 * (1 - (y - line).abs() / 0.012).clamp(0, 1)
    front = 1 - 0.45 * ((y - (1 - WALL_INSET)) / texel + 0.5).clamp(0, 1)
    floor = color * (depth * front * (1 + 0.35 * fine + 0.1 * low))[:, None]
    return (picture + (floor - picture) * coverage[:, None]) * skirting[:, None]


def add_walls(picture: Tensor, seeds: Tensor, walls: Tensor, coordinates: Tensor) -> Tensor:
    """Return pictures (B, 3, R, R) with the bars of the scene's walls drawn in.

    Args:
        picture: float (B, 3, R, R).
        seeds: int64 (B,).
        walls: bool (B, 4), in the order of SIDES.
        coordinates: float (R,), as for `textures`.
    """
    draw = hashing.hashed_uniform(seeds, 4, salt=3)
    per_unit = (len(coordinates) - 1) / (coordinates[-1] - coordinates[0])
    inner_low = ((WALL_INSET - coordinates) * per_unit + 0.5).clamp(0, 1)
    outer_low = ((coordinates + WALL_OUTER) * per_unit + 0.5).clamp(0, 1)
    inner_high = ((coordinates - 1 + WALL_INSET) * per_unit + 0.5).clamp(0, 1)
    outer_high = ((1 + WALL_OUTER - coordinates) * per_unit + 0.5).clamp(0, 1)
    span = outer_low * outer_high
    near, far = inner_low * outer_low, inner_high * outer_high
    on = walls.to(picture.dtype)[:, :, None]
    columns = torch.maximum(on[:, 0] * near, on[:, 1] * far)[:, None, :] * span[None, :, None]
    rows = torch.maximum(on[:, 2] * near, on[:, 3] * far)[:, :, None] * span[None, None, :]
    coverage = torch.maximum(columns, rows)[:, None]
    bright = picture.mean((1, 2, 3)) < 0.45
    color = _muted(draw[:, 0], 0.30 * draw[:, 1], torch.where(bright, 0.88, 0.14) + 0.06 * draw[:, 2])
    bricks = 1 - 0.22 * ((2 * math.pi * 9 * (coordinates[None, :] + coordinates[:, None])).sin() > 0.4).to(color.dtype)
    return picture + (color * bricks - picture) * coverage


def from_pictures(pictures: Tensor, coordinates: Tensor, *, cover: float = 1.5) -> Tensor:
    """Return supplied pictures as grounds, float (B, 3, R, R).

    Args:
        pictures: uint8 (B, 3, h, w); the central square covers `cover` frame widths around the frame's centre.
        coordinates: float (R,), as for `textures`.
        cover: how much of the world a picture spans, frame widths; beyond it is mirrored.
    """
    side = min(pictures.shape[-2:])
    top, left = (pictures.shape[-2] - side) // 2, (pictures.shape[-1] - side) // 2
    square = pictures[..., top:top + side, left:left + side].float() / 255
    per_unit = (len(coordinates) - 1) / float(coordinates[-1] - coordinates[0])
    texels = max(2, round(cover * per_unit))
    if side > texels:
        square = F.interpolate(square, (texels, texels), mode="bilinear", antialias=True, align_corners=False)
    place = (coordinates - 0.5) * (2 / cover)
    grid = torch.stack((place[None, :].expand(len(place), -1), place[:, None].expand(-1, len(place))), -1)
    return F.grid_sample(square, grid.expand(len(square), -1, -1, -1), padding_mode="reflection", align_corners=False)
