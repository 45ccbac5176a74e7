"""Trainer `classifier`: any preset of the zoo learns the labels of clips."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder
from mmvideo.errors import InvalidInput, RecipeError, UnknownName, shown
from mmvideo.nn.checkpoints import load_strictly
from mmvideo.nn.costs import shapes_only
from mmvideo.training import checks
from mmvideo.training.clip_data import NONE, ClipData, LabelledClips, need_one, open_data, task_source
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer

CHUNK = 32
"""Validation clips at a time."""
log = logging.getLogger("mmvideo.training")


def build_encoder(preset: str, *, data: ClipData, init: str = "", form: str = "", options: dict[str, Any] | None = None
                  ) -> VideoEncoder:
    """Build an encoder whose classifier holds the classes of all tasks of the data, one task after the other.

    Args:
        preset: a name of the zoo.
        data: says which classes there are.
        init: weights to start from: a folder that `save_pretrained` wrote, or a release's checkpoint. The classifier is
            taken over only where the weights say that it has the same classes in the same order.
        form: the checkpoint's format; may be left out where the family has one.
        options: changes of the preset's options.

    Raises:
        UnknownName: no such preset, option or format.
        WeightsError: weights of another architecture.
    """
    labels = tuple(name for names in data.labels.values() for name in names)
    with checks.building(f"encoder {preset}"):
        encoder = zoo.create(preset, labels=labels, **(options or {}))
    if not init:
        return encoder
    if Path(init).is_dir():
        source = zoo.load(init)
    else:
        source = zoo.create(preset, **(options or {})).load_checkpoint(init, form or None)
    with shapes_only():
        headless = zoo.create(preset, num_classes=0, **(options or {})).state_dict()
    found = source.state_dict()
    classifier = {n: x for n, x in encoder.state_dict().items() if n not in headless or headless[n].shape != x.shape}
    named = tuple(getattr(source, "labels", ()))
    same = named == labels
    fresh = {n: x for n, x in classifier.items() if not same or n not in found or found[n].shape != x.shape}
    if not same:
        log.info("%s names %s, so the classifier begins anew", init, shown(list(named)) if named else "no classes")
    load_strictly(encoder, {**found, **fresh}, where=init)
    return encoder.train()


def logits_of(encoder: VideoEncoder, clips: LabelledClips) -> Tensor:
    """Run an encoder, with the sound where it hears; float (B, classes of all tasks)."""
    device = next(encoder.parameters()).device
    frames = clips.frames.to(device)
    if clips.audio is not None and "audio" in inspect.signature(encoder.logits).parameters:
        return encoder.logits(frames, clips.audio.to(device))
    return encoder.logits(frames)


def by_task(logits: Tensor, labels: dict[str, Sequence[str]]) -> dict[str, Tensor]:
    """Cut the logits of all tasks into those of each."""
    return dict(zip(labels, logits.split([len(names) for names in labels.values()], 1), strict=True))


def mixed_clips(clips: LabelledClips, *, mixup: float, cutmix: float) -> tuple[LabelledClips, Tensor, float]:
    """Blend each clip with another of the batch (mixup), or paste a box of it into all frames (cutmix).

    Returns:
        The clips, which other clip each got (B,), and the share that is its own.
    """
    num = len(clips.frames)
    partner, share = torch.arange(num), 1.0
    if mixup <= 0 and cutmix <= 0:
        return clips, partner, share
    box = cutmix > 0 and (mixup <= 0 or bool(torch.rand(()) < 0.5))
    alpha = cutmix if box else mixup
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    partner = torch.randperm(num)
    frames = clips.frames
    if box:
        height, width = frames.shape[-2:]
        side = (1 - share) ** 0.5
        h, w = round(height * side), round(width * side)
        y, x = int(torch.randint(height - h + 1, ())), int(torch.randint(width - w + 1, ()))
        frames = frames.clone()
        frames[..., y:y + h, x:x + w] = clips.frames[partner][..., y:y + h, x:x + w]
        share = 1 - h * w / (height * width)
    else:
        frames = torch.lerp(frames[partner].float(), frames.float(), share) / 255
    audio = None if clips.audio is None else torch.lerp(clips.audio[partner], clips.audio, share)
    return LabelledClips(frames, clips.labels, audio), partner, share


def loss_of(logits: Tensor, clips: LabelledClips, names: dict[str, Sequence[str]], *, partner: Tensor | None = None,
            share: float = 1.0, smoothing: float = 0.0) -> tuple[Tensor, dict[str, float]]:
    """Return the mean over tasks of the cross-entropy, and each task's accuracy on the clips as they are."""
    total, figures = logits.new_zeros(()), {}
    parts = by_task(logits.float(), names)
    asked = 0
    for task, part in parts.items():
        truth = clips.labels[task].to(part.device)
        if not bool((truth != NONE).any()):
            continue
        value = share * _cross_entropy(part, truth, smoothing)
        if share < 1:
            value = value + (1 - share) * _cross_entropy(part, truth[partner.to(truth.device)], smoothing)
        total, asked = total + value, asked + 1
        kept = truth != NONE
        figures[task] = float((part.detach().argmax(1) == truth)[kept].float().mean())
    return total / max(asked, 1), figures


def _cross_entropy(logits: Tensor, truth: Tensor, smoothing: float) -> Tensor:
    return F.cross_entropy(logits, truth, ignore_index=NONE, label_smoothing=smoothing)


@torch.no_grad()
def measure_classifier(encoder: VideoEncoder, data: ClipData, *, num: int, split: str = "validation",
                       first: int = 0) -> dict[str, tuple[int, int]]:
    """Return (right, asked) per task on `num` clips of a split, all of it if it has fewer."""
    size = data.size(split)
    last = first + num if size is None else min(first + num, size)
    counts = {task: [0, 0] for task in data.labels}
    for begin in range(first, last, CHUNK):
        clips = data.draw(range(begin, min(begin + CHUNK, last)), split)
        for task, part in by_task(logits_of(encoder, clips).cpu(), data.labels).items():
            kept = clips.labels[task] != NONE
            counts[task][0] += int((part.argmax(1) == clips.labels[task])[kept].sum())
            counts[task][1] += int(kept.sum())
    return {task: (right, asked) for task, (right, asked) in counts.items()}


def fit_classifier(run: TrainingRun, encoder: VideoEncoder, data: ClipData, *, mixup: float = 0.0, cutmix: float = 0.0,
                   label_smoothing: float = 0.0, evaluated: int = 512, evaluate_every: int = 500,
                   first_clip: int = 0) -> None:
    """Train an encoder that is among the run's modules on labelled clips."""
    batch = run.schedule.batch_size

    def make(number: int) -> LabelledClips:
        first = first_clip + number * batch
        return data.draw(range(first, first + batch), "train")

    def loss(clips: LabelledClips) -> tuple[Tensor, dict[str, float]]:
        clips, partner, share = mixed_clips(clips, mixup=mixup, cutmix=cutmix)
        return loss_of(logits_of(encoder, clips), clips, data.labels, partner=partner, share=share,
                       smoothing=label_smoothing)

    def evaluate() -> dict[str, float]:
        counts = measure_classifier(encoder, data, num=evaluated)
        return {task: right / asked for task, (right, asked) in counts.items() if asked}

    held_out = evaluated > 0 and data.size("validation") != 0
    run.train(make, loss, evaluate=evaluate if held_out else None, evaluate_every=evaluate_every)


def train_classifier(out: Path, *, schedule: Schedule, encoder: str, task: str | list[str] = "", manifest: str = "",
                     validation: str = "", workers: int = 4, init: str = "", form: str = "",
                     options: dict[str, Any] | None = None, mixup: float = 0.0, cutmix: float = 0.0,
                     label_smoothing: float = 0.0, evaluated: int = 512, evaluate_every: int = 500) -> None:
    """Train a preset of the zoo on labelled clips; save it under `out`/model.

    Args:
        encoder: a preset, such as `c3d-tiny`.
        task: a toybox task (see mmvideo.toybox.tasks), or several, each with classes of its own.
        manifest: instead: a CSV or JSONL list of `path,label`.
        validation: such a list, held out.
        workers: threads that decode while the network computes.
        init: a folder or a release's checkpoint to start from; random weights by default.
        form: the checkpoint's format, where the family has several.
        options: changes of the preset's options.
        mixup, cutmix: their Beta distributions' parameter; 0 for none; with both, each has half of the batches.
        label_smoothing: share of the target spread over all classes.
        evaluated: validation clips at most.
        evaluate_every: in steps.

    Raises:
        UnknownName: no such preset, task or option.
        RecipeError: neither or both of task and manifest.
        InvalidInput: a number out of range.
    """
    options_given = checks.begin(check_classifier, locals())
    torch.manual_seed(schedule.seed)
    data = data_for(encoder, task=task, manifest=manifest, validation=validation, workers=workers, seed=schedule.seed)
    network = build_encoder(encoder, data=data, init=init, form=form, options=options)
    kept = {"trainer": "classifier", "options": options_given, "data": data.identity()}
    run = TrainingRun(out, nn.ModuleDict({"encoder": network}), schedule, kept=kept)
    fit_classifier(run, network, data, mixup=mixup, cutmix=cutmix, label_smoothing=label_smoothing, evaluated=evaluated,
                   evaluate_every=evaluate_every)
    if run.accelerator.is_main_process:
        network.save_pretrained(out / "model")
        (out / "tasks.json").write_text(json.dumps({k: list(v) for k, v in data.labels.items()}, indent=1) + "\n")


def check_classifier(encoder: str, task: str | list[str], manifest: str, validation: str, workers: int, init: str,
                     form: str, options: dict[str, Any] | None, evaluated: int, evaluate_every: int = 1,
                     mixup: float = 0.0, cutmix: float = 0.0, label_smoothing: float = 0.0) -> None:
    """Raise on options that cannot be, before any data is read; they are those of `train_classifier`."""
    checks.at_least(0, mixup=mixup, cutmix=cutmix, evaluated=evaluated)
    checks.at_least(1, workers=workers, evaluate_every=evaluate_every)
    if not 0 <= label_smoothing < 1:
        raise InvalidInput(f"label_smoothing must be in [0, 1), not {label_smoothing}.")
    tasks, i = tasks_of(task), zoo.preset_of(encoder).input
    task_source().check(tasks, height=i.height, width=i.width)
    need_one(tasks, manifest)
    if validation and tasks:
        raise RecipeError("'validation' is the held-out list beside 'manifest'; toybox tasks have their own split.")
    checkpoints = zoo.find("encoders", zoo.family_of(encoder)).CHECKPOINTS
    if form and form not in checkpoints:
        raise UnknownName(f"checkpoint format of {encoder}", form, checkpoints)
    with checks.trial(f"encoder {encoder}"):
        zoo.create(encoder, num_classes=2, **(options or {}))


def tasks_of(task: str | Sequence[str]) -> list[str]:
    """Return the names of tasks as a recipe gives them: none, one or several."""
    return ([task] if task else []) if isinstance(task, str) else list(task)


def data_for(preset: str, *, task: str | Sequence[str] = "", manifest: str = "", validation: str = "",
             workers: int = 4, seed: int = 0) -> ClipData:
    """Open the data that a recipe names, as clips that a preset takes."""
    i = zoo.preset_of(preset).input
    return open_data(tasks=tasks_of(task), manifest=manifest, validation=validation, workers=workers, seed=seed,
                     num_frames=i.num_frames, height=i.height, width=i.width)


TRAINER = Trainer(train_classifier, check_classifier, begin_with=("init", "model"))

__all__ = ["TRAINER", "build_encoder", "by_task", "check_classifier", "data_for", "fit_classifier", "logits_of",
           "loss_of", "measure_classifier", "mixed_clips", "train_classifier"]
