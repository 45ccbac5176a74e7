"""A localiser learns when things happen in long toybox films, from the features of a frozen encoder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from mmvideo import checks as values
from mmvideo import weights
from mmvideo.deadline import check
from mmvideo.errors import InvalidInput
from mmvideo.localization.actionformer import FormerSize
from mmvideo.localization.features import FeatureSequence, FeatureSpec, WindowEncoder
from mmvideo.localization.localizer import Localizer
from mmvideo.localization.training import AnnotatedFilm, crop_loss, draw_crops, score_films
from mmvideo.toybox.films import FILM_EVENTS, film_events, toy_film
from mmvideo.toybox.training.checks import check_levels
from mmvideo.toybox.training.parts import facts_identity
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer

VALIDATED = 8
"""Films of the validation split that are measured while it learns."""


class FilmFeatures:
    """Films with their features, kept in a folder once they are made.

    Args:
        folder: where features are kept.
        spec: which features.
    """

    def __init__(self, folder: Path, spec: FeatureSpec):
        self.folder, self.spec = folder, spec
        self._encoder: WindowEncoder | None = None

    def film(self, index: int, split: str, level: str) -> AnnotatedFilm:
        """Return a film of a split."""
        path = self.folder / f"{split}-{level}-{index}.safetensors"
        if path.is_file():
            kept = load_file(path)
            step, seen = float(kept["step"]), kept["values"].float()
            return AnnotatedFilm(FeatureSequence(seen, 0.0, step), film_events(index, split=split, level=level))
        check()
        film = toy_film(index, split=split, level=level, size=self.spec.size, fps=self.spec.fps)
        self._encoder = self._encoder or WindowEncoder(self.spec)
        made = self._encoder.encode(film.frames, film.sound)
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        save_file({"values": made.values.half(), "step": torch.tensor(made.step_seconds)}, partial)
        partial.replace(path)
        return AnnotatedFilm(made, film.events)


def train_localizer(out: Path, *, schedule: Schedule, levels: dict[str, float], num_films: int, first_film: int = 0,
                    crop_steps: int = 120, features: FeatureSpec, network: FormerSize, init: str = "",
                    sigma: float = 0.3) -> None:
    """Train a localiser on films of the train split; save it as `out`/model, in float16.

    Args:
        levels: share of the films of each level.
        num_films: how many films of a minute.
        first_film: index of the first: past those whose scenes the encoder has seen.
        crop_steps: vectors of a crop.
        features: which features; the toybox's encoder is `toybox-qa`.
        network: how large it is.
        init: a localiser of the same features and network whose weights it begins with; random ones by default.
        sigma: of its Soft-NMS; 0.3 was the best of eight on 24 films of the validation split.

    Raises:
        InvalidInput: `init` is of other labels, features or another network.
    """
    options = checks.begin(check_localizer, locals())
    torch.manual_seed(schedule.seed)
    store = FilmFeatures(out / "features", features)
    names = [name for name, share in levels.items() for _ in range(round(num_films * share))]
    films = [store.film(first_film + number, "train", name) for number, name in enumerate(names)]
    held_out = {f"{name}-{number}": store.film(number, "validation", name) for name in levels
                for number in range(VALIDATED)}
    dim = films[0].features.values.shape[1]
    about = "long films of toybox scenes, level " + " and ".join(levels)
    model = Localizer(labels=FILM_EVENTS, features=asdict(features), network={"dim": dim, **asdict(network)},
                      about=about, sigma=sigma)
    if init:
        _fill(model, init)
    run = TrainingRun(out, nn.ModuleDict({"network": model.network}), schedule,
                      kept={"trainer": "toybox-localizer", "options": options, "data": facts_identity()})

    def make(step: int) -> Any:
        return draw_crops(films, FILM_EVENTS, size=schedule.batch_size, steps=crop_steps, finer=model.network.finer,
                          seed=schedule.seed * 1_000_003 + step)

    def evaluate() -> dict[str, float]:
        score = score_films(model, held_out)
        return {"mAP": score.mean, **{f"mAP@{at:g}": value for at, value in score.by_threshold.items()}}

    run.train(make, lambda batch: crop_loss(model.network, batch), evaluate=evaluate, evaluate_every=500)
    home = out / "model"
    model.save_pretrained(home, half=True)
    weights.seal(home)


def _fill(model: Localizer, init: str) -> None:
    """Give a localiser the weights of another."""
    other = Localizer.from_pretrained(weights.folder(init))
    differing = [key for key in ("labels", "features", "network")
                 if json.dumps(other.config[key], sort_keys=True) != json.dumps(model.config[key], sort_keys=True)]
    if differing:
        raise InvalidInput(f"init {init} has other {' and '.join(differing)} than this training's: begin with a "
                           "localiser of the same, or leave init out.")
    model.network.load_state_dict(other.network.state_dict())


def check_localizer(levels: dict[str, float], num_films: int, first_film: int, crop_steps: int,
                    features: FeatureSpec, init: str = "", sigma: float = 0.3) -> None:
    """Raise on options that cannot be, before anything is drawn; they are those of `train_localizer`."""
    check_levels(levels)
    values.whole("num_films", num_films, low=1, high=1_000_000)
    values.whole("first_film", first_film, low=0)
    values.whole("crop_steps", crop_steps, low=8, high=100_000)
    weights.folder(features.encoder)
    values.number("sigma", sigma, above=0, high=1e6)
    if init:
        weights.folder(init)


TRAINER = Trainer(train_localizer, check_localizer, begin_with=("init", "model"))

__all__ = ["TRAINER", "FilmFeatures", "check_localizer", "train_localizer"]
