"""The pool of decode workers: one that is slow to begin costs no clip, and imports are shared by those to come."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mmvideo import Pipeline
from mmvideo.errors import MmvideoError
from mmvideo.jobs import forkserver, pool
from mmvideo.jobs.forkserver import imports_of
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.pool import Pool, Task, WorkerEvent
from mmvideo.jobs.worker import Setup, sys_path
from mmvideo.pipeline import recipe_for


@pytest.fixture
def setup(captioning: Pipeline) -> Setup:
    return Setup(captioning.recipe, JobOptions(), {}, sys_path())


def _first(workers: Pool, seconds: float = 120.0) -> WorkerEvent:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for event in workers.events(0.05):
            return event
    raise AssertionError("nothing came back")


def test_a_worker_that_is_slow_to_begin_costs_no_clip(setup: Setup, clips: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    clip = str(clips / "clip0000.mp4")
    with forkserver.prestarted(), Pool(setup, 1, timeout_seconds=120.0) as workers:
        assert not forkserver._prestarted, "it was taken"
        first = workers.pids
        workers.give(Task(7, Item(clip, clip)))
        monkeypatch.setattr(pool, "READY_SECONDS", 0.0)
        assert list(workers.events(0.0)) == [], "no clip fails for it"
        assert workers.pids != first, "another takes its place"
        monkeypatch.setattr(pool, "READY_SECONDS", 300.0)
        event = _first(workers)
        assert (event.task.num, event.error) == (7, None)
        assert event.decoded is not None
        assert event.seconds < 120.0


def test_workers_that_never_begin_end_the_job(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    with Pool(setup, 1, timeout_seconds=120.0) as workers:
        monkeypatch.setattr(pool, "READY_SECONDS", 0.0)
        for _ in range(3):
            assert list(workers.events(0.0)) == []
        with pytest.raises(MmvideoError, match="not ready after 0 s"):
            list(workers.events(0.0))


def test_a_fork_server_that_no_pool_took_is_ended() -> None:
    with forkserver.prestarted(("no.such.module", "json")):
        started = forkserver._prestarted[0]
        started.wait()
    assert started._process.poll() is not None
    assert not forkserver._prestarted


def test_the_next_job_takes_the_fork_server_of_the_last(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    forkserver.close_kept()
    with Pool(setup, 1, timeout_seconds=120.0) as first:
        server, (worker,) = first._forkserver, first.pids
    assert server is not None
    assert server._process.poll() is None, "it waits for the next job"
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)  # workers end with their job, and leave no zombie
    second = Pool(setup, 1, timeout_seconds=120.0).__enter__()
    assert second._forkserver is server
    second.__exit__(ValueError)
    assert server._process.poll() is not None, "one whose job has failed is not used again"
    monkeypatch.setattr(forkserver, "KEEP_SECONDS", 0.0)
    left = forkserver.ForkServer()
    forkserver.leave_forkserver(left)
    left._process.wait(60)
    monkeypatch.setattr(forkserver, "KEEP_SECONDS", 60.0)
    other = forkserver.ForkServer()
    forkserver.leave_forkserver(other)
    monkeypatch.setenv("MMVIDEO_TEST_WORLD", "other")
    assert forkserver.take_forkserver(()) is not other, "workers take their environment from it"
    monkeypatch.delenv("MMVIDEO_TEST_WORLD")
    assert forkserver.take_forkserver(()) is other
    other.close()


def test_only_workers_of_chat_models_import_transformers(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "smolvlm"}')
    assert imports_of(recipe_for("video-qa")) == ()
    assert imports_of(recipe_for("video-captioning", "toybox-qa")) == ()
    assert "transformers.processing_utils" in imports_of(recipe_for("video-qa", tmp_path))
