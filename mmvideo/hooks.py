"""Hooks: what may watch a pipeline while it runs. `Pipeline(...)(video, hook=Timing())`."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from mmvideo.wording import printable


class Hook:
    """Base of every hook; each method does nothing, override what you need."""

    def before(self, stage: str) -> None:
        """Run just before a stage."""

    def progress(self, stage: str, share: float) -> None:
        """Run now and then during a long stage.

        Args:
            stage: the stage's name in the recipe.
            share: how much of it is done, 0 to 1.
        """

    def after(self, stage: str, given: Mapping[str, Any], seconds: float) -> None:
        """Run just after a stage.

        Args:
            stage: the stage's name in the recipe.
            given: the fields that the stage has filled.
            seconds: how long it took.
        """

    def end(self) -> None:
        """Run once after the last stage, or after the one that failed."""


class Hooks(Hook):
    """Several hooks as one."""

    def __init__(self, *hooks: Hook):
        self.hooks = hooks

    def before(self, stage: str) -> None:
        """Tell every hook."""
        for hook in self.hooks:
            hook.before(stage)

    def progress(self, stage: str, share: float) -> None:
        """Tell every hook."""
        for hook in self.hooks:
            hook.progress(stage, share)

    def after(self, stage: str, given: Mapping[str, Any], seconds: float) -> None:
        """Tell every hook."""
        for hook in self.hooks:
            hook.after(stage, given, seconds)

    def end(self) -> None:
        """Tell every hook."""
        for hook in self.hooks:
            hook.end()


class Progress(Hook):
    """A status line on stderr that names the running stage; nothing if stderr is no terminal.

    Args:
        name: of the video, where it is one of several.
        place: of the video among them, from 0.
        total: how many there are; the line then begins with a bar over all.
    """

    def __init__(self, name: str = "", place: int = 0, total: int = 1) -> None:
        self._before = f"{_bar(place / total, 16)} {place + 1}/{total} {name}: " if total > 1 else ""

    def before(self, stage: str) -> None:
        """Show the stage's name."""
        show_status(f"{self._before}{stage} ...")

    def progress(self, stage: str, share: float) -> None:
        """Show how far it is."""
        bar = "" if self._before else f"{_bar(share, 24)} "
        show_status(f"{self._before}{stage} {bar}{share:.0%}")

    def end(self) -> None:
        """Wipe the line."""
        show_status("")


def show_count(done: int, total: int, words: str) -> None:
    """Show on stderr how far something is: a bar that moves on a terminal, elsewhere one line at the end."""
    counted = f"{done}/{total} {words}"
    show_status(f"{_bar(done / max(1, total), 24)} {counted}")
    if done == total and sys.stderr is not None:
        sys.stderr.write("\n" if _is_live() else f"{counted}\n")


def _is_live() -> bool:
    """Whether a line of stderr can be written over."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def show_status(text: str) -> None:
    """Write over the line of stderr, cut to the width of the terminal, where it is one; an empty text wipes it."""
    if _is_live():
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        except (OSError, ValueError):
            columns = 80
        sys.stderr.write(f"\r\x1b[2K{printable(text, sys.stderr.encoding)[:max(1, columns - 1)]}")
        sys.stderr.flush()


def _bar(share: float, width: int) -> str:
    done = round(width * min(1.0, max(0.0, share)))
    return f"[{'#' * done}{'.' * (width - done)}]"


class Timing(Hook):
    """Add up the seconds of each stage over any number of runs."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.runs: dict[str, int] = {}

    def after(self, stage: str, given: Mapping[str, Any], seconds: float) -> None:
        """Count one run of the stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        self.runs[stage] = self.runs.get(stage, 0) + 1

    def __str__(self) -> str:
        width = max((len(name) for name in self.seconds), default=0)
        return "\n".join(f"{name:{width}}  {total:8.3f} s  {self.runs[name]} x" for name, total in self.seconds.items())


class SaveIntermediates(Hook):
    """Write every tensor that a stage gives: `<stage>.safetensors`, and `<stage>.json` with shapes and plain values.

    Args:
        folder: made if absent; a second run writes over the first.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def after(self, stage: str, given: Mapping[str, Any], seconds: float) -> None:
        """Write what the stage gave."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, torch.Tensor] = {}
        summary = {name: _collect(name, value, tensors) for name, value in given.items()}
        if tensors:
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
                      self.folder / f"{stage}.safetensors")
        text = json.dumps({"seconds": round(seconds, 4), **summary}, indent=2, ensure_ascii=False)
        (self.folder / f"{stage}.json").write_text(text + "\n", encoding="utf-8")


def _collect(name: str, value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return what JSON can hold of a value; put its tensors, by dotted name, into `tensors`."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _collect(f"{name}.{key}", item, tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_collect(f"{name}.{i}", item, tensors) for i, item in enumerate(value)]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


__all__ = ["Hook", "Hooks", "Progress", "SaveIntermediates", "Timing", "show_count", "show_status"]
