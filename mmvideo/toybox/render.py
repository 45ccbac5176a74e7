"""Draw simulated scenes: ground, walls, toys, board, camera; the same operations on CPU and GPU.

Each toy is painted in its own square crop and pasted, and a ground is made once a scene, so a clip costs little more
than its toys' pixels. Legend: B scenes, T frames, N toys, K toy pictures, P pixels a side of a crop, R texels a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.toybox import background, hashing, surfaces
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.world import World

_CHUNK_PIXELS = 1 << 22  # frames are made in chunks of about this many pixels: they stay in a CPU's cache
_CROP_PIXELS = 1 << 16
_NUM_KINDS = len(v.SHAPES) * len(v.MATERIALS)
_SIDES = 1 << 16  # above every side of a crop


@dataclass(frozen=True)
class _Shots:
    """A chunk of scenes at the times of its frames."""

    seeds: Tensor
    """int64 (B,)."""
    side_view: Tensor
    """bool (B,)."""
    walls: Tensor
    """bool (B, 4)."""
    board: Tensor
    """float (B, 4), x0 y0 x1 y1; empty (zeros) where there is no occluder."""
    shape: Tensor
    material: Tensor
    color: Tensor
    """float (B, N, 3)."""
    radius: Tensor
    """float (B, N)."""
    position: Tensor
    """float (B, T, N, 2), world."""
    angle: Tensor
    flash: Tensor
    camera: Tensor
    """float (B, T, 4)."""
    backgrounds: Tensor | None

    def __getitem__(self, rows: slice) -> _Shots:
        return _Shots(*(None if f is None else f[rows] for f in vars(self).values()))


def render_world(world: World, *, size: int = 64, fps: float = v.MODEL_FPS, num_frames: int = 16,
                 start_seconds: float = 0.0, backgrounds: Tensor | None = None,
                 device: torch.device | str | None = None) -> Tensor:
    """Return the frames of a batch of scenes, uint8 (B, T, 3, size, size) at times start + i / fps.

    A time between two physics steps is interpolated. A scene looks the same whatever batch it is drawn in.

    Args:
        world: the simulated scenes.
        size: pixels a side.
        fps: frames per second.
        num_frames: T.
        start_seconds: time of the first frame.
        backgrounds: uint8 (B, 3, h, w) pictures that replace the grounds; the central square of each covers
            1.5 frame widths, so that a camera has somewhere to go.
        device: where to compute; the world's own by default.

    Raises:
        InvalidInput: a size, rate or count that is not positive, or backgrounds of another shape or type.
    """
    if size < 8 or fps <= 0 or num_frames < 1:
        raise InvalidInput(f"render needs size >= 8, fps > 0 and num_frames >= 1, not {size}, {fps}, {num_frames}.")
    if backgrounds is not None and (backgrounds.dtype != torch.uint8 or backgrounds.ndim != 4
                                    or backgrounds.shape[:2] != (len(world), 3)):
        raise InvalidInput(f"backgrounds must be uint8 ({len(world)}, 3, h, w), "
                           f"not {backgrounds.dtype} {tuple(backgrounds.shape)}.")
    device = torch.device(device) if device is not None else world.position.device
    times = start_seconds + torch.arange(num_frames, dtype=torch.float64) / fps
    shots = _shots(world, times, backgrounds, device)
    count = max(1, _CHUNK_PIXELS // (num_frames * size * size)) if device.type == "cpu" else len(world)
    frames = torch.empty(len(world), num_frames, 3, size, size, dtype=torch.uint8, device=device)
    with torch.no_grad():
        for start in range(0, len(world), count):
            _draw(frames[start:start + count], shots[start:start + count])
    return frames


def _at(track: Tensor, times: Tensor) -> Tensor:
    """Return a recorded track (B, S, ...) at times (T,), interpolated: (B, T, ...)."""
    place = (times * v.STEPS_PER_SECOND).clamp(0, track.shape[1] - 1)
    low = place.floor().long()
    part = (place - low).to(track.dtype)
    if not bool(part.any()):
        return track[:, low.to(track.device)]
    part = part.to(track.device).view(1, -1, *[1] * (track.ndim - 2))
    high = (low + 1).clamp(max=track.shape[1] - 1)
    first, second = track[:, low.to(track.device)], track[:, high.to(track.device)]
    return first + (second - first) * part


def _shots(world: World, times: Tensor, backgrounds: Tensor | None, device: torch.device) -> _Shots:
    seeds = hashing.seeds_of(world.specs, device)
    shape, material = surfaces.kinds(world.specs, world.num_toys)
    boards = [spec.occluder or (0.0, 0.0, 0.0, 0.0) for spec in world.specs]
    return _Shots(
        seeds=seeds,
        side_view=torch.tensor([spec.view == "side" for spec in world.specs], device=device),
        walls=torch.tensor([spec.walls for spec in world.specs], device=device),
        board=torch.tensor(boards, dtype=torch.float32, device=device),
        shape=shape.to(device), material=material.to(device),
        color=surfaces.colors(world.specs, seeds, world.num_toys),
        radius=world.radius.to(device),
        position=_at(world.position, times).to(device), angle=_at(world.angle, times).to(device),
        flash=_at(world.flash, times).to(device), camera=_at(world.camera, times).to(device),
        backgrounds=None if backgrounds is None else backgrounds.to(device),
    )


def _draw(canvas: Tensor, shots: _Shots) -> None:
    """Fill the frames (B, T, 3, size, size)."""
    size = canvas.shape[-1]
    still = ((shots.camera - shots.camera.new_tensor([0.5, 0.5, 0, 0])).abs() < 1e-6).all(-1).all(-1)
    for is_still in (True, False):
        rows = (still == is_still).nonzero().squeeze(1)
        if len(rows):
            ground = _still_ground if is_still else _moving_ground
            canvas[rows] = ground(shots[rows], size)
    _paste_toys(canvas, shots)
    rows = (shots.board[:, 2] > shots.board[:, 0]).nonzero().squeeze(1)
    if len(rows):
        canvas[rows] = _cover(canvas[rows], shots[rows], size)


def _ground(shots: _Shots, coordinates: Tensor) -> Tensor:
    """Return the ground with its walls at world coordinates (R,), float (B, 3, R, R)."""
    if shots.backgrounds is None:
        picture = background.textures(shots.seeds, shots.side_view, coordinates)
    else:
        picture = background.from_pictures(shots.backgrounds, coordinates)
    return background.add_walls(picture, shots.seeds, shots.walls, coordinates)


def _still_ground(shots: _Shots, size: int) -> Tensor:
    ground = _ground(shots, background.texel_coordinates(size, 0.0, 1.0, shots.seeds.device))
    return (ground * 255 + 0.5).to(torch.uint8)[:, None].expand(-1, shots.camera.shape[1], -1, -1, -1)


def _world_of_pixels(camera: Tensor, size: int) -> Tensor:
    """Return the world coordinates (B, T, size, size, 2) that each pixel of each frame sees."""
    across = background.texel_coordinates(size, -0.5, 0.5, camera.device)
    centre_x, centre_y, log_zoom, roll = camera[..., None, None].unbind(2)
    scale = (-log_zoom).exp()
    cos, sin = scale * roll.cos(), scale * roll.sin()
    x = centre_x + cos * across + sin * across[:, None]
    y = centre_y - sin * across + cos * across[:, None]
    return torch.stack((x, y), -1)


def _moving_ground(shots: _Shots, size: int) -> Tensor:
    low, high = background.EXTENT
    ground = _ground(shots, background.texel_coordinates(2 * size, low, high, shots.seeds.device)) * 255 + 0.5
    grid = (_world_of_pixels(shots.camera, size) - 0.5) * (2 / (high - low))
    b, t = shots.camera.shape[:2]
    frames = F.grid_sample(ground, grid.view(b, t * size, size, 2), padding_mode="reflection", align_corners=False)
    return frames.to(torch.uint8).view(b, 3, t, size, size).transpose(1, 2)


def _paste_toys(canvas: Tensor, shots: _Shots) -> None:
    """Paint every toy that is in the picture onto the frames, in place."""
    num_frames, size = canvas.shape[1], canvas.shape[-1]
    log_zoom, roll = shots.camera[..., None, 2], shots.camera[..., None, 3]
    offset = shots.position - shots.camera[:, :, None, :2]
    x, y = offset.unbind(-1)
    cos, sin, zoom = roll.cos(), roll.sin(), log_zoom.exp()
    center_x = (0.5 + zoom * (cos * x - sin * y)) * size
    center_y = (0.5 + zoom * (sin * x + cos * y)) * size
    radius = shots.radius[:, None] * zoom * size
    reach = radius * surfaces.REACH
    seen = ((radius > 0) & (center_x > -reach) & (center_x < size + reach)
            & (center_y > -reach) & (center_y < size + reach))
    b, t, n = seen.nonzero().unbind(1)
    turn = shots.angle + roll
    side = ((2 * reach[b, t, n] + 2) / 4).ceil().long() * 4
    # One paste must not touch a frame twice, hence toy by toy; toys of one kind and size are painted together.
    kind = shots.shape[b, n] * len(v.MATERIALS) + shots.material[b, n]
    keys, order = ((n * _NUM_KINDS + kind) * _SIDES + side).sort(stable=True)
    keys, counts = keys.unique_consecutive(return_counts=True)
    for key, rows in zip(keys.tolist(), order.split(counts.tolist()), strict=True):
        crop = min(key % _SIDES, size)
        shape, material = divmod(key // _SIDES % _NUM_KINDS, len(v.MATERIALS))
        for part in rows.split(max(1, _CROP_PIXELS // (crop * crop)) if canvas.device.type == "cpu" else len(rows)):
            at = (b[part], t[part], n[part])
            look = _Look(shape, material, radius[at], turn[at], shots.flash[at], shots.color[at[0], at[2]])
            _paste(canvas, at[0] * num_frames + at[1], crop, center_x[at], center_y[at], look)


@dataclass(frozen=True)
class _Look:
    """K pictures of toys of one kind."""

    shape: int
    material: int
    radius: Tensor
    """float (K,), pixels."""
    turn: Tensor
    flash: Tensor
    color: Tensor
    """float (K, 3)."""


def _paste(canvas: Tensor, frame: Tensor, side: int, center_x: Tensor, center_y: Tensor, look: _Look) -> None:
    """Paint K toys, each into another frame (K,), in crops of `side` pixels around centres (K,) in pixels."""
    size = canvas.shape[-1]
    left = (center_x - side / 2).round().clamp(0, size - side)
    top = (center_y - side / 2).round().clamp(0, size - side)
    ramp = torch.arange(side, device=canvas.device)
    pixel = (1 / look.radius)[:, None, None]
    x = ((left + 0.5 - center_x)[:, None] + ramp)[:, None, :] * pixel
    y = ((top + 0.5 - center_y)[:, None] + ramp)[:, :, None] * pixel
    keep, tint, white = surfaces.paint(x, y, pixel, look.turn[:, None, None], look.shape, look.material,
                                       look.flash[:, None, None])
    corner = frame * (3 * size * size) + top.long() * size + left.long()
    place = (corner[:, None, None] + (ramp[:, None] * size + ramp)).view(-1)
    white = white.mul_(255).add_(0.5)
    for channel in range(3):
        plane = canvas.view(-1)[channel * size * size:]
        old = plane.gather(0, place).view(keep.shape)
        new = torch.addcmul(white, tint, 255 * look.color[:, channel, None, None]).addcmul_(old.float(), keep)
        plane.scatter_(0, place, new.clamp_(0, 255.0).to(torch.uint8).view(-1))


def _cover(frames: Tensor, shots: _Shots, size: int) -> Tensor:
    """Return the frames with the occluding boards in front."""
    camera = shots.camera
    if bool((camera == camera[:, :1]).all()):
        camera = camera[:, :1]
    x, y = _world_of_pixels(camera, size).unbind(-1)
    pixel = ((-camera[..., 2]).exp() / size)[..., None, None]
    x0, y0, x1, y1 = shots.board[:, :, None, None, None].unbind(1)
    inside = torch.minimum(torch.minimum(x - x0, x1 - x), torch.minimum(y - y0, y1 - y))
    coverage = (inside / pixel + 0.5).clamp(0, 1)[:, :, None]
    draw = hashing.hashed_uniform(shots.seeds, 5, salt=5)[:, :, None, None, None]
    along = torch.where(draw[:, 0] < 0.5, x - x0, y - y0)
    other = torch.where(draw[:, 0] < 0.5, y - y0, x - x0)
    planks = (along * (9 + 6 * draw[:, 1])) % 1
    tone = 0.92 + 0.12 * (planks - 0.5) - 0.30 * (planks < 0.12) + 0.05 * (other * 55 + 6 * planks).sin()
    tone = tone * torch.where(inside < (1.2 * pixel).clamp(min=0.012), 0.45, 1.0)
    base = torch.cat((0.55 + 0.2 * draw[:, 2], 0.44 + 0.16 * draw[:, 2], 0.34 + 0.16 * draw[:, 3]), 1)
    board = base[:, None, :] * tone[:, :, None] * (255 * (0.75 + 0.3 * draw[:, 4, None]))
    old = frames.float()
    return torch.addcmul(old, coverage, board - old).add_(0.5).clamp_(0, 255).to(torch.uint8)
