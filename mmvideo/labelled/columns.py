"""Which column of a table holds what: named by the caller, else guessed, and then said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.labelled.rows import SPLITS, DataOptions

CLIP = ("clip", "video", "path", "file", "filename", "file_name", "filepath", "file_path", "video_path", "clip_path",
        "video_name", "source", "name")
LABEL = ("label", "labels", "class", "category", "action", "activity", "tag", "tags", "target", "targets", "score", "y")
SPLIT = ("split", "subset", "partition", "set")
GROUP = ("group", "subject", "person", "actor", "speaker", "participant", "session", "scene", "shoot", "source_video",
         "location")
START, END = ("start_seconds", "start", "start_time", "begin"), ("end_seconds", "end", "end_time", "stop")
_KNOWN_SPLITS = {**dict.fromkeys(("train", "training", "trn"), "train"), **dict.fromkeys(("test", "testing"), "test"),
                 **dict.fromkeys(("validation", "valid", "val", "dev", "eval"), "validation")}
NO_COLUMN = "none"


@dataclass(frozen=True)
class Chosen:
    """The columns of a table that are read."""

    clip: str
    label: tuple[str, ...]
    split: str = ""
    group: str = ""
    start: str = ""
    end: str = ""
    guessed: tuple[str, ...] = ()
    """In words, to be printed."""

    @property
    def by_field(self) -> dict[str, str]:
        """Field -> columns, those that there are."""
        found = {"clip": self.clip, "label": ", ".join(self.label), "split": self.split, "group": self.group,
                 "start": self.start, "end": self.end}
        return {name: column for name, column in found.items() if column}


def choose_columns(columns: Sequence[str], options: DataOptions, where: str) -> Chosen:
    """Return which columns are read.

    Raises:
        UnknownName: a column that was named is not there.
        InvalidInput: no column for the clip or the label was named, and none has a usual name.
    """
    guessed: list[str] = []
    taken: set[str] = set()

    def find(what: str, named: str, usual: Sequence[str], option: str, *, needed: bool) -> str:
        if named and named not in columns and not (named == NO_COLUMN and not needed):
            raise UnknownName("column", named, columns, where=where)
        if named:
            taken.add(named)
            return "" if named == NO_COLUMN and named not in columns else named
        small = {column.strip().casefold(): column for column in reversed(columns) if column not in taken}
        found = next((small[name] for name in usual if name in small), "")
        if found:
            taken.add(found)
            guessed.append(f"{what} = column {found!r}" + (f" ({option})" if option else ""))
        elif needed:
            raise InvalidInput(f"{where}: no column is called as a {what} usually is ({', '.join(usual[:6])} ...); "
                               f"name it with {option}. Columns: {', '.join(map(str, columns))}.")
        return found

    clip = find("clip", options.clip_column, CLIP, "--clip-column", needed=True)
    if options.label_column:
        label = tuple(find("label", name, (), "--label-column", needed=True) for name in options.label_column)
    else:
        label = (find("label", "", LABEL, "--label-column", needed=True),)
    return Chosen(clip, label, find("split", options.split_column, SPLIT, "--split-column", needed=False),
                  find("group", options.group_column, GROUP, "--group-column", needed=False),
                  find("start", "", START, "", needed=False), find("end", "", END, "", needed=False), tuple(guessed))


def split_names(values: Sequence[str], options: DataOptions, *, column: str, asked: bool
                ) -> tuple[dict[str, str], str]:
    """Return value of the split column -> one of SPLITS ("" for rows that are left out), and a note.

    Args:
        values: those that occur.
        asked: whether the column was named by the caller.

    Raises:
        InvalidInput: the values do not say which rows to learn from.
    """
    given = {name: getattr(options, f"{name}_split") for name in SPLITS}
    for name, value in given.items():
        if value and value not in values:
            raise UnknownName(f"value of column {column} (--{name}-split)", value, values)
    if any(given.values()):
        named = {value: name for name, value in given.items() if value}
        usual = {value: name for value in values if value not in named
                 and (name := _KNOWN_SPLITS.get(value.strip().casefold(), "")) and not given[name]}
        found = {value: named.get(value, usual.get(value, "")) for value in values}
    else:
        found = {value: _KNOWN_SPLITS.get(value.strip().casefold(), "") for value in values}
    if "train" in found.values():
        left = [value for value, name in found.items() if not name]
        note = f"rows whose {column} is {', '.join(map(repr, left))} are left out" if left else ""
        return found, note
    hint = f"--split-column {column} --train-split VALUE --test-split VALUE; values: {', '.join(map(repr, values))}"
    if asked or any(given.values()):
        raise InvalidInput(f"Column {column!r} does not say which rows to learn from. Name its values: {hint}.")
    return {}, f"column {column!r} names neither train nor test, so it is not used as splits (to use it: {hint})"


def labels_in(cell: Any, separator: str) -> list[str] | None:
    """Return the labels of a cell that holds several; None where it holds one."""
    if isinstance(cell, list | tuple):
        return [str(one).strip() for one in cell]
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            found = json.loads(cell)
        except (ValueError, RecursionError):
            return None
        return [str(one).strip() for one in found] if isinstance(found, list) else None
    if separator and isinstance(cell, str):
        return [part.strip() for part in cell.split(separator) if part.strip()]
    return None


def number_in(cell: Any) -> float | None:
    """Return a cell as a finite number, or None."""
    if isinstance(cell, bool):
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if abs(value) < float("inf") else None


def guess_task(cells: Sequence[Sequence[Any]], options: DataOptions, where: str) -> tuple[str, str]:
    """Return the task of labels (one list a row, one cell a label column) and a note where it was guessed.

    Raises:
        InvalidInput: several label columns that do not all hold numbers.
    """
    if options.task != "auto":
        return options.task, ""
    if any(labels_in(cell, options.label_separator) is not None for row in cells for cell in row):
        return "tags", "cells hold several labels, so the task is tags (--task)"
    numbers = [number_in(cell) for row in cells for cell in row]
    if any(value is None for value in numbers):
        if cells and len(cells[0]) > 1:
            raise InvalidInput(f"{where}: several label columns are several numbers to predict, but not all cells are "
                               "numbers; give one column of labels, with --label-separator where a cell holds several.")
        return "classes", ""
    if (cells and len(cells[0]) > 1) or any(not float(value).is_integer() for value in numbers if value is not None):
        return "numbers", "labels are numbers with fractions, so they are predicted as numbers (--task classes else)"
    return "classes", "labels are whole numbers, taken as classes (--task numbers to predict them as numbers)"


def is_absent(cell: Any) -> bool:
    """Say whether a cell is empty; NaN is how data frames say so."""
    return cell is None or (isinstance(cell, str) and not cell.strip()) or (isinstance(cell, float) and cell != cell)


def text_of(row: Mapping[str, Any], column: str) -> str:
    """Return a cell as text, "" where it is empty or there is no such column."""
    cell = row.get(column) if column else None
    return "" if is_absent(cell) else str(cell).strip()


__all__ = ["Chosen", "choose_columns", "guess_task", "is_absent", "labels_in", "number_in", "split_names", "text_of"]
