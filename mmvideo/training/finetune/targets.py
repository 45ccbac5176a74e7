"""Losses and quick figures of the three tasks; and what of a network learns."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmvideo.errors import InvalidInput
from mmvideo.labelled.augment import with_stills
from mmvideo.labelled.measures import balanced_accuracy, mean_average_precision, top_k
from mmvideo.training.classifier import mixed_clips
from mmvideo.training.clip_data import LabelledClips

_STAGE = re.compile(r"(?:^|\.)(?:blocks|layers|stages|layer)\.?(\d+)\.")
_STEM = re.compile(r"(?:^|\.)(?:conv_stem|stem|bn1|conv1|patch_embed)\b")
_MOST_WEIGHT = 10.0


class Targets:
    """What is learned: classes, tags or numbers.

    Args:
        task: one of these.
        learned: the targets of the clips to learn from.
        smoothing: share of the target that is spread over all labels.
        balanced: weigh rare labels up.
        mixup, cutmix: parameters of their Beta distributions; of kept features only mixup has an effect.
        stills: share of the clips over which a frame of another is laid; of kept features it has no effect.
    """

    def __init__(self, task: str, learned: Tensor, *, smoothing: float = 0.0, balanced: bool = False,
                 mixup: float = 0.0, cutmix: float = 0.0, stills: float = 0.0):
        self.task, self.smoothing, self.mixup, self.cutmix, self.stills = task, smoothing, mixup, cutmix, stills
        self.mean, self.deviation = torch.zeros(()), torch.ones(())
        self.weights: Tensor | None = None
        if task == "numbers":
            self.mean = learned.mean(0)
            self.deviation = learned.std(0, unbiased=False).clamp_min(1e-6)
        elif balanced and task == "classes":
            counts = learned.bincount(minlength=int(learned.max()) + 1).float()
            self.weights = (len(learned) / (len(counts) * counts.clamp_min(1))).clamp_max(_MOST_WEIGHT)
        elif balanced:
            positive = learned.sum(0).clamp_min(1)
            self.weights = ((len(learned) - positive) / positive).clamp(1 / _MOST_WEIGHT, _MOST_WEIGHT)

    def mixed(self, clips: LabelledClips) -> tuple[Tensor, Tensor, Tensor, float]:
        """Return clips or vectors, their targets, which other clip each got, and the share that is its own."""
        target = clips.labels["label"]
        if clips.frames.ndim == 5:
            clips = replace(clips, frames=with_stills(clips.frames, self.stills))
            clips, partner, share = mixed_clips(clips, mixup=self.mixup, cutmix=self.cutmix)
            return clips.frames, target, partner, share
        partner, share = torch.arange(len(target)), 1.0
        frames = clips.frames
        if self.mixup > 0:
            share = float(torch.distributions.Beta(self.mixup, self.mixup).sample())
            partner = torch.randperm(len(target))
            frames = torch.lerp(frames[partner], frames, share)
        return frames, target, partner, share

    def loss(self, logits: Tensor, target: Tensor, partner: Tensor, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss, and for classes the accuracy on the clips as they were mixed."""
        logits = logits.float()
        target = target.to(logits.device)
        value = share * self._loss(logits, target)
        if share < 1:
            value = value + (1 - share) * self._loss(logits, target[partner.to(target.device)])
        if self.task != "classes":
            return value, {}
        return value, {"accuracy": float((logits.detach().argmax(1) == target).float().mean())}

    def _loss(self, logits: Tensor, target: Tensor) -> Tensor:
        weights = None if self.weights is None else self.weights.to(logits.device)
        if self.task == "classes":
            return F.cross_entropy(logits, target, weight=weights, label_smoothing=self.smoothing)
        if self.task == "tags":
            smooth = target * (1 - self.smoothing) + self.smoothing / 2
            return F.binary_cross_entropy_with_logits(logits, smooth, pos_weight=weights)
        mean, deviation = self.mean.to(logits.device), self.deviation.to(logits.device)
        return F.smooth_l1_loss(logits, (target - mean) / deviation)

    def scores(self, logits: Tensor) -> Tensor:
        """Return probabilities, or numbers in their own units."""
        if self.task == "numbers":
            return logits * self.deviation + self.mean
        return logits.softmax(1) if self.task == "classes" else logits.sigmoid()

    def quick(self, scores: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Return a few figures of held-out clips, and the loss where it is cheap."""
        if self.task == "numbers":
            return {"mean_absolute_error": float(np.abs(scores - truth).mean())}
        if self.task == "tags":
            return {"mean_average_precision": mean_average_precision(truth, scores)}
        likely = np.clip(scores[np.arange(len(truth)), truth], 1e-9, 1)
        return {"top1": top_k(truth, scores, 1), "balanced_accuracy": balanced_accuracy(truth, scores),
                "loss": float(-np.log(likely).mean())}


def freeze_named(encoder: nn.Module, what: str, filled: set[str]) -> bool:
    """Take parameters out of training; return whether there were any.

    Args:
        what: "backbone", a number of stages from the input on, or beginnings of names with commas between.
        filled: names of the parameters that pretrained weights filled.

    Raises:
        InvalidInput: nothing is meant by it, nothing was filled, or nothing would be left to learn.
    """
    if not what:
        return False
    names = [name for name, _ in encoder.named_parameters()]
    if what == "backbone":
        if not filled:
            raise InvalidInput("--freeze backbone keeps what pretrained weights fill, and there are none: give "
                               "--pretrained.")
        chosen = set(filled)
    elif what.isdigit():
        stages = {name: found for name in names if (found := _STAGE.search(name))}
        if not stages:
            raise InvalidInput(f"--freeze {what}: this encoder has no stages that are counted; give the beginnings of "
                               f"names, such as {names[0].partition('.')[0]}.")
        chosen = {name for name, found in stages.items() if int(found[1]) < int(what)}
        chosen |= {name for name in names if name not in stages and _STEM.search(name)}
    else:
        parts = [part.strip() for part in what.split(",") if part.strip()]
        chosen = {name for name in names if any(name.startswith(part) for part in parts)}
    if not chosen or chosen == set(names):
        left = "nothing would be left to learn" if chosen else "no parameter is meant by it"
        raise InvalidInput(f"--freeze {what}: {left}; names begin with "
                           f"{', '.join(sorted({name.partition('.')[0] for name in names}))}.")
    for name, parameter in encoder.named_parameters():
        if name in chosen:
            parameter.requires_grad_(False)
    return True


def frozen_norms(encoder: nn.Module, norm: str, filled: bool) -> list[nn.Module]:
    """Return the batch normalisations whose statistics stay: all, or those whose weights do not learn."""
    every = [part for part in encoder.modules() if isinstance(part, _BatchNorm)]
    if norm == "frozen" or (norm == "auto" and filled):
        return list(every)
    return [part for part in every if part.weight is not None and not part.weight.requires_grad]


__all__ = ["Targets", "freeze_named", "frozen_norms"]
