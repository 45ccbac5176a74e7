"""Training recipes: a YAML file names a trainer of the registry and its options."""

from __future__ import annotations

import errno
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mmvideo.errors import MmvideoError, OutOfMemory, RecipeError, TrainingInterrupted, UnknownKey, shown
from mmvideo.recipes import keywords, options_from, read_yaml
from mmvideo.registry import find, names
from mmvideo.training import checks, resume, sharding
from mmvideo.training.loop import Schedule
from mmvideo.training.trainer import Trainer

KIND = "trainers"
"""Kind of the registry that holds `Trainer`s."""
PATHS = ("init", "model", "perception", "language", "concepts", "manifest", "validation", "voices", "faces", "folder")
"""Options that name files or folders."""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class TrainingPlan:
    """A training recipe that has been checked: what would be run."""

    trainer: str
    folder: Path
    where: str
    """The file that it came from."""
    schedule: Any
    """A Schedule, or the options of a trainer without one."""
    options: Mapping[str, Any]
    """The keywords of the training function, defaults among them."""

    @property
    def record(self) -> dict[str, Any]:
        """What `run.json` would hold, without what is known of the data only when they are read."""
        if hasattr(self.schedule, "record"):
            return self.schedule.record()
        return resume.record(vars(self.schedule), {"trainer": self.trainer, "options": self.options})

    @property
    def absent(self) -> list[str]:
        """The files and folders that the recipe names and that are not here; a hub model may be among them."""
        named = {name: getattr(self.schedule, name, None) or self.options.get(name) for name in PATHS}
        return [f"{name}: {path}" for name, path in named.items() if path and not Path(str(path)).expanduser().exists()]

    def __str__(self) -> str:
        s = self.schedule
        batch = s.batch_size * s.accumulate if isinstance(s, Schedule) else s.batch
        return f"{self.where}: trainer {self.trainer}, {s.steps} steps of {batch} examples, into {self.folder}"


def check_training(config: str | Path, *, out: Path | None = None, steps: int | None = None) -> TrainingPlan:
    """Check a training recipe without reading data or weights.

    Args:
        config: the name of a config that ships with mmvideo, or a path.
        out: folder of the run; runs/NAME by default.
        steps: another length than the recipe's.

    Raises:
        MediaNotFound: no such file.
        RecipeError: not a training recipe: keys or values that are unknown, missing or of another type.
        UnknownName: no such config, trainer, preset, task ...
        InvalidInput: a number out of range, or options that do not fit together.
        RunChanged: the folder holds a run of other settings.
    """
    raw, where = read_yaml("configs", config)
    if "trainer" not in raw:
        raise RecipeError(f"{where}: a training recipe is a mapping with the key 'trainer', one of "
                          f"{', '.join(names(KIND))}.")
    trainer, about = raw.pop("trainer"), raw.pop("about", "")
    if not isinstance(about, str):
        raise RecipeError(f"{where}: about must be text, not {shown(about)}.")
    with checks.locating(where):
        schedule, options = _options(find(KIND, trainer), raw, where, steps)
        plan = TrainingPlan(trainer, Path(out or Path("runs") / Path(config).stem), where, schedule, options)
    resume.compare_run(plan.folder, plan.record)
    return plan


def _options(trainer: Trainer, raw: dict[str, Any], where: str, steps: int | None) -> tuple[Any, dict[str, Any]]:
    """Return the schedule and the options of a recipe, checked."""
    if trainer.options is not None:
        made: Any = options_from(trainer.options, raw, where)
        return (replace(made, steps=steps) if steps is not None else made), {}
    parameters = {name: p for name, p in inspect.signature(trainer.train).parameters.items() if name != "out"}
    for key in raw:
        if key not in parameters:
            raise UnknownKey("key", key, parameters, where=where)
    if "schedule" not in raw:
        raise RecipeError(f"{where}: missing schedule: {{steps: ..., batch_size: ..., learning_rate: ...}}.")
    given = raw.pop("schedule")
    if steps is not None and isinstance(given, dict):
        given = {**given, "steps": steps}
    schedule = options_from(Schedule, given, f"{where}: schedule")
    options = keywords(trainer.train, raw, where, without=("out", "schedule"))
    defaults = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
    arguments = {**defaults, **options}
    return schedule, checks.begin(trainer.check, arguments) if trainer.check is not None else arguments


def run_training(config: str | Path, *, out: Path | None = None, steps: int | None = None,
                 accept_changes: bool = False) -> Path:
    """Run a training recipe in a folder, from the start or from where it stopped.

    Args:
        config, out, steps: as for `check_training`, which comes first.
        accept_changes: go on from a checkpoint although rate, batch size or the like have changed
            (`mmvideo.training.resume.ON_PURPOSE`).

    Returns:
        The folder.

    Raises:
        RecipeError, UnknownName, InvalidInput, RunChanged: as `check_training`.
        TrainingInterrupted: Ctrl-C, or the disk is full; the same call goes on from the last checkpoint.
        OutOfMemory: a batch does not fit into the device's memory.
    """
    with resume.accepting(accept_changes):
        return run_plan(check_training(config, out=out, steps=steps))


def plan_of(trainer: str, options: Any, out: Path, where: str) -> TrainingPlan:
    """Return the plan of a trainer that has a dataclass of options, filled by something else than a recipe.

    Raises:
        RunChanged: the folder holds a run of other settings.
    """
    plan = TrainingPlan(trainer, out, where, options, {})
    resume.compare_run(plan.folder, plan.record)
    return plan


def run_plan(plan: TrainingPlan) -> Path:
    """Run what was checked and return its folder; raises as `run_training`."""
    trainer = find(KIND, plan.trainer)
    try:
        if trainer.options is not None:
            trainer.train(plan.schedule, plan.folder)
        else:
            trainer.train(plan.folder, schedule=plan.schedule, **plan.options)
        sharding.wait_for_ranks()
    except KeyboardInterrupt as error:
        raise TrainingInterrupted(f"Training was stopped; {resume.again(plan.folder)}.") from error
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(f"A batch does not fit into the device's memory; make schedule.batch_size smaller and "
                          f"schedule.accumulate larger, with --accept-changes; "
                          f"{resume.again(plan.folder)}.") from error
    except OSError as error:
        if isinstance(error, MmvideoError) or error.errno not in _DISK:
            raise
        raise TrainingInterrupted(f"Training was stopped: {error.strerror} ({error.filename}); "
                                  f"{resume.again(plan.folder)}.") from error
    return plan.folder


__all__ = ["TrainingPlan", "check_training", "plan_of", "run_plan", "run_training"]
