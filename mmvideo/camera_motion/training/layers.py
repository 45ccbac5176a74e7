"""What the camera of the camera-motion world sees: planes with parallax, bodies and subjects that move."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.camera_motion.training.draws import NUM_FRAMES, SIDE, chance, draw_uniform, log_uniform, wobble
from mmvideo.camera_motion.training.textures import CANVAS, blob_masks

BODY_SHARE = 0.3
"""Of the clips: with a large body that moves before the ground."""


def render(path: Tensor, times: Tensor, squeeze: Tensor, draw: Callable[[int, torch.Generator], list[Layer]],
           generator: torch.Generator) -> Tensor:
    """Render layers along the path, with motion blur.

    Args:
        path: float (B, T, 4) as of `camera_paths`.
        times: float (B, T) in [0, 1].
        squeeze: float (B,).
        draw: gives the layers of B clips, the furthest first.

    Returns:
        float (B, T, 64, 64).
    """
    num = len(path)
    size = draw_uniform(generator, 0.25, 0.55, num)  # half width of the view as a share of the canvas's half
    start = draw_uniform(generator, -0.4, 0.4, num, 2)
    turn = draw_uniform(generator, -0.15, 0.15, num)
    blur = chance(generator, 0.35, num)
    frames = torch.empty(num, NUM_FRAMES, SIDE, SIDE)
    layers = draw(num, generator)
    for blurred in (False, True):
        index = (blur == blurred).nonzero().flatten()
        if len(index) == 0:
            continue
        part = [p[index] for p in (path, times, squeeze, size, start, turn)]
        shutter = float(draw_uniform(generator, 0.2, 0.9, 1)) if blurred else 0.0
        frames[index] = render_part(part, [layer.select(index) for layer in layers], shutter)
    return frames


@dataclass(frozen=True)
class Layer:
    """One plane: luma and alpha, how strongly it moves with the camera, and its own motion."""

    pixels: Tensor  # float (B, 2, S, S)
    nearness: Tensor  # (B,) 1 for the background, more for nearer planes
    own: Tensor  # (B, 6) own x, y, growth, spin over the clip, then start x, y; zero for planes
    size: Tensor  # (B,) 0 for a plane that uses the view's size, else the sprite's half width in half frames
    sway: Tensor  # (B, T, 2) back and forth on top of `own`, in half frames
    bend: Tensor | None = None  # (B, T, 2, J, J) shifts of J x J points of the sprite, in its half widths

    def select(self, index: Tensor) -> Layer:
        return Layer(*(None if x is None else x[index]
                       for x in (self.pixels, self.nearness, self.own, self.size, self.sway, self.bend)))


def draw_layers(bank: Tensor, num: int, generator: torch.Generator) -> list[Layer]:
    """Draw a ground, in most batches a nearer plane, in some clips a large body, and one to three subjects."""
    def textures(count: int) -> Tensor:
        pick = bank[torch.randint(len(bank), (count,), generator=generator)]
        flip = chance(generator, 0.5, count, 1, 1)
        return torch.where(flip, pick.transpose(1, 2), pick)

    zero, rest = torch.zeros(num), torch.zeros(num, NUM_FRAMES, 2)
    has_body = chance(generator, BODY_SHARE, num)
    ground = bare(textures(num), has_body & chance(generator, 0.6, num), generator)
    layers = [Layer(torch.stack([ground, torch.ones(num, CANVAS, CANVAS)], 1), zero + 1,
                     torch.zeros(num, 6), zero, rest)]
    if float(torch.rand(1, generator=generator)) < 0.6:  # a nearer plane, in most of the batches
        cover = draw_uniform(generator, 0.05, 0.35, num) * chance(generator, 0.6, num)
        masks = blob_masks(generator, num, size=CANVAS, cover=cover) * (cover > 0)[:, None, None]
        layers.append(Layer(torch.stack([textures(num), masks], 1), draw_uniform(generator, 1.0, 1.8, num),
                             torch.zeros(num, 6), zero, rest))
    layers.append(_draw_body(has_body, textures(num), generator))
    for _ in range(int(torch.randint(1, 4, (1,), generator=generator))):
        layers.append(_draw_subject(num, textures(num), generator))
    return layers


def _draw_subject(num: int, textures: Tensor, generator: torch.Generator) -> Layer:
    side = 48
    top = torch.randint(0, CANVAS - side, (1,), generator=generator)
    pixels = textures[:, top:top + side, top:top + side]
    axis = torch.linspace(-1, 1, side)
    power = draw_uniform(generator, 1.5, 5.0, num, 1, 1)
    radius = (axis.abs()[None, None] ** power + axis.abs()[None, :, None] ** power) ** (1 / power)
    ragged = (blob_masks(generator, num, size=side, cover=torch.full((num,), 0.5)) - 0.5) * draw_uniform(
        generator, 0, 0.5, num, 1, 1)
    mask = ((0.85 - radius + ragged) / 0.08).clamp(0, 1)
    mask = mask * (radius < 0.97) * chance(generator, 0.55, num)[:, None, None]
    speed = draw_uniform(generator, -1.6, 1.6, num, 2) * chance(generator, 0.7, num, 1)
    growth = draw_uniform(generator, -0.5, 0.5, num, 1) * chance(generator, 0.4, num, 1)
    spin = draw_uniform(generator, -1.5, 1.5, num, 1) * chance(generator, 0.4, num, 1)
    place = draw_uniform(generator, -0.8, 0.8, num, 2) - speed / 2
    own = torch.cat([speed, growth, spin, place], 1)
    follows = torch.where(chance(generator, 0.35, num), 0.0, 1.0)  # the camera follows this one
    return Layer(torch.stack([pixels, mask], 1), follows, own, draw_uniform(generator, 0.15, 0.65, num),
                  torch.zeros(num, NUM_FRAMES, 2))


def bare(ground: Tensor, chosen: Tensor, generator: torch.Generator, *, least: float = 0.08) -> Tensor:
    """Take most of the contrast off some grounds, to a share of `least` to 0.5: a wall has little to match."""
    left = torch.where(chosen, draw_uniform(generator, least, 0.5, len(chosen)), 1.0)[:, None, None]
    mean = ground.mean((1, 2), keepdim=True)
    return mean + (ground - mean) * left


def _draw_body(has_body: Tensor, textures: Tensor, generator: torch.Generator) -> Layer:
    """Draw a large body that sways, nods and leans before the ground, as a person who talks or signs to the camera."""
    num, side = len(has_body), CANVAS
    axis = torch.linspace(-1, 1, side)
    power = draw_uniform(generator, 1.6, 4.0, num, 1, 1)
    tall = draw_uniform(generator, 0.8, 1.3, num, 1, 1)
    radius = ((axis.abs()[None, None] * tall) ** power + axis.abs()[None, :, None] ** power) ** (1 / power)
    ragged = (blob_masks(generator, num, size=side, cover=torch.full((num,), 0.5)) - 0.5) * draw_uniform(
        generator, 0, 0.3, num, 1, 1)
    mask = ((0.9 - radius + ragged) / 0.06).clamp(0, 1) * (radius < 0.98) * has_body[:, None, None]
    place = torch.cat([draw_uniform(generator, -0.5, 0.5, num, 1), draw_uniform(generator, -0.2, 0.9, num, 1)], 1)
    drift = draw_uniform(generator, -0.25, 0.25, num, 2) * chance(generator, 0.4, num, 1)
    growth = draw_uniform(generator, -0.15, 0.15, num, 1) * chance(generator, 0.4, num, 1)
    lean = draw_uniform(generator, -0.3, 0.3, num, 1) * chance(generator, 0.5, num, 1)
    times = torch.linspace(0, 1, NUM_FRAMES).expand(num, -1)
    sway = wobble(generator, num, times)[..., :2] * log_uniform(generator, 0.01, 0.25, num, 1, 1)
    slow = torch.sin(2 * math.pi * (draw_uniform(generator, 0.2, 1.5, num, 1, 2) * times[..., None]
                                    + draw_uniform(generator, 0, 1, num, 1, 2)))
    sway = sway + slow * draw_uniform(generator, 0, 0.2, num, 1, 1)
    own = torch.cat([drift, growth, lean, place], 1)
    return Layer(torch.stack([textures, mask], 1), torch.ones(num), own, draw_uniform(generator, 0.5, 1.2, num), sway)


def render_part(part: list[Tensor], layers: list[Layer], shutter: float) -> Tensor:
    path, times, squeeze, size, start, turn = part
    if shutter:
        before = torch.cat([path[:, :1], path[:, :-1]], 1)
        shifts = [path + (before - path) * shutter * k / 3 for k in range(3)]
        path = torch.stack(shifts, 2).flatten(1, 2)
        times = times.repeat_interleave(3, dim=1)
    num, steps = path.shape[:2]
    axis = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    picture = torch.zeros(num, steps, SIDE, SIDE)
    for layer in layers:
        grid = _grid(layer, path, times, squeeze, size, start, turn, axis)
        if layer.bend is not None:
            grid = _bent(grid, layer.bend)
        plane = bool((layer.size == 0).all())
        seen = F.grid_sample(layer.pixels, grid.flatten(1, 2), mode="bilinear",
                             padding_mode="reflection" if plane else "zeros", align_corners=False)
        luma, alpha = seen.view(num, 2, steps, SIDE, SIDE).unbind(1)
        picture = torch.lerp(picture, luma, alpha)
    return picture.unflatten(1, (-1, 3)).mean(2) if shutter else picture


def _bent(grid: Tensor, bend: Tensor) -> Tensor:
    """Shift where pixels look, float (B, T, 64, 64, 2), by what lies between the sprite's moved points."""
    bend = bend.repeat_interleave(grid.shape[1] // bend.shape[1], 1).flatten(0, 1)
    shift = F.grid_sample(bend, grid.flatten(0, 1), mode="bilinear", padding_mode="border", align_corners=True)
    return grid + shift.permute(0, 2, 3, 1).view_as(grid)


def _grid(layer: Layer, path: Tensor, times: Tensor, squeeze: Tensor, size: Tensor, start: Tensor, turn: Tensor,
          axis: Tensor) -> Tensor:
    """Where each pixel of each frame looks on a layer's texture; float (B, T, 64, 64, 2) in [-1, 1]."""
    near = layer.nearness[:, None]
    shape = torch.stack([squeeze, 1 / squeeze], -1)[:, None]  # half widths -> isotropic units
    grown, roll = path[..., 2], path[..., 3]
    follows = near.clamp(max=1.0)  # 0 for a subject that the camera follows; roll and zoom spare none
    centre = path[..., :2] * shape * torch.where(near > 1, near, follows)[..., None]
    zoom = (grown * near.clamp(min=1.0)).exp()
    cos, sin = roll.cos(), roll.sin()
    matrix = torch.stack([cos, sin, -sin, cos], -1).view(*roll.shape, 2, 2) / zoom[..., None, None]
    matrix = matrix * shape[:, :, None]
    plane = layer.size[:, None] == 0
    own = layer.own[:, None]
    sway = layer.sway.repeat_interleave(times.shape[1] // layer.sway.shape[1], 1)  # a blurred frame is several
    place = own[..., 4:6] + own[..., :2] * times[..., None] + sway
    radius = layer.size[:, None] * (own[..., 2] * times).exp()
    angle = torch.where(plane, turn[:, None], own[..., 3] * times)
    cos, sin = angle.cos(), angle.sin()
    turned = torch.stack([cos, sin, -sin, cos], -1).view(*cos.shape, 2, 2)
    factor = torch.where(plane, size[:, None].expand_as(radius), 1 / radius.clamp_min(0.02))
    turned = turned * factor[..., None, None]
    whole = turned @ matrix
    offset = (turned @ (centre - place)[..., None])[..., 0] + start[:, None] * plane[..., None]
    columns = whole[..., 0][..., None, None, :] * axis[:, None]  # (B, T, 1, 64, 2)
    rows = whole[..., 1][..., None, None, :] * axis[:, None, None] + offset[..., None, None, :]
    return columns + rows


__all__ = ["Layer", "bare", "draw_layers", "render", "render_part"]
