"""Voices of people whom training never saw: two side by side in a video file, through the pipeline that serves users.

The clips of one person are joined until a film is long enough; the two of a mixture are of different groups. The list
follows from a seed and the table of clips, and is written beside the report (mixtures.json).
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.errors import RecipeError
from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.media import read_audio, read_video, write_video
from mmvideo.pipeline import Pipeline
from mmvideo.recipes import options_from
from mmvideo.separation.evaluation import FPS, RATE, judge_of_voices, summary_of_voices
from mmvideo.separation.training.people import PersonClip, people_clips
from mmvideo.training import checks
from mmvideo.types import Audio

SIDE = 224
"""Pixels of each half of the picture."""
LEVEL = 0.05
"""RMS of each voice."""
_EDGE = 0.02
"""Seconds over which the voice of one track gives way to the next one's."""


@dataclass(frozen=True)
class PeopleSettings:
    """The options of a config."""

    about: str = ""
    people: str = ""
    """Folder of clips with their table (`mmvideo.separation.training.people`)."""
    split: str = "test"
    groups: tuple[str, ...] = ()
    """Of the table; empty for all of the split."""
    women: tuple[str, ...] = ()
    """Those of the groups whose speakers are women; pairs of two women or two men are also reported by themselves."""
    weights: str | None = None
    num: int = 100
    """Mixtures."""
    seconds: float = 2.4
    """Least length of each."""
    late: dict[str, float] = field(default_factory=dict)
    """Further rows: name -> seconds by which the pictures come after the sound."""


@dataclass(frozen=True)
class Pair:
    """One mixture: the clips of either person."""

    groups: tuple[str, str]
    clips: tuple[tuple[str, ...], tuple[str, ...]]


def pairs_of_people(clips: list[PersonClip], num: int, joined: int, *, seed: int = 0) -> list[Pair]:
    """Return the fixed list: two groups, then of each a person, then so many clips of theirs.

    Args:
        clips: of two groups at least.
        num: pairs.
        joined: clips a person.
        seed: of the list.

    Raises:
        RecipeError: fewer than two groups hold a person with so many clips.
    """
    people: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        people[clip.group][clip.person].append(str(clip.path))
    able = {group: [names for names in persons.values() if len(names) >= joined]
            for group, persons in people.items()}
    groups = sorted(group for group, persons in able.items() if persons)
    if len(groups) < 2:
        raise RecipeError(f"Pairs need two groups with {joined} clips of one person each, not {groups or 'none'}.")
    random, listed = np.random.default_rng(seed), []
    for _ in range(num):
        two = [groups[i] for i in random.permutation(len(groups))[:2]]
        chosen = []
        for group in two:
            names = able[group][int(random.integers(len(able[group])))]
            chosen.append(tuple(names[i] for i in random.permutation(len(names))[:joined]))
        listed.append(Pair((two[0], two[1]), (chosen[0], chosen[1])))
    return listed


def check_people(raw: dict[str, Any], where: str) -> PeopleSettings:
    """Return the options of a config, checked; neither data nor weights are read.

    Raises:
        RecipeError: an unknown or missing key, or a value of another type.
        InvalidInput: a number out of range.
    """
    found = options_from(PeopleSettings, raw, where)
    with checks.locating(where):
        checks.at_least(1, num=found.num)
        checks.at_least(0.5, seconds=found.seconds)
    if not found.people:
        raise RecipeError(f"{where}: missing people, a folder of clips with clips.tsv.")
    if found.groups:
        _women_are_of(found.groups, found, where)
    return found


def _women_are_of(groups: Collection[str], asked: PeopleSettings, where: str) -> None:
    """Refuse names in `women` that no group has: their pairs would count as of men."""
    if unknown := sorted(set(asked.women).difference(groups)):
        raise RecipeError(f"{where}: women must be of the groups, which have no {', '.join(map(repr, unknown))}.")


def evaluate_people(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Measure a separator as a config says; write people.json and mixtures.json into `out`.

    The config's keys are the fields of `PeopleSettings`.

    Yields:
        One report a row (`people`, `same-sex`, `other-sex`, and those of `late`), with the figures of the evaluator
        `separation`.

    Raises:
        RecipeError, InvalidInput: as `check_people`.
        MissingExtra: torchmetrics, pesq or pystoi is not installed.
        MediaNotFound: no such clips.
    """
    asked, judge = check_people(raw, where), judge_of_voices()
    clips = people_clips(asked.people, asked.split, groups=asked.groups)
    _women_are_of({clip.group for clip in clips}, asked, where)
    shortest = 1.2
    listed = pairs_of_people(clips, asked.num, int(np.ceil(asked.seconds / shortest - 1e-6)))
    out.mkdir(parents=True, exist_ok=True)
    (out / "mixtures.json").write_text(json.dumps([asdict(pair) for pair in listed], indent=1) + "\n")
    pipe = Pipeline("source-separation", asked.weights)
    reports: list[dict[str, Any]] = []
    for row, late in {"people": 0.0, **asked.late}.items():
        scores, spent, lasted = [], 0.0, 0.0
        for pair in listed:
            more, took, seconds = _measure(pair, pipe, judge, asked.seconds, late)
            scores.append(more)
            spent, lasted = spent + took, lasted + seconds
        same = [len({group in asked.women for group in pair.groups}) == 1 for pair in listed]
        parts: Mapping[str, list[list[dict[str, float]]]] = {row: scores}
        if row == "people" and asked.women:
            parts = {row: scores, "same-sex": [s for s, alike in zip(scores, same, strict=True) if alike],
                     "other-sex": [s for s, alike in zip(scores, same, strict=True) if not alike]}
        for name, some in parts.items():
            flat = [score for pair_scores in some for score in pair_scores]
            if flat:
                reports.append({"row": name, **summary_of_voices(flat), "real_time_factor": round(spent / lasted, 3)})
                (out / "people.json").write_text(json.dumps(reports, indent=1) + "\n")
                yield reports[-1]


def _measure(pair: Pair, pipe: Pipeline, judge: Any, least: float,
             late: float) -> tuple[list[dict[str, float]], float, float]:
    """Film a pair, separate it, judge both voices; also the seconds that it took and those that it lasts."""
    films = [_joined(names) for names in pair.clips]
    count = min(len(frames) for frames, _ in films)
    assert count >= int(least * FPS) - len(pair.clips[0]), pair  # a clip of 1.2 s may lack its last frame
    frames = torch.cat([f[:count] for f, _ in films], 3)
    targets = torch.stack([s[:count * RATE // FPS] for _, s in films])
    targets = targets / targets.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6) * LEVEL
    heard = targets.sum(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "people.mp4"
        write_video(path, frames, fps=FPS, audio=Audio(heard.clamp(-1, 1)[None], RATE, start_seconds=-late))
        result = pipe(path)
        start = round((-late - result.mixture.start_seconds) * RATE)
        mixed = result.mixture.read(start, start + len(heard))
        outputs = [voice_of_side(result.tracks, side, 2 * SIDE, mixed, start, result.mixture.start_seconds)
                   for side in range(2)]
        spent = result.timings.total_seconds
    return [judge(outputs[p], targets, p, mixed) for p in range(2)], spent, count / FPS


def voice_of_side(voices: Any, side: int, width: int, mixed: Tensor, start: int, begins: float) -> Tensor:
    """Return what the tracks of one half of the picture say, one after the other; the mixture where there is none.

    Args:
        voices: the tracks of a result; one person may be several of them, where pictures are cut.
        side: 0 for the left half, 1 for the right one.
        width: of the picture, in pixels.
        mixed: the mixture, (S,).
        start: sample of the result at which it begins.
        begins: time of the result's sample 0, in seconds.
    """
    own = [v for v in voices if v.has_face and int(float(np.nanmean(v.boxes[:, [0, 2]])) > width / 2) == side]
    if len(own) == 1:
        return own[0].sound.read(start, start + len(mixed))
    clock = (torch.arange(len(mixed)) + start) / RATE + begins
    total, weight = torch.zeros_like(mixed), torch.zeros_like(mixed)
    for voice in own:
        for a, b in voice.spans:
            share = torch.minimum((clock - a) / _EDGE + 0.5, (b - clock) / _EDGE + 0.5).clamp(0, 1)
            total += share * voice.sound.read(start, start + len(mixed))
            weight += share
    return total / weight.clamp_min(1) + mixed * (1 - weight.clamp(max=1))


def _joined(names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Return the pictures uint8 (T, 3, 224, 224) and the sound (S,) of clips one after the other."""
    films, sounds = [], []
    for name in names:
        video, audio = read_video(name), read_audio(name, sample_rate=RATE, mono=True)
        late = round((audio.start_seconds - float(video.pts_seconds[0])) * RATE)
        sound = audio.samples[0]
        sound = F.pad(sound, (late, 0)) if late > 0 else sound[-late:]
        length = len(video.frames) * RATE // FPS
        sounds.append(F.pad(sound[:length], (0, max(0, length - len(sound)))))
        films.append(F.interpolate(video.frames.float(), (SIDE, SIDE), mode="bilinear", antialias=True).round().byte()
                     if video.frames.shape[-2:] != (SIDE, SIDE) else video.frames)
    return torch.cat(films), torch.cat(sounds)


EVALUATOR = Evaluator(evaluate_people, check_people)

__all__ = ["EVALUATOR", "Pair", "evaluate_people", "pairs_of_people", "voice_of_side"]
