"""python benchmarks/samplers.py [--films 8] [--sounds ../shared/data/sounds/esc10.zip]: what samplers that choose find.

Films of five minutes in which little happens: a toybox picture under a camera that drifts, faint noise, and four toybox
scenes of 3 s with their sound at random times. With `--sounds`, films of the same picture with real sounds: rain and
sea (ESC-10) throughout, and four clips of 5 s of other classes. A sampler takes N of the 2 s windows. An event is shown
if a window that is taken shows half a second of it: what a reader that misses nothing would answer rightly. In toybox
films `toybox-localizer` then reads the clips that were taken, and the mean average precision at tIoU 0.3 counts what it
finds of all hits, bounces, stops and crossings of the film. CPU seconds a film are those of choosing, of decoding the
clips that are taken, 16 frames each, and of the network, where one reads them.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.evaluation.intervals import wilson
from mmvideo.localization.features import FeatureSequence, WindowEncoder
from mmvideo.localization.localizer import Localizer
from mmvideo.localization.measures import localization_score
from mmvideo.localization.spans import LocatedSpan, soft_nms
from mmvideo.media.api import open_source, read_audio
from mmvideo.media.write import write_video
from mmvideo.registry import find
from mmvideo.toybox.films import SCENE_SECONDS, toy_film
from mmvideo.types import Audio, Clips, Segment

SECONDS, FPS, SIZE, RATE = 300, 16.0, 64, 16_000
EVENTS, WINDOW = 4, 2.0
SHOWN = 0.5
"""Seconds of an event that a window must show."""
COUNTS = (4, 8, 16, 37, 75)
BACKGROUND = ("rain", "sea_waves")


@dataclass(frozen=True)
class Film:
    """A film, when its events begin and end, and what happens in them."""

    path: Path
    events: list[tuple[float, float]]
    inside: list[Segment]


class Reader:
    """The localiser, over clips wherever they lie; clips that follow one another are read as one."""

    def __init__(self) -> None:
        self.network = Localizer.from_pretrained(weights.folder("toybox-localizer"))
        self.encoder = WindowEncoder(replace(self.network.features, hop_frames=self.network.features.window_frames))

    def __call__(self, clips: Clips) -> list[LocatedSpan]:
        """Return what happens in the clips, on the film's clock."""
        assert clips.audio is not None
        seen = self.encoder.encode(clips.frames.flatten(0, 1), clips.audio.flatten())
        per = round(WINDOW / seen.step_seconds)
        frame = WINDOW / clips.frames.shape[1]
        runs: list[list[float]] = []
        for start in (clips.pts_seconds[:, 0]).tolist():
            if runs and abs(start - runs[-1][-1] - WINDOW) < frame:
                runs[-1].append(start)
            else:
                runs.append([start])
        found, first = [], 0
        for run in runs:
            values = seen.values[first:first + per * len(run)]
            found += self.network.locate(FeatureSequence(values, run[0], seen.step_seconds), least=0.01)
            first += per * len(run)
        return soft_nms(found, least=0.01)


def drifting(picture: Tensor, count: int) -> Tensor:
    """Return frames of a camera that drifts over a picture (3, H, W), uint8 (count, 3, SIZE, SIZE)."""
    room = picture.shape[-1] - SIZE
    places = [abs((number // 4) % (2 * room) - room) for number in range(count)]
    return torch.stack([picture[:, at:at + SIZE, at:at + SIZE] for at in places])


def starts(rng: random.Random, seconds: float) -> list[float]:
    """Return when events begin, none of them overlapping another."""
    slots = rng.sample(range(int(SECONDS // (2 * seconds))), EVENTS)
    return sorted(slot * 2 * seconds + rng.uniform(0, seconds) for slot in slots)


def quiet(number: int) -> tuple[Tensor, Tensor]:
    """Return the frames and the sound of a film without events."""
    still = toy_film(number, split="test", num_scenes=1, size=96).frames[0]
    noise = torch.randn(SECONDS * RATE, generator=torch.Generator().manual_seed(number)) * 0.002
    return drifting(still, round(SECONDS * FPS)), noise


def toybox(number: int, folder: Path) -> Film:
    """Make a film in which four toybox scenes happen."""
    frames, sound = quiet(number)
    events, inside = [], []
    scenes = toy_film(100 + number, split="test", num_scenes=EVENTS, size=SIZE, fps=FPS)
    long, heard = round(SCENE_SECONDS * FPS), round(SCENE_SECONDS * RATE)
    for place, start in enumerate(starts(random.Random(number), SCENE_SECONDS)):
        first = round(start * FPS)
        frames[first:first + long] = scenes.frames[place * long:(place + 1) * long]
        at = round(first / FPS * RATE)
        sound[at:at + heard] += scenes.sound[place * heard:(place + 1) * heard][:len(sound) - at]
        events.append((first / FPS, first / FPS + SCENE_SECONDS))
        inside += [Segment(one.start_seconds + first / FPS - place * SCENE_SECONDS,
                           one.end_seconds + first / FPS - place * SCENE_SECONDS, one.text) for one in scenes.events
                   if place * SCENE_SECONDS <= one.start_seconds < (place + 1) * SCENE_SECONDS]
    return Film(written(folder / f"toybox-{number}.mp4", frames, sound), events, inside)


def heard(number: int, folder: Path, archive: zipfile.ZipFile) -> Film:
    """Make a film over which rain or sea is heard, and four other sounds."""
    rng = random.Random(number)
    names = sorted(name for name in archive.namelist() if name.endswith(".opus"))

    def clip(name: str) -> Tensor:
        return read_audio(io.BytesIO(archive.read(name)), sample_rate=RATE, mono=True).samples.flatten()

    behind = [name for name in names if name.split("/")[-2] in BACKGROUND]
    others = [name for name in names if name not in behind]
    frames, sound = quiet(number)
    long = torch.cat([clip(name) for name in rng.sample(behind, 12)])
    sound += long.repeat(-(-len(sound) // len(long)))[:len(sound)] * 0.3
    events = []
    for start, name in zip(starts(rng, 5.0), rng.sample(others, EVENTS), strict=True):
        at, samples = round(start * RATE), clip(name)
        sound[at:at + len(samples)] += samples[:len(sound) - at]
        loud = samples.abs() > 0.1 * samples.abs().max()  # clips are padded with silence
        last = int(loud.nonzero()[-1]) if loud.any() else len(samples)
        events.append((start, start + last / RATE))
    return Film(written(folder / f"heard-{number}.mp4", frames, sound), events, [])


def written(path: Path, frames: Tensor, sound: Tensor) -> Path:
    """Write a film."""
    write_video(path, frames, fps=FPS, audio=Audio(sound[None].clamp(-1, 1), RATE), crf=26)
    return path


def measure(films: Sequence[Film], sampler: str, count: int, reader: Reader | None) -> str:
    """Return a row of a table: what is shown of the events, what is found in them, and the CPU seconds of a film."""
    shown, began = 0, time.process_time()
    found: dict[str, list[LocatedSpan]] = {}
    take: Callable[..., Any] = find("samplers", sampler)
    for film in films:
        with open_source(film.path, threads=1) as source:
            clips = take(source, num_clips=count, num_frames=16, clip_seconds=WINDOW, size=(SIZE, SIZE),
                         sample_rate=RATE)
        spans = [(float(row[0]), float(row[-1])) for row in clips.pts_seconds]
        shown += sum(any(min(high, end) - max(low, start) >= SHOWN for low, high in spans)
                     for start, end in film.events)
        if reader is not None:
            found[film.path.name] = reader(clips)
    seconds, total = (time.process_time() - began) / len(films), EVENTS * len(films)
    low, high = wilson((shown, total))
    precision = "-" if reader is None else "{:.3f}".format(localization_score(
        {film.path.name: film.inside for film in films}, found, (0.3,)).by_threshold[0.3])
    return f"| {sampler} | {count} | {shown / total:.2f} [{low:.2f}, {high:.2f}] | {precision} | {seconds:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--sounds", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    everything = round(SECONDS / WINDOW)
    with tempfile.TemporaryDirectory() as home:
        makers: dict[str, Callable[[int], Film]] = {"toybox": partial(toybox, folder=Path(home))}
        if given.sounds:
            makers["real sounds"] = partial(heard, folder=Path(home), archive=zipfile.ZipFile(given.sounds))
        for name, made in makers.items():
            films = [made(number) for number in range(given.films)]
            reader = Reader() if name == "toybox" else None
            happenings = sum(len(one.inside) for one in films)
            print(f"{name}: {len(films)} films, {EVENTS * len(films)} events with {happenings} happenings, "
                  f"{everything} windows each")
            for sampler, counts in (("dense", (*COUNTS, everything)), ("salient", COUNTS), ("audio-preview", COUNTS)):
                for count in counts:
                    print(measure(films, sampler, count, reader), flush=True)


if __name__ == "__main__":
    main()
