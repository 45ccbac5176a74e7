"""What a job writes: never over a file of another's, never two clips into one file, and all of it by its end."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
import quick as clips_that_speak

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, OutputError
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.naming import bases
from mmvideo.jobs.options import SIDECARS

pytestmark = [pytest.mark.usefixtures("quick"), pytest.mark.filterwarnings("ignore:Done anew")]
write = clips_that_speak.write


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def _texts(folder: Path, pattern: str = "*") -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob(pattern))
            if path.is_file()}


def test_a_subtitle_of_the_user_is_not_replaced(captioning: Pipeline, tmp_path: Path) -> None:
    write(tmp_path / "clips" / "clip.mp4", "a ball")
    mine = write(tmp_path / "clips" / "clip.srt", "mine")
    options = JobOptions(sidecars=("srt", "txt"), beside=True)
    with pytest.raises(InvalidInput, match=r"clip\.srt: there already.*--overwrite"):
        run_job(captioning, tmp_path / "clips", tmp_path / "job", options)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "job").exists()
    assert not (tmp_path / "clips" / "clip.txt").exists()
    run_job(captioning, tmp_path / "clips", tmp_path / "job",
            JobOptions(sidecars=("srt",), beside=True, overwrite=True))
    assert "a ball" in mine.read_text()
    again = run_job(captioning, tmp_path / "clips", tmp_path / "job", options)
    assert again.done_now == 0, "its own files are not in its way"
    assert (tmp_path / "clips" / "clip.txt").read_text() == "a ball\n"


@pytest.mark.parametrize("kind", ["edited", "folder", "link"])
def test_what_was_changed_since_is_not_replaced(captioning: Pipeline, tmp_path: Path, kind: str) -> None:
    clip = write(tmp_path / "clips" / "clip.mp4", "a ball")
    options = JobOptions(sidecars=("srt",), beside=True)
    run_job(captioning, tmp_path / "clips", tmp_path / "job", options)
    subtitle = tmp_path / "clips" / "clip.srt"
    subtitle.unlink()
    if kind == "folder":
        subtitle.mkdir()
    elif kind == "link":
        subtitle.symlink_to(write(tmp_path / "elsewhere.srt", "mine"))
    else:
        subtitle.write_text("mended by hand")
    if kind == "edited":
        assert run_job(captioning, tmp_path / "clips", tmp_path / "job", options).done_now == 0
        assert subtitle.read_text() == "mended by hand", "a file that is there is not owed"
    clip.write_text("a cube")
    with pytest.raises(InvalidInput, match=r"clip\.srt: there already"):
        run_job(captioning, tmp_path / "clips", tmp_path / "job", options)
    if kind == "folder":
        with pytest.raises(InvalidInput, match=r"clip\.srt: there already"):
            run_job(captioning, tmp_path / "clips", tmp_path / "job",
                    JobOptions(sidecars=("srt",), beside=True, overwrite=True))
    assert "a ball" in _texts(tmp_path / "job", "results.jsonl")["results.jsonl"], "refused before anything is done"


@pytest.mark.parametrize("name", ["results.jsonl", "report.html", "run.json", "failures.jsonl", "results.parquet"])
def test_no_file_of_a_folder_that_is_no_job_is_replaced(captioning: Pipeline, tmp_path: Path, name: str) -> None:
    clip, mine = write(tmp_path / "clip.mp4", "a ball"), write(tmp_path / "mine" / name, "mine")
    with pytest.raises(InvalidInput, match=f"{name}: there already"):
        run_job(captioning, clip, tmp_path / "mine", JobOptions(parquet=True))
    assert _texts(tmp_path / "mine") == {name: "mine"}
    run_job(captioning, clip, tmp_path / "mine", JobOptions(parquet=True, overwrite=True))
    assert mine.read_bytes() != b"mine"
    assert run_job(captioning, clip, tmp_path / "mine", JobOptions(parquet=True)).done_now == 0


def test_pictures_of_the_user_are_not_replaced(captioning: Pipeline, tmp_path: Path) -> None:
    clip, mine = write(tmp_path / "clip.mp4", "a ball"), write(tmp_path / "mine" / "thumbnails" / "1.jpg", "mine")
    with pytest.raises(InvalidInput, match="thumbnails: there already"):
        run_job(captioning, clip, tmp_path / "mine")
    run_job(captioning, clip, tmp_path / "mine", JobOptions(thumbnails=0))
    assert mine.read_text() == "mine"


def test_a_database_of_something_else_is_left_alone(captioning: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with sqlite3.connect(tmp_path / "mine" / "ledger.sqlite") as database:
        database.execute("create table accounts (owner text)")
    before = (tmp_path / "mine" / "ledger.sqlite").read_bytes()
    for options in (JobOptions(), JobOptions(overwrite=True), JobOptions(dry_run=True)):
        with pytest.raises(InvalidInput, match="database of something else"):
            run_job(captioning, write(tmp_path / "clip.mp4", "a ball"), tmp_path / "mine", options)
    assert (tmp_path / "mine" / "ledger.sqlite").read_bytes() == before


@pytest.mark.parametrize("beside", [False, True])
def test_clips_that_share_a_stem_have_files_of_their_own(captioning: Pipeline, tmp_path: Path, beside: bool) -> None:
    home = tmp_path / "clips"
    said = {"test.avi": "a ball", "test.mp4": "a cube", "other.mp4": "a cone", "TEST.mkv": "a toy"}
    for name, text in said.items():
        write(home / name, text)
    run_job(captioning, home, tmp_path / "job", JobOptions(sidecars=("txt",), beside=beside))
    found = _texts(home if beside else tmp_path / "job" / "sidecars", "*.txt")
    assert found == {"test.avi.txt": "a ball\n", "test.mp4.txt": "a cube\n", "TEST.mkv.txt": "a toy\n",
                     "other.txt": "a cone\n"}


@pytest.mark.parametrize("beside", [False, True])
def test_spans_and_questions_of_one_clip_have_files_of_their_own(captioning: Pipeline, tmp_path: Path,
                                                                 beside: bool) -> None:
    clip = write(tmp_path / "clips" / "film.mp4", "a ball")
    items = [{"path": str(clip), "start": 0, "end": 1.5}, {"path": str(clip), "start": 0, "end": 1.7},
             {"path": str(clip), "id": "intro", "end": 2}, {"path": str(clip), "id": "x/intro", "end": 3}]
    run_job(captioning, items, tmp_path / "job", JobOptions(sidecars=SIDECARS, beside=beside))
    home = clip.parent if beside else tmp_path / "job" / "sidecars"
    written = [path for path in home.rglob("*") if path.is_file() and path != clip]
    assert len(written) == 4 * len(SIDECARS)
    told = {json.loads(path.read_text())["id"] for path in written if path.suffix == ".json"}
    assert told == {row["id"] for row in _rows(tmp_path / "job")}


def test_a_clip_that_comes_later_shares_no_file_with_one_that_has_gone(captioning: Pipeline, tmp_path: Path) -> None:
    first, second = write(tmp_path / "a" / "test.mp4", "a ball"), write(tmp_path / "a" / "test.avi", "a cube")
    options = JobOptions(sidecars=("txt",), beside=True)
    run_job(captioning, first, tmp_path / "job", options)
    assert (tmp_path / "a" / "test.txt").read_text() == "a ball\n"
    run_job(captioning, second, tmp_path / "job", options)
    assert _texts(tmp_path / "a", "*.txt") == {"test.txt": "a ball\n", "test.avi.txt": "a cube\n"}
    run_job(captioning, tmp_path / "a", tmp_path / "job", options)
    assert _texts(tmp_path / "a", "*.txt") == {"test.mp4.txt": "a ball\n", "test.avi.txt": "a cube\n"}


def test_names_never_meet(tmp_path: Path) -> None:
    odd = ["a", "a.txt/b", "a.chapters", "b/../a", "b/a", "b//a", "b/./a", "..", "/", "x" * 240, "x" * 241 + ".mp4",
           "x" * 300, "y/" * 900 + "z", "s3://b/a.mp4", "s3/b/a.avi", "é.mp4", "e\u0301.avi", "a.mp4", "a.txt", "A.MP4",
           "sh.tar::a.mp4", "sh.tar/a.avi", "a?b", "a*b", "a#0-1.5", "a#0-1.7"]
    found = bases([(name, f"/films/{n}.mp4") for n, name in enumerate(odd)], tmp_path, beside=False)
    files: set[Path] = set()
    for base in found.values():
        assert base.is_relative_to(tmp_path)
        for end in (".txt", ".json", ".srt", ".vtt", ".chapters.txt"):
            path = base.with_name(base.name + end)
            assert path not in files
            files.add(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("-")
    assert len(files) == 5 * len(odd)
    assert bases([("film.mp4", "/x/film.mp4")], tmp_path, beside=True)["film.mp4"] == Path("/x/film")


def test_parquet_of_an_earlier_run_goes(captioning: Pipeline, tmp_path: Path) -> None:
    clip = write(tmp_path / "clips" / "one.mp4", "a ball")
    run_job(captioning, clip, tmp_path / "job", JobOptions(parquet=True))
    run_job(captioning, clip, tmp_path / "job")
    assert (tmp_path / "job" / "results.parquet").is_file(), "nothing has changed"
    write(tmp_path / "clips" / "two.mp4", "a cube")
    run_job(captioning, tmp_path / "clips", tmp_path / "job")
    assert not (tmp_path / "job" / "results.parquet").exists()
    assert len(_rows(tmp_path / "job")) == 2
    run_job(captioning, tmp_path / "clips", tmp_path / "job", JobOptions(parquet=True))
    from pyarrow import parquet

    assert parquet.read_table(tmp_path / "job" / "results.parquet").to_pylist()[1]["text"] == "a cube"


def test_no_file_of_an_earlier_run_is_left_beside_newer_rows(captioning: Pipeline, tmp_path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed before its end leaves no report and no table of the run before it."""
    write(tmp_path / "clips" / "one.mp4", "bug")
    run_job(captioning, tmp_path / "clips", tmp_path / "job", JobOptions(parquet=True))
    write(tmp_path / "clips" / "two.mp4", "a cube")

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("mmvideo.jobs.runner._write_about", killed)
        with pytest.raises(Killed):
            run_job(captioning, tmp_path / "clips", tmp_path / "job", JobOptions(parquet=True))
    for name in ("results.parquet", "report.html", "failures.jsonl"):
        assert not (tmp_path / "job" / name).exists(), name
    run_job(captioning, tmp_path / "clips", tmp_path / "job", JobOptions(parquet=True))
    assert "two.mp4" in (tmp_path / "job" / "results.jsonl").read_text()
    assert json.loads((tmp_path / "job" / "failures.jsonl").read_text())["class"] == "LookupError"


def test_every_sidecar_is_there_at_the_end(captioning: Pipeline, tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        write(tmp_path / "clips" / name, name)
    run_job(captioning, tmp_path / "clips", tmp_path / "job")
    home = tmp_path / "job" / "sidecars"
    summary = run_job(captioning, tmp_path / "clips", tmp_path / "job", JobOptions(sidecars=("srt", "txt")))
    assert summary.done_now == 0, "asked for later: written without computing anything anew"
    assert sorted(_texts(home)) == ["one.srt", "one.txt", "two.srt", "two.txt"]
    (home / "one.srt").unlink()
    run_job(captioning, tmp_path / "clips", tmp_path / "job", JobOptions(sidecars=("srt",)))
    assert "one.mp4" in (home / "one.srt").read_text()
    (tmp_path / "clips" / "one.mp4").write_text("another film")
    run_job(captioning, tmp_path / "clips", tmp_path / "job")
    assert not (home / "one.txt").exists(), "what it says is no longer true, and no other was asked for"
    assert (home / "two.txt").exists()


def test_a_job_that_was_killed_before_its_sidecars_writes_them(captioning: Pipeline, tmp_path: Path,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write(tmp_path / "one.mp4", "a ball")
    options = JobOptions(sidecars=("txt",), beside=True)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mmvideo.jobs.sidecars.write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            run_job(captioning, clip, tmp_path / "job", options)
    assert not (tmp_path / "one.txt").exists()
    assert run_job(captioning, clip, tmp_path / "job", options).done_now == 0
    assert (tmp_path / "one.txt").read_text() == "a ball\n"
    with sqlite3.connect(tmp_path / "job" / "ledger.sqlite") as database:
        database.execute("delete from outputs")  # a power cut: the note of what was written is lost
    assert run_job(captioning, clip, tmp_path / "job", options).done_now == 0, "what it would write is its own"


def test_one_cue_over_the_clip_where_a_model_says_one_thing(captioning: Pipeline, tmp_path: Path) -> None:
    clip = write(tmp_path / "one.mp4", "chat: a man opens a door")
    items = [{"id": "all", "path": str(clip)}, {"id": "part", "path": str(clip), "start": 0.5, "end": 1.25}]
    run_job(captioning, items, tmp_path / "job", JobOptions(sidecars=("srt", "vtt", "chapters")))
    found = _texts(tmp_path / "job" / "sidecars")
    assert found["all.srt"] == "1\n00:00:00,000 --> 00:00:02,000\n\u2060chat: a man opens a door\n"
    assert found["part.vtt"] == (
        "WEBVTT\n\nNOTE written by mmvideo\n\n00:00:00.500 --> 00:00:01.250\nchat: a man opens a door\n")
    assert found["all.chapters.txt"] == found["part.chapters.txt"] == "00:00:00.000 chat: a man opens a door\n"


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 are for Linux")
@pytest.mark.parametrize("beside", [False, True])
def test_any_name_that_a_file_can_have(captioning: Pipeline, tmp_path: Path, beside: bool) -> None:
    home = tmp_path / "clips"
    names = [b"caf\xe9.mp4", b"caf\\xe9.mp4", b"x" * 236 + b".mp4", b"new\nline.mp4", b"\x1b[31mred.mp4", b"50%.mp4",
             "\u0436.mp4".encode(), b"a'b\"c.mp4", b"-rf.mp4", b" .mp4"]
    for number, name in enumerate(names):
        write(home / os.fsdecode(name), f"film {number}")
    options = JobOptions(sidecars=SIDECARS, beside=beside, parquet=True)
    summary = run_job(captioning, home, tmp_path / "job", options)
    assert summary.failures == ()
    assert sorted(row["text"] for row in _rows(tmp_path / "job")) == [f"film {n}" for n in range(len(names))]
    assert {row["id"] for row in _rows(tmp_path / "job")} >= {"caf\\xe9.mp4", "caf\\\\xe9.mp4", "new\\x0aline.mp4"}
    where = home if beside else tmp_path / "job" / "sidecars"
    texts = [path.read_text() for path in where.rglob("*.txt") if not path.name.endswith(".chapters.txt")]
    assert sorted(texts) == sorted(f"film {n}\n" for n in range(len(names)))
    if beside:
        assert (home / os.fsdecode(b"caf\xe9.txt")).is_file(), "a sidecar is called as its clip, byte for byte"
    assert run_job(captioning, home, tmp_path / "job", options).done_now == 0
    assert len(list(where.rglob("*.srt"))) == len(names)
    (tmp_path / "job" / "results.jsonl").read_bytes().decode()
    (tmp_path / "job" / "report.html").read_bytes().decode()


@pytest.mark.parametrize("name", ["half \ud800", "byte \udce9", "nul \0", "tab\t", "x" * 5000])
def test_any_id_that_json_can_hold(captioning: Pipeline, tmp_path: Path, name: str) -> None:
    clip = write(tmp_path / "one.mp4", "a ball")
    manifest = tmp_path / "list.jsonl"
    manifest.write_text(json.dumps({"id": name, "path": str(clip)}) + "\n" + json.dumps({"id": "b", "path": f"{name}"})
                        + "\n")
    summary = run_job(captioning, manifest, tmp_path / "job", JobOptions(sidecars=("txt", "json"), parquet=True))
    assert [(one[0], one[2]) for one in summary.failures] == [("b", "MediaNotFound")]
    (row,) = _rows(tmp_path / "job")
    assert row["id"].isprintable()
    assert len(list((tmp_path / "job" / "sidecars").rglob("*.txt"))) == 1


def test_a_question_with_half_a_character_is_refused(captioning: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text('{"path": "a.mp4", "question": "who \\ud800?"}\n')
    with pytest.raises(InvalidInput, match=r"line 1: the question .* is no text in Unicode"):
        run_job(captioning, tmp_path / "list.jsonl", tmp_path / "job")


@pytest.mark.parametrize("out", ["clip.mp4", "clip.mp4/job", "", "a\0b", "x" * 300])
def test_a_folder_that_cannot_be_is_named(captioning: Pipeline, tmp_path: Path, out: str,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clip = write(tmp_path / "clip.mp4", "a ball")
    with pytest.raises(InvalidInput, match="--out"):
        run_job(captioning, clip, out)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("place", ["ledger", "sidecar", "lines"])
def test_a_full_disk_ends_the_job_and_it_recovers(captioning: Pipeline, tmp_path: Path, place: str,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    for number in range(6):
        write(tmp_path / "clips" / f"{number}.mp4", f"film {number}" + " and so on" * 500)
    options = JobOptions(sidecars=("txt",), thumbnails=0)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "job"))

    with monkeypatch.context() as patch:
        if place == "ledger":
            from mmvideo.jobs.ledger import Ledger

            connect = Ledger._connect

            def small(self: Any, synchronous: str) -> sqlite3.Connection:
                connection = connect(self, synchronous)
                connection.execute("pragma max_page_count = 16")
                return connection

            patch.setattr(Ledger, "_connect", small)
        else:
            patch.setattr(*("mmvideo.jobs.sidecars.write_whole", full) if place == "sidecar" else
                          ("mmvideo.jobs.sinks.Lines.sync", full))
        with pytest.raises(OutputError, match=r"the disk is full.*run the same command again") as caught:
            run_job(captioning, tmp_path / "clips", tmp_path / "job", options)
        assert caught.value.exit_code == 9
    summary = run_job(captioning, tmp_path / "clips", tmp_path / "job", options)
    assert (summary.counts["done"], summary.failures) == (6, ())
    assert [row["text"].split(" and")[0] for row in _rows(tmp_path / "job")] == [f"film {n}" for n in range(6)]
    assert len(list((tmp_path / "job" / "sidecars").iterdir())) == 6
    assert not list(tmp_path.rglob("*.part"))
