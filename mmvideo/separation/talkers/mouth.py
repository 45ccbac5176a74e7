"""Draw mouths from gestures: lips, the dark inside, teeth, a moving chin; any skin, light, size and lips.

Coordinates are those of the mouth region that the face stage cuts out: x and y from -1 to 1, y down.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mmvideo.separation.talkers.articulation import Gestures


@dataclass(frozen=True)
class MouthLook:
    """How N mouths look; each field is float32 (N,)."""

    half_width: Tensor
    """Of the lips at rest, in half sides of the region."""
    x: Tensor
    y: Tensor
    turn: Tensor
    """Roll, radians."""
    skin: Tensor
    """Grey in [0, 1], as are the next four."""
    lips: Tensor
    inside: Tensor
    teeth: Tensor
    beard: Tensor
    """How much darker the skin below is, 0 to 0.5."""
    thickness: Tensor
    """Of the lips, in half widths."""
    wide_open: Tensor
    """Height of the widest opening, in half widths."""
    light: Tensor
    """Difference of brightness from left to right."""
    softness: Tensor
    """Width of edges, in half sides."""

    def __len__(self) -> int:
        return len(self.skin)

    def at(self, index: Tensor) -> MouthLook:
        """Return the looks at some indices."""
        return MouthLook(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def random_looks(num: int, generator: torch.Generator) -> MouthLook:
    """Draw N looks, on the device of the generator."""

    def between(low: float, high: float) -> Tensor:
        return torch.rand(num, generator=generator, device=generator.device) * (high - low) + low

    skin = between(0.22, 0.85)
    return MouthLook(
        half_width=between(0.36, 0.66), x=between(-0.1, 0.1), y=between(-0.12, 0.16), turn=between(-0.15, 0.15),
        skin=skin, lips=skin * between(0.5, 1.02), inside=between(0.02, 0.14), teeth=between(0.55, 0.95),
        beard=between(-0.4, 0.5).clamp_min(0), thickness=between(0.16, 0.36), wide_open=between(0.45, 0.85),
        light=between(-0.25, 0.25), softness=between(0.03, 0.09),
    )


def draw_mouths(gestures: Gestures, looks: MouthLook, *, side: int = 48, moves: Tensor | None = None) -> Tensor:
    """Draw N mouths over T frames.

    Args:
        gestures: float (N, T, 4).
        looks: of N mouths.
        side: pixels of the result.
        moves: float (N, T, 2), how far the mouth is shifted in each frame, in half sides.

    Returns:
        float32 (N, T, side, side) grey in [0, 1].
    """
    axis = (torch.arange(side, device=gestures.device) + 0.5) / side * 2 - 1
    n, t = gestures.shape[:2]
    moves = gestures.new_zeros(n, t, 2) if moves is None else moves

    def each(v: Tensor) -> Tensor:
        return v.view(n, 1, 1, 1)

    def moment(v: Tensor) -> Tensor:
        return v.view(n, t, 1, 1)

    cos, sin = each(looks.turn.cos()), each(looks.turn.sin())
    dx = axis.view(1, 1, 1, side) - moment(looks.x[:, None] + moves[..., 0])
    dy = axis.view(1, 1, side, 1) - moment(looks.y[:, None] + moves[..., 1])
    half = each(looks.half_width)
    x, y = (cos * dx + sin * dy) / half, (cos * dy - sin * dx) / half
    opening, width, rounding, teeth = (moment(g) for g in gestures.unbind(-1))
    across = 0.86 + 0.26 * width - 0.34 * rounding
    high = 0.02 + each(looks.wide_open) * opening
    thick = each(looks.thickness) * (1 + 0.35 * rounding - 0.2 * width)
    edge = each(looks.softness) / half
    y = y - 0.45 * high  # the jaw drops, the upper lip hardly rises
    below = torch.sigmoid((y - thick) / (edge * 2))
    picture = each(looks.skin) * (1 - each(looks.beard) * below) * (1 + 0.5 * each(looks.light) * dx)
    chin = y - high - thick * 2.2
    picture = picture * (1 - 0.25 * torch.exp(-(chin / 0.22).square() - (x / 0.7).square()))
    outer = _inside(x, y, across + thick * 0.35, high + thick, edge)
    picture = torch.lerp(picture, each(looks.lips).expand_as(picture), outer)
    inner = _inside(x, y, across * 0.9, high, edge) * torch.sigmoid((opening - 0.04) / 0.015)
    picture = torch.lerp(picture, each(looks.inside).expand_as(picture), inner)
    strip = torch.sigmoid((0.30 * teeth + 0.02 - (y + high)) / edge)
    return torch.lerp(picture, each(looks.teeth).expand_as(picture), inner * strip * (teeth > 0.02)).clamp(0, 1)


def _inside(x: Tensor, y: Tensor, a: Tensor, b: Tensor, edge: Tensor) -> Tensor:
    """Soft membership in an ellipse with half axes a and b."""
    radius = ((x / a).square() + (y / b).square()).sqrt()
    return torch.sigmoid((1 - radius) * torch.minimum(a, b).clamp_min(0.03) / edge * 2)


__all__ = ["MouthLook", "draw_mouths", "random_looks"]
