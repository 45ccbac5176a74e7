"""What a scene is before physics runs: drawn from a seed, one scene at a time, so that scene 17 is always scene 17."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from mmvideo.errors import UnknownName
from mmvideo.toybox import vocabulary as v

NEVER = 1e9
"""A time after every scene."""

_SPLIT_OFFSET = {"train": 0, "validation": 1, "test": 2, "test-pairs": 3}
_SPLIT_SIZE = 10**12


@dataclass(frozen=True)
class ToySpec:
    """One toy at time 0. Positions and radii in frame widths, (0, 0) top left, y down; angles in radians, clockwise."""

    shape: str
    color: str
    size: str
    material: str
    radius: float
    position: tuple[float, float]
    velocity: tuple[float, float]
    """Frame widths per second."""
    spin: float
    """Radians per second while nothing touches it; 0 for most."""
    start_seconds: float
    """Until then the toy waits, velocity 0; 0 for most."""
    voice: str
    beep_seconds: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.size} {self.color} {self.material} {self.shape}"


@dataclass(frozen=True)
class SceneSpec:
    """Everything that determines a scene."""

    seed: int
    level: str
    view: str
    toys: tuple[ToySpec, ...]
    walls: tuple[bool, bool, bool, bool]
    """Whether each of SIDES is a wall (drawn, toys bounce) or open (toys leave the frame)."""
    occluder: tuple[float, float, float, float] | None
    """x0, y0, x1, y1 of a board in front of the toys."""
    camera_motion: str
    camera_speed: float
    """Pan, tilt: frame widths per second; zoom: natural log per second; roll: radians per second; shake: amplitude."""
    offscreen: tuple[tuple[str, float], ...]
    """Sounds from outside the picture: (kind, seconds)."""
    friction: float
    """Deceleration on the ground, frame widths per second squared."""


def split_seed(split: str, index: int) -> int:
    """Return the seed of scene `index` of a split; the ranges of the splits never meet.

    Raises:
        UnknownName: no such split.
    """
    if split not in _SPLIT_OFFSET:
        raise UnknownName("split", split, v.SPLITS)
    return _SPLIT_OFFSET[split] * _SPLIT_SIZE + index


def _split_of(seed: int) -> str:
    return v.SPLITS[min(seed // _SPLIT_SIZE, len(v.SPLITS) - 1)]


@dataclass(frozen=True)
class _Level:
    num_toys: tuple[int, int]
    radii: dict[str, float]
    num_shapes: int
    occluder: float
    unique_colors: bool


_LEVELS = {
    "easy": _Level((1, 2), {"large": 0.155, "small": 0.10}, 4, 0.10, True),
    "standard": _Level((2, 3), {"large": 0.13, "small": 0.085}, 4, 0.20, True),
    "hard": _Level((4, 6), {"large": 0.09, "small": 0.055}, 6, 0.35, False),
}


def sample_scene(seed: int, level: str = "easy") -> SceneSpec:
    """Draw a scene; the same seed and level give the same scene everywhere.

    Raises:
        UnknownName: no such level.
    """
    if level not in _LEVELS:
        raise UnknownName("toybox level", level, v.LEVELS)
    rule, rng = _LEVELS[level], random.Random(f"{level}/{seed}")
    view = "side" if rng.random() < 0.4 else "top"
    motion = rng.choice(v.CAMERA_MOTIONS[1:]) if rng.random() < 0.35 else "static"
    still = motion == "static"
    walls = tuple((not still) or rng.random() < 0.45 for _ in v.SIDES)
    if view == "side":
        walls = (walls[0], walls[1], not still, True)
    kinds = _kinds(rng, rule, _split_of(seed))
    toys = _place(rng, rule, view, walls, still, kinds)
    return SceneSpec(
        seed=seed, level=level, view=view, toys=toys, walls=walls,
        occluder=_occluder(rng, rule, still), camera_motion=motion, camera_speed=_camera_speed(rng, motion),
        offscreen=tuple((rng.choice(v.OFFSCREEN_SOUNDS), rng.uniform(0.1, 1.7)) for _ in range(rng.random() < 0.25)),
        friction=rng.uniform(0.0, 0.10) if rng.random() < 0.65 else rng.uniform(0.10, 0.35),
    )


def _kinds(rng: random.Random, rule: _Level, split: str) -> list[tuple[str, str, str, str]]:
    """Draw (shape, colour, size, material) of each toy: no two share colour and shape, nor colour where unique."""
    fewest, most = rule.num_toys
    wanted = most if rng.random() < 0.6 else rng.randint(fewest, most)
    kinds: list[tuple[str, str, str, str]] = []
    while len(kinds) < wanted:
        shape, color = rng.choice(v.SHAPES[: rule.num_shapes]), rng.choice(v.COLORS)
        held_out = (color, shape) in v.HELD_OUT_PAIRS
        if split == "test-pairs" and not kinds:
            color, shape = rng.choice(sorted(v.HELD_OUT_PAIRS))
        elif held_out and split != "test-pairs":
            continue
        if any(color == k[1] and (rule.unique_colors or shape == k[0]) for k in kinds):
            continue
        kinds.append((shape, color, rng.choice(v.SIZES), rng.choice(v.MATERIALS)))
    rng.shuffle(kinds)
    return kinds


def _place(rng, rule, view, walls, still, kinds) -> tuple[ToySpec, ...]:
    """Give each toy a place that overlaps no other, and a way to go."""
    toys: list[ToySpec] = []
    for kind in kinds:
        for attempt in range(200):
            toy = _toy(rng, rule, view, walls, still, kind, toys)
            gap = 1.15 if attempt < 150 else 1.02
            if all(math.dist(toy.position, t.position) > gap * (toy.radius + t.radius) for t in toys):
                toys.append(toy)
                break
    return tuple(toys)


def _toy(rng, rule, view, walls, still, kind, others) -> ToySpec:
    shape, color, size, material = kind
    radius = rule.radii[size] * rng.uniform(0.93, 1.07)
    x, y = rng.uniform(radius, 1 - radius), rng.uniform(radius, 1 - radius)
    start, role = 0.0, rng.random()
    speed = rng.uniform(0.2, 0.85)
    angle = rng.uniform(0, 2 * math.pi) if rng.random() < 0.35 else rng.randrange(4) * math.pi / 2 + rng.gauss(0, 0.12)
    vx, vy = speed * math.cos(angle), speed * math.sin(angle)
    if others and role < 0.40:  # towards another toy, so that collisions are common
        target = rng.choice(others)
        dx, dy = target.position[0] - x, target.position[1] - y
        norm = math.hypot(dx, dy) + 1e-6
        gap = max(norm - radius - target.radius, 0.02)
        # The time of the collision is drawn, not the speed, so that as many fall after the clip's end as should.
        speed = min(max(gap / rng.uniform(0.3, 2.9), 0.12), 0.9)
        vx, vy = speed * dx / norm, speed * dy / norm
    elif role < 0.58:
        vx = vy = 0.0
    elif role < 0.66:
        start = rng.uniform(0.4, 1.4)
    if view == "side":
        if rng.random() < 0.7:  # on the floor
            y = 1 - radius
            vx, vy = (math.copysign(speed, vx), 0.0) if (vx or vy) else (0.0, 0.0)
        else:
            start = 0.0
            vx, vy = 0.6 * vx, 0.4 * vy
    if still and role > 0.82 and (view == "top" or y == 1 - radius):  # comes in from outside
        sides = [i for i in range(2 if view == "side" else 4) if not walls[i]]
        if sides:
            side, delay = rng.choice(sides), rng.uniform(0.1, 1.2)
            depth = radius + speed * delay
            start = 0.0
            x, y, vx, vy = {
                0: (-depth, y, speed, 0.0), 1: (1 + depth, y, -speed, 0.0),
                2: (x, -depth, 0.0, speed), 3: (x, 1 + depth, 0.0, -speed),
            }[side]
    voice = rng.choices(v.VOICES, (0.7, 0.12, 0.18))[0]
    beeps = tuple(sorted(rng.uniform(0.1, 1.8) for _ in range(rng.randint(1, 2)))) if voice == "beep" else ()
    spin = rng.choice((-1, 1)) * rng.uniform(2.0, 5.0) if view == "top" and rng.random() < 0.25 else 0.0
    return ToySpec(shape, color, size, material, radius, (x, y), (vx, vy), spin, start, voice, beeps)


def _occluder(rng, rule, still) -> tuple[float, float, float, float] | None:
    if not still or rng.random() > rule.occluder:
        return None
    width, height = rng.uniform(0.34, 0.42), rng.uniform(0.4, 0.6)
    x, y = rng.uniform(0.1, 0.9 - width), rng.uniform(0.05, 0.95 - height)
    return (x, y, x + width, y + height)


def _camera_speed(rng: random.Random, motion: str) -> float:
    kind = motion.split()[0]
    ranges = {"static": (0.0, 0.0), "pan": (0.06, 0.20), "tilt": (0.06, 0.20), "zoom": (0.10, 0.28),
              "roll": (0.12, 0.40), "shake": (0.012, 0.04)}
    return rng.uniform(*ranges[kind])
