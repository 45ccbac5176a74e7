"""Step (b): the encoder and the resampler learn from dense targets: which toy is where, and what happens to it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mmvideo.nn import facts as nf
from mmvideo.toybox.training.batches import draw_batch
from mmvideo.toybox.training.checks import check_levels, check_scenes
from mmvideo.toybox.training.dense_readout import CellHead
from mmvideo.toybox.training.parts import (
    Sizes,
    check_sizes,
    facts_identity,
    grown_resampler,
    load_parts,
    new_encoder,
    new_resampler,
)
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer


def train_perception(out: Path, *, schedule: Schedule, levels: dict[str, float], sizes: Sizes | None = None,
                     deaf: bool = False, single_frame: bool = False, init: str = "", first_scene: int = 0) -> None:
    """Train encoder and resampler on the facts of rendered clips; save them under `out`.

    Args:
        deaf, single_frame: train a baseline that does not hear, or sees the middle frame only.
        init: a model's folder to go on from (such as mmvideo/embedded/toybox-qa); new parts by default.
        first_scene: where the training scenes begin: past those that `init` has seen.
    """
    options = checks.begin(check_perception, locals())
    sizes = sizes or Sizes()
    torch.manual_seed(schedule.seed)
    encoder, resampler = new_encoder(sizes), new_resampler(sizes)
    if init:
        encoder, resampler, _ = load_parts(Path(init))
        resampler = grown_resampler(resampler)
    cells = CellHead(encoder.dim)
    for unused in (resampler.concepts, resampler.beside):
        unused.requires_grad_(False)
    run = TrainingRun(out, nn.ModuleDict({"encoder": encoder, "resampler": resampler, "cells": cells}), schedule,
                      kept={"trainer": "toybox-perception", "options": options, "data": facts_identity()})
    maps: list[torch.Tensor] = []
    encoder.video.embeddings.patch_embeddings.refine.register_forward_hook(
        lambda module, given, out: maps.append(out) if module.training else None)
    degraded = {"deaf": deaf, "single_frame": single_frame}

    def make(step: int):
        first = first_scene + step * schedule.batch_size
        return draw_batch(range(first, first + schedule.batch_size), split="train", levels=levels, **degraded)

    def loss(batch):
        features = encoder(batch.frames, batch.audio, batch.has_sound)
        seen = resampler.look(features)
        shapes = cells.shape_loss(maps.pop(), batch.facts)
        local = cells.loss(features, seen.heat, batch.facts) + 2 * shapes
        value, parts = nf.facts_loss(resampler.fields, seen.logits, batch.facts)
        logged = ("place", "velocity", "event", "spins", "told", "next", "ahead", "heard")
        return value + local, {"cells": local.detach(), "shape_in_frame": shapes.detach(),
                               **{name: parts[name] for name in logged}}

    def evaluate() -> dict[str, float]:
        batches = [draw_batch(range(i, i + 64), split="validation", levels=levels,
                              **degraded) for i in range(0, 256, 64)]
        seen = [resampler.look(encoder(b.frames, b.audio, b.has_sound)).logits for b in batches]
        logits = {k: torch.cat([s[k].float() for s in seen]) for k in seen[0]}
        truth = {k: torch.cat([b.facts[k] for b in batches]) for k in batches[0].facts}
        return nf.accuracy(resampler.fields, logits, truth)

    run.train(make, loss, evaluate=evaluate, evaluate_every=500)
    encoder.save_pretrained(out / "encoder")
    resampler.save_pretrained(out / "projector")


def check_perception(levels: dict[str, float], sizes: Sizes | None, first_scene: int) -> None:
    """Raise on options that cannot be, before anything is drawn; they are those of `train_perception`."""
    check_levels(levels)
    check_scenes(first_scene=first_scene)
    check_sizes(sizes)


TRAINER = Trainer(train_perception, check_perception)

__all__ = ["TRAINER", "check_perception", "train_perception"]
