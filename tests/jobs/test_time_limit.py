"""A clip whose networks take too long fails alone: its neighbours are done, it can be tried again, on every engine."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lingering
import pytest

from mmvideo import Pipeline
from mmvideo.deadline import current
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.engines import ranks
from mmvideo.jobs.options import configuration
from mmvideo.jobs.rows import comparable
from mmvideo.jobs.rpc import Address, serve_coordinator

LIMIT = 60.0


@pytest.fixture(scope="module")
def home(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for number in (1, 3):
        shutil.copy(clips / f"clip000{number}.mp4", folder / f"good-{number}.mp4")
    lingering.black(folder / "good-2-black.mp4")
    return folder


@pytest.fixture(scope="module")
def pipe(model: Path) -> Iterator[Pipeline]:
    with lingering.lingering():
        yield Pipeline("video-captioning", str(model), "cpu", encode_video={"domain": "test-inside"},
                       caption={"max_new_tokens": 6})


def _rows(folder: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return {row["id"]: json.dumps(comparable(row)) for row in rows}


def test_a_clip_that_takes_too_long_fails_alone_and_can_be_tried_again(
        pipe: Pipeline, captioning: Pipeline, home: Path, tmp_path: Path) -> None:
    options = JobOptions(workers=1, batch_size=4, timeout_seconds=LIMIT)
    lingering.LEFT.clear()
    summary = run_job(pipe, home, tmp_path / "job", options)
    batch, alone = lingering.LEFT  # first the batch, in the time of its three clips; then each alone
    assert 2 * LIMIT < batch < 3 * LIMIT
    assert 0 < alone < LIMIT
    assert (summary.counts["done"], summary.counts["failed"], summary.counts["quarantined"]) == (2, 1, 0)
    (name, state, kind, words), = summary.failures
    assert (name, state, kind) == ("good-2-black.mp4", "failed", "TimeLimitExceeded")
    for said in (str(home / name), "60 s", "'encode_video'", "--timeout"):
        assert said in words
    assert current() is None

    expected = run_job(captioning, home, tmp_path / "whole", JobOptions(workers=1, batch_size=4))
    assert expected.counts["done"] == 3
    whole = _rows(tmp_path / "whole")
    assert _rows(tmp_path / "job") == {name: row for name, row in whole.items() if "black" not in name}

    again = run_job(captioning, home, tmp_path / "job", JobOptions(workers=1, batch_size=4))
    assert (again.done_now, again.counts["failed"]) == (0, 1), "as with every failure; another limit is no other job"
    again = run_job(captioning, home, tmp_path / "job", JobOptions(workers=1, batch_size=4,
                                                                  retry=("TimeLimitExceeded",)))
    assert (again.done_now, again.counts["done"]) == (1, 3)
    assert _rows(tmp_path / "job") == whole


def test_no_limit_is_part_of_what_a_row_is_known_by(pipe: Pipeline) -> None:
    assert "timeout" not in json.dumps(configuration(pipe.recipe, "0" * 64))


def test_what_fetching_and_decoding_took_counts(pipe: Pipeline, captioning: Pipeline, clips: Path, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip that spent its time in its worker has none left for the networks."""
    from mmvideo.jobs.partition import Decoded

    monkeypatch.setattr(Decoded, "seconds", property(lambda self: 60.0))
    one = clips / "clip0001.mp4"
    summary = run_job(captioning, one, tmp_path / "job", JobOptions(workers=1, timeout_seconds=60.0))
    assert [kind for _, _, kind, _ in summary.failures] == ["TimeLimitExceeded"]
    monkeypatch.undo()
    assert 0 < Decoded({}, {"seconds": [("fetch", 0.25), ("read", 0.5)]}).seconds == 0.75


def test_map_takes_the_limit_of_a_job(pipe: Pipeline, home: Path, tmp_path: Path) -> None:
    summary = pipe.map(str(home / "good-2-black.mp4"), out=tmp_path / "job", timeout_seconds=1.0, workers=1)
    assert [kind for _, _, kind, _ in summary.failures] == ["TimeLimitExceeded"]
    assert json.loads((tmp_path / "job" / "run.json").read_text())["options"]["timeout_seconds"] == 1.0
    assert JobOptions().timeout_seconds == 300.0


def _rank_here(pipeline: Pipeline, options: JobOptions, job: dict[str, Any], coordinator: Coordinator) -> None:
    """Be the one rank that `accelerate launch` starts, with all that it is told, in a thread of this process."""
    with serve_coordinator(coordinator, ranks=1) as address:
        told = json.loads(json.dumps(ranks._settings(pipeline, options, job, address)))
        loaded = Pipeline(ranks.recipe_from_json(told["recipe"]), device=told["device"])
        thread = threading.Thread(target=ranks._work_for, args=(
            loaded, ranks.options_from_json(told["options"]), told["job"], Address(**told["address"])))
        thread.start()
        while thread.is_alive():
            coordinator.settle(0.05)
        coordinator.settle_all()


def test_the_same_happens_in_the_ranks_of_accelerate(pipe: Pipeline, captioning: Pipeline, home: Path,
                                                     tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmvideo.jobs.engines.ranks.run_accelerate", _rank_here)
    summary = run_job(pipe, home, tmp_path / "job", JobOptions(engine="accelerate", processes=1, workers=1,
                                                               batch_size=4, timeout_seconds=LIMIT))
    assert [(name, kind) for name, _, kind, _ in summary.failures] == [("good-2-black.mp4", "TimeLimitExceeded")]
    run_job(captioning, home, tmp_path / "whole", JobOptions(workers=1, batch_size=4))
    whole = _rows(tmp_path / "whole")
    assert _rows(tmp_path / "job") == {name: row for name, row in whole.items() if "black" not in name}
