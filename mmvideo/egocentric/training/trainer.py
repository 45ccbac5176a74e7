"""Trainer `egocentric`: a preset of the zoo learns verbs and nouns together (multi-task loss)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmvideo.egocentric.training.clips import EgocentricClips
from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput
from mmvideo.training import checks
from mmvideo.training.classifier import build_encoder, fit_classifier
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer


def train_egocentric(out: Path, *, schedule: Schedule, encoder: str, videos: str, train: str, validation: str = "",
                     workers: int = 2, init: str = "", form: str = "", options: dict[str, Any] | None = None,
                     label_smoothing: float = 0.0, evaluated: int = 512, evaluate_every: int = 500) -> None:
    """Train a preset on annotated egocentric videos; save it under `out`/model.

    The loss is the mean of the cross-entropies over verbs and over nouns.

    Args:
        encoder: a preset, such as `c3d-tiny`.
        videos: folder of the files.
        train: annotations of EPIC-KITCHENS (.csv) or Ego4D (.json).
        validation: such a list, held out.
        workers: threads that decode while the network computes.
        init, form, options: as in the trainer `classifier`.
        label_smoothing: share of the target spread over all classes.
        evaluated: validation segments at most.
        evaluate_every: in steps.

    Raises:
        UnknownName: no such preset or option.
        MediaNotFound, RecipeError, InvalidInput: as `EgocentricClips`.
    """
    options_given = checks.begin(check_egocentric, locals())
    torch.manual_seed(schedule.seed)
    data = clips_for(encoder, videos, train, validation, workers=workers, seed=schedule.seed)
    network = build_encoder(encoder, data=data, init=init, form=form, options=options)
    run = TrainingRun(out, nn.ModuleDict({"encoder": network}), schedule,
                      kept={"trainer": "egocentric", "options": options_given, "data": data.identity()})
    fit_classifier(run, network, data, label_smoothing=label_smoothing, evaluated=evaluated,
                   evaluate_every=evaluate_every)
    if run.accelerator.is_main_process:
        network.save_pretrained(out / "model")
        (out / "tasks.json").write_text(json.dumps({k: list(v) for k, v in data.labels.items()}, indent=1) + "\n")


def check_egocentric(encoder: str, workers: int, evaluated: int, evaluate_every: int, label_smoothing: float) -> None:
    """Raise on options that cannot be, before any data is read; they are those of `train_egocentric`."""
    checks.at_least(0, evaluated=evaluated)
    checks.at_least(1, workers=workers, evaluate_every=evaluate_every)
    if not 0 <= label_smoothing < 1:
        raise InvalidInput(f"label_smoothing must be in [0, 1), not {label_smoothing}.")
    zoo.preset_of(encoder)


def clips_for(preset: str, videos: str, train: str, validation: str, *, workers: int = 2, seed: int = 0
              ) -> EgocentricClips:
    """Open annotated videos as clips that a preset takes."""
    shape = zoo.preset_of(preset).input
    assert isinstance(shape, Input)
    return EgocentricClips(videos, train, validation, num_frames=shape.num_frames, height=shape.height,
                           width=shape.width, workers=workers, seed=seed)


TRAINER = Trainer(train_egocentric, check_egocentric, begin_with=("init", "model"))

__all__ = ["TRAINER", "check_egocentric", "clips_for", "train_egocentric"]
