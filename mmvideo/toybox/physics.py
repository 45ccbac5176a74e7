"""Rigid-body motion of a batch of scenes: discs with mass, restitution and friction, walls, gravity (side view).

Semi-implicit Euler at STEPS_PER_SECOND; collisions by impulse along the line of centres. A loop over time, torch
operations over scenes and toys, so the same code runs a thousand scenes at once on a CPU or a GPU.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.spec import NEVER, SceneSpec
from mmvideo.toybox.world import SceneEvent, World

GRAVITY = 1.3
"""Frame widths per second squared, in side views."""
DENSITY = {"rubber": 1.0, "metal": 3.0, "wood": 0.8}
RESTITUTION = {"rubber": 0.85, "metal": 0.45, "wood": 0.6}
REST_SPEED = 0.22
"""A toy that lands more slowly than this stays on the floor."""
FLASH_SECONDS = 0.25
_DT = 1.0 / v.STEPS_PER_SECOND
_QUIET_SECONDS = 0.15
"""The same two bodies touching again within this time is one contact, not two events."""


@dataclass
class _State:
    """What changes from step to step; tensors (B, N) or (B, N, 2)."""

    position: Tensor
    velocity: Tensor
    angle: Tensor
    grounded: Tensor
    waiting: Tensor


@dataclass(frozen=True)
class _Bodies:
    """What does not change; tensors (B, N) unless said."""

    present: Tensor
    radius: Tensor
    mass: Tensor
    restitution: Tensor
    spin: Tensor
    start: Tensor
    velocity: Tensor
    side_view: Tensor
    """bool (B, 1)."""
    rolls: Tensor
    friction: Tensor
    """(B, 1)."""
    walls: Tensor
    """bool (B, 4), in the order of SIDES."""


@torch.no_grad()
def simulate(specs: Sequence[SceneSpec], *, device: str | torch.device = "cpu") -> World:
    """Run physics on a batch of scenes, CLIP_SECONDS + FUTURE_SECONDS long.

    Args:
        specs: the scenes, B of them; at least one.
        device: where the simulation runs and the trajectories stay.
    """
    bodies, state = _pack(specs, device)
    num_steps = round((v.CLIP_SECONDS + v.FUTURE_SECONDS) * v.STEPS_PER_SECOND)
    track = [(state.position.clone(), state.velocity.clone(), state.angle.clone())]
    log: dict[str, list[Tensor]] = {"hit": [], "bounce": [], "moving": [_moving(bodies, state)], "woke": []}
    for step in range(1, num_steps + 1):
        log["woke"].append(_wake(bodies, state, step * _DT))
        _move(bodies, state)
        log["hit"].append(_collide(bodies, state))
        log["bounce"].append(_bounce(bodies, state))
        log["moving"].append(_moving(bodies, state))
        track.append((state.position.clone(), state.velocity.clone(), state.angle.clone()))
    position, velocity, angle = (torch.stack(parts, 1) for parts in zip(*track, strict=True))
    events = _Recorder(specs, bodies, position, velocity, {k: torch.stack(x, 1) for k, x in log.items()}).events()
    return World(
        specs=list(specs), position=position, velocity=velocity, angle=angle, radius=bodies.radius,
        camera=_camera(specs, num_steps + 1).to(device), events=events,
        flash=_flash(specs, num_steps + 1, bodies.radius.shape[1]).to(device),
    )


def _pack(specs: Sequence[SceneSpec], device) -> tuple[_Bodies, _State]:
    num = max(len(s.toys) for s in specs)

    def per_toy(value, empty=0.0):
        return torch.tensor([[value(t) for t in s.toys] + [empty] * (num - len(s.toys)) for s in specs], device=device)

    present = per_toy(lambda t: True, False)
    radius = per_toy(lambda t: t.radius)
    far = (-9.0, -9.0)
    position, velocity = per_toy(lambda t: t.position, far), per_toy(lambda t: t.velocity, (0.0, 0.0))
    start = per_toy(lambda t: t.start_seconds)
    waiting = start > 0
    bodies = _Bodies(
        present=present, radius=radius, mass=per_toy(lambda t: DENSITY[t.material] * t.radius**2, 1.0),
        restitution=per_toy(lambda t: RESTITUTION[t.material]), spin=per_toy(lambda t: t.spin), start=start,
        velocity=velocity, side_view=torch.tensor([[s.view == "side"] for s in specs], device=device),
        rolls=per_toy(lambda t: t.shape in ("ball", "ring"), False),
        friction=torch.tensor([[s.friction] for s in specs], device=device),
        walls=torch.tensor([s.walls for s in specs], device=device),
    )
    grounded = bodies.side_view & (position[..., 1] + radius >= 0.999) & bodies.walls[:, 3:]
    angle = torch.tensor([[random.Random(f"angle/{s.seed}/{i}").uniform(0, 2 * math.pi) if s.view == "top" else 0.0
                           for i in range(num)] for s in specs], device=device)
    state = _State(position, torch.where(waiting[..., None], 0.0, velocity), angle, grounded, waiting)
    return bodies, state


def _moving(bodies: _Bodies, state: _State) -> Tensor:
    speed = state.velocity.norm(dim=-1)
    return bodies.present & ((speed > 1e-3) | (bodies.side_view & ~state.grounded))


def _wake(bodies: _Bodies, state: _State, seconds: float) -> Tensor:
    wakes = state.waiting & (bodies.start <= seconds)
    state.velocity = torch.where(wakes[..., None], bodies.velocity, state.velocity)
    state.waiting = state.waiting & ~wakes
    return wakes


def _move(bodies: _Bodies, state: _State) -> None:
    falls = bodies.side_view & ~state.grounded & bodies.present
    state.velocity[..., 1] += GRAVITY * _DT * falls
    slides = (~bodies.side_view | state.grounded) & bodies.present
    speed = state.velocity.norm(dim=-1).clamp_min(1e-9)
    kept = ((speed - bodies.friction * _DT * slides) / speed).clamp_min(0.0)
    state.velocity = state.velocity * kept[..., None]
    state.position = state.position + state.velocity * _DT
    rolling = bodies.side_view & bodies.rolls
    turn = torch.where(rolling, state.velocity[..., 0] / bodies.radius.clamp_min(1e-3), bodies.spin)
    state.angle = state.angle + turn * _DT


def _collide(bodies: _Bodies, state: _State) -> Tensor:
    """Resolve touching pairs; return the closing speed of each pair, (B, N, N) upper triangle, 0 where apart."""
    num = bodies.radius.shape[1]
    hit = torch.zeros(*bodies.radius.shape, num, device=bodies.radius.device)
    for i in range(num):
        for j in range(i + 1, num):
            offset = state.position[:, j] - state.position[:, i]
            distance = offset.norm(dim=-1).clamp_min(1e-6)
            overlap = bodies.radius[:, i] + bodies.radius[:, j] - distance
            normal = offset / distance[:, None]
            closing = ((state.velocity[:, i] - state.velocity[:, j]) * normal).sum(-1)
            both = bodies.present[:, i] & bodies.present[:, j]
            contact = both & (overlap > 0) & (closing > 0)
            mi, mj = bodies.mass[:, i], bodies.mass[:, j]
            bounce = 1 + 0.5 * (bodies.restitution[:, i] + bodies.restitution[:, j])
            impulse = torch.where(contact, bounce * closing * mi * mj / (mi + mj), 0.0)[:, None] * normal
            state.velocity[:, i] -= impulse / mi[:, None]
            state.velocity[:, j] += impulse / mj[:, None]
            push = (both & (overlap > 0)) * overlap.clamp(0, 0.02) * 0.5
            state.position[:, i] -= push[:, None] * normal
            state.position[:, j] += push[:, None] * normal
            state.waiting[:, i] &= ~contact
            state.waiting[:, j] &= ~contact
            lifted = contact & (impulse[:, 1].abs() > 0.05 * torch.minimum(mi, mj))
            state.grounded[:, i] &= ~lifted
            state.grounded[:, j] &= ~lifted
            hit[:, i, j] = torch.where(contact, closing, 0.0)
    return hit


def _bounce(bodies: _Bodies, state: _State) -> Tensor:
    """Reflect at walls; return the normal speed at each wall, (B, N, 4), 0 where none was struck."""
    struck = torch.zeros(*bodies.radius.shape, 4, device=bodies.radius.device)
    for side, (axis, sign) in enumerate(((0, -1), (0, 1), (1, -1), (1, 1))):
        limit = bodies.radius if sign < 0 else 1 - bodies.radius
        across = state.position[..., 1 - axis]
        near = (across > -bodies.radius) & (across < 1 + bodies.radius)
        # Only from the inside: a toy that waits outside an open side is not thrown in through a wall.
        beyond = (state.position[..., axis] - limit) * sign
        touching = bodies.walls[:, side: side + 1] & bodies.present & near & (beyond >= 0) & (beyond < 0.15)
        outward = state.velocity[..., axis] * sign
        hits = touching & (outward > 0)
        rests = hits & (outward < REST_SPEED) & bodies.side_view if side == 3 else torch.zeros_like(hits)
        after = torch.where(rests, 0.0, -bodies.restitution * outward)
        state.velocity[..., axis] = torch.where(hits, after * sign, state.velocity[..., axis])
        state.position[..., axis] = torch.where(touching, limit, state.position[..., axis])
        if side == 3:
            state.grounded |= rests
        struck[..., side] = torch.where(hits & ~rests, outward, 0.0)
    return struck


class _Recorder:
    """Turns masks over time into the list of events of each scene."""

    def __init__(self, specs, bodies: _Bodies, position: Tensor, velocity: Tensor, log: dict[str, Tensor]):
        self.specs, self.bodies, self.log = specs, bodies, log
        self.position, self.velocity = position, velocity
        self.found: list[list[SceneEvent]] = [[] for _ in specs]
        self.last: dict[tuple, float] = {}

    def events(self) -> list[list[SceneEvent]]:
        for b, step, i, j in self.log["hit"].nonzero().tolist():
            self._hit(b, step, i, j)
        for b, step, i, side in self.log["bounce"].nonzero().tolist():
            force = self.log["bounce"][b, step, i, side].item()
            self._add(b, SceneEvent("bounce", (step + 1) * _DT, i, side=v.SIDES[side], force=force),
                      (b, "bounce", i, side))
        for b, step, i in self.log["woke"].nonzero().tolist():
            self._add(b, SceneEvent("start", (step + 1) * _DT, i), (b, "start", i))
        self._stops()
        self._borders()
        self._hidden()
        return [sorted(found, key=lambda e: e.seconds) for found in self.found]

    def _add(self, scene: int, event: SceneEvent, key: tuple) -> None:
        x, y = self.position[scene, round(event.seconds / _DT), event.toy].tolist()
        reach = self.bodies.radius[scene, event.toy].item() + 0.02
        if event.kind not in ("leave", "enter") and not (-reach < x < 1 + reach and -reach < y < 1 + reach):
            return  # nobody sees it
        if event.seconds - self.last.get(key, -NEVER) > _QUIET_SECONDS:
            self.found[scene].append(event)
        self.last[key] = event.seconds

    def _hit(self, b: int, step: int, i: int, j: int) -> None:
        speeds = self.velocity[b, step, [i, j]].norm(dim=-1).tolist()
        first, second = (i, j) if speeds[0] >= speeds[1] else (j, i)
        force = self.log["hit"][b, step, i, j].item()
        self._add(b, SceneEvent("hit", (step + 1) * _DT, first, other=second, force=force), (b, "hit", i, j))

    def _stops(self) -> None:
        moving = self.log["moving"]
        stops = moving[:, :-1] & ~moving[:, 1:]
        for b, step, i in stops.nonzero().tolist():
            later = moving[b, step + 1: step + 1 + round(0.1 / _DT), i]
            if not later.any():
                self._add(b, SceneEvent("stop", (step + 1) * _DT, i), (b, "stop", i))

    def _borders(self) -> None:
        still = torch.tensor([s.camera_motion == "static" for s in self.specs], device=self.position.device)
        radius = self.bodies.radius[:, None]
        x, y = self.position.unbind(-1)
        for side, beyond in enumerate((-x, x - 1, -y, y - 1)):
            usable = (still[:, None] & self.bodies.present & ~self.bodies.walls[:, side: side + 1])[:, None]
            gone, outside = beyond > radius, beyond > 0
            leaves = ~gone[:, :-1] & gone[:, 1:] & usable
            enters = outside[:, :-1] & ~outside[:, 1:] & usable
            for kind, mask in (("leave", leaves), ("enter", enters)):
                for b, step, i in mask.nonzero().tolist():
                    self._add(b, SceneEvent(kind, (step + 1) * _DT, i, side=v.SIDES[side]), (b, kind, i, side))

    def _hidden(self) -> None:
        for b, spec in enumerate(self.specs):
            if spec.occluder is None:
                continue
            hidden = hidden_by(spec.occluder, self.position[b], self.bodies.radius[b])
            change = hidden[1:].int() - hidden[:-1].int()
            for step, i in change.nonzero().tolist():
                kind = "hide" if change[step, i] > 0 else "appear"
                self._add(b, SceneEvent(kind, (step + 1) * _DT, i), (b, kind, i))


def hidden_by(occluder: tuple[float, float, float, float], position: Tensor, radius: Tensor) -> Tensor:
    """Return which toys a board hides.

    Args:
        occluder: x0, y0, x1, y1 in frame widths.
        position: (..., N, 2), frame widths.
        radius: (N,), frame widths.

    Returns:
        bool (..., N): True where 80 % of the disc's radius lies behind the board on every side.
    """
    x0, y0, x1, y1 = occluder
    x, y = position.unbind(-1)
    reach = 0.8 * radius
    return (x - reach > x0) & (x + reach < x1) & (y - reach > y0) & (y + reach < y1)


def _camera(specs: Sequence[SceneSpec], num: int) -> Tensor:
    """Return (B, S, 4): the camera's path, at its plain position in the middle of the clip."""
    t = torch.arange(num) * _DT - v.CLIP_SECONDS / 2
    path = torch.tensor([0.5, 0.5, 0.0, 0.0]).expand(len(specs), num, 4).clone()
    column = {"pan left": (0, -1), "pan right": (0, 1), "tilt up": (1, -1), "tilt down": (1, 1),
              "zoom in": (2, 1), "zoom out": (2, -1), "roll left": (3, 1), "roll right": (3, -1)}
    for b, spec in enumerate(specs):
        if spec.camera_motion in column:
            axis, sign = column[spec.camera_motion]
            path[b, :, axis] += sign * spec.camera_speed * t
        elif spec.camera_motion == "shake":
            rng = random.Random(f"shake/{spec.seed}")
            for axis in (0, 1):
                for _ in range(2):
                    hertz, phase = rng.uniform(1.5, 3.5), rng.uniform(0, 2 * math.pi)
                    path[b, :, axis] += spec.camera_speed * torch.sin(2 * math.pi * hertz * t + phase)
    return path


def _flash(specs: Sequence[SceneSpec], num: int, num_toys: int) -> Tensor:
    """Return (B, S, N): a beeping toy lights up with each beep and fades over FLASH_SECONDS."""
    flash = torch.zeros(len(specs), num, num_toys)
    t = torch.arange(num) * _DT
    for b, spec in enumerate(specs):
        for i, toy in enumerate(spec.toys):
            for beep in toy.beep_seconds:
                since = t - beep
                flash[b, :, i] += torch.where(since >= 0, (1 - since / FLASH_SECONDS).clamp_min(0.0), 0.0)
    return flash.clamp_max(1.0)
