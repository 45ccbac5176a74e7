"""Three engines, the same rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmvideo import Pipeline
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.rows import comparable


def _rows(folder: Path) -> list[str]:
    return [json.dumps(comparable(json.loads(line))) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def local(captioning: Pipeline, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("local")
    run_job(captioning, clips, folder, JobOptions(batch_size=4))
    return _rows(folder)


@pytest.mark.slow
def test_accelerate_launch_of_two_processes_gives_the_same_rows(captioning: Pipeline, clips: Path, tmp_path: Path,
                                                                local: list[str]) -> None:
    summary = run_job(captioning, clips, tmp_path / "job", JobOptions(engine="accelerate", processes=2, batch_size=4))
    assert summary.counts["done"] == len(local) == 12
    assert _rows(tmp_path / "job") == local


@pytest.mark.slow
def test_ranks_that_were_launched_by_hand_find_the_ledger(model: Path, clips: Path, tmp_path: Path) -> None:
    """Rank 0 holds it; a second run, in which nothing is left to do, ends as well."""
    few = [str(path) for path in sorted(clips.iterdir())[:4]]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "mmvideo", "caption",
               *few, "--out", str(tmp_path / "job"), "--engine", "accelerate", "--device", "cpu", "--model", str(model),
               "--workers", "1", "--set", "caption.max_new_tokens=6", "--json"]
    for done in (4, 0):
        found = subprocess.run(command, capture_output=True, text=True, timeout=250,
                               env={**os.environ, "OMP_NUM_THREADS": "1"})
        assert found.returncode == 0, found.stderr[-2000:]
        (told,) = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
        assert (told["done_now"], told["counts"]["done"]) == (done, 4)
