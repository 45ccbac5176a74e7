"""Clips whose camera motion is known: textured planes with parallax, moving subjects, and a camera path.

Everything comes from one seed; training and test use different seed ranges (`TRAIN_SEEDS`, `TEST_SEEDS`). Frames are
luma, 16 of 64x64, because that is all the classifier looks at. Directions are the camera's: see docs/camera-motion.md.

A camera path is (T, 4): x and y of the view's centre (in half widths and half heights of the frame, y down), the
logarithm of the magnification, and the roll in radians (positive: counter-clockwise as the operator sees it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.training.camera_textures import CANVAS, blob_masks, load_photos, texture_bank

LABELS = ("static", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out", "roll left", "roll right",
          "shake")
STATIC, SHAKE = 0, 9
AXIS_OF = {1: (0, -1.0), 2: (0, 1.0), 3: (1, -1.0), 4: (1, 1.0), 5: (2, 1.0), 6: (2, -1.0), 7: (3, 1.0), 8: (3, -1.0)}
"""Class -> (column of the path, sign of its growth)."""
SMALLEST = (0.06, 0.06, 0.05, math.radians(3.0))
LARGEST = (4.0, 4.0, 1.2, math.radians(110.0))
"""Whole move of a positive class: pan and tilt in half widths (so 3 % to 200 % of the frame), zoom in log, roll."""
STILL = (0.012, 0.012, 0.008, math.radians(0.4))
"""Largest move that is still called static."""
BODY_SHARE = 0.3
"""Of the clips: with a large body that moves before the ground."""
TRAIN_SEEDS, TEST_SEEDS = range(0, 1_000_000), range(1_000_000, 1_100_000)
NUM_FRAMES, SIDE = 16, 64


@dataclass(frozen=True)
class CameraClips:
    """Clips with their true camera."""

    frames: Tensor
    """uint8 (B, T, 1, 64, 64) luma."""
    labels: Tensor
    """int64 (B,), an index into `LABELS`."""
    path: Tensor
    """float (B, T, 4): the camera path of the background."""
    squeeze: Tensor
    """float (B,): square root of the aspect ratio that was squeezed into a square."""

    def __len__(self) -> int:
        return len(self.labels)


def make_clips(seed: int, num: int, *, folder: str | None = None, bank_size: int | None = None,
               batch: int = 64) -> CameraClips:
    """Make clips with balanced classes from a seed.

    Args:
        seed: equal seeds give equal clips.
        num: number of clips B.
        folder: images and videos to use as further textures.
        bank_size: number of textures shared by the clips; about a tenth of `num` by default.
        batch: clips rendered at once.
    """
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    bank = texture_bank(rng, bank_size or min(600, max(48, num // 6)), load_photos(folder))
    labels = torch.arange(num) % len(LABELS)
    labels = labels[torch.randperm(num, generator=generator)]
    parts = [_make_batch(labels[i:i + batch], bank, generator) for i in range(0, num, batch)]
    frames, path, squeeze = (torch.cat(column) for column in zip(*parts, strict=True))
    return CameraClips(frames, labels, path, squeeze)


def _uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator) * (high - low) + low


def _log_uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return _uniform(generator, math.log(low), math.log(high), *shape).exp()


def _chance(generator: torch.Generator, share: float, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator) < share


def _wobble(generator: torch.Generator, num: int, times: Tensor) -> Tensor:
    """Draw back-and-forth curves without drift, peak 1: a few sines between 1.5 and 6.5 periods a clip.

    Returns:
        float (num, T, 4).
    """
    cycles = _uniform(generator, 1.5, 6.5, num, 1, 4, 4)
    phase = _uniform(generator, 0, 2 * math.pi, num, 1, 4, 4)
    weight = _uniform(generator, 0.1, 1, num, 1, 4, 4) / cycles.sqrt()
    wave = (weight * torch.sin(2 * math.pi * cycles * times[:, :, None, None] + phase)).sum(-1)
    centred = times - times.mean(1, keepdim=True)
    slope = (wave * centred[..., None]).sum(1, keepdim=True) / centred.square().sum(1)[:, None, None]
    wave = wave - slope * centred[..., None]
    wave = wave - wave.mean(1, keepdim=True)
    return wave / wave.abs().amax(1, keepdim=True).clamp_min(1e-6)


def _easing(generator: torch.Generator, times: Tensor) -> Tensor:
    """Map time to the share of the move that is done: constant, eased, faster, slower, or only for a while."""
    num = times.shape[0]
    start = torch.where(_chance(generator, 0.3, num, 1), _uniform(generator, 0, 0.4, num, 1), torch.zeros(num, 1))
    end = torch.where(_chance(generator, 0.3, num, 1), _uniform(generator, 0.6, 1.0, num, 1), torch.ones(num, 1))
    inner = ((times - start) / (end - start)).clamp(0, 1)
    curves = torch.stack([inner, inner * inner * (3 - 2 * inner), inner**1.7, 1 - (1 - inner) ** 1.7])
    kind = torch.multinomial(torch.tensor([0.4, 0.3, 0.15, 0.15]), num, replacement=True, generator=generator)
    return curves[kind, torch.arange(num)]


def camera_paths(labels: Tensor, times: Tensor, generator: torch.Generator) -> Tensor:
    """Draw camera paths of given classes.

    Args:
        labels: int64 (B,).
        times: float (B, T) in [0, 1].

    Returns:
        float (B, T, 4).
    """
    num = len(labels)
    done = _easing(generator, times)
    path = torch.zeros(num, times.shape[1], 4)
    smallest, largest = torch.tensor(SMALLEST), torch.tensor(LARGEST)
    size = _log_uniform(generator, 1.0, 2.0, num) .log() / math.log(2.0)  # uniform in [0, 1]
    jitter = _wobble(generator, num, times) * torch.tensor([1.0, 1.0, 0.3, 0.4]) * torch.where(
        _chance(generator, 0.25, num, 4), 0.0, 1.0)[:, None]
    moving = torch.zeros(num, dtype=torch.bool)
    strength = torch.zeros(num)
    for label, (axis, sign) in AXIS_OF.items():
        chosen = labels == label
        move = smallest[axis] * (largest[axis] / smallest[axis]) ** size
        path[chosen, :, axis] = (sign * done * move[:, None])[chosen]
        moving |= chosen
        # the same move seen in the picture, in half widths: half of the log scale or of the angle on average
        strength[chosen] = (move * (1.0 if axis < 2 else 0.5))[chosen]
        path = _add_minor(path, chosen, axis, strength, done, generator)
    handheld = _chance(generator, 0.5, num) * torch.minimum(_uniform(generator, 0, 0.22, num) * strength,
                                                            torch.tensor(0.06))
    shaken = _log_uniform(generator, 0.04, 0.3, num)
    tiny = _uniform(generator, 0, 1, num) * _chance(generator, 0.6, num)
    scale = torch.where(moving, handheld, torch.where(labels == SHAKE, shaken, torch.zeros(num)))
    path = path + jitter * scale[:, None, None]
    shake = labels == SHAKE
    path[shake, :, :2] += _main_shake(jitter, shake, generator) * shaken[shake, None, None]
    still = _wobble(generator, num, times) * torch.tensor(STILL) * 0.7 + torch.tensor(STILL) * 0.3 * done[..., None]
    return torch.where((labels == STATIC)[:, None, None], still * tiny[:, None, None], path)


def _main_shake(jitter: Tensor, shake: Tensor, generator: torch.Generator) -> Tensor:
    """Give a shake without horizontal and vertical part one of them."""
    empty = jitter[shake, :, :2].abs().amax((1, 2)) < 1e-6
    times = torch.linspace(0, 1, jitter.shape[1]).expand(int(shake.sum()), -1)
    return _wobble(generator, len(times), times)[..., :2] * empty[:, None, None]


def _add_minor(path: Tensor, chosen: Tensor, axis: int, strength: Tensor, done: Tensor,
               generator: torch.Generator) -> Tensor:
    """Mix a weaker move of other kinds into half of the clips: a pan is rarely exactly level."""
    num = len(chosen)
    minor = _uniform(generator, -1, 1, num, 4) * torch.tensor([0.3, 0.3, 0.15, 0.15]) * strength[:, None]
    minor = minor * (_chance(generator, 0.5, num, 4) & chosen[:, None])
    minor = minor.clamp(-0.3, 0.3)
    minor[:, axis] = 0
    return path + done[..., None] * minor[:, None]


def _make_batch(labels: Tensor, bank: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    num = len(labels)
    times = torch.linspace(0, 1, NUM_FRAMES).expand(num, -1)
    # a source of few frames a second repeats some of the sixteen
    steps = torch.randint(7, 13, (num, 1), generator=generator)
    held = (times * steps).floor() / steps
    times = torch.where(_chance(generator, 0.15, num, 1), held, times)
    path = camera_paths(labels, times, generator)
    squeeze = _uniform(generator, 0.75, 1.4, num)
    frames = _render(path, times, squeeze, bank, generator)
    return _degrade(frames, generator), path, squeeze


def _render(path: Tensor, times: Tensor, squeeze: Tensor, bank: Tensor, generator: torch.Generator) -> Tensor:
    """Render background, nearer planes and subjects along the path, with motion blur; float (B, T, 64, 64)."""
    num = len(path)
    size = _uniform(generator, 0.25, 0.55, num)  # half width of the view as a share of the canvas's half
    start = _uniform(generator, -0.4, 0.4, num, 2)
    turn = _uniform(generator, -0.15, 0.15, num)
    blur = _chance(generator, 0.35, num)
    frames = torch.empty(num, NUM_FRAMES, SIDE, SIDE)
    layers = _draw_layers(num, bank, generator)
    for blurred in (False, True):
        index = (blur == blurred).nonzero().flatten()
        if len(index) == 0:
            continue
        part = [p[index] for p in (path, times, squeeze, size, start, turn)]
        shutter = float(_uniform(generator, 0.2, 0.9, 1)) if blurred else 0.0
        frames[index] = _render_part(part, [layer.select(index) for layer in layers], shutter)
    return frames


@dataclass(frozen=True)
class _Layer:
    """One plane: luma and alpha, how strongly it moves with the camera, and its own motion."""

    pixels: Tensor  # float (B, 2, S, S)
    nearness: Tensor  # (B,) 1 for the background, more for nearer planes
    own: Tensor  # (B, 6) own x, y, growth, spin over the clip, then start x, y; zero for planes
    size: Tensor  # (B,) 0 for a plane that uses the view's size, else the sprite's half width in half frames
    sway: Tensor  # (B, T, 2) back and forth on top of `own`, in half frames

    def select(self, index: Tensor) -> _Layer:
        return _Layer(*(x[index] for x in (self.pixels, self.nearness, self.own, self.size, self.sway)))


def _draw_layers(num: int, bank: Tensor, generator: torch.Generator) -> list[_Layer]:
    def textures(count: int) -> Tensor:
        pick = bank[torch.randint(len(bank), (count,), generator=generator)]
        flip = _chance(generator, 0.5, count, 1, 1)
        return torch.where(flip, pick.transpose(1, 2), pick)

    zero, rest = torch.zeros(num), torch.zeros(num, NUM_FRAMES, 2)
    has_body = _chance(generator, BODY_SHARE, num)
    ground = _bare(textures(num), has_body & _chance(generator, 0.6, num), generator)
    layers = [_Layer(torch.stack([ground, torch.ones(num, CANVAS, CANVAS)], 1), zero + 1,
                     torch.zeros(num, 6), zero, rest)]
    if float(torch.rand(1, generator=generator)) < 0.6:  # a nearer plane, in most of the batches
        cover = _uniform(generator, 0.05, 0.35, num) * _chance(generator, 0.6, num)
        masks = blob_masks(generator, num, size=CANVAS, cover=cover) * (cover > 0)[:, None, None]
        layers.append(_Layer(torch.stack([textures(num), masks], 1), _uniform(generator, 1.0, 1.8, num),
                             torch.zeros(num, 6), zero, rest))
    layers.append(_draw_body(has_body, textures(num), generator))
    for _ in range(int(torch.randint(1, 4, (1,), generator=generator))):
        layers.append(_draw_subject(num, textures(num), generator))
    return layers


def _draw_subject(num: int, textures: Tensor, generator: torch.Generator) -> _Layer:
    side = 48
    top = torch.randint(0, CANVAS - side, (1,), generator=generator)
    pixels = textures[:, top:top + side, top:top + side]
    axis = torch.linspace(-1, 1, side)
    power = _uniform(generator, 1.5, 5.0, num, 1, 1)
    radius = (axis.abs()[None, None] ** power + axis.abs()[None, :, None] ** power) ** (1 / power)
    ragged = (blob_masks(generator, num, size=side, cover=torch.full((num,), 0.5)) - 0.5) * _uniform(
        generator, 0, 0.5, num, 1, 1)
    mask = ((0.85 - radius + ragged) / 0.08).clamp(0, 1)
    mask = mask * (radius < 0.97) * _chance(generator, 0.55, num)[:, None, None]
    speed = _uniform(generator, -1.6, 1.6, num, 2) * _chance(generator, 0.7, num, 1)
    growth = _uniform(generator, -0.5, 0.5, num, 1) * _chance(generator, 0.4, num, 1)
    spin = _uniform(generator, -1.5, 1.5, num, 1) * _chance(generator, 0.4, num, 1)
    place = _uniform(generator, -0.8, 0.8, num, 2) - speed / 2
    own = torch.cat([speed, growth, spin, place], 1)
    follows = torch.where(_chance(generator, 0.35, num), 0.0, 1.0)  # the camera follows this one
    return _Layer(torch.stack([pixels, mask], 1), follows, own, _uniform(generator, 0.15, 0.65, num),
                  torch.zeros(num, NUM_FRAMES, 2))


def _bare(ground: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Take most of the contrast off some grounds: a wall behind a person has little to match."""
    left = torch.where(chosen, _uniform(generator, 0.08, 0.5, len(chosen)), 1.0)[:, None, None]
    mean = ground.mean((1, 2), keepdim=True)
    return mean + (ground - mean) * left


def _draw_body(has_body: Tensor, textures: Tensor, generator: torch.Generator) -> _Layer:
    """Draw a large body that sways, nods and leans before the ground, as a person who talks or signs to the camera."""
    num, side = len(has_body), CANVAS
    axis = torch.linspace(-1, 1, side)
    power = _uniform(generator, 1.6, 4.0, num, 1, 1)
    tall = _uniform(generator, 0.8, 1.3, num, 1, 1)
    radius = ((axis.abs()[None, None] * tall) ** power + axis.abs()[None, :, None] ** power) ** (1 / power)
    ragged = (blob_masks(generator, num, size=side, cover=torch.full((num,), 0.5)) - 0.5) * _uniform(
        generator, 0, 0.3, num, 1, 1)
    mask = ((0.9 - radius + ragged) / 0.06).clamp(0, 1) * (radius < 0.98) * has_body[:, None, None]
    place = torch.cat([_uniform(generator, -0.5, 0.5, num, 1), _uniform(generator, -0.2, 0.9, num, 1)], 1)
    drift = _uniform(generator, -0.25, 0.25, num, 2) * _chance(generator, 0.4, num, 1)
    growth = _uniform(generator, -0.15, 0.15, num, 1) * _chance(generator, 0.4, num, 1)
    lean = _uniform(generator, -0.3, 0.3, num, 1) * _chance(generator, 0.5, num, 1)
    times = torch.linspace(0, 1, NUM_FRAMES).expand(num, -1)
    sway = _wobble(generator, num, times)[..., :2] * _log_uniform(generator, 0.01, 0.25, num, 1, 1)
    slow = torch.sin(2 * math.pi * (_uniform(generator, 0.2, 1.5, num, 1, 2) * times[..., None]
                                    + _uniform(generator, 0, 1, num, 1, 2)))
    sway = sway + slow * _uniform(generator, 0, 0.2, num, 1, 1)
    own = torch.cat([drift, growth, lean, place], 1)
    return _Layer(torch.stack([textures, mask], 1), torch.ones(num), own, _uniform(generator, 0.5, 1.2, num), sway)


def _render_part(part: list[Tensor], layers: list[_Layer], shutter: float) -> Tensor:
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
        plane = bool((layer.size == 0).all())
        seen = F.grid_sample(layer.pixels, grid.flatten(1, 2), mode="bilinear",
                             padding_mode="reflection" if plane else "zeros", align_corners=False)
        luma, alpha = seen.view(num, 2, steps, SIDE, SIDE).unbind(1)
        picture = torch.lerp(picture, luma, alpha)
    return picture.unflatten(1, (-1, 3)).mean(2) if shutter else picture


def _grid(layer: _Layer, path: Tensor, times: Tensor, squeeze: Tensor, size: Tensor, start: Tensor, turn: Tensor,
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


def _degrade(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Add what cameras and files add: focus, gamma, brightness change, noise, block compression, bars, overlays.

    Args:
        frames: float (B, T, 64, 64) in [0, 1].

    Returns:
        uint8 (B, T, 1, 64, 64).
    """
    num = len(frames)
    soft = _chance(generator, 0.35, num)
    if soft.any():  # a small or soft source, or blur that has nothing to do with the camera
        frames[soft] = _directional_blur(frames[soft], generator)
    frames = frames.clamp(1e-3, 1) ** _uniform(generator, 0.6, 1.6, num, 1, 1, 1)
    ramp = torch.linspace(-0.5, 0.5, NUM_FRAMES) * _uniform(generator, -0.5, 0.5, num, 1)
    flicker = torch.randn(num, NUM_FRAMES, generator=generator) * 0.05
    light = 1 + ramp * _chance(generator, 0.3, num, 1) + flicker * _chance(generator, 0.2, num, 1)
    gain, lift = _uniform(generator, 0.6, 1.1, num, 1), _uniform(generator, -0.05, 0.2, num, 1)
    frames = frames * (light * gain)[..., None, None] + lift[..., None, None]
    sigma = _log_uniform(generator, 0.003, 0.06, num, 1, 1, 1) * _chance(generator, 0.6, num, 1, 1, 1)
    frames = frames + torch.randn(frames.shape, generator=generator) * sigma
    packed = _chance(generator, 0.4, num)
    if packed.any():
        frames[packed] = _block_compress(frames[packed], generator)
    return _bars_and_overlays(frames, generator).clamp(0, 1).mul(255).round().to(torch.uint8)[:, :, None]


def _directional_blur(frames: Tensor, generator: torch.Generator) -> Tensor:
    num = len(frames)
    axis = torch.arange(-3.0, 4.0)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    angle = _uniform(generator, 0, math.pi, num, 1, 1)
    along, across = x * angle.cos() + y * angle.sin(), -x * angle.sin() + y * angle.cos()
    long, short = _uniform(generator, 0.4, 2.0, num, 1, 1), _uniform(generator, 0.3, 0.9, num, 1, 1)
    kernel = (-(along / long) ** 2 / 2 - (across / short) ** 2 / 2).exp()
    kernel = kernel / kernel.sum((1, 2), keepdim=True)
    padded = F.pad(frames, (3, 3, 3, 3), mode="replicate").transpose(0, 1)
    return F.conv2d(padded, kernel[:, None], groups=num).transpose(0, 1)


def _block_compress(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Quantise 8x8 cosine coefficients coarsely, as a strongly compressed file does."""
    k = torch.arange(8.0)
    basis = torch.cos(math.pi * (2 * k[None] + 1) * k[:, None] / 16) * math.sqrt(0.25)
    basis[0] *= math.sqrt(0.5)
    blocks = frames.unflatten(2, (8, 8)).unflatten(4, (8, 8)).transpose(3, 4)
    step = (1 + k[:, None] + k[None]) * 0.012 * _log_uniform(generator, 0.3, 3.0, len(frames), 1, 1, 1, 1, 1)
    coefficients = torch.round(basis @ blocks @ basis.T / step) * step
    return (basis.T @ coefficients @ basis).transpose(3, 4).flatten(4, 5).flatten(2, 3)


def _bars_and_overlays(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Put black bars on some clips and a small still caption or logo on others."""
    num = len(frames)
    bar = (_uniform(generator, 2, 12, num) * _chance(generator, 0.12, num)).round()
    row = torch.arange(SIDE)
    inside = (row >= bar[:, None]) & (row < SIDE - bar[:, None])
    frames = frames * inside[:, None, :, None]
    logo = _chance(generator, 0.12, num)
    if logo.any():
        count = int(logo.sum())
        pattern = torch.rand(count, 1, 4, 12, generator=generator).repeat_interleave(2, 2).repeat_interleave(2, 3)
        top, left = (int(v) for v in torch.randint(2, (2,), generator=generator))
        y, x = (2, SIDE - 10)[top], (3, SIDE - 27)[left]
        frames[logo, :, y:y + 8, x:x + 24] = pattern.round().expand(-1, NUM_FRAMES, -1, -1)
    return frames
