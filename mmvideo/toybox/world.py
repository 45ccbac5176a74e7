"""Simulated scenes: a batch of trajectories, and what happened in each.

`simulate` (in physics.py) fills these; rendering, sound, questions and the encoder's targets read them.
Legend: B scenes, N toys (padded), S recorded physics steps (STEPS_PER_SECOND, the first is time 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.spec import SceneSpec, ToySpec


@dataclass(frozen=True)
class SceneEvent:
    """Something that happened, at a time on the scene's clock."""

    kind: str
    """One of EVENT_KINDS."""
    seconds: float
    toy: int
    other: int | None = None
    """The second toy of a hit (the first is the faster one before it)."""
    side: str | None = None
    """The wall of a bounce, the edge of a leave or an enter."""
    force: float = 0.0
    """Speed of the impact along its normal, frame widths per second; 0 where nothing was struck."""

    @property
    def observed(self) -> bool:
        """Whether it happens within the clip (else after its end)."""
        return self.seconds < v.CLIP_SECONDS


@dataclass(frozen=True)
class World:
    """A simulated batch."""

    specs: list[SceneSpec]
    position: Tensor
    """float32 (B, S, N, 2): centres (x, y) in frame widths, in the world (the ground does not move)."""
    velocity: Tensor
    """float32 (B, S, N, 2): frame widths per second."""
    angle: Tensor
    """float32 (B, S, N): radians, clockwise in the picture."""
    radius: Tensor
    """float32 (B, N); 0 where there is no toy."""
    camera: Tensor
    """float32 (B, S, 4): centre x, centre y, log zoom, roll (radians the SCENE turns clockwise in the picture).

    screen = 0.5 + exp(log zoom) * R(roll) @ (world - centre); R turns clockwise with y down. Static: (.5, .5, 0, 0).
    """
    events: list[list[SceneEvent]]
    """Per scene, by time, up to CLIP_SECONDS + FUTURE_SECONDS."""
    flash: Tensor
    """float32 (B, S, N) in [0, 1]: how brightly a beeping toy is lit."""

    def __len__(self) -> int:
        return len(self.specs)

    @property
    def num_toys(self) -> int:
        return self.radius.shape[1]

    def scene(self, index: int) -> Scene:
        """Return one scene of the batch."""
        return Scene(self, index)

    def part(self, start: int, stop: int) -> World:
        """Return scenes start to stop (exclusive) as a batch of their own; toys stay padded alike."""
        cut = slice(start, stop)
        return World(self.specs[cut], self.position[cut], self.velocity[cut], self.angle[cut], self.radius[cut],
                     self.camera[cut], self.events[cut], self.flash[cut])

    def screen(self, steps: Tensor | list[int] | slice = slice(None)) -> Tensor:
        """Return where the toys' centres are in the picture, (B, len(steps), N, 2) in frame widths."""
        camera, position = self.camera[:, steps], self.position[:, steps]
        offset = position - camera[:, :, None, :2]
        cos, sin = camera[..., 3].cos()[..., None], camera[..., 3].sin()[..., None]
        zoom = camera[..., 2].exp()[..., None]
        x, y = offset.unbind(-1)
        return 0.5 + torch.stack((zoom * (cos * x - sin * y), zoom * (sin * x + cos * y)), -1)


@dataclass(frozen=True)
class Scene:
    """One simulated scene: its toys, its events, and where everything is when."""

    world: World
    index: int

    @property
    def spec(self) -> SceneSpec:
        return self.world.specs[self.index]

    @property
    def toys(self) -> tuple[ToySpec, ...]:
        return self.spec.toys

    @property
    def events(self) -> list[SceneEvent]:
        return self.world.events[self.index]

    def step(self, seconds: float) -> int:
        return min(round(seconds * v.STEPS_PER_SECOND), self.world.position.shape[1] - 1)

    def position(self, toy: int, seconds: float) -> tuple[float, float]:
        """Return (x, y) of a toy in the world, frame widths."""
        x, y = self.world.position[self.index, self.step(seconds), toy].tolist()
        return x, y

    def velocity(self, toy: int, seconds: float) -> tuple[float, float]:
        """Return (vx, vy) of a toy in the world, frame widths per second."""
        x, y = self.world.velocity[self.index, self.step(seconds), toy].tolist()
        return x, y
