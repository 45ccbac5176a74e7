"""What a job works on: folders, globs, lists, manifests and shards, read into items."""

from __future__ import annotations

import csv
import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo.errors import InvalidInput, MediaNotFound, MissingExtra, UnknownName
from mmvideo.jobs.shards import members

SUFFIXES = frozenset((
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".mpe", ".vob", ".flv",
    ".f4v", ".wmv", ".asf", ".ogv", ".3gp", ".3g2", ".gif", ".mxf", ".y4m"))
"""Files of a folder that count as clips; a list or manifest may name any file."""

SOURCES = ("path", "url", "source", "video", "file")
"""Columns of a manifest that can hold where the clip is."""
COLUMNS = {"id": "id", **dict.fromkeys(SOURCES, "source"), "start_seconds": "start_seconds", "start": "start_seconds",
           "end_seconds": "end_seconds", "end": "end_seconds", "question": "text", "questions": "text",
           "prompt": "prompt"}
"""Column of a manifest -> field of an item."""


@dataclass(frozen=True)
class Item:
    """One piece of work: a clip, or a span of one, and what is asked of it."""

    id: str
    """Names the row; unique in the job."""
    source: str
    """A path, an http(s), s3 or gs address, or `shard.tar::member`."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    text: tuple[str, ...] = ()
    """The questions, for pipelines that take text."""
    prompt: str | None = None
    """What to write instead of the pipeline's own caption request."""
    offset: int | None = None
    """Byte at which the member of a shard begins."""
    num_bytes: int | None = None

    def asked(self) -> dict[str, Any]:
        """Return what of this item, beside its content, decides the result."""
        return {"start": self.start_seconds, "end": self.end_seconds, "text": list(self.text), "prompt": self.prompt}


def read_inputs(inputs: Any, *, questions: Iterable[str] = (), prompt: str | None = None) -> Iterator[Item]:
    """Yield the items of whatever the caller gave, in a stable order.

    Args:
        inputs: a folder (all clips below it), a glob, a text list (.txt), a manifest (.csv, .tsv, .jsonl, .parquet),
            a WebDataset shard (.tar), one file or address; or a list of these, of mappings, or of items.
        questions: asked of every item that brings none of its own.
        prompt: used for every item that brings none of its own.

    Raises:
        MediaNotFound: no such file or folder, or nothing in it.
        InvalidInput: a manifest without a column for the clip, a bad value, or two items with one id.
    """
    asked = tuple(questions)
    seen: set[str] = set()
    for item in _expand(inputs):
        if item.id in seen:
            raise InvalidInput(f"Two items are called {item.id!r}; give each its own id, as in an 'id' column.")
        seen.add(item.id)
        if (asked and not item.text) or (prompt is not None and item.prompt is None):
            item = Item(**{**item.__dict__, "text": item.text or asked, "prompt": item.prompt or prompt})
        yield item
    if not seen:
        raise MediaNotFound(f"{inputs!r} holds no clip. Clips in a folder end in: {' '.join(sorted(SUFFIXES))}.")


def _expand(inputs: Any) -> Iterator[Item]:
    if isinstance(inputs, Item):
        yield inputs
    elif isinstance(inputs, Mapping):
        yield item_from(inputs, base=Path(), where="input")
    elif isinstance(inputs, str | os.PathLike):
        yield from _from_path(os.fspath(inputs))
    elif isinstance(inputs, Iterable):
        for entry in inputs:
            yield from _expand(entry)
    else:
        raise InvalidInput(f"A job reads paths, addresses, mappings or lists of them, not {type(inputs).__name__}.")


def _from_path(text: str) -> Iterator[Item]:
    if "://" in text[:16] or "::" in text:
        yield Item(text, text)
        return
    path = Path(text).expanduser()
    if path.is_dir():
        yield from _from_folder(path)
    elif not path.exists() and any(mark in text for mark in "*?["):
        yield from _from_glob(text)
    elif not path.exists():
        raise MediaNotFound(f"{text}: no such file or folder.")
    elif path.suffix.lower() in _READERS:
        yield from _READERS[path.suffix.lower()](path)
    else:
        yield Item(path.name, str(path))


def _from_folder(folder: Path) -> Iterator[Item]:
    for home, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(names):
            path = Path(home, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Item(path.relative_to(folder).as_posix(), str(path))
            elif path.suffix.lower() == ".tar":
                yield from members(path, f"{path.relative_to(folder).as_posix()}::", item_from)


def _from_glob(pattern: str) -> Iterator[Item]:
    found = sorted(glob.glob(os.path.expanduser(pattern), recursive=True))
    if not found:
        raise MediaNotFound(f"{pattern}: no file matches.")
    for name in found:
        if Path(name).is_file():
            if Path(name).suffix.lower() in _READERS:
                yield from _from_path(name)
            else:
                yield Item(name, name)


def _from_list(path: Path) -> Iterator[Item]:
    for line in path.read_text(encoding="utf-8").splitlines():
        source = line.strip()
        if source and not source.startswith("#"):
            yield Item(source, located(source, path.parent))


def _from_table(path: Path) -> Iterator[Item]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")):
            yield item_from(row, base=path.parent, where=f"{path.name}, row {number + 1}")


def _from_lines(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InvalidInput(f"{path.name}, line {number} is not JSON: {error}.") from error
            if not isinstance(row, dict):
                raise InvalidInput(f"{path.name}, line {number} must be an object with a path or url, not {row!r}.")
            yield item_from(row, base=path.parent, where=f"{path.name}, line {number}")


def _from_parquet(path: Path) -> Iterator[Item]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "jobs", "Reading a Parquet manifest") from error
    number = 0
    for batch in parquet.ParquetFile(path).iter_batches(4096):
        for row in batch.to_pylist():
            number += 1
            yield item_from(row, base=path.parent, where=f"{path.name}, row {number}")


def _from_shard(path: Path) -> Iterator[Item]:
    yield from members(path, "", item_from)


_READERS = {".txt": _from_list, ".lst": _from_list, ".csv": _from_table, ".tsv": _from_table, ".jsonl": _from_lines,
            ".ndjson": _from_lines, ".parquet": _from_parquet, ".tar": _from_shard}


def item_from(row: Mapping[str, Any], *, base: Path, where: str) -> Item:
    """Build an item from a row of a manifest; columns that nobody knows are left alone.

    Args:
        base: folder that relative paths start from.

    Raises:
        InvalidInput: no column for the clip, or a value of the wrong kind.
    """
    found: dict[str, Any] = {}
    for column, value in row.items():
        field = COLUMNS.get(str(column).strip().lower())
        if field and value not in (None, ""):
            found.setdefault(field, value)
    if "source" not in found:
        missing = UnknownName("column", "path", [str(key) for key in row])
        raise InvalidInput(f"{where} names no clip: {missing} Name it path or url (also: {', '.join(SOURCES[2:])}).")
    source = str(found.pop("source"))
    seconds = {name: _seconds(found.pop(name), f"{where}: {name}") for name in ("start_seconds", "end_seconds")
               if name in found}
    start, end = seconds.get("start_seconds"), seconds.get("end_seconds")
    if start is not None and end is not None and end <= start:
        raise InvalidInput(f"{where}: the span {start:g} to {end:g} s is empty.")
    text = found.get("text", ())
    questions = (text,) if isinstance(text, str) else tuple(str(question) for question in text)
    span = f"#{start or 0:g}-{'' if end is None else f'{end:g}'}" if seconds else ""
    prompt = found.get("prompt")
    return Item(str(found.get("id", source + span)), located(source, base), text=questions,
                prompt=None if prompt is None else str(prompt), **seconds)


def located(source: str, base: Path) -> str:
    """Resolve a relative path of a list or manifest against the folder that holds it."""
    if "://" in source[:16] or os.path.isabs(source):
        return source
    return str(base / os.path.expanduser(source))


def _seconds(value: Any, where: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{where} must be a number of seconds, not {value!r}.") from error
    if not 0 <= seconds < float("inf"):
        raise InvalidInput(f"{where} must be 0 or more seconds, not {value!r}.")
    return seconds


__all__ = ["COLUMNS", "SUFFIXES", "Item", "item_from", "read_inputs"]
