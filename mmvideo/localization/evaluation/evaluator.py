"""Evaluator `localization-real`: streams of joined real clips, and actions of people from one set to another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.evaluation.intervals import wilson
from mmvideo.localization.action_model import ActionModel, FrameMaps, mean_box, steps_of
from mmvideo.localization.evaluation.heads import fit_actions, mean_and_spread, train_former, train_steps
from mmvideo.localization.evaluation.streams import (
    NOTHING,
    RealClip,
    cut_spans,
    few_of_each,
    joined_streams,
    looks_of_clips,
    read_clips,
)
from mmvideo.localization.grouping import StepClassifier, grouped_spans
from mmvideo.localization.localizer import Localizer
from mmvideo.localization.measures import localization_score
from mmvideo.localization.spans import LocatedSpan, soft_nms
from mmvideo.localization.training import AnnotatedFilm
from mmvideo.media import open_source
from mmvideo.objects.follow import follow
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.recipes import options_from
from mmvideo.registry import find
from mmvideo.sampling.fps import at_fps
from mmvideo.training import checks

PARTS = ("exercises", "interactions", "actions")
DIM = 1280


@dataclass(frozen=True)
class RealSettings:
    """The options of a config."""

    exercises: str
    """Folder of clips.tsv with the columns clip, label, split (train, test), shoot."""
    interactions: str
    """Folder of clips.tsv with the columns clip, label, set (set1, set2), sequence."""
    parts: tuple[str, ...] = PARTS
    encoder: str = "lite0"
    most: int = 6
    """Clips of each label and split."""
    steps: int = 300
    """Of training of each head."""
    people: int = 2
    """Tracks of a clip whose actions are learnt and judged, the surest."""


def check_real(raw: dict[str, Any], where: str) -> RealSettings:
    """Return the options of a config, checked; neither data nor weights are read.

    Raises:
        RecipeError: an unknown key, or a value of another type.
        UnknownName: an unknown part or encoder.
        InvalidInput: a number out of range.
    """
    found = options_from(RealSettings, raw, where)
    with checks.locating(where):
        checks.check_names("part", found.parts, PARTS)
        checks.at_least(1, most=found.most, steps=found.steps, people=found.people)
        weights.folder(found.encoder)
    return found


def evaluate_real(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Measure as a config says; write localization.json into `out`.

    Yields:
        A report for each part and method.

    Raises:
        RecipeError, UnknownName, InvalidInput: as `check_real`.
        MediaNotFound: the clips are absent.
    """
    asked = check_real(raw, where)
    out.mkdir(parents=True, exist_ok=True)
    encoder, reports = FrameMaps(asked.encoder), []
    for part in asked.parts:
        folder = Path(asked.interactions if part == "actions" else getattr(asked, part)).expanduser()
        clips = read_clips(folder)
        measured = people_actions(clips, encoder, asked) if part == "actions" else stream_reports(
            *split_clips(clips, part, asked.most), encoder, asked)
        for report in measured:
            reports.append({"part": part, **report})
            yield reports[-1]
    (out / "localization.json").write_text(json.dumps(reports, indent=1), encoding="utf-8")


def split_clips(clips: Sequence[RealClip], part: str, most: int) -> tuple[list[RealClip], list[RealClip]]:
    """Return clips to learn from and clips to judge on; of "none" only those of other sequences are judged."""
    if part == "exercises":
        return (few_of_each([one for one in clips if one.group == "train"], most),
                few_of_each([one for one in clips if one.group == "test"], most))
    first = [one for one in clips if one.group == "set1" and (one.label != NOTHING or int(one.part) % 2)]
    second = [one for one in clips if (one.group == "set2" and one.label != NOTHING)
              or (one.label == NOTHING and not int(one.part) % 2)]
    return few_of_each(first, most), few_of_each(second, most)


def stream_reports(first: Sequence[RealClip], second: Sequence[RealClip], encoder: FrameMaps, asked: RealSettings
                   ) -> Iterator[dict[str, Any]]:
    """Train heads on streams of the first clips and measure them, and a detector of cuts, on streams of the second."""
    learnt = [film for film, _ in joined_streams(list(looks_of_clips(first, encoder)))]
    judged = joined_streams(list(looks_of_clips(second, encoder)), seed=1)
    mean, spread = mean_and_spread(learnt)
    learnt = [scaled(film, mean, spread) for film in learnt]
    shown = {f"stream {number}": (scaled(film, mean, spread), small) for number, (film, small) in enumerate(judged)}
    labels = sorted({one.text for film in learnt for one in film.events})
    steps = train_steps(learnt, labels, steps=asked.steps)
    former = Localizer(labels=labels, features={"encoder": asked.encoder},
                       network={"dim": mean.numel(), "width": 48, "arch": [1, 1, 4], "window": 9, "hidden": 96,
                                "narrow": [[1, mean.numel(), 64]]}).eval()
    former.network.load_state_dict(train_former(learnt, labels, steps=asked.steps).state_dict())
    methods = {"ActionFormer": lambda film, small: former.locate(film.features, least=0.01),
               "actionness, grouped": lambda film, small: by_grouping(film, steps, labels),
               "cut detector": lambda film, small: by_cuts(film, small, steps, labels)}
    truth = {name: film.events for name, (film, _) in shown.items()}
    for method, locate in methods.items():
        score = localization_score(truth, {name: locate(*one) for name, one in shown.items()})
        yield {"method": method, "mAP": round(score.mean, 4),
               **{f"mAP@{at:g}": round(value, 4) for at, value in score.by_threshold.items()},
               "streams": len(shown), "clips": len(second), "labels": len(labels),
               "seconds": round(sum(film.features.end_seconds for film, _ in shown.values()), 1)}


def scaled(film: AnnotatedFilm, mean: Tensor, spread: Tensor) -> AnnotatedFilm:
    """Return a film whose features have zero mean and unit spread over the training streams."""
    return AnnotatedFilm(replace(film.features, values=(film.features.values - mean) / spread), film.events)


@torch.inference_mode()
def by_grouping(film: AnnotatedFilm, steps: StepClassifier, labels: Sequence[str]) -> list[LocatedSpan]:
    """Return spans of likely steps."""
    shares = steps(film.features.values[None]).sigmoid()[0].numpy()
    return grouped_spans(shares, labels, start_seconds=0.0, step_seconds=film.features.step_seconds, least=0.01)


@torch.inference_mode()
def by_cuts(film: AnnotatedFilm, small: Tensor, steps: StepClassifier, labels: Sequence[str]) -> list[LocatedSpan]:
    """Return the spans between cuts, each with the mean score of every label in it."""
    shares, found = steps(film.features.values[None]).sigmoid()[0], []
    for start, end in cut_spans(small):
        rows = shares[round(start / film.features.step_seconds):max(round(end / film.features.step_seconds), 1)]
        if len(rows):
            found += [LocatedSpan(start, end, label, float(share), "action")
                      for label, share in zip(labels, rows.mean(0).tolist(), strict=True)]
    return soft_nms(found, least=0.001)


def people_actions(clips: Sequence[RealClip], encoder: FrameMaps, asked: RealSettings) -> Iterator[dict[str, Any]]:
    """Learn what people do in set1 from their boxes' features, judge in set2: the likeliest action of each clip."""
    clips = [one for one in clips if one.label != NOTHING]
    labels = sorted({one.label for one in clips})
    detector = find("object-detectors", "nanodet")()
    model = ActionModel(labels=labels, encoder=asked.encoder, dim=DIM)
    seen = {group: [(one, *_people(one, model, encoder, detector, asked.people)) for one in few_of_each(
        [one for one in clips if one.group == group], asked.most)] for group in ("set1", "set2")}
    rows = [(pooled, labels.index(one.label)) for one, some, _ in seen["set1"] for pooled in some]
    fit_actions(model, torch.cat([row for row, _ in rows]),
                torch.tensor([label for row, label in rows for _ in range(len(row))]))
    right = unseen = 0
    for one, some, _ in seen["set2"]:
        if not some:
            unseen += 1
            continue
        with torch.inference_mode():
            logits = model.head.projection((torch.cat(some) - model.mean) / model.spread).log_softmax(-1).mean(0)
        right += labels[int(logits.argmax())] == one.label
    count = len(seen["set2"])
    low, high = wilson((right, count))
    yield {"method": "features in boxes, logistic regression", "accuracy": round(right / max(1, count), 4),
           "interval": [round(low, 3), round(high, 3)], "clips": count, "learnt from": len(seen["set1"]),
           "chance": round(1 / len(labels), 3), "clips without people": unseen}


def _people(clip: RealClip, model: ActionModel, encoder: FrameMaps, detector: Any, people: int
            ) -> tuple[list[Tensor], list[ObjectTrack]]:
    """Return the features of the surest people in each second of a clip, and their tracks."""
    with open_source(clip.path) as media:
        clips = at_fps(media, fps=4.0, size=None)
    frames, times = clips.frames[0][clips.valid[0]], clips.pts_seconds[0][clips.valid[0]]
    tracks = [one for one in follow(frames, times, detector) if one.label == "person"]
    tracks = sorted(tracks, key=lambda one: -sum(one.confidences))[:people]
    found = []
    for start, rows in steps_of(times.tolist()).items():
        boxes = [box for one in tracks if (box := mean_box(one, start)) is not None]
        if boxes and len(rows) > 1:
            with torch.inference_mode():
                found.append(model.pooled(frames[rows], torch.tensor(boxes), encoder))
    return found, tracks


EVALUATOR = Evaluator(evaluate_real, check_real)

__all__ = ["EVALUATOR", "RealSettings", "check_real", "evaluate_real", "people_actions", "split_clips",
           "stream_reports"]
