"""Long toybox films: scenes one after the other, with the events of each at their times on the film's clock."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmvideo import checks
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.render import render_world
from mmvideo.toybox.sound import synthesise
from mmvideo.toybox.spec import sample_scene, split_seed
from mmvideo.toybox.world import Scene, SceneEvent, World
from mmvideo.types import Segment

FILM_EVENTS = ("hit", "bounce", "enter", "leave", "stop")
"""Kinds of events that a film's segments tell."""
FILM_ACTIONS = (*FILM_EVENTS, "spin")
"""What a toy may do in a second."""
SCENE_SECONDS = v.CLIP_SECONDS + v.FUTURE_SECONDS
"""Each scene is shown so long; a film is cut from one to the next."""
_AROUND = 0.25
"""Seconds before and after an instant (hit, bounce, stop) that its segment lasts."""
_SHORTEST, _LONGEST = 0.3, 1.5
"""Seconds that a crossing of the picture's edge (enter, leave) lasts at least and at most."""
_SAME = 0.25
"""Seconds: events of one kind that begin closer than that are one segment."""


@dataclass(frozen=True)
class ToyFilm:
    """A film and what happens in it."""

    frames: Tensor
    """uint8 (T, 3, size, size), frame i at i / fps."""
    sound: Tensor
    """float32 (S,), 16 kHz."""
    fps: float
    events: tuple[Segment, ...]
    """By their start; text is one of FILM_EVENTS."""

    @property
    def duration_seconds(self) -> float:
        """Length of the film."""
        return len(self.frames) / self.fps


def toy_film(index: int, *, split: str = "train", level: str = "easy", num_scenes: int = 20, size: int = 64,
             fps: float = v.MODEL_FPS) -> ToyFilm:
    """Make film `index` of a split: `num_scenes` scenes of 3 s, none of which is in another film of the split.

    Raises:
        UnknownName: no such split or level.
        InvalidInput: a number out of range.
    """
    world = _scenes(index, split, level, num_scenes)
    count = round(SCENE_SECONDS * fps)
    frames = render_world(world, size=size, fps=fps, num_frames=count).flatten(0, 1)
    sound = synthesise(world, seconds=count / fps).flatten()
    return ToyFilm(frames, sound, fps, _events(world, count / fps))


def film_events(index: int, *, split: str = "train", level: str = "easy", num_scenes: int = 20,
                fps: float = v.MODEL_FPS) -> tuple[Segment, ...]:
    """Return the events of the film that `toy_film` makes of the same arguments, without drawing it."""
    return _events(_scenes(index, split, level, num_scenes), round(SCENE_SECONDS * fps) / fps)


@dataclass(frozen=True)
class ToySecond:
    """One toy in one second of a film."""

    second: int
    """Of the film."""
    toy: tuple[int, int]
    """Number of the scene in the film, and of the toy in the scene."""
    box: tuple[float, float, float, float]
    """Mean of where it is seen, as shares of the picture: left, top, right, bottom."""
    actions: frozenset[str]
    """Of FILM_ACTIONS, what it does in this second."""


def film_actions(index: int, *, split: str = "train", level: str = "easy", num_scenes: int = 20) -> list[ToySecond]:
    """Return what every toy that is in the picture does in each second of the film that `toy_film` makes."""
    world = _scenes(index, split, level, num_scenes)
    steps, found = v.STEPS_PER_SECOND, []
    screen = world.screen()
    for number in range(num_scenes):
        scene = world.scene(number)
        zoom = world.camera[number, :, 2].exp()
        for toy, spec in enumerate(scene.toys):
            for second in range(round(SCENE_SECONDS)):
                span = slice(second * steps, (second + 1) * steps)
                centre, radius = screen[number, span, toy], spec.radius * zoom[span, None]
                sides = torch.cat((centre - radius, centre + radius), 1)
                inside = ((sides[:, 2:] > 0.02) & (sides[:, :2] < 0.98)).all(1)
                if inside.float().mean() < 0.25:
                    continue
                left, top, right, bottom = sides[inside].mean(0).clamp(0, 1).tolist()
                done = {event.kind for event in scene.events if toy in (event.toy, event.other)
                        and second <= event.seconds < second + 1}
                done |= {"spin"} if spec.spin else set()
                at = number * round(SCENE_SECONDS) + second
                found.append(ToySecond(at, (number, toy), (left, top, right, bottom),
                                       frozenset(done & set(FILM_ACTIONS))))
    return found


def _scenes(index: int, split: str, level: str, num_scenes: int) -> World:
    checks.whole("index", index, low=0)
    checks.whole("num_scenes", num_scenes, low=1, high=10_000)
    first = index * num_scenes
    return simulate([sample_scene(split_seed(split, first + k), level) for k in range(num_scenes)])


def _events(world: World, seconds: float) -> tuple[Segment, ...]:
    """Return the events of all scenes, each of which lasts so long, on the film's clock."""
    found: list[Segment] = []
    for number in range(len(world)):
        found += [Segment(one.start_seconds + number * seconds, one.end_seconds + number * seconds, one.text)
                  for one in scene_segments(world.scene(number), seconds)]
    return tuple(sorted(found, key=lambda one: (one.start_seconds, one.text)))


def scene_segments(scene: Scene, seconds: float = SCENE_SECONDS) -> list[Segment]:
    """Return the events of the first `seconds` of a scene as segments on its clock."""
    found: list[Segment] = []
    for event in scene.events:
        if event.kind not in FILM_EVENTS or event.seconds >= seconds:
            continue
        start, end = _times(scene, event)
        one = Segment(max(0.0, start), min(seconds, end), event.kind)
        near = next((k for k, other in enumerate(found) if other.text == one.text
                     and abs(other.start_seconds - one.start_seconds) < _SAME), None)
        if near is None:
            found.append(one)
        else:
            found[near] = Segment(found[near].start_seconds, max(found[near].end_seconds, one.end_seconds), one.text)
    return found


def _times(scene: Scene, event: SceneEvent) -> tuple[float, float]:
    """Return from when to when an event is seen to happen: enter until the toy is whole, leave from the edge on."""
    if event.kind not in ("enter", "leave"):
        return event.seconds - _AROUND, event.seconds + _AROUND
    axis = 0 if event.side in ("left", "right") else 1
    speed = abs(scene.velocity(event.toy, event.seconds)[axis])
    radius = scene.toys[event.toy].radius
    crossing = min(max(2 * radius / max(speed, 1e-3), _SHORTEST), _LONGEST)
    if event.kind == "leave":
        return event.seconds - crossing, event.seconds
    return event.seconds - crossing / 2, event.seconds + crossing / 2


__all__ = ["FILM_ACTIONS", "FILM_EVENTS", "SCENE_SECONDS", "ToyFilm", "ToySecond", "film_actions", "film_events",
           "scene_segments", "toy_film"]
