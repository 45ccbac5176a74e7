"""Networks that are given every core compute while no clip is decoded."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from mmvideo import Pipeline
from mmvideo.jobs import JobOptions, inference_worker, partition, run_job
from mmvideo.jobs.turns import Turns


def test_computing_waits_for_what_is_being_decoded_and_nothing_new_is_given_meanwhile() -> None:
    turns = Turns(needed=True)
    turns.decoding(2)
    began, end = threading.Event(), threading.Event()

    def compute() -> None:
        with turns.computing():
            began.set()
            end.wait(10)

    thread = threading.Thread(target=compute)
    thread.start()
    assert not began.wait(0.05)
    with turns.giving() as free:
        assert not free
    turns.decoding(1)
    assert not began.wait(0.05)
    turns.decoding(0)
    assert began.wait(10)
    end.set()
    thread.join()
    with turns.giving() as free:
        assert free


def test_without_need_nothing_waits() -> None:
    turns = Turns(needed=False)
    turns.decoding(3)
    with turns.computing(), turns.giving() as free:
        assert free


@pytest.mark.parametrize(("costly", "num_cores", "engine", "expected"), [
    (True, 4, "local", True), (False, 4, "local", False), (False, 2, "local", False), (False, 1, "local", True),
    (False, 2, "accelerate", True)])
def test_turns_are_taken_where_there_would_be_more_threads_than_cores(
        captioning: Pipeline, monkeypatch: pytest.MonkeyPatch, costly: bool, num_cores: int, engine: str,
        expected: bool) -> None:
    monkeypatch.setattr(inference_worker, "cores", lambda: num_cores)
    monkeypatch.setattr(partition, "is_costly", lambda stages: costly)
    rank = inference_worker.Rank(captioning, JobOptions(engine=engine), {}, cast(inference_worker.Link, None))
    assert rank.turns.needed is expected


def test_a_job_decodes_and_computes_by_turns(captioning: Pipeline, clips: Path, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Turns] = []
    at_work: list[int] = []

    class Noted(Turns):
        def __init__(self, *, needed: bool):
            super().__init__(needed=needed)
            made.append(self)

    compute = partition.compute

    def noting(*given: Any, **options: Any) -> Any:
        at_work.append(made[0].at_work)
        return compute(*given, **options)

    monkeypatch.setattr(inference_worker, "Turns", Noted)
    monkeypatch.setattr(partition, "is_costly", lambda stages: True)
    monkeypatch.setattr(partition, "compute", noting)
    options = JobOptions(thumbnails=0, batch_size=1, workers=2)
    summary = run_job(captioning, sorted(clips.iterdir())[:4], tmp_path / "job", options)
    assert summary.counts["done"] == 4
    assert at_work == [0] * 4
