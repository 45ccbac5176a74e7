"""Questions with one label a clip, made so that what they ask for cannot be had otherwise.

Scenes come in twos. In `motion` and `order` the second of two is the first played backwards: the same 16 frames, the
other label, so that no bag of frames can tell them apart. In `sounding` the toy in question is never seen.

- direction: which way the only moving toy goes (4 ways); speed: how fast (both of a scene of kind `motion`);
- order: of two toys that move one after the other, which goes first;
- camera: what the camera does (10 motions);
- sounding: what the toy is made of that strikes the wall behind the board.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.render import render_world
from mmvideo.toybox.sound import synthesise
from mmvideo.toybox.spec import SceneSpec, ToySpec, _camera_speed, sample_scene, split_seed

LABELS: dict[str, tuple[str, ...]] = {
    "direction": ("left", "right", "up", "down"),
    "speed": ("slow", "medium", "fast"),
    "order": ("left toy first", "right toy first"),
    "camera": v.CAMERA_MOTIONS,
    "sounding": v.MATERIALS,
}
"""Task -> its classes."""
KIND_OF = {"direction": "motion", "speed": "motion", "order": "order", "camera": "camera", "sounding": "sounding"}
"""Task -> the kind of scene that it is asked about."""
BAG_OF_FRAMES = {"direction": 0.5, "order": 0.5}
"""The best accuracy that frames without their order allow, by construction: a film and the same film backwards have
the same frames. (On `direction` they show the line on which a toy moves, and not which way. One frame alone shows some
of it too: the middle of the way is drawn alike for all ways, so a toy near an edge has come there along its line.)"""
NONE = -100
"""Label of a clip that a task does not ask about; cross-entropy leaves it out."""
NUM_FRAMES = 16
_HALF = 5 * 10**11
"""Half of a split's seeds: the second of two that are not one film looks different, and stays in its split."""
_WAYS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_OPPOSITE = (1, 0, 3, 2)
_SPEEDS = ((0.08, 0.13), (0.21, 0.27), (0.40, 0.50))
"""Frame widths per second; far enough apart to be told by eye."""


@dataclass(frozen=True)
class TaskBatch:
    """Clips with the labels of their tasks."""

    frames: Tensor
    """uint8 (B, T, 3, H, W)."""
    labels: dict[str, Tensor]
    """int64 (B,) per task; NONE where the task does not ask about the clip."""
    audio: Tensor
    """float32 (B, S) mono at SAMPLE_RATE, two seconds."""

    def __len__(self) -> int:
        return len(self.frames)


def draw_clips(indices: Sequence[int], *, tasks: Sequence[str], split: str = "train", size: int = 64) -> TaskBatch:
    """Make labelled clips; clip i is the same whatever batch it is made in.

    Args:
        indices: numbers of clips within the split; 2 k and 2 k + 1 of a kind of scene are a pair.
        tasks: what is asked; where it takes several kinds of scenes, they take turns.
        split: one of the toybox's splits.
        size: pixels a side.

    Raises:
        UnknownName: no such task or split.
        InvalidInput: no tasks or no clips.
    """
    for task in tasks:
        if task not in LABELS:
            raise UnknownName("toybox task", task, LABELS)
    if not tasks or not len(indices):
        raise InvalidInput("draw needs at least one task and one clip.")
    kinds = sorted({KIND_OF[task] for task in tasks})
    specs, labels, backwards = [], {task: [] for task in tasks}, []
    for index in indices:
        kind, number = kinds[index % len(kinds)], index // len(kinds)
        spec, truth, flipped = scene(kind, number, split)
        specs.append(spec)
        backwards.append(flipped)
        for task in tasks:
            labels[task].append(truth.get(task, NONE))
    world = simulate(specs)
    frames, sound = render_world(world, size=size, num_frames=NUM_FRAMES), synthesise(world)
    back = torch.tensor(backwards)
    frames[back], sound[back] = frames[back].flip(1), sound[back].flip(1)
    return TaskBatch(frames, {task: torch.tensor(column) for task, column in labels.items()}, sound)


def scene(kind: str, number: int, split: str) -> tuple[SceneSpec, dict[str, int], bool]:
    """Return scene `number` of a kind, the labels of its tasks, and whether the film of it is played backwards."""
    return _SCENES[kind](split_seed(split, number // 2), number % 2)


def _toy(rng: random.Random, color: str, material: str, position, velocity=(0.0, 0.0), *, radius: float,
         start: float = 0.0) -> ToySpec:
    # Neither balls, which rumble, nor voices: these scenes are silent unless something is struck.
    return ToySpec(rng.choice(("box", "triangle", "star")), color, "small", material, radius, position, velocity,
                   0.0, start, "none", ())


def _scene(seed: int, toys: Sequence[ToySpec], *, walls=(False,) * 4, occluder=None,
           friction: float = 0.0) -> SceneSpec:
    return SceneSpec(seed=seed, level="easy", view="top", toys=tuple(toys), walls=walls, occluder=occluder,
                     camera_motion="static", camera_speed=0.0, offscreen=(), friction=friction)


def _motion(seed: int, second: int) -> tuple[SceneSpec, dict[str, int], bool]:
    """Draw one toy on a straight way; the middle of the way is drawn alike for all ways and speeds."""
    rng = random.Random(f"motion/{seed}")
    way, pace = rng.randrange(4), rng.randrange(3)
    speed = rng.uniform(*_SPEEDS[pace])
    velocity = (_WAYS[way][0] * speed, _WAYS[way][1] * speed)
    middle, half = (rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75)), (NUM_FRAMES - 1) / v.MODEL_FPS / 2
    start = tuple(m - x * half for m, x in zip(middle, velocity, strict=True))
    toy = _toy(rng, rng.choice(v.COLORS), rng.choice(v.MATERIALS), start, velocity, radius=rng.uniform(0.11, 0.15))
    return _scene(seed, [toy]), {"direction": _OPPOSITE[way] if second else way, "speed": pace}, bool(second)


def _order(seed: int, second: int) -> tuple[SceneSpec, dict[str, int], bool]:
    """Draw two toys side by side: one slides up or down until friction stops it, then the other."""
    rng = random.Random(f"order/{seed}")
    first, path, pause = rng.randrange(2), 0.28, 0.95
    friction = 2 * path / pause**2  # stops after `pause` seconds and `path` frame widths
    colors, toys = rng.sample(v.COLORS, 2), []
    for side in range(2):
        sign = rng.choice((-1, 1))
        position = ((0.27, 0.73)[side] + rng.uniform(-0.06, 0.06), rng.uniform(0.42, 0.58) - sign * path / 2)
        toys.append(_toy(rng, colors[side], rng.choice(v.MATERIALS), position, (0.0, sign * friction * pause),
                         radius=rng.uniform(0.1, 0.13), start=0.0 if side == first else 0.97))
    return _scene(seed, toys, friction=friction), {"order": 1 - first if second else first}, bool(second)


def _camera(seed: int, second: int) -> tuple[SceneSpec, dict[str, int], bool]:
    """Draw a scene of the world whose camera motion is one of ten alike likely ones."""
    rng = random.Random(f"camera/{seed}/{second}")
    motion = rng.choice(v.CAMERA_MOTIONS)
    spec = sample_scene(seed + second * _HALF, "easy")
    inside = tuple(t for t in spec.toys if all(t.radius < p < 1 - t.radius for p in t.position))
    spec = replace(spec, toys=inside or spec.toys, walls=(True,) * 4, occluder=None, camera_motion=motion,
                   camera_speed=_camera_speed(rng, motion))
    return spec, {"camera": v.CAMERA_MOTIONS.index(motion)}, False


def _sounding(seed: int, second: int) -> tuple[SceneSpec, dict[str, int], bool]:
    """Draw a board at the left wall, a toy behind it that strikes the wall, and two of any material beside it."""
    rng = random.Random(f"sounding/{seed}/{second}")
    material = rng.randrange(len(v.MATERIALS))
    colors, y = rng.sample(v.COLORS, 3), rng.uniform(0.3, 0.7)
    speed = rng.uniform(0.12, 0.3)
    struck = rng.uniform(0.15, 0.7)
    radius = 0.07
    hidden = _toy(rng, colors[0], v.MATERIALS[material], (radius + speed * struck, y), (-speed, 0.0), radius=radius)
    others = [_toy(rng, color, rng.choice(v.MATERIALS), (rng.uniform(0.68, 0.85), place + rng.uniform(-0.05, 0.05)),
                   radius=rng.uniform(0.09, 0.12)) for color, place in zip(colors[1:], (0.27, 0.73), strict=True)]
    spec = _scene(seed + second * _HALF, [hidden, *others], walls=(True,) * 4, friction=0.1,
                  occluder=(0.0, y - 0.2, 0.45, y + 0.2))
    return spec, {"sounding": material}, False


_SCENES = {"motion": _motion, "order": _order, "camera": _camera, "sounding": _sounding}


__all__ = ["BAG_OF_FRAMES", "KIND_OF", "LABELS", "NONE", "NUM_FRAMES", "TaskBatch", "draw_clips", "scene"]
