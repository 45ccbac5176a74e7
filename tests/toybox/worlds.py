"""Worlds written by hand: toys that go straight, so a test knows where everything is."""

from __future__ import annotations

import torch

from mmvideo.toybox.spec import SceneSpec, ToySpec
from mmvideo.toybox.world import SceneEvent, World

NUM_STEPS = 193


def toy(shape: str = "ball", color: str = "red", *, size: str = "large", material: str = "rubber", radius: float = 0.12,
        position: tuple[float, float] = (0.5, 0.5), velocity: tuple[float, float] = (0.0, 0.0), spin: float = 0.0,
        voice: str = "none", beeps: tuple[float, ...] = ()) -> ToySpec:
    return ToySpec(shape, color, size, material, radius, position, velocity, spin, 0.0, voice, beeps)


def scene(*toys: ToySpec, seed: int = 0, view: str = "top", walls: tuple[bool, ...] = (False,) * 4,
          occluder: tuple[float, float, float, float] | None = None,
          offscreen: tuple[tuple[str, float], ...] = ()) -> SceneSpec:
    return SceneSpec(seed, "easy", view, toys, walls, occluder, "static", 0.0, offscreen, 0.1)


def world(*specs: SceneSpec, events: list[list[SceneEvent]] | None = None, camera: torch.Tensor | None = None,
          flash: float = 0.0) -> World:
    seconds = torch.arange(NUM_STEPS) / 64
    shape = (len(specs), NUM_STEPS, max(len(spec.toys) for spec in specs))
    position, velocity = torch.zeros(*shape, 2), torch.zeros(*shape, 2)
    angle, radius = torch.zeros(shape), torch.zeros(shape[0], shape[2])
    for b, spec in enumerate(specs):
        for n, item in enumerate(spec.toys):
            velocity[b, :, n] = torch.tensor(item.velocity)
            position[b, :, n] = torch.tensor(item.position) + seconds[:, None] * torch.tensor(item.velocity)
            angle[b, :, n], radius[b, n] = item.spin * seconds, item.radius
    if camera is None:
        camera = torch.tensor([0.5, 0.5, 0.0, 0.0]).expand(*shape[:2], 4)
    return World(list(specs), position, velocity, angle, radius, camera, events or [[] for _ in specs],
                 torch.full(shape, flash))
