"""The audio tagger measured: five folds of ESC-10, fold 10 of UrbanSound8K, what is confused with what, and baselines.

No fold is divided. ESC-10 takes five networks, each trained without the fold that it is measured on; those that are not
there yet are trained first. UrbanSound8K is measured with the tagger that ships, which never learned from its fold 10.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from mmvideo.errors import RecipeError
from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.evaluation.intervals import wilson
from mmvideo.recipes import options_from
from mmvideo.sounds.labels import EVENTS
from mmvideo.sounds.tagger import Tagger
from mmvideo.sounds.training.recordings import ESC_FOLDS, Recording, read_recordings
from mmvideo.sounds.training.trainer import divided, likeliest, train_sounds
from mmvideo.sounds.windows import clip_scores
from mmvideo.training.recipes import check_training


@dataclass(frozen=True)
class SoundSettings:
    """The options of a config."""

    about: str = ""
    sounds: str = ""
    """Folder of esc10.zip and urban.zip."""
    speech: str = ""
    """Folder of speech, for networks that are still to be trained."""
    cache: str = "runs/sounds-cache"
    weights: str = "sounds"
    training: str = "train/sounds-folds"
    """Training recipe of the five networks."""
    photographs: str = ""
    """ImageNet weights that they begin with, in place of the recipe's."""
    folds: str = "runs/sounds-folds"
    """Folder of their runs."""


def check_sound_settings(raw: dict[str, Any], where: str) -> SoundSettings:
    """Return the options of a config, checked; neither data nor weights are read.

    Raises:
        RecipeError: an unknown or missing key, or a value of another type.
    """
    found = options_from(SoundSettings, raw, where)
    if not found.sounds:
        raise RecipeError(f"{where}: missing sounds, the folder of esc10.zip and urban.zip.")
    return found


def evaluate_sounds(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Measure an audio tagger as a config says; write sounds.json and the confusion pictures into `out`.

    The config's keys are the fields of `SoundSettings`.

    Yields:
        A report for each fold of ESC-10, for all of them, and for fold 10 of UrbanSound8K: the share of recordings
        whose likeliest event, of those of its corpus, is right, with its 95 % interval; the same of all events; and
        the shares of the nearest neighbour in mean and deviation of log-mel energies and of the most frequent class.

    Raises:
        RecipeError: as `check_sound_settings`.
        MediaNotFound, WeightsError: as `read_recordings` and `Tagger`.
    """
    asked = check_sound_settings(raw, where)
    recordings = read_recordings(asked.sounds, asked.speech, asked.cache)
    out.mkdir(parents=True, exist_ok=True)
    reports: list[dict[str, Any]] = []
    rows: list[tuple[Recording, Guess]] = []
    for fold in ESC_FOLDS:
        tagger = Tagger(_trained(asked, fold))
        learned, held = divided(recordings, fold)
        found = list(zip(held["esc10"], guesses(tagger, held["esc10"], learned), strict=True))
        rows += found
        reports.append(_report(f"esc10 fold {fold}", found))
        yield reports[-1]
    reports.append(_report("esc10", rows))
    draw_confusion(rows, out / "confusion-esc10.png", f"ESC-10, five folds: {reports[-1]['accuracy']:.1%}")
    yield reports[-1]
    learned, held = divided(recordings, 0)
    found = list(zip(held["urban"], guesses(Tagger(asked.weights), held["urban"], learned), strict=True))
    reports.append(_report("urban fold 10", found))
    draw_confusion(found, out / "confusion-urban.png", f"UrbanSound8K, fold 10: {reports[-1]['accuracy']:.1%}")
    (out / "sounds.json").write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    yield reports[-1]


def _trained(asked: SoundSettings, fold: int) -> Path:
    """Return the model of a network that did not learn from a fold; train it if it is not there."""
    run = Path(asked.folds).expanduser() / f"fold-{fold}"
    if not (run / "model" / "config.json").is_file():
        plan = check_training(asked.training, out=run)
        given = {"sounds": asked.sounds, "speech": asked.speech, "cache": asked.cache, "held_out_fold": fold}
        if asked.photographs:
            given["photographs"] = asked.photographs
        train_sounds(run, schedule=plan.schedule, **{**plan.options, **given})
    return run / "model"


@dataclass(frozen=True)
class Guess:
    """What is said of one recording."""

    event: str
    """Likeliest of the events of its corpus."""
    among_all: str
    """Likeliest of all events."""
    neighbour: str
    """Event of the nearest recording of its corpus."""
    frequent: str
    """Most frequent event of its corpus."""


def guesses(tagger: Tagger, rows: Sequence[Recording], learned: Sequence[Recording]) -> list[Guess]:
    """Return what the tagger and the baselines say of recordings.

    Args:
        learned: recordings that may be learned from; those of the same corpus serve as neighbours.
    """
    scores = clip_scores(tagger.network, [r.energies for r in rows])
    known = [r for r in learned if r.corpus == rows[0].corpus]
    places = torch.stack([_summary(r) for r in known])
    mean, deviation = places.mean(0), places.std(0).clamp_min(0.01)
    near = torch.cdist((torch.stack([_summary(r) for r in rows]) - mean) / deviation, (places - mean) / deviation)
    frequent = Counter(r.event for r in known).most_common(1)[0][0]
    return [Guess(EVENTS[event], EVENTS[among_all], known[neighbour].event, frequent) for event, among_all, neighbour in
            zip(likeliest(scores, rows), scores.argmax(1).tolist(), near.argmin(1).tolist(), strict=True)]


def _summary(recording: Recording) -> torch.Tensor:
    energies = recording.energies.float()
    return torch.cat((energies.mean(0), energies.std(0)))


def _report(name: str, rows: Sequence[tuple[Recording, Guess]]) -> dict[str, Any]:
    """Return the shares of right guesses, with the interval of the tagger's."""
    right = sum(guess.event == row.event for row, guess in rows)
    low, high = wilson((right, len(rows)))
    shares = {key: sum(getattr(guess, key) == row.event for row, guess in rows) / len(rows)
              for key in ("among_all", "neighbour", "frequent")}
    return {"row": name, "recordings": len(rows), "accuracy": round(right / len(rows), 4), "low": round(low, 4),
            "high": round(high, 4), **{key: round(share, 4) for key, share in shares.items()}}


def draw_confusion(rows: Sequence[tuple[Recording, Guess]], path: Path, title: str) -> None:
    """Draw how often each event was taken for each other, as shares of its recordings."""
    names = sorted({row.event for row, _ in rows})
    counts = np.zeros((len(names), len(names)))
    for row, guess in rows:
        counts[names.index(row.event), names.index(guess.event)] += 1
    shares = counts / counts.sum(1, keepdims=True)
    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=title, xlabel="predicted event", ylabel="true event")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    for y, x in np.argwhere(counts > 0):
        axes.text(x, y, f"{counts[y, x]:.0f}", ha="center", va="center", size=8,
                  color="white" if shares[y, x] > 0.6 else "black")
    figure.savefig(path, dpi=110)


EVALUATOR = Evaluator(evaluate_sounds, check_sound_settings)

__all__ = ["EVALUATOR", "SoundSettings", "draw_confusion", "evaluate_sounds"]
