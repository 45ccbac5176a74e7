"""Clips with questions whose answers are known, and what is measured in them, for `benchmarks/hints.py`.

    python benchmarks/hints_clips.py --shared ../shared --out runs/hints/clips

Writes clips and `clips.json`: of each its part, questions, choices and answers, and the words of all five kinds of
hints. The parts: `drawn`, toybox films of the test split with a known camera motion, and `drawn, validation`; `moved`,
windows that are moved over clips of media/ whose own camera stands still; `people`, what people asked of real clips
(tests/everyday/questions.json: yes/no and how many); `sets`, other clips of three data sets; `train`, toybox films of
the training split and clips of the training halves of the data sets. No clip of one part is in another.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from camera_motion import STILL_CLIPS, move_window, read_frames
from camera_still import MOVING

from mmvideo.errors import MmvideoError
from mmvideo.media import open_source, write_video
from mmvideo.stages.measured import KINDS, Measurer
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.render import render_world
from mmvideo.toybox.tasks import scene
from mmvideo.toybox.vocabulary import CAMERA_MOTIONS

CHECKOUT = Path(__file__).resolve().parents[1]
MOVES = {"static": "it stands still", "pan left": "it turns to the left", "pan right": "it turns to the right",
         "tilt up": "it tilts up", "tilt down": "it tilts down", "zoom in": "it zooms in", "zoom out": "it zooms out",
         "roll left": "it rolls to the left", "roll right": "it rolls to the right", "shake": "it shakes"}
HOW, WHICH = "How does the camera move?", "Which camera movement is it?"
DOES, MANY = "Does the camera move?", "How many people are there?"


@dataclass(frozen=True)
class Asked:
    """A multiple-choice question about a clip."""

    kind: str
    question: str
    choices: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Clip:
    """A clip with its questions."""

    part: str
    path: str
    asked: tuple[Asked, ...]
    hints: str = ""
    """The words of all five kinds of hints."""
    camera: str = ""
    """The true motion of the camera, where it is drawn or added."""
    source: str = field(default="", compare=False)


def of_camera(motion: str) -> tuple[Asked, ...]:
    """Ask about a known motion of the camera."""
    return (Asked("which of ten, other words", HOW, tuple(MOVES.values()), MOVES[motion]),
            Asked("which of ten, its terms", WHICH, tuple(MOVES), motion),
            Asked("moves?", DOES, ("yes", "no"), "no" if motion == "static" else "yes"))


def drawn(home: Path, part: str, split: str, count: int) -> Iterator[Clip]:
    """Write films of a known camera motion, drawn from ten alike likely ones."""
    for number in range(count):
        spec, truth, _ = scene("camera", number, split)
        motion, world = CAMERA_MOTIONS[truth["camera"]], simulate([spec])
        path = home / f"{split}-{number}.mp4"
        write_video(path, render_world(world, size=320, fps=25, num_frames=50)[0], fps=25)
        yield Clip(part, str(path), of_camera(motion), camera=motion)


def moved(home: Path, media: Path, count: int) -> Iterator[Clip]:
    """Write windows that are moved over still clips, ways and clips in turn."""
    rng, motions = np.random.default_rng(21), list(MOVES)
    read: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for number in range(count):
        source = list(STILL_CLIPS)[number % len(STILL_CLIPS)]
        start, end, _ = STILL_CLIPS[source]
        frames, seconds = read[source] = read.get(source) or read_frames(media / source, start, end)
        span = min(rng.uniform(1.0, 2.0), float(seconds[-1] - seconds[0]))
        begin = rng.uniform(seconds[0], seconds[-1] - span + 1e-6)
        at = np.abs(seconds[None] - np.linspace(begin, begin + span, 16)[:, None]).argmin(1)
        label = (number + number // len(STILL_CLIPS)) % len(motions)
        pixels, _ = move_window(frames[at], label, rng)
        path = home / f"moved-{number}.mp4"
        write_video(path, torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2), fps=15 / span)
        yield Clip("moved", str(path), of_camera(motions[label]), camera=motions[label], source=source)


def people(shared: Path) -> Iterator[Clip]:
    """Yield real clips with the yes/no and counting questions that people wrote before any model saw them."""
    entries = json.loads((CHECKOUT / "tests/everyday/questions.json").read_text(encoding="utf-8"))["questions"]
    by_clip: dict[str, list[Asked]] = {}
    for entry in entries:
        answer, kind = entry["answers"][0], entry["kind"]
        if answer in ("yes", "no") and kind in ("yes/no", "camera", "sound"):
            by_clip.setdefault(entry["file"], []).append(Asked(kind, entry["question"], ("yes", "no"), answer))
        elif kind == "count" and answer in tuple("123456"):
            by_clip.setdefault(entry["file"], []).append(Asked(kind, entry["question"], tuple("123456"), answer))
    for name, asked in by_clip.items():
        yield Clip("people", str(shared / name), tuple(asked))


def of_sets(shared: Path, part: str, seed: int, count: int, train: bool) -> Iterator[Clip]:
    """Yield clips of three data sets: a still camera, and one or two people."""
    known = {entry["file"] for entry in
             json.loads((CHECKOUT / "tests/everyday/questions.json").read_text(encoding="utf-8"))["questions"]}
    for name, column, values, number in (
            ("interactions", "set", ("1", "set1") if train else ("2", "set2"), "2"),
            ("exercises", "split", ("train",) if train else ("test",), "1"),
            ("newsreaders", "split", ("train",) if train else ("test",), "1")):
        with (shared / "data" / name / "clips.tsv").open(newline="") as file:
            rows = [row["clip"] for row in csv.DictReader(file, delimiter="\t") if row[column] in values]
        rows = sorted(row for row in rows if Path(row).stem not in MOVING and f"data/{name}/{row}" not in known)
        for clip in random.Random(seed).sample(rows, min(count, len(rows))):
            yield Clip(part, str(shared / "data" / name / clip), (
                Asked("moves?", DOES, ("yes", "no"), "no"), Asked("count", MANY, tuple("123456"), number)))


def with_hints(clips: list[Clip]) -> list[Clip]:
    """Measure what the five kinds of hints tell of each clip."""
    measurer, found, began = Measurer(KINDS, None, None), [], time.monotonic()
    for clip in clips:
        try:
            with open_source(clip.path) as media:
                words = measurer.words(media)
        except MmvideoError as error:
            print(f"{clip.path}: {error}")
            continue
        found.append(Clip(**{**clip.__dict__, "hints": words}))
    parts = {clip.part: sum(one.part == clip.part for one in found) for clip in found}
    print(f"{parts}, hints of {sum(len(one.hints) for one in found) // len(found)} characters on average, measured in "
          f"{time.monotonic() - began:.0f} s", flush=True)
    return found


def read_clips(folder: Path) -> list[Clip]:
    """Read what `main` wrote."""
    entries = json.loads((folder / "clips.json").read_text(encoding="utf-8"))
    return [Clip(**{**entry, "asked": tuple(Asked(**{**one, "choices": tuple(one["choices"])})
                                            for one in entry["asked"])}) for entry in entries]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=CHECKOUT.parent / "shared")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--films", type=int, default=80, help="drawn films, and moved windows")
    parser.add_argument("--train", type=int, default=60, help="drawn films of the training split")
    parser.add_argument("--sets", type=int, default=10, help="clips of each data set")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    clips = [*drawn(given.out, "train", "train", given.train), *drawn(given.out, "drawn", "test", given.films),
             *drawn(given.out, "drawn, validation", "validation", given.films // 2),
             *moved(given.out, given.shared / "media", given.films), *people(given.shared),
             *of_sets(given.shared, "sets", 0, given.sets, False),
             *of_sets(given.shared, "train", 1, given.sets // 2, True)]
    (given.out / "clips.json").write_text(json.dumps([asdict(clip) for clip in with_hints(clips)], indent=1),
                                          encoding="utf-8")


if __name__ == "__main__":
    main()
