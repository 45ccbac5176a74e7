"""How a training on labelled clips is told: lines with what is left, and its curves as a table and a picture."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmvideo.training.loop import Schedule

CURVES = "curves.csv"


class TrainingProgress:
    """Turns lines of the log into words.

    Args:
        schedule: of the run.
        steps_per_epoch: how many.
        best: says what the best validation is so far, in words.
    """

    def __init__(self, schedule: Schedule, steps_per_epoch: int, best: Callable[[], str]):
        self.schedule, self.steps_per_epoch, self.best = schedule, steps_per_epoch, best
        self._began: tuple[float, int] | None = None

    def __call__(self, line: dict[str, Any]) -> str:
        """Return a line in words: of steps, or of a validation."""
        step, s = int(line["step"]), self.schedule
        epoch = f"epoch {-(-step // self.steps_per_epoch)}/{-(-s.steps // self.steps_per_epoch)}"
        if "evaluation" in line:
            figures = ", ".join(f"{name} {value:.3f}" for name, value in line["evaluation"].items())
            return f"{epoch}  validation: {figures}; {self.best()}"
        now = time.monotonic()
        if self._began is None:
            self._began = (now, step)
            left = "?"
        else:
            began, first = self._began
            left = _duration((now - began) / max(step - first, 1) * (s.steps - step))
        accuracy = f"  accuracy {line['accuracy']:.3f}" if "accuracy" in line else ""
        return (f"{epoch}  step {step}/{s.steps}  loss {line['loss']:.3f}{accuracy}  rate "
                f"{s.learning_rate * s.factor(step - 1):.1e}  {line['per_second']:.1f} clips/s  {left} left")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def history(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's log, in order of steps; of a step that was taken again, the later line."""
    found: dict[tuple[int, bool], dict[str, Any]] = {}
    path = folder / "log.jsonl"
    for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            line = json.loads(text)
        except ValueError:  # a kill cut the last line short
            continue
        found[line["step"], "evaluation" in line] = line
    return [found[key] for key in sorted(found)]


def write_curves(folder: Path, schedule: Schedule) -> list[Path]:
    """Write the curves of a run as curves.csv and curves.png; return their paths."""
    lines = history(folder)
    every = dict.fromkeys(name for line in lines for name in line)
    names = [name for name in every if name not in ("step", "evaluation")]
    held = list(dict.fromkeys(name for line in lines for name in line.get("evaluation", {})))
    table = folder / CURVES
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "learning_rate", *names, *(f"validation_{name}" for name in held)])
        for line in lines:
            writer.writerow([line["step"], f"{schedule.learning_rate * schedule.factor(line['step'] - 1):.3g}",
                             *(line.get(name, "") for name in names),
                             *(line.get("evaluation", {}).get(name, "") for name in held)])
    return [table, _picture(folder / "curves.png", lines, held)]


def _picture(path: Path, lines: list[dict[str, Any]], held: list[str]) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    steps = [line for line in lines if "evaluation" not in line]
    judged = [line for line in lines if "evaluation" in line]
    left.plot([x["step"] for x in steps], [x["loss"] for x in steps], label="training")
    if "loss" in held:
        left.plot([x["step"] for x in judged], [x["evaluation"]["loss"] for x in judged], label="validation")
    left.set(xlabel="step", ylabel="loss")
    left.legend(frameon=False)
    if any("accuracy" in x for x in steps):
        right.plot([x["step"] for x in steps], [x.get("accuracy") for x in steps], label="training (augmented)")
    for name in held:
        if name != "loss":
            right.plot([x["step"] for x in judged], [x["evaluation"].get(name) for x in judged], marker=".",
                       label=f"validation {name.replace('_', ' ')}")
    right.set(xlabel="step")
    right.legend(frameon=False)
    figure.savefig(path, dpi=120)
    return path


__all__ = ["TrainingProgress", "history", "write_curves"]
