"""Write scenes as files that anyone can evaluate any model on: an mp4 with sound and a JSON description each."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.media import write_video
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.captions import scene_caption
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.questions import ask_questions
from mmvideo.toybox.render import render_world
from mmvideo.toybox.sound import synthesise
from mmvideo.toybox.spec import sample_scene, split_seed
from mmvideo.toybox.world import Scene
from mmvideo.types import Audio

FORMAT = 1
"""Written into every description; it grows when a field changes its meaning."""
INDEX = "index.jsonl"
_INDEXED = ("id", "video", "split", "level", "index", "view", "camera_motion", "caption")
_LONGEST_SECONDS = v.CLIP_SECONDS + v.FUTURE_SECONDS


def make(out: str | os.PathLike, *, num: int, level: str = "standard", split: str = "test", start: int = 0,
         size: int = 320, fps: float = 25, seconds: float = v.CLIP_SECONDS,
         on_progress: Callable[[int, int], None] | None = None) -> Path:
    """Write `num` scenes of a split as ``<id>.mp4`` and ``<id>.json``, and list all of the folder in ``index.jsonl``.

    A clip is complete when its description is there; what is complete is skipped, so an interrupted call resumes
    where it stopped. The description holds the toys, the events with their times (those after the clip's end too),
    a caption, and questions with answers; questions are asked of clips of the usual length only.

    Args:
        out: folder; made if absent.
        num: how many scenes.
        level: one of LEVELS.
        split: one of SPLITS.
        start: index of the first scene within the split.
        size: pixels a side.
        fps: frames per second.
        seconds: length of the clips, at most 3.
        on_progress: called as on_progress(scenes complete, num) after each scene.

    Returns:
        The path of index.jsonl.

    Raises:
        InvalidInput: num, start, size, fps or seconds out of range, or clips made otherwise already there.
        UnknownName: no such level or split.
    """
    if level not in v.LEVELS:
        raise UnknownName("toybox level", level, v.LEVELS)
    if split not in v.SPLITS:
        raise UnknownName("split", split, v.SPLITS)
    if num < 1 or start < 0 or size < 16 or not 0 < fps <= v.STEPS_PER_SECOND or not 0 < seconds <= _LONGEST_SECONDS:
        raise InvalidInput(
            f"make needs num >= 1, start >= 0, size >= 16, fps up to {v.STEPS_PER_SECOND} and seconds up to "
            f"{_LONGEST_SECONDS:g}, not num={num}, start={start}, size={size}, fps={fps}, seconds={seconds}.")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    shape = {"size": size, "fps": fps, "seconds": seconds}
    try:
        for count, index in enumerate(range(start, start + num), 1):
            name = f"{split}-{level}-{index:06d}"
            if not _is_complete(folder, name, shape):
                _write_scene(folder, name, level, split, index, shape)
            if on_progress is not None:
                on_progress(count, num)
    finally:
        _write_index(folder)
    return folder / INDEX


def _is_complete(folder: Path, name: str, shape: dict[str, float]) -> bool:
    description = folder / f"{name}.json"
    if not description.exists() or not (folder / f"{name}.mp4").exists():
        return False
    found = {key: json.loads(description.read_text())[key] for key in shape}
    if found != shape:
        raise InvalidInput(f"{description} was made with {found}, not {shape}: choose another folder or delete it.")
    return True


def _write_scene(folder: Path, name: str, level: str, split: str, index: int, shape: dict[str, Any]) -> None:
    world = simulate([sample_scene(split_seed(split, index), level)])
    size, fps, seconds = shape["size"], shape["fps"], shape["seconds"]
    frames = render_world(world, size=size, fps=fps, num_frames=max(1, round(seconds * fps)))[0]
    sound = Audio(synthesise(world, seconds=seconds), v.SAMPLE_RATE)
    write_video(folder / f"{name}.mp4", frames, fps=fps, audio=sound)
    description = {"format": FORMAT, "id": name, "video": f"{name}.mp4", "split": split, "index": index, **shape,
                   **describe_scene(world.scene(0), with_questions=seconds == v.CLIP_SECONDS)}
    _write_text(folder / f"{name}.json", json.dumps(description, indent=1) + "\n")


def describe_scene(scene: Scene, *, with_questions: bool = True, num_questions: int = 20) -> dict[str, Any]:
    """Return all that is known of a scene, as JSON types; times in seconds, lengths in frame widths.

    Args:
        scene: one scene of a simulated world.
        with_questions: whether to ask questions too; the same scene is always asked the same ones.
        num_questions: at most so many.
    """
    spec = asdict(scene.spec)
    toys = [{"name": toy.name, **asdict(toy)} for toy in scene.toys]
    events = [{**asdict(event), "observed": event.observed} for event in scene.events]
    described = {**spec, "walls": [s for s, wall in zip(v.SIDES, spec["walls"], strict=True) if wall], "toys": toys,
                 "events": events, "caption": scene_caption(scene)}
    if with_questions:
        asked = ask_questions(scene, random.Random(f"make/{spec['level']}/{spec['seed']}"), num=num_questions)
        described["questions"] = [{**asdict(q), "needs": sorted(q.needs)} for q in asked]
    return described


def _write_text(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def _write_index(folder: Path) -> None:
    lines = []
    for path in sorted(folder.glob("*-*-*.json")):
        scene = json.loads(path.read_text())
        if scene.get("id") != path.stem:  # somebody else's file
            continue
        kept = {key: scene[key] for key in _INDEXED}
        lines.append(json.dumps({**kept, "description": path.name, "num_toys": len(scene["toys"]),
                                 "num_questions": len(scene.get("questions", ()))}))
    _write_text(folder / INDEX, "".join(line + "\n" for line in lines))
