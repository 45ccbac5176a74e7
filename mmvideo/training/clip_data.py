"""Labelled clips for classifiers: tasks of a registered source, or a list of real files read by several threads."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, MediaNotFound, RecipeError, shown
from mmvideo.media import open_source
from mmvideo.registry import find
from mmvideo.sampling import uniform
from mmvideo.training.resume import digest
from mmvideo.types import Size

NONE = -100
"""The label of a clip that a task does not ask about."""


@dataclass(frozen=True)
class LabelledClips:
    """A batch."""

    frames: Tensor
    """uint8 (B, T, C, H, W)."""
    labels: dict[str, Tensor]
    """int64 (B,) per task; NONE where a task does not ask about the clip."""
    audio: Tensor | None = None
    """float32 (B, S) mono at 16 kHz."""


class ClipData(Protocol):
    """Where labelled clips come from; clip i of a split is always the same."""

    labels: dict[str, tuple[str, ...]]

    def draw(self, indices: Sequence[int], split: str) -> LabelledClips:
        """Return clips of the split `train` (any number of indices) or `validation`."""

    def size(self, split: str) -> int | None:
        """Return the number of clips of a split; None: without end."""

    def identity(self) -> dict[str, Any]:
        """Say what a resumed run must find again: labels in their order, and which clips there are."""


class Manifest:
    """Files and labels of a list: `path,label` in CSV with a header, or JSON lines with these keys.

    Paths are relative to the list. In training each epoch has its own order and reads another half to whole span of
    each file, both drawn from the seed; in validation the whole file is read.

    Args:
        train: the list to learn from.
        validation: the held-out list; "" for none.
        num_frames, height, width: of the clips.
        workers: decoding threads.
        seed: of the order and the spans.

    Raises:
        MediaNotFound: no such list.
        RecipeError: a list without entries, or an entry without path or label.
        InvalidInput: a held-out label that is not among those to learn.
    """

    def __init__(self, train: str | Path, validation: str | Path = "", *, num_frames: int = 16, height: int = 64,
                 width: int = 64, workers: int = 4, seed: int = 0):
        listed = {"train": _rows(Path(train)), "validation": _rows(Path(validation)) if validation else []}
        self.rows = {split: [(Path(path).parent / name, label) for name, label in listed[split]]
                     for split, path in (("train", train), ("validation", validation or "."))}
        self._listed = {split: {"files": len(rows), "digest": digest(rows)} for split, rows in listed.items()}
        self.names = tuple(sorted({label for _, label in self.rows["train"]}))
        if unknown := {label for _, label in self.rows["validation"]} - set(self.names):
            raise InvalidInput(f"{validation} holds labels that {train} does not: {shown(sorted(unknown))}.")
        self.labels = {"label": self.names}
        self.num_frames, self.frame_size, self.seed = num_frames, Size(height, width), seed
        self.pool = ThreadPoolExecutor(max(1, workers))

    def size(self, split: str) -> int | None:
        """Return the number of files of a split."""
        return len(self.rows[split])

    def identity(self) -> dict[str, Any]:
        """Return the labels and a digest of each list; folders may move, entries may not change."""
        return {"labels": self.labels, "clips": [self.num_frames, self.frame_size.height, self.frame_size.width],
                **self._listed}

    def draw(self, indices: Sequence[int], split: str) -> LabelledClips:
        """Read clips, many files at once.

        Raises:
            MediaError: a file that is missing or cannot be read; it is named.
        """
        chosen = [self._choose(index, split) for index in indices]
        frames = list(self.pool.map(self._read, *zip(*chosen, strict=True)))
        labels = torch.tensor([self.names.index(label) for _, label, _ in chosen])
        return LabelledClips(torch.stack(frames), {"label": labels})

    def _choose(self, index: int, split: str) -> tuple[Path, str, tuple[float, float]]:
        rows = self.rows[split]
        if split != "train":
            return (*rows[index], (0.0, 1.0))
        epoch, place = divmod(index, len(rows))
        order = list(range(len(rows)))
        random.Random(f"{self.seed}/{epoch}").shuffle(order)
        rng = random.Random(f"{self.seed}/{epoch}/{place}")
        share = rng.uniform(0.5, 1.0)
        start = rng.uniform(0.0, 1.0 - share)
        return (*rows[order[place]], (start, start + share))

    def _read(self, path: Path, label: str, part: tuple[float, float]) -> Tensor:
        with open_source(path, threads=1) as source:
            length = source.end_seconds - source.start_seconds
            start, end = (source.start_seconds + share * length for share in part)
            whole = part == (0.0, 1.0) or not length > 0
            span = {} if whole else {"start_seconds": start, "end_seconds": end}
            return uniform(source, num_frames=self.num_frames, size=self.frame_size, **span).frames[0]


def _rows(path: Path) -> list[tuple[str, str]]:
    """Return path and label of each entry, as they are written."""
    if not path.is_file():
        raise MediaNotFound(f"{path} is not a file; give a CSV or JSONL list of path,label.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            found = ([json.loads(line) for line in file if line.strip()] if path.suffix == ".jsonl"
                     else list(csv.DictReader(file)))
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise RecipeError(f"{path} is no list of path,label (CSV with that header, or JSON lines in UTF-8): "
                          f"{shown(str(error))}.") from error
    for number, row in enumerate(found, 1):
        if not (isinstance(row, dict) and isinstance(row.get("path"), str) and row["path"]
                and isinstance(row.get("label"), str | int) and row["label"] != ""):
            raise RecipeError(f"{path}: every entry needs 'path' and 'label' (CSV with the header path,label, or JSON "
                              f"lines); entry {number}, {shown(row)}, has not.")
    if not found:
        raise RecipeError(f"{path} lists no files.")
    return [(row["path"], str(row["label"])) for row in found]


def task_source() -> Any:
    """Return the registered source of labelled clips whose tasks `task:` names: a class of `ClipData`.

    Beside that it has `check(tasks, height=, width=)`, which raises on tasks and sizes that it does not have.
    """
    return find("labelled-clips", "toybox")


def need_one(tasks: Sequence[str], manifest: str) -> None:
    """Raise RecipeError unless either tasks or a list are named."""
    if bool(tasks) == bool(manifest):
        raise RecipeError("Name either 'task' (one or more toybox tasks) or 'manifest' (a CSV or JSONL list), not "
                          f"{'both' if tasks else 'neither'}.")


def open_data(*, tasks: Sequence[str] = (), manifest: str = "", validation: str = "", workers: int = 4, seed: int = 0,
              num_frames: int, height: int, width: int) -> ClipData:
    """Open what a recipe names.

    Raises:
        RecipeError: neither or both of tasks and manifest.
    """
    need_one(tasks, manifest)
    shape = {"num_frames": num_frames, "height": height, "width": width}
    if tasks:
        return task_source()(tasks, **shape)
    return Manifest(manifest, validation, workers=workers, seed=seed, **shape)


__all__ = ["NONE", "ClipData", "LabelledClips", "Manifest", "need_one", "open_data",
           "task_source"]
