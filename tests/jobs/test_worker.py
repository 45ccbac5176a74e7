"""What a clip may do to its worker: nothing that Python raises is a crash, and nothing that it leaves stays."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import unruly as unruly_stage

from mmvideo import Pipeline
from mmvideo.errors import MmvideoError, OutputError
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.pool import Pool
from mmvideo.jobs.scratch import Scratch, sweep


@pytest.fixture
def unruly() -> Iterator[None]:
    with unruly_stage.unruly():
        yield


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, of this process and those that it starts."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _films(clips: Path, home: Path, *names: str) -> Path:
    home.mkdir()
    for name in names:
        shutil.copy(clips / "clip0000.mp4", home / f"{name}.mp4")
    return home


@pytest.mark.usefixtures("unruly")
def test_what_python_raises_on_a_clip_is_its_failure(captioning: Pipeline, clips: Path, tmp_path: Path) -> None:
    home = _films(clips, tmp_path / "films", "good-1", *(f"{name}-x" for name in unruly_stage.ERRORS), "value-2")
    summary = run_job(captioning, home, tmp_path / "job", JobOptions(workers=1, crashes=2))
    assert (summary.counts["done"], summary.counts["quarantined"]) == (1, 0)
    found = {name.removesuffix(".mp4"): (kind, words) for name, _, kind, words in summary.failures}
    for name, error in unruly_stage.ERRORS.items():
        kind, words = found[f"{name}-x"]
        assert kind == ("OutOfMemory" if name == "memory" else type(error).__name__)
        assert words.startswith(str(home / f"{name}-x.mp4"))
    assert "two frames are needed (unruly.py, line" in found["value-2"][1]


@pytest.mark.usefixtures("unruly")
def test_a_bug_on_every_clip_stops_the_job(captioning: Pipeline, clips: Path, tmp_path: Path) -> None:
    home = _films(clips, tmp_path / "films", *(f"lookup-{number:02}" for number in range(40)))
    with pytest.raises(MmvideoError, match=r"The first \d clips all failed by KeyError: .*--retry-failed"):
        run_job(captioning, home, tmp_path / "job", JobOptions(workers=1, stop_after=4, batch_size=1))
    failures = [json.loads(line) for line in (tmp_path / "job" / "failures.jsonl").read_text().splitlines()]
    assert 4 <= len(failures) < 20, "it stops soon, and says what failed"
    assert {one["class"] for one in failures} == {"KeyError"}
    assert "KeyError" in (tmp_path / "job" / "report.html").read_text()


@pytest.mark.usefixtures("unruly")
def test_a_worker_that_is_ended_leaves_nothing(captioning: Pipeline, clips: Path, tmp_path: Path,
                                               scratch: Path) -> None:
    home = _films(clips, tmp_path / "films", "hanging-1", "deadly-1", "good-1")
    summary = run_job(captioning, home, tmp_path / "job", JobOptions(workers=2, timeout_seconds=3.0, crashes=2))
    assert {(name, kind) for name, _, kind, _ in summary.failures} == {
        ("hanging-1.mp4", "WorkerTimeout"), ("deadly-1.mp4", "WorkerCrashed")}
    assert list(scratch.iterdir()) == []


@pytest.mark.usefixtures("unruly")
def test_a_worker_that_notices_its_time_limit_stays(captioning: Pipeline, clips: Path, tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    """Its model, where it has one, need not be loaded anew."""
    forks: list[int] = []
    fork = Pool._fork
    monkeypatch.setattr(Pool, "_fork", lambda pool: forks.append(1) or fork(pool))
    home = _films(clips, tmp_path / "films", "lingering-1", "good-1")
    summary = run_job(captioning, home, tmp_path / "job", JobOptions(workers=1, timeout_seconds=2.0))
    (name, _, kind, words), = summary.failures
    assert (name, kind, summary.counts["done"]) == ("lingering-1.mp4", "TimeLimitExceeded", 1)
    assert "2 s was over in the stage 'read'" in words
    assert len(forks) == 1


@pytest.mark.usefixtures("unruly")
def test_a_full_disk_in_a_worker_is_no_fault_of_the_clip(captioning: Pipeline, clips: Path, tmp_path: Path) -> None:
    home = _films(clips, tmp_path / "films", "full-1")
    with pytest.raises(OutputError, match=r"No space left on device.*same command again"):
        run_job(captioning, home, tmp_path / "job", JobOptions(workers=1))
    shutil.move(home / "full-1.mp4", home / "good-1.mp4")
    assert run_job(captioning, home, tmp_path / "job", JobOptions(workers=1)).counts["done"] == 1


def test_what_a_killed_job_left_is_swept(scratch: Path) -> None:
    """Folders that nobody holds; not those of jobs that run, nor what is called so by others."""
    running = Scratch()
    Path(running.folder(), "download.mp4").write_bytes(b"-")
    dead, young, other = (scratch / name for name in ("mmvideo-job-dead", "mmvideo-job-young", "mmvideo-x"))
    for folder in (dead, young, other):
        (folder / "worker").mkdir(parents=True)
    (scratch / "mmvideo-job-link").symlink_to(other)
    for folder in (dead, other, running.home):
        os.utime(folder, (time.time() - 1000,) * 2)
    sweep()
    assert {path.name for path in scratch.iterdir()} == {running.home.name, young.name, other.name, "mmvideo-job-link"}
    assert list(other.iterdir())
    running.close()
    assert not running.home.exists()
