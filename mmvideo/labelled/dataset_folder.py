"""Folders of Hugging Face datasets: of `save_to_disk`, Parquet files of the hub, or clips beside a metadata file.

Read with pyarrow alone; `datasets` need not be installed. Clips that a row holds as bytes are written to files named by
their content, once.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmvideo import tables
from mmvideo.errors import InvalidInput, MissingExtra

Rows = list[tuple[str, Any]]
METADATA = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet")
_SPLIT_OF_FILE = re.compile(r"^(train|validation|valid|val|dev|test)(?=[-_.]|$)")
_SPLITS = ("train", "training", "validation", "valid", "val", "dev", "test", "testing")


def rows_of(folder: Path, extract_to: Path | None) -> tuple[Rows, Path] | None:
    """Return the rows of a data set's folder and where relative paths start from; None if the folder is none.

    Raises:
        InvalidInput: files that are damaged, or clips as bytes without a folder to write them to.
        MissingExtra: without pyarrow.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = _json(folder / "dataset_dict.json").get("splits", [])
        return [(where, {**row, "split": split}) for split in splits
                for where, row in _arrow(folder / split, extract_to)], folder
    if (folder / "state.json").is_file():
        return _arrow(folder, extract_to), folder
    if metadata := _metadata(folder):
        return [(where, {"split": split, **row} if split else row) for split, path in metadata
                for where, row in _metadata_rows(path, folder)], folder
    files = sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")])
    if not files:
        return None
    found: Rows = []
    for path in files:
        split = _SPLIT_OF_FILE.match(path.name)
        rows = extracted(list(tables.rows(path, path.name, ".parquet")), extract_to, parquet_features(path))
        found += [(where, {"split": split[1], **row} if split else row) for where, row in rows]
    return found, folder


def _metadata(folder: Path) -> list[tuple[str, Path]]:
    """Return (split, metadata file): one at the top, or one in each folder of a split."""
    for name in METADATA:
        if (folder / name).is_file():
            return [("", folder / name)]
    return [(home.name, home / name) for home in sorted(folder.iterdir())
            if home.is_dir() and home.name.casefold() in _SPLITS
            for name in METADATA if (home / name).is_file()]


def _metadata_rows(path: Path, folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield rows with the clip named from the data set's folder."""
    inner = path.parent.relative_to(folder).as_posix()
    for where, row in tables.rows(path, path.name, path.suffix):
        named = row.get("file_name")
        yield where, {**row, "file_name": f"{inner}/{named}"} if named and inner != "." else row


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}


def _arrow(folder: Path, extract_to: Path | None) -> Rows:
    """Read what `Dataset.save_to_disk` wrote."""
    try:
        from pyarrow import ArrowInvalid, ipc
    except ImportError as error:
        raise MissingExtra("pyarrow", "jobs", "Reading a data set of Hugging Face") from error
    names = [one.get("filename", "") for one in _json(folder / "state.json").get("_data_files", [])]
    rows: Rows = []
    for name in names:
        try:
            with (folder / name).open("rb") as file:
                for batch in ipc.open_stream(file):
                    rows += [(f"{name}, row {len(rows) + number}", row)
                             for number, row in enumerate(batch.to_pylist(), 1)]
        except (OSError, ArrowInvalid) as error:
            raise InvalidInput(f"{folder / name} cannot be read: {error}") from error
    return extracted(rows, extract_to, _json(folder / "dataset_info.json").get("features", {}))


def parquet_features(path: Path) -> Mapping[str, Any]:
    """Return the features that a Parquet file of `datasets` says it has; empty for other files."""
    if path.suffix.lower() != ".parquet":
        return {}
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "jobs", "Reading a Parquet table") from error
    try:
        metadata = parquet.read_schema(path).metadata or {}
        found = json.loads(metadata.get(b"huggingface", b"{}"))
    except (OSError, ArrowInvalid, ValueError):
        return {}
    return found.get("info", {}).get("features", {}) if isinstance(found, dict) else {}


def extracted(rows: Sequence[tuple[str, Any]], extract_to: Path | None, features: Mapping[str, Any]) -> Rows:
    """Return rows with names in place of the numbers of class labels, and paths in place of clips as bytes."""
    named = {column: list(about["names"]) for column, about in features.items()
             if isinstance(about, Mapping) and about.get("_type") == "ClassLabel" and about.get("names")}

    def cell(column: str, value: Any) -> Any:
        if column in named and isinstance(value, int) and 0 <= value < len(named[column]):
            return named[column][value]
        if isinstance(value, Mapping) and set(value) >= {"bytes", "path"}:
            return _file(value, extract_to)
        return value

    return [(where, {column: cell(column, value) for column, value in row.items()} if isinstance(row, Mapping) else row)
            for where, row in rows]


def _file(value: Mapping[str, Any], extract_to: Path | None) -> str:
    """Return the path of a clip that is kept as bytes, or as a path."""
    if value["bytes"] is None:
        return str(value["path"] or "")
    if extract_to is None:
        raise InvalidInput("These data hold clips as bytes; a folder to write them to is needed (--cache).")
    content: bytes = value["bytes"]
    suffix = Path(str(value["path"] or "")).suffix or ".mp4"
    target = extract_to / f"{hashlib.sha256(content).hexdigest()[:24]}{suffix}"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f"{suffix}.new")
        partial.write_bytes(content)
        partial.replace(target)
    return str(target.resolve())


__all__ = ["extracted", "parquet_features", "rows_of"]
