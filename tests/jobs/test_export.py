"""What rows say for a warehouse: columns of the manifest, schema, flags; and their export to other tools."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import quick as clips_that_speak

from mmvideo import Pipeline
from mmvideo.cli import main
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs import schema as row_schema
from mmvideo.jobs.export import COLUMNS, export_job, fiftyone_keys
from mmvideo.jobs.rows import flags_of
from mmvideo.results import Answer, Caption
from mmvideo.types import NOT_JUDGED, Domain

pytestmark = pytest.mark.usefixtures("quick")
write = clips_that_speak.write


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    for name, words in (("a", "a ball"), ("b", "chat about it"), ("c", "two, \"balls\"\nfall")):
        write(tmp_path / f"{name}.mp4", words)
    lines = [{"path": "a.mp4", "camera": "north", "source_in": 1, "model": "X100"},
             {"path": "b.mp4", "camera": "south", "taken": {"at": [1, 2]}, "link": "https://me:hunter2@host/x"},
             {"path": "c.mp4", "camera": "north", "bad": float("nan")}]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path / "list.jsonl"


def test_columns_of_a_manifest_are_in_the_rows(captioning: Pipeline, manifest: Path, tmp_path: Path) -> None:
    job = tmp_path / "job"
    run_job(captioning, manifest, job)
    first, second, third = rows_of(job)
    assert first["columns"] == {"camera": "north", "source_in": 1, "model": "X100"}
    assert second["columns"] == {"camera": "south", "taken": {"at": [1, 2]}, "link": "https://***@host/x"}
    assert third["columns"] == {"camera": "north", "bad": None}
    assert first["model"] != "X100"
    assert b"hunter2" not in (job / "ledger.sqlite").read_bytes()
    manifest.write_text(manifest.read_text().replace("south", "west"))
    again = run_job(captioning, manifest, job)
    assert (again.done_now, rows_of(job)[1]["columns"]["camera"]) == (0, "west"), "no clip is done anew for that"
    assert [row["text"] for row in rows_of(job)] == [row["text"] for row in (first, second, third)]


def test_rows_follow_their_schema(captioning: Pipeline, manifest: Path, tmp_path: Path) -> None:
    run_job(captioning, manifest, tmp_path / "job")
    told = json.loads((tmp_path / "job" / row_schema.NAME).read_text())
    run = json.loads((tmp_path / "job" / "run.json").read_text())
    (row, *_) = rows_of(tmp_path / "job")
    assert set(row) <= set(told["properties"])
    assert set(told["required"]) <= set(row)
    kinds = {"string": str, "number": (int, float), "integer": int, "array": list, "object": dict, "boolean": bool,
             "null": type(None)}
    for name, value in row.items():
        allowed = told["properties"][name]["type"]
        allowed = [allowed] if isinstance(allowed, str) else allowed
        assert any(isinstance(value, kinds[kind]) for kind in allowed), name
    assert row["schema_version"] == told["version"] == run["schema_version"] == row_schema.VERSION
    assert row["job_id"] == run["job_id"]
    assert row["config"] == run["config"]
    assert row["created_at"].endswith("+00:00")


def test_a_row_of_an_earlier_version_says_so(captioning: Pipeline, tmp_path: Path) -> None:
    run_job(captioning, write(tmp_path / "one.mp4", "a ball"), tmp_path / "job")
    with closing(sqlite3.connect(tmp_path / "job" / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("update rows set row = json_remove(row, '$.schema_version', '$.flags', '$.usage')")
        ledger.execute("delete from meta where name in ('lines', 'job_id')")
    run_job(captioning, tmp_path / "one.mp4", tmp_path / "job")
    (row,) = rows_of(tmp_path / "job")
    assert row["schema_version"] == 1
    (table,) = export_job(tmp_path / "job", "csv", tmp_path / "csv")
    assert ",a ball," in table.read_text()


def test_flags_say_what_deserves_a_look() -> None:
    about: dict[str, Any] = {"confidence": 0.5, "seconds_looked_at": (0.0,)}
    good = Caption(text="a ball", in_domain=Domain(True), **about)
    bad = Answer(question="?", text=" ", in_domain=Domain(False, "dark"), finished=False, looped=True, **about)
    assert flags_of([good]) == []
    assert flags_of([good, bad]) == list(row_schema.FLAGS)
    assert flags_of([Caption(text="x", in_domain=NOT_JUDGED, **about)]) == []


def test_the_largest_files_come_first(captioning: Pipeline, tmp_path: Path) -> None:
    for name, length in (("a", 5), ("b", 50), ("c", 20)):
        write(tmp_path / "films" / f"{name}.mp4", "x" * length)
    run_job(captioning, tmp_path / "films", tmp_path / "job")
    assert [row["id"] for row in rows_of(tmp_path / "job")] == ["a.mp4", "b.mp4", "c.mp4"], "in order in the end"
    made = _order(tmp_path / "job")
    assert made == ["b.mp4", "c.mp4", "a.mp4"]
    run_job(captioning, tmp_path / "films", tmp_path / "plain", JobOptions(long_first=False))
    assert _order(tmp_path / "plain") == ["a.mp4", "b.mp4", "c.mp4"]


def _order(folder: Path) -> list[str]:
    from mmvideo.jobs.ledger import Ledger

    ledger = Ledger(folder, write=False)
    try:
        return [row["id"] for _, row in ledger.rows()]
    finally:
        ledger.close()


def test_flat_tables(captioning: Pipeline, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    job = tmp_path / "job"
    run_job(captioning, manifest, job)
    (whole,) = export_job(job, "parquet", tmp_path / "table")
    table = parquet.read_table(whole)
    assert table.column_names == [*COLUMNS, "camera", "source_in", "model_in", "taken", "link", "bad"]
    assert table["model_in"].to_pylist() == ["X100", None, None]
    assert table["taken"].to_pylist()[1] == '{"at": [1, 2]}'
    assert table["text"].to_pylist() == [row["text"] for row in rows_of(job)]
    assert json.loads(table.schema.metadata[b"mmvideo"])["config"] == rows_of(job)[0]["config"]
    parts = export_job(job, "parquet", tmp_path / "parts", partition_by="camera")
    assert [path.parent.name for path in parts] == ["camera=north", "camera=south"]
    assert parquet.read_table(parts[0]).num_rows == 2
    with pytest.raises(SystemExit, match="0"):
        main(["jobs", "export", str(job), "--to", "csv", "--out", str(tmp_path / "csv"), "--json"])
    (path,) = json.loads(capsys.readouterr().out)["files"]
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["text"] for line in lines] == [row["text"] for row in rows_of(job)]
    assert json.loads(lines[0]["spans"])[0]["end_seconds"] == 1.5


def test_tools_for_looking_and_labelling(captioning: Pipeline, manifest: Path, tmp_path: Path) -> None:
    job = tmp_path / "job"
    run_job(captioning, manifest, job)
    data, labels = export_job(job, "fiftyone", tmp_path / "fiftyone")
    clips, said = json.loads(data.read_text()), json.loads(labels.read_text())
    assert clips["a.mp4"] == str(tmp_path / "a.mp4")
    (one,) = said["labels"]["a"]
    assert (one["label"], one["timestamps"], one["attributes"]["camera"]) == ("a ball", [0.0, 1.5], "north")
    assert said["labels"]["b"][0]["timestamps"] == [0.0, 2.0], "one thing said of the whole clip"
    assert {os.path.splitext(name)[0] for name in clips} == set(said["labels"]), "where FiftyOne looks for labels"
    tasks, config = export_job(job, "label-studio", tmp_path / "tasks.json")
    first = json.loads(tasks.read_text())[0]
    assert first["data"]["video"] == str(tmp_path / "a.mp4")
    _, span, words = first["predictions"][0]["result"]
    assert span["value"] == {"ranges": [{"start": 1, "end": 38}], "timelinelabels": ["segment"]}
    assert (words["id"], words["value"]["text"]) == (span["id"], ["a ball"])
    assert '<Label value="segment"/>' in config.read_text()
    interfaces = pytest.importorskip("label_studio_sdk.label_interface")  # their own check of tasks and predictions
    interface = interfaces.LabelInterface(config.read_text())
    interface.validate()
    for task in json.loads(tasks.read_text()):
        assert interface.validate_task({"data": task["data"]})
        assert interface.validate_prediction(task["predictions"][0])


def test_clips_of_one_name_keep_their_own_labels_in_fiftyone() -> None:
    ids = ["x/a.mp4", "x/a.mov", "x/a", "./b.mp4", "b.mp4", "/c.mp4", "d.e.mkv", ".mp4"]
    keys = fiftyone_keys(ids)
    assert list(keys) == ids
    assert len({name for _, name in keys.values()}) == len(ids)
    assert all(os.path.splitext(os.path.normpath(file))[0] == name for file, name in keys.values())
    assert not any(os.path.isabs(name) for _, name in keys.values()), "it would be taken for the file itself"
    assert (keys["x/a.mp4"], keys["x/a.mov"]) == (("x/a.mp4", "x/a"), ("x/a-2.mov", "x/a-2"))


def test_duckdb(captioning: Pipeline, manifest: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    run_job(captioning, manifest, tmp_path / "job")
    (path,) = export_job(tmp_path / "job", "duckdb", tmp_path / "rows.duckdb")
    with duckdb.connect(str(path)) as base:
        assert base.execute("select count(*) from rows where camera = 'north'").fetchone() == (2,)
        assert base.execute("select count(*) from rows join jobs using (job_id)").fetchone() == (3,)


def test_what_cannot_be_exported(captioning: Pipeline, manifest: Path, tmp_path: Path) -> None:
    run_job(captioning, manifest, tmp_path / "job")
    with pytest.raises(UnknownName, match="Did you mean 'parquet'"):
        export_job(tmp_path / "job", "parkett", tmp_path / "x")
    with pytest.raises(UnknownName, match="Did you mean 'camera'"):
        export_job(tmp_path / "job", "csv", tmp_path / "x", partition_by="kamera")
    with pytest.raises(InvalidInput, match="is one file"):
        export_job(tmp_path / "job", "label-studio", tmp_path / "x", partition_by="camera")
    with pytest.raises(InvalidInput, match="is there already"):
        export_job(tmp_path / "job", "csv", tmp_path)
    with pytest.raises(InvalidInput, match="holds no job"):
        export_job(tmp_path, "csv", tmp_path / "x")
