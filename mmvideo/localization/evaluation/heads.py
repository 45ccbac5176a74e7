"""Small heads that an evaluation trains on features of frozen encoders, and a fit of actions of boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo.deadline import check
from mmvideo.localization.action_model import ActionModel
from mmvideo.localization.actionformer import ActionFormer
from mmvideo.localization.grouping import StepClassifier
from mmvideo.localization.training import AnnotatedFilm, crop_loss, draw_crops


def mean_and_spread(films: Sequence[AnnotatedFilm]) -> tuple[Tensor, Tensor]:
    """Return mean and spread of each number of the features of films."""
    every = torch.cat([film.features.values for film in films])
    return every.mean(0), every.std(0).clamp(min=1e-3)


def train_former(films: Sequence[AnnotatedFilm], labels: Sequence[str], *, steps: int, seed: int = 0) -> ActionFormer:
    """Train a small ActionFormer on streams."""
    torch.manual_seed(seed)
    dim = films[0].features.values.shape[1]
    network = ActionFormer(dim=dim, num_classes=len(labels), width=48, heads=4, arch=(1, 1, 4), window=9, hidden=96,
                           drop_path=0.1, narrow=[[1, dim, 64]])
    _fit(network, steps, lambda step: crop_loss(network, draw_crops(films, labels, size=4, steps=96, finer=1,
                                                                     seed=seed + step))[0])
    return network.eval()


def train_steps(films: Sequence[AnnotatedFilm], labels: Sequence[str], *, steps: int, seed: int = 0) -> StepClassifier:
    """Train a classifier of single steps on streams; a step without an event belongs to no label."""
    torch.manual_seed(seed)
    network = StepClassifier(dim=films[0].features.values.shape[1], num_classes=len(labels), width=48)

    def loss(step: int) -> Tensor:
        batch = draw_crops(films, labels, size=4, steps=96, finer=1, seed=seed + step)
        told = torch.zeros(*batch.valid.shape, len(labels))
        for row, (segments, names) in enumerate(zip(batch.segments, batch.labels, strict=True)):
            for (start, end), name in zip(segments.round().long().tolist(), names.tolist(), strict=True):
                told[row, start:end, name] = 1.0
        return F.binary_cross_entropy_with_logits(network(batch.values)[batch.valid], told[batch.valid])

    _fit(network, steps, loss)
    return network.eval()


def _fit(network: nn.Module, steps: int, loss: Callable[[int], Tensor]) -> None:
    network.train()
    solver = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
    rate = torch.optim.lr_scheduler.OneCycleLR(solver, 2e-3, total_steps=steps)
    for step in range(steps):
        check()
        solver.zero_grad()
        loss(step).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        solver.step()
        rate.step()


def fit_actions(model: ActionModel, samples: Tensor, truth: Tensor, *, decay: float = 1e-2) -> None:
    """Fit the head of a model of actions by logistic regression on mean_and_spread features.

    Args:
        model: whose head is fitted, in place.
        samples: float (M, 2 C), as `ActionModel.pooled` gives.
        truth: int64 (M,), numbers of labels.
    """
    model.mean.copy_(samples.mean(0))
    model.spread.copy_(samples.std(0).clamp(min=1e-3))
    x, layer = (samples - model.mean) / model.spread, model.head.projection
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    solver = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(layer(x), truth) + decay * layer.weight.square().sum()
        value.backward()
        return value

    solver.step(loss)


__all__ = ["fit_actions", "mean_and_spread", "train_former", "train_steps"]
