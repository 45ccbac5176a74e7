"""A head learns what each toy does in every second, from its box in the features of a frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo import checks as values
from mmvideo import weights
from mmvideo.localization.actions import ActionBox, ActionTube, frame_map, video_map
from mmvideo.localization.features import FeatureSpec
from mmvideo.localization.roi_head import RoIHead
from mmvideo.localization.training import AnnotatedFilm
from mmvideo.toybox.films import FILM_ACTIONS, ToySecond, film_actions
from mmvideo.toybox.training.checks import check_levels
from mmvideo.toybox.training.localizer import VALIDATED, FilmFeatures
from mmvideo.toybox.training.parts import facts_identity
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer

GRID, DIM = 4, 256
"""Places across, and numbers of a place, of the toybox's encoder."""
AROUND = 2
"""Steps before and after a second that are seen too: what happens at its border shows there."""


def second_maps(film: AnnotatedFilm, seconds: Sequence[int]) -> list[Tensor]:
    """Return the maps of each step of seconds and of `AROUND` steps beside them, and what is heard in each.

    Maps are float (S, C, 1, GRID, GRID). What is heard is a map of one place, (S, C, 1, 1, 1), the mean over the step:
    cut out at any box it is the same.
    """
    per = round(1 / film.features.step_seconds)
    steps = torch.tensor(seconds)[:, None] * per + torch.arange(-AROUND, per + AROUND)
    rows = film.features.values[steps.clamp(0, len(film.features.values) - 1)]
    seen = rows[..., :GRID * GRID * DIM].unflatten(2, (GRID, GRID, DIM)).permute(1, 0, 4, 2, 3)
    heard = rows[..., GRID * GRID * DIM:].unflatten(2, (-1, DIM)).mean(2).transpose(0, 1)
    return [*seen[:, :, :, None], *heard[..., None, None, None]]


def new_head(features: FeatureSpec, hidden: int) -> RoIHead:
    """Return a head over what `second_maps` gives."""
    steps = round(features.fps / 2) + 2 * AROUND
    return RoIHead(dims=(DIM,) * 2 * steps, num_classes=len(FILM_ACTIONS), strides=(1.0,) * steps + (GRID,) * steps,
                   hidden=hidden)


def toy_samples(film: AnnotatedFilm, seconds: list[ToySecond], head: RoIHead) -> tuple[Tensor, Tensor]:
    """Return the pooled features of every toy in every second, (M, steps * C), and what it does, (M, actions)."""
    which = torch.tensor([one.second for one in seconds])
    every, row = which.unique(return_inverse=True)
    pooled = head.pooled(second_maps(film, every.tolist()), torch.tensor([one.box for one in seconds]) * GRID, row)
    return pooled, torch.tensor([[float(name in one.actions) for name in FILM_ACTIONS] for one in seconds])


def train_actions(out: Path, *, schedule: Schedule, levels: dict[str, float], num_films: int, features: FeatureSpec,
                  first_film: int = 0, hidden: int = 256) -> None:
    """Train the head; save it as `out`/head.

    Boxes are the true ones, in training and where it is measured: frame-mAP and video-mAP are of actions alone.

    Args:
        levels: share of the films of each level.
        num_films: how many films of a minute.
        features: of the toybox's encoder, dense.
        first_film: index of the first.
        hidden: width of the layer before the scores.
    """
    options = checks.begin(check_actions, locals())
    torch.manual_seed(schedule.seed)
    store = FilmFeatures(out / "features", features)
    names = [name for name, share in levels.items() for _ in range(round(num_films * share))]
    head = new_head(features, hidden)
    learnt = [toy_samples(store.film(first_film + k, "train", name), film_actions(first_film + k, level=name), head)
              for k, name in enumerate(names)]
    pooled, told = torch.cat([one for one, _ in learnt]), torch.cat([one for _, one in learnt])
    judged = []
    for name in levels:
        for k in range(VALIDATED):
            seconds = film_actions(k, split="validation", level=name)
            judged.append((seconds, toy_samples(store.film(k, "validation", name), seconds, head)[0]))
    run = TrainingRun(out, nn.ModuleDict({"head": head}), schedule,
                      kept={"trainer": "toybox-actions", "options": options, "data": facts_identity()})

    def make(step: int) -> Any:
        rows = torch.randint(len(pooled), (schedule.batch_size,), generator=torch.Generator().manual_seed(step))
        return pooled[rows], told[rows]

    def loss(batch: Any) -> tuple[Tensor, dict[str, float]]:
        value = F.binary_cross_entropy_with_logits(head.logits(F.dropout(batch[0], 0.2, head.training)), batch[1])
        return value, {}

    run.train(make, loss, evaluate=lambda: actions_measured(judged, head), evaluate_every=500)
    head.save_pretrained(out / "head", half=True)
    weights.seal(out / "head")


def actions_measured(judged: list[tuple[list[ToySecond], Tensor]], head: RoIHead) -> dict[str, float]:
    """Return frame-mAP at 0.5 (a frame is a second) and video-mAP at 0.5 (a video is a film; a tube is a toy)."""
    frames, videos = [], []
    for seconds, pooled in judged:
        with torch.inference_mode():
            scores = head.logits(pooled).sigmoid().tolist()
        by_second: dict[int, tuple[list[ActionBox], list[ActionBox]]] = {}
        tubes: dict[tuple[tuple[int, int], str], dict[float, Any]] = {}
        told: dict[tuple[tuple[int, int], str], dict[float, Any]] = {}
        best: dict[tuple[tuple[int, int], str], float] = {}
        for one, row in zip(seconds, scores, strict=True):
            found, truth = by_second.setdefault(one.second, ([], []))
            for name, score in zip(FILM_ACTIONS, row, strict=True):
                found.append(ActionBox(name, one.box, score))
                if score >= 0.5 or (one.toy, name) not in tubes:
                    tubes.setdefault((one.toy, name), {})[float(one.second)] = one.box
                best[one.toy, name] = max(best.get((one.toy, name), 0.0), score)
                if name in one.actions:
                    truth.append(ActionBox(name, one.box))
                    told.setdefault((one.toy, name), {})[float(one.second)] = one.box
        frames += list(by_second.values())
        videos.append(([ActionTube(name, boxes, best[toy, name]) for (toy, name), boxes in tubes.items()],
                       [ActionTube(name, boxes) for (_, name), boxes in told.items()]))
    by_frame, by_video = frame_map(frames), video_map(videos)
    return {"frame_mAP": sum(by_frame.values()) / len(by_frame), "video_mAP": sum(by_video.values()) / len(by_video),
            **{f"frame_{name}": value for name, value in by_frame.items()}}


def check_actions(levels: dict[str, float], num_films: int, features: FeatureSpec, first_film: int,
                  hidden: int) -> None:
    """Raise on options that cannot be, before anything is drawn; they are those of `train_actions`."""
    check_levels(levels)
    values.whole("num_films", num_films, low=1, high=1_000_000)
    values.whole("first_film", first_film, low=0)
    values.whole("hidden", hidden, low=1, high=65_536)
    weights.folder(features.encoder)


TRAINER = Trainer(train_actions, check_actions)

__all__ = ["TRAINER", "actions_measured", "check_actions", "second_maps", "toy_samples", "train_actions"]
