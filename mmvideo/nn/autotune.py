"""Choose the fastest of several equal kernels on this processor by timing them once, and remember the choice.

Which kernel is fastest depends on the processor, on the shapes and on the number of threads; no rule written down in
advance is right everywhere. Choices are kept in one small JSON file for each processor, torch version and number of
threads, below `$XDG_CACHE_HOME/mmvideo/kernels` (`~/.cache` if unset), so later processes neither measure again nor
choose differently. `MMVIDEO_KERNELS=torch` switches everything to torch's own kernels and measures nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from mmvideo.errors import InvalidInput

VARIABLE = "MMVIDEO_KERNELS"
PLAIN = "torch"
"""The way that torch takes without us; taken where nothing may be measured, and where nothing is clearly faster."""
_ROUNDS = 5
_SECONDS = 2.0
"""No round begins after so long."""
_MARGIN = 0.97
"""Another way must take less than this share of the plain way's time."""

_chosen: dict[tuple[Path, str], str] = {}


def fastest(operation: str, shape: tuple[Any, ...], ways: Mapping[str, Callable[[], Any]]) -> str:
    """Return the name of the fastest way of an operation for a shape.

    Args:
        operation: the name of the operation, as "attention".
        shape: sizes and precision on which the choice depends; part of the key under which it is remembered.
        ways: name -> call that runs the operation once. One is named "torch": another is only chosen where it is
            clearly faster. Each is run once untimed, then in turn with the others; the shortest time of each counts, as
            whatever else the machine does only adds to it.

    Raises:
        InvalidInput: the environment variable MMVIDEO_KERNELS is neither "auto" nor "torch".
    """
    if plain_only():
        return PLAIN
    file, key = _file(), f"{operation} {' '.join(map(str, shape))}"
    found = _chosen.get((file, key)) or _read(file).get(key)
    if found not in ways:
        seconds = _measure(ways)
        best = min(seconds, key=seconds.__getitem__)
        found = best if seconds[best] < _MARGIN * seconds[PLAIN] else PLAIN
        found = _remember(file, key, found, ways)
    _chosen[file, key] = found
    return found


def plain_only() -> bool:
    """Whether the environment asks for torch's own kernels only.

    Raises:
        InvalidInput: an unknown value of MMVIDEO_KERNELS.
    """
    asked = os.environ.get(VARIABLE, "auto")
    if asked not in ("auto", PLAIN):
        raise InvalidInput(f"{VARIABLE}={asked!r} is not known; use 'auto' (measure, then take the fastest) or "
                           f"'{PLAIN}' (torch's own kernels).")
    return asked == PLAIN


def _measure(ways: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    for run in ways.values():
        run()
    seconds = dict.fromkeys(ways, float("inf"))
    began = time.perf_counter()
    for number in range(_ROUNDS):
        if number and time.perf_counter() - began > _SECONDS:
            break
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def _file() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "mmvideo" / "kernels" / f"{_processor()}-{torch.get_num_threads()}.json"


@cache
def _processor() -> str:
    """Name the processor and the build of torch in a few letters that suit a file name."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
        facts = dict(line.partition(":")[::2] for line in lines)
        name = " ".join(value for key, value in sorted(facts.items())
                        if key.strip() in ("vendor_id", "cpu family", "model", "model name", "stepping", "flags"))
    except OSError:  # not Linux: the platform's own name has to do
        pass
    return hashlib.sha256(f"{name} {torch.__version__}".encode()).hexdigest()[:16]


def _read(file: Path) -> dict[str, str]:
    """Read what was chosen before; a file that cannot be read or makes no sense counts as empty."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(file: Path, key: str, choice: str, ways: Mapping[str, Any]) -> str:
    """Write a choice down, unless another process did meanwhile, whose choice then holds; return the one that holds."""
    before = _read(file)
    if before.get(key) in ways:
        return before[key]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".json", delete=False, encoding="utf-8") as out:
            json.dump(before | {key: choice}, out, indent=1, sort_keys=True)
        os.replace(out.name, file)
    except OSError:  # a read-only home: this process measures for itself
        pass
    return choice


__all__ = ["PLAIN", "VARIABLE", "fastest", "plain_only"]
