"""Evaluator `localization-toybox`: when things happen in long toybox films, beside random times."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmvideo import weights
from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.localization.localizer import Localizer
from mmvideo.localization.measures import localization_score
from mmvideo.localization.spans import LocatedSpan
from mmvideo.localization.training import AnnotatedFilm
from mmvideo.recipes import options_from
from mmvideo.toybox.films import FILM_EVENTS
from mmvideo.toybox.training.localizer import FilmFeatures
from mmvideo.toybox.vocabulary import LEVELS, SPLITS
from mmvideo.training import checks


@dataclass(frozen=True)
class FilmSettings:
    """The options of a config."""

    model: str = "toybox-localizer"
    """A localiser."""
    levels: tuple[str, ...] = ("easy",)
    split: str = "test"
    films: int = 20
    """Films of a minute of each level."""
    first_film: int = 0


def check_films(raw: dict[str, Any], where: str) -> FilmSettings:
    """Return the options of a config, checked; neither data nor weights are read.

    Raises:
        RecipeError: an unknown key, or a value of another type.
        UnknownName: an unknown level, split or model.
        InvalidInput: a number out of range.
    """
    found = options_from(FilmSettings, raw, where)
    with checks.locating(where):
        checks.check_names("level", found.levels, LEVELS)
        checks.check_names("split", (found.split,), SPLITS)
        checks.at_least(1, films=found.films)
        checks.at_least(0, first_film=found.first_film)
        weights.folder(found.model)
    return found


def evaluate_films(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Measure as a config says; write localization-toybox.json into `out`.

    Yields:
        A report for each level and method: the model, and spans of usual length at random times.
    """
    asked = check_films(raw, where)
    model = Localizer.from_pretrained(weights.folder(asked.model))
    store, reports = FilmFeatures(out / "features", model.features), []
    for level in asked.levels:
        films = {f"{level}-{number}": store.film(number, asked.split, level)
                 for number in range(asked.first_film, asked.first_film + asked.films)}
        truth = {name: film.events for name, film in films.items()}
        found = {name: model.locate(film.features, least=0.01) for name, film in films.items()}
        for method, spans in (("model", found), ("random times", random_spans(films))):
            score = localization_score(truth, spans)
            by_label = {f"{label} mAP@0.5": round(score.by_label[label][0.5], 3) for label in score.by_label}
            reports.append({"level": level, "method": method, "mAP": round(score.mean, 4), **{
                f"mAP@{at:g}": round(value, 4) for at, value in score.by_threshold.items()}, **by_label,
                "films": len(films), "events": sum(map(len, truth.values()))})
            yield reports[-1]
    out.mkdir(parents=True, exist_ok=True)
    (out / "localization-toybox.json").write_text(json.dumps(reports, indent=1), encoding="utf-8")


def random_spans(films: dict[str, AnnotatedFilm], seed: int = 0) -> dict[str, list[LocatedSpan]]:
    """Return for each film spans of half a second at random times, twice as many of each label as of all events."""
    rng = np.random.default_rng(seed)
    return {name: [LocatedSpan(start, start + 0.5, label, float(rng.random()), "action") for label in FILM_EVENTS
                   for start in rng.uniform(0, film.features.end_seconds - 0.5, 2 * len(film.events)).tolist()]
            for name, film in films.items()}


EVALUATOR = Evaluator(evaluate_films, check_films)

__all__ = ["EVALUATOR", "FilmSettings", "check_films", "evaluate_films", "random_spans"]
