"""Rows of a job for other tools: flat tables (Parquet, CSV, DuckDB), FiftyOne, Label Studio."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from mmvideo.errors import InvalidInput, MissingExtra, UnknownName
from mmvideo.jobs.files import write_whole
from mmvideo.jobs.ledger import Ledger
from mmvideo.jobs.prepare import MANIFEST
from mmvideo.jobs.sinks import need_parquet

COLUMNS = {
    "schema_version": "int", "job_id": "text", "created_at": "text", "id": "text", "source": "text",
    "content_sha256": "text", "text": "text", "label": "text", "confidence": "number", "in_domain": "bool",
    "domain_reason": "text", "flags": "text", "prompt": "text", "question": "text", "start_seconds": "number",
    "end_seconds": "number", "duration_seconds": "number", "num_frames": "int", "rule": "text",
    "finish_reason": "text", "prompt_tokens": "int", "completion_tokens": "int", "warnings": "text", "notes": "text",
    "answers": "text", "labels": "text", "spans": "text", "frame_times": "text", "pipeline": "text", "model": "text",
    "weights_sha256": "text", "config": "text"}
"""Column of a flat table -> its kind. What has parts (answers, labels, spans ...) is JSON in a text."""
_JSON = ("answers", "labels", "spans", "frame_times", "warnings", "notes")
FRAME_RATE = 25
"""Frames a second of the ranges of Label Studio's timeline."""
_LABEL_STUDIO = """<View>
  <Header value="$id"/>
  <Video name="video" value="$video" frameRate="$fps"/>
  <TimelineLabels name="spans" toName="video">
{labels}
  </TimelineLabels>
  <TextArea name="words" toName="video" perRegion="true" editable="true"/>
  <TextArea name="caption" toName="video" editable="true"/>
</View>
"""
_SAFE = re.compile(r"[^A-Za-z0-9_.=+-]")


def export_job(folder: str | Path, to: str, out: str | Path, *, partition_by: str | None = None,
               overwrite: bool = False) -> list[Path]:
    """Write the rows of a job, as they are now, for another tool.

    Args:
        folder: of the job, which may still run.
        to: one of `FORMATS`.
        out: a folder that is made (parquet, csv, fiftyone), or a file (duckdb, label-studio).
        partition_by: a column: parquet and csv write a folder `column=value` for each of its values.
        overwrite: replace what is there.

    Returns:
        The files, in order.

    Raises:
        UnknownName: no such format or column.
        InvalidInput: no job, or something is there already.
        MissingExtra: pyarrow or duckdb is not installed.
    """
    if to not in FORMATS:
        raise UnknownName("format", to, FORMATS)
    if partition_by is not None and to not in ("parquet", "csv"):
        raise InvalidInput(f"--partition-by divides parquet and csv; {to} is one file.")
    place = Path(out).expanduser()
    if place.exists() and not overwrite and not (place.is_dir() and not any(place.iterdir())):
        raise InvalidInput(f"{place} is there already; give another --out, or --overwrite.")
    with closing(Ledger(Path(folder).expanduser(), write=False)) as ledger:
        others = _other_columns(ledger)
        if partition_by is not None and partition_by not in {**COLUMNS, **others}:
            raise UnknownName("column", partition_by, {**COLUMNS, **others})
        return FORMATS[to](ledger, others, place, partition_by)


def flat_row(row: Mapping[str, Any], others: Mapping[str, str]) -> dict[str, Any]:
    """Return a row as a table holds it.

    Args:
        others: column of the manifest -> its name in the table.
    """
    usage, labels = row.get("usage") or {}, row.get("labels") or []
    answers, questions = row.get("answers") or [], row.get("questions") or []
    flat: dict[str, Any] = {name: row.get(name) for name in COLUMNS}
    flat |= {"label": labels[0]["name"] if labels else None, "flags": ",".join(row.get("flags") or ()),
             "question": answers[0]["question"] if len(answers) == 1 else questions[0] if len(questions) == 1 else None,
             "num_frames": len(row.get("frame_times") or ()), "prompt_tokens": usage.get("prompt_tokens"),
             "completion_tokens": usage.get("completion_tokens")}
    flat |= {name: json.dumps(row.get(name) or [], ensure_ascii=False) for name in _JSON}
    given = row.get("columns") or {}
    return {**flat, **{name: _text_of(given.get(column)) for name, column in others.items()}}


def _text_of(value: Any) -> str | None:
    """Return a value of a manifest as text: its columns may mix kinds."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _other_columns(ledger: Ledger) -> dict[str, str]:
    """Return the columns of the manifest, by their name in a table: one that a table has itself ends in `_in`."""
    seen = dict.fromkeys(name for row in ledger.rows_in_order() for name in row["columns"])
    return {f"{name}_in" if name in COLUMNS else name: name for name in seen}


def _flat(ledger: Ledger, others: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    return (flat_row(row, others) for row in ledger.rows_in_order())


def _parts(rows: Iterable[dict[str, Any]], by: str | None) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each partition, by the folder that it goes to."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        value = "" if by is None else "null" if row[by] is None else str(row[by])
        name = "" if by is None else f"{_SAFE.sub('_', by)}={quote(value, safe=' ')[:200]}"
        found.setdefault(name, []).append(row)
    return found


def _arrow_schema(pyarrow: Any, others: Iterable[str]) -> Any:
    kinds = {"int": pyarrow.int64(), "text": pyarrow.string(), "number": pyarrow.float64(), "bool": pyarrow.bool_()}
    return pyarrow.schema([*((name, kinds[kind]) for name, kind in COLUMNS.items()),
                           *((name, pyarrow.string()) for name in others)])


def _write_parquet(ledger: Ledger, others: Mapping[str, str], out: Path, by: str | None) -> list[Path]:
    pyarrow, parquet = need_parquet()
    configuration = (ledger.path.parent / MANIFEST).read_bytes() if (ledger.path.parent / MANIFEST).exists() else b"{}"
    schema = _arrow_schema(pyarrow, others).with_metadata({b"mmvideo": configuration})
    written = []
    for name, rows in _parts(_flat(ledger, others), by).items():
        path = out / name / "part-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), path, compression="zstd")
        written.append(path)
    return written


def _write_csv(ledger: Ledger, others: Mapping[str, str], out: Path, by: str | None) -> list[Path]:
    written = []
    for name, rows in _parts(_flat(ledger, others), by).items():
        path = out / name / "part-0.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, [*COLUMNS, *others])
            writer.writeheader()
            writer.writerows(rows)
        written.append(path)
    return written


def _write_duckdb(ledger: Ledger, others: Mapping[str, str], out: Path, by: str | None) -> list[Path]:
    """Write tables `rows` and `jobs`; the second holds the configuration once."""
    pyarrow, _ = need_parquet()
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtra("duckdb", "warehouse", "Exporting to DuckDB") from error
    out.unlink(missing_ok=True)
    manifest = ledger.path.parent / MANIFEST
    with closing(duckdb.connect(str(out))) as base:
        chunk = pyarrow.Table.from_pylist(list(_flat(ledger, others)), schema=_arrow_schema(pyarrow, others))
        base.register("chunk", chunk)
        base.execute("create table rows as select * from chunk")
        base.execute("create table jobs (job_id text, configuration json)")
        base.execute("insert into jobs values (?, ?)", [ledger.meta("job_id"), manifest.read_text(encoding="utf-8")
                                                        if manifest.exists() else "{}"])
    return [out]


def _write_fiftyone(ledger: Ledger, others: Mapping[str, str], out: Path, by: str | None) -> list[Path]:
    """Write FiftyOne's temporal detections: `labels.json`, and `data.json` with where each clip is."""
    data: dict[str, str] = {}
    labels: dict[str, list[dict[str, Any]]] = {}
    classes: dict[str, None] = {}
    keys = fiftyone_keys(row["id"] for row in ledger.rows_in_order())
    for row in ledger.rows_in_order():
        file, own = keys[row["id"]]
        data[file] = os.path.abspath(row["source"]) if "://" not in row["source"] else row["source"]
        flat = flat_row(row, others)
        attributes = {name: flat[name] for name in ("prompt", "question", "flags", "model", "job_id", *others)
                      if flat[name] not in (None, "")}
        spans = row.get("spans") or [_whole(row)]
        classes.update(dict.fromkeys(str(span["text"]) for span in spans))
        labels[own] = [{"label": span["text"], "timestamps": [span["start_seconds"], span["end_seconds"]],
                        **({} if span["confidence"] is None else {"confidence": span["confidence"]}),
                        "attributes": attributes} for span in spans]
    out.mkdir(parents=True, exist_ok=True)
    return [_json(out / "data.json", data), _json(out / "labels.json", {"classes": list(classes), "labels": labels})]


def fiftyone_keys(ids: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return of each row the key of its file in data.json and that of its labels, which lacks the ending.

    FiftyOne looks for labels under the normal form of the first without its ending; a.mov beside a.mp4 becomes a-2.
    """
    found: dict[str, tuple[str, str]] = {}
    names: set[str] = set()
    for one in ids:
        stem, ending = os.path.splitext(os.path.normpath(one).lstrip("/"))
        name = next(name for name in chain([stem], (f"{stem}-{number}" for number in count(2))) if name not in names)
        names.add(name)
        found[one] = name + (ending or ".video"), name
    return found


def _write_label_studio(ledger: Ledger, others: Mapping[str, str], out: Path, by: str | None) -> list[Path]:
    """Write tasks with pre-annotations, and beside them the labelling configuration that shows them.

    Spans are ranges of frames, numbered from 1 at `FRAME_RATE` frames a second, to which the configuration holds the
    player. What was located bears its own label; words of other spans stand in a text of their region.
    """
    tasks: list[dict[str, Any]] = []
    labels: dict[str, None] = {}
    for row in ledger.rows_in_order():
        flat = flat_row(row, others)
        said: list[dict[str, Any]] = [_region("text", "caption", "textarea", {"text": [row["text"]]})]
        for number, span in enumerate(row.get("spans") or ()):
            first = int(span["start_seconds"] * FRAME_RATE) + 1
            ranges = [{"start": first, "end": max(first, round(span["end_seconds"] * FRAME_RATE))}]
            label = str(span["text"]) if row.get("located") else "segment"
            labels[label] = None
            said.append(_region(f"span-{number}", "spans", "timelinelabels", {
                "ranges": ranges, "timelinelabels": [label]}))
            if not row.get("located"):
                said.append(_region(f"span-{number}", "words", "textarea", {"ranges": ranges, "text": [span["text"]]}))
        score = {} if row["confidence"] is None else {"score": row["confidence"]}
        tasks.append({"data": {"video": row["source"], "fps": FRAME_RATE, **{name: flat[name] for name in (
            "id", "prompt", "question", "flags", "job_id", *others)}},
            "predictions": [{"model_version": row.get("model") or "", **score, "result": said}]})
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"    <Label value={quoteattr(label)}/>" for label in labels or ("segment",)]
    config = _LABEL_STUDIO.format(labels="\n".join(lines)).encode(errors="backslashreplace")
    write_whole(out.with_suffix(".xml"), [config])
    return [_json(out, tasks), out.with_suffix(".xml")]


def _region(name: str, tag: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "from_name": tag, "to_name": "video", "type": kind, "value": value}


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    start = row.get("start_seconds") or 0.0
    end = row.get("end_seconds") or row.get("duration_seconds") or max(row.get("frame_times") or [start])
    return {"start_seconds": start, "end_seconds": end, "text": row["text"], "confidence": row["confidence"]}


def _json(path: Path, value: Any) -> Path:
    write_whole(path, [json.dumps(value, indent=1, ensure_ascii=False).encode(errors="backslashreplace")])
    return path


FORMATS: dict[str, Callable[[Ledger, Mapping[str, str], Path, str | None], list[Path]]] = {
    "parquet": _write_parquet, "csv": _write_csv, "duckdb": _write_duckdb, "fiftyone": _write_fiftyone,
    "label-studio": _write_label_studio}
"""Format -> what writes it."""

__all__ = ["COLUMNS", "FORMATS", "FRAME_RATE", "export_job", "fiftyone_keys", "flat_row"]
