"""Three engines, the same rows."""

from __future__ import annotations

import json
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
