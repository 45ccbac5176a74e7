"""What a labelled clip is, and the options that say how a table or folder of them is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from mmvideo.errors import InvalidInput, UnknownName

TASKS = ("classes", "tags", "numbers")
"""One label of several; any number of labels; one number or more."""
STRENGTHS = ("none", "light", "strong")
"""Of augmentation (mmvideo.labelled.augment)."""
MAGNITUDES = 30
"""Largest magnitude of RandAugment's operations."""
SPLITS = ("train", "validation", "test")
_PIECE = 65_536
"""Bytes of each of the three places of a file that its fingerprint reads."""


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How labelled clips are read. Columns that are not named are guessed, and the guess is printed.

    Raises:
        InvalidInput: a share out of range.
        UnknownName: no such task.
    """

    clip_column: str = ""
    """Column that names the clip; by default one called clip, video, path, file or the like."""
    label_column: tuple[str, ...] = ()
    """Column with the label, or with a number; by default one called label, class, action or the like."""
    split_column: str = ""
    """Column that says which rows train, validate and test; "none" for splits made anew."""
    group_column: str = ""
    """Column with what must not be on both sides of a split, such as a person or a place; "none" for none."""
    task: str = "auto"
    """classes (one label a clip), tags (several labels a clip), numbers (regression), or auto."""
    label_separator: str = ""
    """What stands between the labels of a cell, as ";"; cells that are lists need none."""
    train_split: str = ""
    """Value of the split column for rows to learn from; by default train."""
    validation_split: str = ""
    """Value for rows that choose the best checkpoint; by default validation, valid, val or dev."""
    test_split: str = ""
    """Value for rows that are only measured on; by default test."""
    validation_share: float = 0.15
    """Share of the clips (of those to learn from, where the table has splits) that is held out to validate."""
    test_share: float = 0.15
    """Share that is held out to test, where the table has no splits; 0 for none."""
    split_seed: int = 0
    """Another number makes other splits of the same clips."""
    exclude: tuple[str, ...] = ()
    """Label whose clips are left out."""
    skip_unreadable: bool = False
    """Leave out clips that are missing or cannot be decoded, and list them; else they end the command."""

    def __post_init__(self) -> None:
        if self.task not in ("auto", *TASKS):
            raise UnknownName("task", self.task, ("auto", *TASKS))
        for name in ("validation_share", "test_share"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InvalidInput(f"{name} must be in [0, 1), not {value}.")
        if self.validation_share + self.test_share >= 1:
            raise InvalidInput("validation_share and test_share leave nothing to learn from; their sum must be below "
                               "1.")


@dataclass(frozen=True)
class ClipRow:
    """One labelled clip."""

    clip: str
    """As the data name it."""
    path: Path
    labels: tuple[str, ...] = ()
    targets: tuple[float, ...] = ()
    """Numbers to predict, in place of labels."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    split: str = ""
    """One of SPLITS; empty where the data do not say."""
    group: str = ""
    where: str = ""
    """Where it stands, in words."""
    content: str = ""
    """Fingerprint of the file; empty where it is missing, or was not read yet."""

    @property
    def span(self) -> str:
        """The span in words, empty for the whole clip."""
        if self.start_seconds is None and self.end_seconds is None:
            return ""
        return f"{self.start_seconds or 0:g}-{'' if self.end_seconds is None else f'{self.end_seconds:g}'} s"

    @property
    def key(self) -> str:
        """Content and span: the same clip under another name has the same."""
        return f"{self.content}#{self.span}"


@dataclass(frozen=True)
class LabelledTable:
    """Labelled clips as they were found."""

    name: str
    """Of the data: of the file or folder."""
    task: str
    """One of TASKS."""
    names: tuple[str, ...]
    """Labels in the order of the logits, or names of the numbers."""
    rows: tuple[ClipRow, ...]
    notes: tuple[str, ...] = ()
    """What was guessed or left out, in words."""
    columns: dict[str, str] = field(default_factory=dict)

    def of(self, split: str) -> tuple[ClipRow, ...]:
        """Return the rows of a split."""
        return tuple(row for row in self.rows if row.split == split)


def content_of(path: Path) -> str:
    """Return a fingerprint of a file: its size and what is at its start, middle and end; empty if it cannot be read."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            found.update(str(size).encode())
            for place in (0, max(0, size // 2 - _PIECE // 2), max(0, size - _PIECE)):
                file.seek(place)
                found.update(file.read(_PIECE))
    except OSError:
        return ""
    return found.hexdigest()[:24]


__all__ = ["MAGNITUDES", "SPLITS", "STRENGTHS", "TASKS", "ClipRow", "DataOptions", "LabelledTable", "content_of"]
