"""Evaluation configs: a YAML file names an evaluator and its options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo.errors import RecipeError, shown
from mmvideo.recipes import read_yaml
from mmvideo.registry import find
from mmvideo.training import checks


@dataclass(frozen=True)
class EvaluationPlan:
    """A config that has been checked: what would be run."""

    evaluator: str
    folder: Path
    where: str
    """The file that it came from."""
    evaluate: Callable[..., Iterator[dict[str, Any]]]
    raw: dict[str, Any]
    """The evaluator's options."""

    def __str__(self) -> str:
        return f"{self.where}: evaluator {self.evaluator}, into {self.folder}"


def check_evaluation(config: str | Path, *, out: Path | None = None) -> EvaluationPlan:
    """Check a config without reading data or weights.

    An evaluator with `check(raw, where)` (`mmvideo.evaluation.evaluator.Evaluator`) is asked, too.

    Args:
        config: the name of a config that ships with mmvideo, or a path.
        out: folder for the report; runs/NAME by default.

    Raises:
        MediaNotFound: no such file.
        UnknownName: no such config, evaluator, preset, row ...
        RecipeError: not an evaluation config: keys or values that are unknown, missing or of another type.
        InvalidInput: a number out of range.
    """
    raw, where = read_yaml("configs", config)
    if "evaluator" not in raw:
        raise RecipeError(f"{where}: no 'evaluator:' key, so there is nothing to run; see `mmvideo list evaluators`.")
    name, about = raw.pop("evaluator"), raw.pop("about", "")
    if not isinstance(about, str):
        raise RecipeError(f"{where}: about must be text, not {shown(about)}.")
    with checks.locating(where):
        evaluate = find("evaluators", name)
    asked = getattr(evaluate, "check", None)
    if callable(asked):
        asked(raw, where)
    return EvaluationPlan(name, Path(out or Path("runs") / Path(config).stem), where, evaluate, raw)


def run_evaluation(config: str | Path, *, out: Path | None = None) -> Iterator[dict[str, Any]]:
    """Check a config and run it; yield its reports.

    Raises:
        MediaNotFound, UnknownName, RecipeError, InvalidInput: as `check_evaluation`, which comes first.
    """
    plan = check_evaluation(config, out=out)
    yield from plan.evaluate(plan.raw, out=plan.folder, where=plan.where)


__all__ = ["EvaluationPlan", "check_evaluation", "run_evaluation"]
