"""What a viewer can know of a scene, as plain Python lists: computed once per world, read by every question.

Thresholds keep doubt out: an event that is weak, unseen or too close to the clip's ends is set aside as unclear,
and a question that an unclear event could touch is not asked.
"""

from __future__ import annotations

import itertools
import weakref
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.spec import SceneSpec, ToySpec
from mmvideo.toybox.world import Scene, SceneEvent, World

GRID = 16
"""Positions are kept at this rate, per second."""
END_SECONDS = 1.9375
"""The moment that questions call the end: about that of the last frame looked at."""
WEAK_FORCE = 0.06
EDGE_SECONDS = 0.08
MOTOR_SPEED = 0.03
"""Frame widths per second above which the motor of a humming toy is heard."""
GAP_SECONDS = 0.2
"""Two events closer than this have no order that a viewer could be asked for."""

_STRIDE = v.STEPS_PER_SECOND // GRID
_END = round(END_SECONDS * GRID)
_NOTABLE = frozenset(("hit", "bounce", "leave", "enter", "stop", "start"))
_SEEN_FRAMES = 5
_SLANT = 1.7
"""A direction is clear where one part of the velocity is so many times the other."""


@dataclass(slots=True)
class Summary:
    """One scene; lists over toys unless said otherwise."""

    spec: SceneSpec
    screen: list[list[list[float]]]
    """Per 1 / GRID second, per toy: (x, y) in the picture, frame widths."""
    visible: list[list[bool]]
    """Per 1 / GRID second, per toy: the centre is in the picture and not behind the board."""
    frames: list[int]
    """How many GRID frames of the clip each toy is visible in."""
    start_direction: list[str | None]
    """left, right, up, down, still, or None where it is not clear or not seen."""
    end_direction: list[str | None]
    caption_direction: list[str]
    """As start_direction, but always one of the five."""
    possible_directions: list[frozenset[str]]
    """All that caption_direction could as well be called: more than one where a toy sets out slantwise or turns."""
    path: list[float]
    """Frame widths travelled within the clip."""
    rotation: list[float]
    """Radians between the extreme angles within the clip."""
    moving_seconds: list[float]
    """How long each toy moves in the picture, at MOTOR_SPEED or more."""
    roll: float
    """Radians that the camera has turned at the end."""
    events: list[SceneEvent]
    """Clear ones within the clip, by time."""
    unclear: list[SceneEvent]
    """Weak, unseen or at the very edge of the clip."""
    hidden: list[SceneEvent]
    """Hide and appear within the clip."""
    future: list[SceneEvent]
    """Everything notable after the clip's end."""
    seen: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    """Toys seen too shortly to be asked about."""
    names: dict = field(default_factory=dict)
    """Cache of how each toy can be referred to."""

    @property
    def toys(self) -> tuple[ToySpec, ...]:
        return self.spec.toys

    @property
    def still_camera(self) -> bool:
        return self.spec.camera_motion == "static"

    def at(self, toy: int, seconds: float) -> list[float]:
        """Return (x, y) of a toy in the picture."""
        return self.screen[min(round(seconds * GRID), len(self.screen) - 1)][toy]

    def sees(self, toy: int, seconds: float) -> bool:
        return self.visible[min(round(seconds * GRID), len(self.visible) - 1)][toy]


_CACHE: dict[int, tuple[weakref.ref, list[Summary]]] = {}


def summarize(scene: Scene) -> Summary:
    """Return the summary of a scene; the whole world is summarised at once and remembered while it lives."""
    world, key = scene.world, id(scene.world)
    held = _CACHE.get(key)
    if held is None or held[0]() is not world:
        reference = weakref.ref(world, lambda _: _CACHE.pop(key, None))
        held = _CACHE[key] = (reference, _summarize_world(world))
    return held[1][scene.index]


def _summarize_world(world: World) -> list[Summary]:
    clip = round(END_SECONDS * v.STEPS_PER_SECOND) + 1
    screen = world.screen(slice(None, None, _STRIDE))
    visible = _visible(world, screen)
    position, angle, velocity = world.position[:, :clip], world.angle[:, :clip], world.velocity
    inside = ((screen > 0.0) & (screen < 1.0)).all(-1)[:, : _END + 1]
    runs = inside & (velocity[:, :clip:_STRIDE].norm(dim=-1) > MOTOR_SPEED)
    columns = [
        screen.tolist(),
        visible.tolist(),
        visible[:, : _END + 1].sum(1).tolist(),
        velocity[:, [2, 8, 14]].tolist(),
        velocity[:, [clip - 15, clip - 9, clip - 3]].tolist(),
        (position[:, 1:] - position[:, :-1]).norm(dim=-1).sum(1).tolist(),
        (angle.amax(1) - angle.amin(1)).tolist(),
        (runs.sum(1) / GRID).tolist(),
        world.camera[:, clip - 1, 3].tolist(),
    ]
    return [_summary(world.specs[i], world.events[i], *row) for i, row in enumerate(zip(*columns, strict=True))]


def _visible(world: World, screen: Tensor) -> Tensor:
    seen = ((screen > 0.0) & (screen < 1.0)).all(-1) & (world.radius > 0)[:, None]
    nowhere = (2.0, 2.0, 2.0, 2.0)
    board = torch.tensor([spec.occluder or nowhere for spec in world.specs]).to(screen)[:, None, None]
    return seen & ~((screen > board[..., :2]) & (screen < board[..., 2:])).all(-1)


def _summary(spec, events, screen, visible, frames, starts, ends, path, rotation, moving, roll) -> Summary:
    count = len(spec.toys)
    begin = [
        _direction([s[i] for s in starts]) if visible[0][i] and visible[3][i] else None for i in range(count)
    ]
    end = [
        _direction([s[i] for s in ends]) if visible[_END][i] and visible[_END - 3][i] else None for i in range(count)
    ]
    summary = Summary(
        spec=spec, screen=screen, visible=visible, frames=frames, start_direction=begin, end_direction=end,
        caption_direction=[_main_direction(*starts[1][i]) for i in range(count)],
        possible_directions=[_possible_directions([s[i] for s in starts]) for i in range(count)],
        path=path, rotation=rotation, moving_seconds=moving, roll=roll, events=[], unclear=[], hidden=[], future=[],
    )
    summary.seen = [i for i in range(count) if frames[i] >= _SEEN_FRAMES]
    summary.doubtful = [i for i in range(count) if 0 < frames[i] < _SEEN_FRAMES]
    _sort_events(summary, events)
    return summary


def _direction(velocities: list[list[float]]) -> str | None:
    found = {_clear_direction(x, y) for x, y in velocities}
    return found.pop() if len(found) == 1 else None


def _clear_direction(x: float, y: float) -> str | None:
    if abs(x) < 0.02 and abs(y) < 0.02:
        return "still"
    if max(abs(x), abs(y)) < 0.1 or (abs(x) < _SLANT * abs(y) and abs(y) < _SLANT * abs(x)):
        return None
    return _main_direction(x, y)


def _possible_directions(velocities: list[list[float]]) -> frozenset[str]:
    """Return the directions that are not clearly wrong at one of the moments given."""
    found = set()
    for x, y in velocities:
        found.add(_main_direction(x, y))
        if max(abs(x), abs(y)) < 0.1:
            found.add("still")
        for part, other, ways in ((x, y, ("right", "left")), (y, x, ("down", "up"))):
            if abs(part) >= 0.02 and abs(part) * _SLANT > abs(other):
                found.add(ways[part < 0])
    return frozenset(found)


def _main_direction(x: float, y: float) -> str:
    if abs(x) < 0.05 and abs(y) < 0.05:
        return "still"
    if abs(x) > abs(y):
        return "right" if x > 0 else "left"
    return "down" if y > 0 else "up"


def _sort_events(s: Summary, events: list[SceneEvent]) -> None:
    struck = [(e.seconds, toy) for e in events if e.kind == "hit" for toy in (e.toy, e.other)]
    for event in events:
        if event.kind in ("hide", "appear"):
            if event.observed:
                s.hidden.append(event)
        elif event.kind not in _NOTABLE or _follows_hit(event, struck):
            continue
        elif not event.observed:
            s.future.append(event)
        elif _is_clear(s, event):
            s.events.append(event)
        else:
            s.unclear.append(event)


def _follows_hit(event: SceneEvent, struck: list[tuple[float, int]]) -> bool:
    """A toy set going, or brought to rest, by a hit: part of the hit, not an event of its own."""
    if event.kind not in ("start", "stop"):
        return False
    return any(toy == event.toy and abs(event.seconds - seconds) < 0.1 for seconds, toy in struck)


def _is_clear(s: Summary, event: SceneEvent) -> bool:
    if not EDGE_SECONDS <= event.seconds <= v.CLIP_SECONDS - EDGE_SECONDS:
        return False
    involved = (event.toy,) if event.other is None else (event.toy, event.other)
    if weak(event) or any(toy not in s.seen for toy in involved):
        return False
    if event.kind == "leave":  # seen shortly before, gone at the end
        return any(s.sees(event.toy, event.seconds - back) for back in (0.0625, 0.125, 0.25, 0.375))
    if event.kind == "enter":
        later = [event.seconds + ahead for ahead in (0.0625, 0.125, 0.25, 0.375)]
        return any(s.sees(event.toy, t) for t in later if t <= END_SECONDS)
    return all(s.sees(toy, event.seconds) for toy in involved)


def weak(event: SceneEvent) -> bool:
    """Whether an impact is too soft to be asked about."""
    return event.kind in ("hit", "bounce") and event.force < WEAK_FORCE


def speed_ratio_clear(scene_summary: Summary, event: SceneEvent) -> bool:
    """Whether a viewer can tell which of two colliding toys hit the other: one moved clearly faster just before."""
    s, before = scene_summary, event.seconds - 0.1875
    if event.other is None:
        return True
    moved = []
    for toy in (event.toy, event.other):
        (x0, y0), (x1, y1) = s.at(toy, before), s.at(toy, before + 0.125)
        moved.append(max(abs(x1 - x0), abs(y1 - y0)))
    return not s.still_camera or moved[0] > 1.4 * moved[1] + 0.002


def pairs(s: Summary) -> itertools.combinations:
    """Return every two toys that are seen."""
    return itertools.combinations(s.seen, 2)
