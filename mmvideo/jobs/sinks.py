"""Result files (JSON Lines, Parquet): copies of the ledger, repaired on resume."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from mmvideo.errors import MissingExtra
from mmvideo.jobs.files import part_of, write_whole
from mmvideo.jobs.ledger import Ledger

RESULTS, PARQUET = "results.jsonl", "results.parquet"
_PARQUET_ROWS = 2048


def line(row: dict[str, Any]) -> bytes:
    """Return a row as one line of JSON."""
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"


class Lines:
    """results.jsonl: grows with every finished clip; in the order of the inputs once the job has ended.

    The ledger holds how much of the file is known to be on the disk. What lies beyond is cut off and written again, so
    that neither a torn line nor a hole that a power cut leaves survives.
    """

    def __init__(self, folder: Path, ledger: Ledger, config: str):
        self.path, self.ledger = folder / RESULTS, ledger
        same = ledger.meta("lines_config") == config
        synced, seq = json.loads(ledger.meta("lines") or "[0, 0]") if same else (0, 0)
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < synced:
            synced, seq = 0, 0
        ledger.set_meta("lines_config", config)
        self.file = self.path.open("r+b" if self.path.exists() else "w+b")
        self.file.truncate(synced)
        self.file.seek(synced)
        for number, row in ledger.rows(after_seq=seq):
            self.file.write(line(row))
            seq = number
        self.seq = seq
        self.sync()

    def add(self, rows: Iterable[dict[str, Any]]) -> None:
        """Append rows; they can be read at once."""
        for row in rows:
            self.file.write(line(row))
        self.seq = self.ledger.last_seq()
        self.file.flush()

    def sync(self) -> None:
        """Wait until the disk has the file, and note in the ledger how far that is."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.ledger.set_meta("lines", json.dumps([self.file.tell(), self.seq]))

    def close(self, *, ended: bool) -> None:
        """Bring the file into the order of the inputs, if the job has ended."""
        self.sync()
        self.file.close()
        if not ended:
            return
        self.ledger.set_meta("lines", "[0, 0]")  # until the new file is in place, whatever is there is written anew
        size = write_whole(self.path, (line(row) for row in self.ledger.rows_in_order()))
        self.ledger.set_meta("lines", json.dumps([size, self.seq]))


def keep_rows(folder: Path, ledger: Ledger, nums: Iterable[int]) -> list[Path]:
    """Add the rows of items, which leave the results, to results.XXXXXXXX.jsonl, a file for each configuration."""
    kept: dict[str, list[bytes]] = {}
    for row in ledger.rows_of(nums):
        kept.setdefault(str(row.get("config", ""))[:8] or "before", []).append(line(row))
    paths = []
    for config, lines in kept.items():
        path = _kept_path(folder, config, ledger)
        before = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        there = set(before)
        new = [one for one in dict.fromkeys(lines) if one not in there]
        if new:
            write_whole(path, (*before, *new))
            ledger.note_outputs([(os.fsencode(path.name), None, None, None)])
        paths.append(path)
    return paths


def _kept_path(folder: Path, config: str, ledger: Ledger) -> Path:
    """Return where rows of a configuration are kept: in a file of ours, or where there is none."""
    ours = ledger.outputs()
    names = (f"results.{config}{'' if number < 2 else f'.{number}'}.jsonl" for number in count(1))
    return folder / next(name for name in names
                         if os.fsencode(name) in ours or not os.path.lexists(folder / name))


def write_parquet(folder: Path, ledger: Ledger) -> Path | None:
    """Write results.parquet in the order of the inputs; None if there is no row.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    pyarrow, parquet = need_parquet()
    path = folder / PARQUET
    beside = folder / part_of(PARQUET)
    writer, schema = None, _schema(pyarrow)
    try:
        for rows in _chunks(ledger.rows_in_order(), _PARQUET_ROWS):
            table = pyarrow.Table.from_pylist([_columns(row) for row in rows], schema=schema)
            writer = writer or parquet.ParquetWriter(beside, schema, compression="zstd")
            writer.write_table(table)
        if writer is None:
            return None
        writer.close()
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path


def need_parquet() -> tuple[Any, Any]:
    """Return pyarrow and its part for Parquet.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "jobs", "Writing Parquet") from error
    return pyarrow, parquet


def _schema(pyarrow: Any) -> Any:
    text, number = pyarrow.string(), pyarrow.float64()
    texts = pyarrow.list_(text)
    span = pyarrow.struct([("start_seconds", number), ("end_seconds", number), ("text", text), ("confidence", number)])
    answer = pyarrow.struct([("question", text), ("text", text), ("confidence", number),
                             ("in_domain", pyarrow.bool_())])
    label = pyarrow.struct([("name", text), ("confidence", number)])
    return pyarrow.schema([
        ("schema_version", pyarrow.int64()), ("job_id", text), ("created_at", text),
        ("id", text), ("source", text), ("content_sha256", text), ("text", text), ("spans", pyarrow.list_(span)),
        ("answers", pyarrow.list_(answer)), ("labels", pyarrow.list_(label)),
        ("embedding", pyarrow.list_(pyarrow.float32())), ("confidence", number),
        ("in_domain", pyarrow.bool_()), ("domain_reason", text), ("flags", texts), ("prompt", text),
        ("questions", texts),
        ("start_seconds", number), ("end_seconds", number), ("duration_seconds", number),
        ("frame_times", pyarrow.list_(number)), ("rule", text), ("finish_reason", text),
        ("usage", pyarrow.struct([("prompt_tokens", pyarrow.int64()), ("completion_tokens", pyarrow.int64())])),
        ("warnings", texts), ("notes", texts),
        ("files", texts), ("pipeline", text), ("model", text), ("weights_sha256", text), ("config", text),
        ("versions", pyarrow.map_(text, text)), ("columns", pyarrow.map_(text, text)),
        ("timings", pyarrow.map_(text, number))])


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    others = [(name, value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False))
              for name, value in row["columns"].items()]
    return {**row, "versions": list(row["versions"].items()), "timings": list(row["timings"].items()),
            "columns": others}


def _chunks(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


__all__ = ["PARQUET", "RESULTS", "Lines", "keep_rows", "line", "need_parquet", "write_parquet", "write_whole"]
