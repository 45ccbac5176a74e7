"""Rows of text lists and manifests (CSV, TSV, JSON Lines, Parquet)."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmvideo.errors import InvalidInput, MediaNotFound, MissingExtra

CLIP_SUFFIXES = frozenset((
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".mpe", ".vob", ".flv",
    ".f4v", ".wmv", ".asf", ".ogv", ".3gp", ".3g2", ".gif", ".mxf", ".y4m"))
"""Files of a folder that count as clips; a table may name any file."""
Rows = Iterator[tuple[int, Any]]


def rows(path: Path, name: str, suffix: str) -> Iterator[tuple[str, Any]]:
    """Yield (where it stands, in words; a mapping, or for a text list the name of a clip).

    Args:
        path: a list or manifest.
        name: what messages call it.
        suffix: one of `READERS`.

    Raises:
        InvalidInput: it cannot be read as what its suffix says.
        MediaNotFound: it cannot be opened.
        MissingExtra: Parquet without pyarrow.
    """
    read, unit = READERS[suffix]
    try:
        for number, row in read(path):
            yield f"{name}, {unit} {number}", row
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not text in UTF-8: {error}.") from error
    except (ValueError, csv.Error) as error:  # also pyarrow's ArrowInvalid
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{name} cannot be read: {error}") from error
    except OSError as error:
        raise MediaNotFound(f"{name} cannot be opened: {error.strerror or error}.") from error


def _list(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            source = line.strip()
            if source and not source.startswith("#"):
                yield number, source


def _separated(path: Path, mark: str) -> Rows:
    with path.open(newline="", encoding="utf-8-sig") as file:
        yield from enumerate(csv.DictReader(file, delimiter=mark), 1)


def _lines(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InvalidInput(f"{path.name}, line {number} is not JSON: {error}.") from error
            if not isinstance(row, dict):
                raise InvalidInput(f"{path.name}, line {number} must be an object with a path or url, not {row!r}.")
            yield number, row


def _parquet(path: Path) -> Rows:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "jobs", "Reading a Parquet manifest") from error
    number = 0
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(4096):
            for row in batch.to_pylist():
                number += 1
                yield number, row


READERS: dict[str, tuple[Callable[[Path], Rows], str]] = {
    **dict.fromkeys((".txt", ".lst"), (_list, "line")), ".csv": (lambda path: _separated(path, ","), "row"),
    ".tsv": (lambda path: _separated(path, "\t"), "row"), **dict.fromkeys((".jsonl", ".ndjson"), (_lines, "line")),
    ".parquet": (_parquet, "row")}
"""Suffix -> how its rows are read, and what one is called."""

__all__ = ["CLIP_SUFFIXES", "READERS", "rows"]
