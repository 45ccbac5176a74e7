"""Sound of simulated scenes: impacts by material and force, motors, beeps, rolling, bells and whistles off screen.

Struck things are short templates, made once and added at the samples of their events; motors and rolling follow the
toys' speeds. Legend: B scenes, N toys, S audio samples, E struck things, V variants of pitch.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.toybox import hashing
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.world import World

_VARIANTS = 9
_BANK_SECONDS = 16
_ON_FLOOR = 0.012  # frame widths between a ball and the floor at which it still rolls
_LENGTH = {"rubber": 0.22, "wood": 0.14, "metal": 0.75, "beep": 0.13, "bell": 1.6, "whistle": 0.36}
_PARTIALS = {  # (frequency in Hz, amplitude, decay in seconds) of a mid-sized thing
    "rubber": ((140, 1.0, 0.045), (205, 0.45, 0.030)),
    "wood": ((560, 1.0, 0.022), (905, 0.6, 0.015), (1330, 0.15, 0.010)),
    "metal": ((1720, 0.8, 0.30), (2610, 0.7, 0.24), (3370, 0.6, 0.18), (4480, 0.35, 0.12)),
    "bell": ((880, 1.0, 0.60), (1772, 0.55, 0.40), (2640, 0.2, 0.25)),
}
_CLICK = {"rubber": 0.0, "wood": 0.35, "metal": 0.15}


@lru_cache(maxsize=8)
def _templates(kind: str, sample_rate: int, device: str) -> Tensor:
    """Return the (V, L) waveforms of a struck thing, loudest sample 1, pitch from low to high."""
    t = torch.arange(int(_LENGTH[kind] * sample_rate), dtype=torch.float64) / sample_rate
    pitch = (torch.linspace(-1, 1, _VARIANTS, dtype=torch.float64) * math.log(1.22)).exp()[:, None]
    if kind == "beep":
        envelope = (t / 0.006).clamp(0, 1) * ((0.12 - t) / 0.012).clamp(0, 1)
        wave = envelope * ((2 * math.pi * 1200 * pitch * t).sin() + 0.25 * (2 * math.pi * 2400 * pitch * t).sin())
    elif kind == "whistle":
        envelope = (t / 0.03).clamp(0, 1) * ((0.35 - t) / 0.05).clamp(0, 1)
        wave = envelope * (2 * math.pi * pitch * (1500 * t + 500 / 0.35 * t * t)).sin()
    else:
        attack = (t / (0.004 if kind == "rubber" else 0.0008)).clamp(0, 1)
        wave = sum(a * (-t / decay).exp() * (2 * math.pi * hz * pitch * t).sin() for hz, a, decay in _PARTIALS[kind])
        if _CLICK.get(kind):
            noise = _noise_bank(sample_rate, "cpu")[0, :len(t)].double()
            wave = wave + _CLICK[kind] * noise / noise.std() * 0.5 * (-t / 0.003).exp()
        wave = wave * attack * ((_LENGTH[kind] - t) / (0.1 * _LENGTH[kind])).clamp(0, 1)
    return (wave / wave.abs().amax(1, keepdim=True)).float().to(device)


@lru_cache(maxsize=4)
def _noise_bank(sample_rate: int, device: str) -> Tensor:
    """Return (2, L) of noise with deviation 1: white, and low-passed near 300 Hz; windows of it are cut at random."""
    count = _BANK_SECONDS * sample_rate
    white = torch.randn(count, generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    frequency = torch.fft.rfftfreq(count, 1 / sample_rate).double()
    low = torch.fft.irfft(torch.fft.rfft(white) / (1 + (frequency / 300) ** 2), n=count)
    return torch.stack((white, low / low.std())).float().to(device)


def synthesise(world: World, *, sample_rate: int = v.SAMPLE_RATE, seconds: float = v.CLIP_SECONDS,
               device: torch.device | str | None = None) -> Tensor:
    """Return the scenes' sound, float32 (B, S) in [-1, 1], from time 0.

    A scene in which nothing sounds has a faint noise only. A scene sounds the same whatever batch it is made in.

    Args:
        world: the simulated scenes.
        sample_rate: samples per second, at least 8000.
        seconds: length; S = seconds x sample_rate.
        device: where to compute; the world's own by default.

    Raises:
        InvalidInput: a sample rate under 8000 or a length that is not positive.
    """
    if sample_rate < 8000 or seconds <= 0:
        raise InvalidInput(f"synthesise needs sample_rate >= 8000 and seconds > 0, not {sample_rate} and {seconds}.")
    device = torch.device(device) if device is not None else world.position.device
    with torch.no_grad():
        seeds = hashing.seeds_of(world.specs, device)
        num_samples = round(seconds * sample_rate)
        level = 0.0006 * 8 ** hashing.hashed_uniform(seeds, 1, salt=20)
        sound = level * _window(seeds, num_samples, sample_rate, row=0, salt=21)
        _add_struck(sound, world, sample_rate)
        _add_motors(sound, world, seeds, sample_rate)
        _add_rolling(sound, world, seeds, sample_rate)
        return sound * (0.95 / sound.abs().amax(1, keepdim=True)).clamp(max=1.0)


def _window(seeds: Tensor, num_samples: int, sample_rate: int, *, row: int, salt: int) -> Tensor:
    """Return a stretch of the noise bank for each seed, (len(seeds), S)."""
    bank = _noise_bank(sample_rate, str(seeds.device))[row]
    if num_samples >= len(bank):
        bank = bank.repeat(num_samples // len(bank) + 2)
    start = (hashing.hashed_uniform(seeds, 1, salt=salt)[:, 0] * (len(bank) - num_samples)).long()
    return bank.unfold(0, num_samples, 1)[start]


def _gain(force: float) -> float:
    return 0.30 * min(max(force, 0.02), 1.0) ** 0.4


def _pitch_index(spread: float, size: str) -> int:
    """Return the variant of a toy's template: large toys sound lower."""
    middle = 0.30 if size == "large" else 0.70
    return min(_VARIANTS - 1, int(_VARIANTS * (middle + 0.4 * (spread - 0.5))))


def _struck(world: World, end_seconds: float) -> dict[str, list[tuple[int, float, int, float]]]:
    """Return (scene, seconds, variant, gain) of every struck thing, by kind of template."""
    found: dict[str, list[tuple[int, float, int, float]]] = {kind: [] for kind in _LENGTH}
    seeds = hashing.seeds_of(world.specs)
    spread = hashing.hashed_uniform(seeds, world.num_toys, salt=22).tolist()
    other = hashing.hashed_uniform(seeds, 8, salt=23).tolist()
    screen = world.screen() if any(t.beep_seconds for s in world.specs for t in s.toys) else None
    for b, spec in enumerate(world.specs):
        variant = [_pitch_index(part, toy.size) for part, toy in zip(spread[b], spec.toys, strict=False)]
        for event in world.events[b]:
            if event.kind not in ("hit", "bounce") or not 0 <= event.seconds < end_seconds:
                continue
            for toy in (event.toy,) if event.other is None else (event.toy, event.other):
                found[spec.toys[toy].material].append((b, event.seconds, variant[toy], _gain(event.force)))
        for n, toy in enumerate(spec.toys):
            for seconds in toy.beep_seconds:
                step = min(round(seconds * v.STEPS_PER_SECOND), screen.shape[1] - 1)
                if seconds < end_seconds and bool(((screen[b, step, n] >= 0) & (screen[b, step, n] <= 1)).all()):
                    found["beep"].append((b, seconds, variant[n], 0.14))
        for k, (kind, seconds) in enumerate(spec.offscreen):
            if seconds < end_seconds:
                found[kind].append((b, seconds, int(_VARIANTS * other[b][k % 8]), 0.12 + 0.06 * other[b][(k + 3) % 8]))
    return found


def _add_struck(sound: Tensor, world: World, sample_rate: int) -> None:
    num_samples = sound.shape[1]
    for kind, entries in _struck(world, num_samples / sample_rate).items():
        if not entries:
            continue
        scene, seconds, variant, gain = (torch.tensor(column, device=sound.device)
                                         for column in zip(*entries, strict=True))
        waves = _templates(kind, sample_rate, str(sound.device))[variant] * gain.float()[:, None]
        within = (seconds.double() * sample_rate).round().long()[:, None] \
            + torch.arange(waves.shape[1], device=sound.device)
        place = (scene[:, None] * num_samples + within)[within < num_samples]
        sound.view(-1).index_add_(0, place, waves[within < num_samples])


def _envelope(steps: Tensor, num_samples: int, sample_rate: int) -> Tensor:
    """Return (K, S) of levels given at the physics steps (K, steps), smoothed over 50 ms."""
    needed = math.ceil(num_samples / sample_rate * v.STEPS_PER_SECOND) + 1
    steps = F.pad(steps[:, None, :needed], (1, 1), mode="replicate")
    steps = F.avg_pool1d(steps, 3, 1)
    if steps.shape[2] < needed:
        steps = F.pad(steps, (0, needed - steps.shape[2]))
    per_step = sample_rate / v.STEPS_PER_SECOND
    scaled = F.interpolate(steps, size=round(steps.shape[2] * per_step), mode="linear", align_corners=False)
    return scaled[:, 0, :num_samples]


def _inside(screen: Tensor) -> Tensor:
    return ((screen >= 0) & (screen <= 1)).all(-1)


def _which(world: World, wanted) -> tuple[Tensor, Tensor]:
    """Return the (scene, toy) indices of the toys for which wanted(toy) holds."""
    pairs = [(b, n) for b, spec in enumerate(world.specs) for n, toy in enumerate(spec.toys) if wanted(toy)]
    return torch.tensor(pairs, dtype=torch.int64, device=world.position.device).reshape(-1, 2).unbind(1)


def _add_motors(sound: Tensor, world: World, seeds: Tensor, sample_rate: int) -> None:
    """Add the tone of each humming toy while it moves inside the frame."""
    scene, toy = _which(world, lambda t: t.voice == "hum")
    if not len(scene):
        return
    speed = world.velocity[scene, :, toy].norm(dim=-1)
    running = ((speed > 0.03) & _inside(world.screen()[scene, :, toy])).float()
    level = _envelope(running * (0.05 + 0.03 * speed.clamp(max=1)), sound.shape[1], sample_rate)
    draw = hashing.hashed_uniform(seeds, 2 * world.num_toys, salt=24)
    hz = (90 + 50 * draw[scene.to(sound.device), toy.to(sound.device)])[:, None]
    base = torch.arange(sound.shape[1], device=sound.device) * (2 * math.pi / sample_rate)
    phase = hz * base + 0.25 * (base * 9).sin()
    wave = phase.sin() + 0.6 * (2 * phase).sin() + 0.45 * (3 * phase).sin() + 0.25 * (5 * phase).sin()
    sound.index_add_(0, scene.to(sound.device), level.to(sound.device) * wave)


def _add_rolling(sound: Tensor, world: World, seeds: Tensor, sample_rate: int) -> None:
    """Add the soft rumble of balls that roll: any moving ball seen from above, one on the floor seen from the side."""
    scene, toy = _which(world, lambda t: t.shape == "ball")
    if not len(scene):
        return
    position = world.position[scene, :, toy]
    side = torch.tensor([spec.view == "side" for spec in world.specs], device=position.device)[scene]
    grounded = position[..., 1] + world.radius[scene, toy][:, None] > 1 - _ON_FLOOR
    speed = world.velocity[scene, :, toy].norm(dim=-1).clamp(max=1)
    inside = _inside(world.screen()[scene, :, toy])
    level = 0.030 * speed.sqrt() * (speed > 0.02) * inside * (grounded | ~side[:, None])
    scene = scene.to(sound.device)
    rumble = _window(seeds[scene] + 7919 * toy.to(sound.device), sound.shape[1], sample_rate, row=1, salt=25)
    sound.index_add_(0, scene, _envelope(level, sound.shape[1], sample_rate).to(sound.device) * rumble)
