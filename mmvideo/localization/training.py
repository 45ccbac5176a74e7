"""What trainers of localisers share: films with features and events, batches of crops, and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmvideo.localization.actionformer import ActionFormer
from mmvideo.localization.features import FeatureSequence
from mmvideo.localization.localizer import Localizer
from mmvideo.localization.measures import LocalizationScore, localization_score
from mmvideo.localization.targets import localization_loss, point_targets
from mmvideo.types import Segment


@dataclass(frozen=True)
class AnnotatedFilm:
    """Features of a film, and what happens in it."""

    features: FeatureSequence
    events: tuple[Segment, ...]


@dataclass(frozen=True)
class CropBatch:
    """Crops of films: B crops of T vectors, what is in each."""

    values: Tensor
    """float32 (B, T, D)."""
    valid: Tensor
    """bool (B, T)."""
    segments: list[Tensor]
    """Float (N, 2) of each, in steps of the network."""
    labels: list[Tensor]


def draw_crops(films: Sequence[AnnotatedFilm], labels: Sequence[str], *, size: int, steps: int, finer: int,
               seed: int) -> CropBatch:
    """Draw `size` crops of `steps` vectors; events that begin or end outside a crop are cut to it, if half is left.

    Args:
        films: to draw from.
        labels: names of the network's classes.
        finer: parts into which the network divides a vector.
        seed: the same crops for the same number.
    """
    rng = np.random.default_rng(seed)
    dim = films[0].features.values.shape[1]
    values, valid = torch.zeros(size, steps, dim), torch.zeros(size, steps, dtype=torch.bool)
    segments, found = [], []
    for row in range(size):
        film = films[int(rng.integers(len(films)))]
        count = min(steps, len(film.features.values))
        first = int(rng.integers(len(film.features.values) - count + 1))
        values[row, :count] = film.features.values[first:first + count]
        valid[row, :count] = True
        step = film.features.step_seconds / finer
        start = film.features.start_seconds + first * film.features.step_seconds
        inside = [(max(one.start_seconds, start), min(one.end_seconds, start + count * finer * step), one)
                  for one in film.events]
        kept = [(a, b, one.text) for a, b, one in inside
                if b - a > 0.5 * (one.end_seconds - one.start_seconds)]
        segments.append(torch.tensor([((a - start) / step, (b - start) / step) for a, b, _ in kept]).reshape(-1, 2))
        found.append(torch.tensor([labels.index(name) for *_, name in kept], dtype=torch.long))
    return CropBatch(values, valid, segments, found)


def crop_loss(network: ActionFormer, batch: CropBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a batch, a positive point, and its parts."""
    device = next(network.parameters()).device
    scored = network(batch.values.to(device), batch.valid.to(device))
    points = network.points(scored)
    told, offsets = zip(*(point_targets(points, one.to(device), which.to(device), network.num_classes)
                          for one, which in zip(batch.segments, batch.labels, strict=True)), strict=True)
    classes, ends, count = localization_loss(scored, torch.stack(told), torch.stack(offsets))
    normal = count.clamp(min=1)
    return (classes + ends) / normal, {"labels": (classes / normal).detach(), "ends": (ends / normal).detach()}


def score_films(model: Localizer, films: Mapping[str, AnnotatedFilm]) -> LocalizationScore:
    """Return the mean average precision of a localiser on films."""
    found = {name: model.locate(film.features, least=0.01) for name, film in films.items()}
    return localization_score({name: film.events for name, film in films.items()}, found)


__all__ = ["AnnotatedFilm", "CropBatch", "crop_loss", "draw_crops", "score_films"]
