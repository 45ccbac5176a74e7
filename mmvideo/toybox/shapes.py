"""Signed distances to the toys' outlines: negative inside, in units of the toy's radius.

Formulas after Inigo Quilez, "2D distance functions" (https://iquilezles.org/articles/distfunctions2d/).
Every function takes local coordinates x, y (any shape, y down) and returns distances of the same shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmvideo.toybox import vocabulary as v


def ball(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance to a disc of radius 1."""
    return (x * x + y * y).sqrt() - 1.0


def box(x: Tensor, y: Tensor, half_width: float = 0.80, half_height: float = 0.80, rounding: float = 0.10) -> Tensor:
    """Return the distance to a rectangle with rounded corners."""
    a, b = x.abs() - (half_width - rounding), y.abs() - (half_height - rounding)
    outside = (a.clamp(min=0).square() + b.clamp(min=0).square()).sqrt()
    return outside + torch.maximum(a, b).clamp(max=0) - rounding


def triangle(x: Tensor, y: Tensor, half_side: float = 0.96, rounding: float = 0.06) -> Tensor:
    """Return the distance to an equilateral triangle that points up."""
    root = math.sqrt(3.0)
    a, b = x.abs() - half_side, -y + half_side / root - 0.06
    fold = (a + root * b).clamp(min=0)  # beyond the mirror through the corner
    a, b = a - 0.5 * fold, b - 0.5 * root * fold
    a = a - a.clamp(-2 * half_side, 0)
    return -(a * a + b * b).sqrt() * b.sign() - rounding


def star(x: Tensor, y: Tensor, outer: float = 1.12, inner: float = 0.50) -> Tensor:
    """Return the distance to a five-pointed star that points up."""
    c1, s1 = math.cos(math.pi / 5), math.sin(math.pi / 5)
    a, b = x.abs(), -y
    fold = 2 * (c1 * a - s1 * b).clamp(min=0)
    a, b = a - fold * c1, b + fold * s1
    fold = 2 * (-c1 * a - s1 * b).clamp(min=0)
    a, b = (a + fold * c1).abs(), b + fold * s1 - outer
    ux, uy = inner * s1, inner * c1 - outer  # the edge, from the tip to the notch
    h = ((a * ux + b * uy) / (ux * ux + uy * uy)).clamp(0, 1)
    distance = ((a - ux * h).square() + (b - uy * h).square()).sqrt()
    return distance * (b * ux - a * uy).sign()


def ring(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance to an annulus of outer radius 1."""
    return ((x * x + y * y).sqrt() - 0.71).abs() - 0.29


def cross(x: Tensor, y: Tensor) -> Tensor:
    """Return the distance (a bound inside) to a plus sign."""
    return torch.minimum(box(x, y, 1.0, 0.33, 0.06), box(x, y, 0.33, 1.0, 0.06))


DISTANCES = (ball, box, triangle, star, ring, cross)
"""In the order of SHAPES."""
assert tuple(f.__name__ for f in DISTANCES) == v.SHAPES
