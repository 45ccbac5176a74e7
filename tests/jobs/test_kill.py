"""A job that is killed at any moment ends with the rows of one that was left alone."""

from __future__ import annotations

import math
import random
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

    pace = kill.undisturbed(job("calm"), tmp_path / "calm")
    assert 0 < pace.first <= pace.whole
    done = kill.torture(job("killed"), tmp_path / "killed", 5, pace, seed=3)
    assert sum(done.values()) >= 2
    calm = kill.rows_of(tmp_path / "calm")
    assert len(calm) == 12
    assert kill.rows_of(tmp_path / "killed") == calm
    assert status(tmp_path / "killed")["counts"]["done"] == 12
    forkserver.close_kept()  # of other tests
    mine = psutil.Process().children(recursive=True)
    mine = [process for process in mine if process.status() != psutil.STATUS_ZOMBIE]  # has ended already
    assert not [process for process in mine if "forkserver" in " ".join(process.cmdline())], "workers outlive their job"


def test_half_of_the_kills_come_by_the_clock_and_the_rest_by_rows_however_slow_the_machine(
        benchmark: Callable[[str], ModuleType]) -> None:
    pace, chance = benchmark("jobs_kill").Pace(first=4.0, whole=54.0, rows=300), random.Random(0)
    moments = [pace.moment(chance) for _ in range(1000)]
    by_clock = [seconds for seconds, _ in moments if math.isfinite(seconds)]
    assert 0.45 < len(by_clock) / 1000 < 0.55
    assert 3.5 < max(by_clock) <= 4.0
    after = [after for seconds, after in moments if math.isinf(seconds)]
    assert 0.3 < max(after) <= 2 * 50 / 300


@pytest.mark.parametrize("seed", range(5))
def test_runs_are_killed_before_they_write_all_rows(seed: int, benchmark: Callable[[str], ModuleType]) -> None:
    """Whatever the pace, rows are left for every kill: a run writes its share, and rows come two by two."""
    pace, chance, done = benchmark("jobs_kill").Pace(first=4.0, whole=54.0, rows=300), random.Random(seed), 0
    for left in range(100, 0, -1):
        if chance.random() < 0.5:  # the others come before the first row
            done += 2 * (1 + int(pace.share(chance, done, left) / 2))
        assert done < 300, f"{left} kills were left"
    assert done > 100
