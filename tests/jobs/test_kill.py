"""A job that is killed at any moment ends with the rows of one that was left alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from mmvideo import Pipeline
from mmvideo.jobs import JobOptions, forkserver, run_job, status


@pytest.mark.slow
def test_kills_lose_nothing_and_do_nothing_twice(captioning: Pipeline, clips: Path, tmp_path: Path,
                                                 benchmark: Callable[[str], ModuleType]) -> None:
    kill = benchmark("jobs_kill")
    options = JobOptions(thumbnails=0, batch_size=2)

    def job(name: str) -> Callable[[], None]:
        return lambda: run_job(captioning, clips, tmp_path / name, options) and None

    begin = time.monotonic()
    os.waitpid(kill.in_a_child(job("calm")), 0)
    within = (time.monotonic() - begin) / 3  # a faster machine is killed sooner
    done = kill.torture(job("killed"), tmp_path / "killed", 5, seed=3, within=within)
    assert sum(done.values()) >= 2
    calm = kill.rows_of(tmp_path / "calm")
    assert len(calm) == 12
    assert kill.rows_of(tmp_path / "killed") == calm
    assert status(tmp_path / "killed")["counts"]["done"] == 12
    forkserver.close_kept()  # of other tests
    mine = psutil.Process().children(recursive=True)
    mine = [process for process in mine if process.status() != psutil.STATUS_ZOMBIE]  # has ended already
    assert not [process for process in mine if "forkserver" in " ".join(process.cmdline())], "workers outlive their job"
