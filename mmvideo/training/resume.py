"""What a run was made of, kept in its folder as `run.json`; a resumed run is compared with it before anything is read.

    {"mmvideo": version, "trainer": name, "options": {...}, "schedule": {...}, "data": {...}}

`data` says what the options do not: names and order of the classes, how many examples there are and a digest of them,
and digests of weights that are used but not trained.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mmvideo import registry
from mmvideo.errors import InvalidInput, RunChanged, WeightsError, shown
from mmvideo.version import __version__

RECORD = "run.json"
SECTIONS = ("options", "schedule", "data")
HARMLESS = frozenset({
    "schedule.steps", "schedule.log_every", "schedule.save_every", "schedule.tensorboard", "schedule.shard",
    "schedule.report_to", "options.report_to", "options.cache_gb", "options.patience", "options.skip_unreadable",
    "options.licence", "options.clip_column", "options.label_column", "options.split_column", "options.group_column",
    "data.test",
    "options.workers", "options.cache", "options.evaluated", "options.evaluate_every", "options.evaluate_on",
    "options.samples", "options.domain_scenes", "data.validation",
    # names of files, which may have moved: what is in them is compared under `data`
    "options.manifest", "options.validation", "options.voices", "options.faces", "options.data",
})
"""What may change without a word: how long and how often, and what the weights do not depend on."""
CHECKPOINTS = ("checkpoint.pt", "checkpoint.safetensors")
"""Files that a run goes on from."""
ON_PURPOSE = frozenset(f"schedule.{name}" for name in (
    "batch_size", "learning_rate", "warmup", "decay", "weight_decay", "clip", "seed", "precision", "accumulate",
    "processes"))
"""What may change when it is asked for: the weights and the optimizer's state keep their meaning."""
_ACCEPTED: ContextVar[bool] = ContextVar("mmvideo_training_changes", default=False)
log = logging.getLogger("mmvideo.training")


@contextmanager
def accepting(changes: bool) -> Iterator[None]:
    """Let runs that are resumed in here go on although keys of ON_PURPOSE have changed."""
    token = _ACCEPTED.set(changes)
    try:
        yield
    finally:
        _ACCEPTED.reset(token)


def again(folder: Path) -> str:
    """Say what the same command does after a run was stopped."""
    kept = any((folder / name).is_file() for name in CHECKPOINTS)
    return f"the same command {'goes on from the last checkpoint' if kept else 'begins anew'} in {folder}"


def digest(items: Iterable[Any]) -> str:
    """Return a digest of plain values, which depends on their order."""
    found = hashlib.sha256()
    for item in items:
        found.update(json.dumps(item, sort_keys=True, default=str).encode() + b"\n")
    return found.hexdigest()[:16]


def fingerprint(*modules: nn.Module) -> str:
    """Return a digest of weights by their names, shapes and up to 256 values of each tensor."""
    def sample(tensor: Tensor) -> list[float]:
        flat = tensor.detach().flatten()
        return flat[:: max(1, flat.numel() // 256)].float().cpu().tolist()

    return digest([name, list(tensor.shape), sample(tensor)]
                  for module in modules for name, tensor in module.state_dict().items())


def record(schedule: Mapping[str, Any], kept: Mapping[str, Any], *, processes: int | None = None
           ) -> dict[str, Any]:
    """Return what `run.json` holds.

    Args:
        schedule: how long and how fast the run learns.
        kept: `trainer`, `options` and `data`, as far as they are known.
        processes: how many train together, where it is known; each adds a batch to a step.
    """
    made = {**kept, "schedule": {**schedule, **({} if processes is None else {"processes": processes})}}
    return json.loads(json.dumps(made, default=_plain))


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return what a run's folder keeps, or None.

    Raises:
        WeightsError: the file is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path} cannot be read ({shown(str(error))}), so it is not known what this run is made of; "
                           "name another folder with --out.") from error
    if not isinstance(found, dict) or not all(isinstance(found.get(name, {}), dict) for name in SECTIONS):
        raise WeightsError(f"{path} is not what mmvideo wrote; name another folder with --out.")
    return found


def write_record(folder: Path, now: Mapping[str, Any]) -> None:
    """Keep a record in a run's folder; the file is replaced at once."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{RECORD}.new"
    partial.write_text(json.dumps({"mmvideo": __version__, **now}, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / RECORD)


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what differs, by dotted key; a key that one of the two does not know is no difference."""
    found: dict[str, tuple[Any, Any]] = {}
    if "trainer" in before and "trainer" in now and before["trainer"] != now["trainer"]:
        return {"trainer": (before["trainer"], now["trainer"])}
    for section in SECTIONS:
        old, new = before.get(section, {}), now.get(section, {})
        found |= {f"{section}.{key}": (old[key], new[key]) for key in old if key in new and old[key] != new[key]}
    return found


def compare_run(folder: Path, now: Mapping[str, Any]) -> None:
    """Compare a run that is about to begin with the one whose checkpoint its folder holds.

    Harmless changes are logged. A folder without a checkpoint is not compared, one without a record with a warning.

    Raises:
        RunChanged: what the weights mean or depend on has changed.
        WeightsError: the record is damaged.
        InvalidInput: the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f"{folder} is a file; name a folder with --out.")
    if not any((folder / name).is_file() for name in CHECKPOINTS):
        return
    before = read_record(folder)
    if before is None:
        log.warning("%s was begun by an mmvideo that kept no %s: what has changed since is not known", folder, RECORD)
        return
    found = changed(before, now)
    allowed = HARMLESS | (ON_PURPOSE if _ACCEPTED.get() else frozenset())
    if refused := {key: values for key, values in found.items() if key not in allowed}:
        raise RunChanged(_refusal(folder, refused, str(before.get("trainer", ""))), refused)
    for key, (old, new) in found.items():
        log.info("%s changed: %s", key, _difference(old, new))


def _refusal(folder: Path, changes: Mapping[str, tuple[Any, Any]], trainer: str) -> str:
    lines = [f"{folder} holds a run with other settings, and going on would mix the two:"]
    lines += [f"  {key}: {_difference(old, new)}" for key, (old, new) in changes.items()]
    lines.append("Name another folder with --out, or put these back.")
    if set(changes) <= ON_PURPOSE:
        lines.append("To go on with these changes on purpose: --accept-changes.")
    option, part = _begin_with(trainer)
    if option and any((folder / part).glob(name) for name in ("config.json", "*/config.json")):
        lines.append(f"To begin a new run with the weights of this one: {option}: {folder / part}, and another --out.")
    return "\n".join(lines)


def _begin_with(trainer: str) -> tuple[str, str]:
    """Return `Trainer.begin_with`; empty where a trainer has none, or is not known here."""
    known = trainer in registry.names("trainers")
    return (registry.find("trainers", trainer).begin_with if known else None) or ("", "")


def _difference(old: Any, new: Any) -> str:
    """Say how two values differ; of long lists and mappings only where."""
    said = f"was {shown(old)}, now {shown(new)}"
    if isinstance(old, dict) and isinstance(new, dict):
        parts = [f"{key}: {_difference(old.get(key), new.get(key))}" for key in {**old, **new}
                 if old.get(key) != new.get(key)]
        return "; ".join(parts[:8]) + (f"; and {len(parts) - 8} more" if len(parts) > 8 else "")
    if not (isinstance(old, list) and isinstance(new, list)):
        return said
    gone, come = ([x for x in one if x not in other] for one, other in ((old, new), (new, old)))
    if not gone and not come:
        place = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]),
                     min(len(old), len(new)))
        return f"{said} (the order differs from place {place} on)"
    told = [f"without {shown(gone)}" if gone else "", f"with {shown(come)}" if come else ""]
    return f"{said} ({', '.join(filter(None, told))})"


__all__ = ["HARMLESS", "ON_PURPOSE", "RECORD", "accepting", "again", "changed", "compare_run",
           "digest", "fingerprint", "read_record", "record", "write_record"]
