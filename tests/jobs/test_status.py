"""What is said about a job: times, what the others wait for, and a report whose cards are of one height."""

from __future__ import annotations

import itertools
import json
import re
import time
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import quick as clips_that_speak

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput
from mmvideo.jobs import JobOptions, run_job, status
from mmvideo.jobs.coordinator import JobProgress
from mmvideo.jobs.display import bottleneck, progress_figures
from mmvideo.jobs.inference_worker import Meters
from mmvideo.jobs.job_status import status_text
from mmvideo.jobs.ledger import Ledger

write = clips_that_speak.write


@pytest.mark.usefixtures("quick")
def test_times_of_a_job(captioning: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "films" / "one.mp4", "a ball")
    begin = time.time()
    ticks = itertools.count(1)
    monkeypatch.setattr(time, "time", lambda: begin + next(ticks) / 1000)  # a clock that nothing sets
    run_job(captioning, tmp_path / "films", tmp_path / "job")
    found = status(tmp_path / "job")
    (run,) = found["runs"]
    assert run["started_at"] == run["began"]
    assert begin < run["started_at"] < found["last_done_at"] < run["ended_at"] < time.time()
    assert (found["running"], found["started_at"]) == (False, None)
    said = status_text(found)
    assert re.search(r"the last clip was done \d s ago, at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", said)
    assert re.search(r"  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC to .* UTC, \d+\.\d s: 1 done", said)
    json.dumps(found)


@pytest.mark.usefixtures("quick")
def test_a_job_that_runs_and_one_that_was_killed(captioning: Pipeline, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    clip, seen = write(tmp_path / "one.mp4", "a ball"), []

    def killed(*_: Any) -> None:
        seen.append(status(tmp_path / "job"))
        with pytest.raises(InvalidInput, match="Another process is running the job"):
            Ledger(tmp_path / "job")
        raise KeyboardInterrupt

    monkeypatch.setattr("mmvideo.jobs.runner._write_about", killed)
    with pytest.raises(KeyboardInterrupt):
        run_job(captioning, clip, tmp_path / "job")
    assert seen[0]["running"]
    assert re.search(r"running for \d+ s, since ", status_text(seen[0]))
    found = status(tmp_path / "job")
    assert not found["running"]
    assert "a run that did not end; the same command goes on" in status_text(found)


def test_who_waits_for_whom() -> None:
    meters = Meters(compute=8.0, waiting=1.0, stages={"encode": 5.0, "read": 2.0})
    assert bottleneck(meters, 10.0) == "networks (busy 80%; longest stage encode)"
    meters = Meters(compute=1.0, waiting=8.0, stages={"read": 5.0})
    assert bottleneck(meters, 10.0) == "fetch and decode (networks busy 10%; longest stage read)"
    meters = Meters(compute=0.0, waiting=9.9, stages={"separate": 9.0, "faces": 3.0}, whole=True)
    assert bottleneck(meters, 10.0) == "workers, which hold the networks (longest stage separate)"
    shown = progress_figures(JobProgress(total=3, done=1, meters=meters))
    assert "busy 0%" not in shown["bottleneck"]
    assert "fetch" not in shown["bottleneck"]


@pytest.mark.usefixtures("quick")
def test_a_run_whose_work_was_not_measured(captioning: Pipeline, tmp_path: Path) -> None:
    run_job(captioning, write(tmp_path / "one.mp4", "a ball"), tmp_path / "job")
    assert "Not measured: the work was done in other processes." in (tmp_path / "job" / "report.html").read_text()


@pytest.mark.browser
@pytest.mark.usefixtures("quick")
def test_cards_are_of_one_height(captioning: Pipeline, tmp_path: Path) -> None:
    from PIL import Image
    from playwright.sync_api import sync_playwright

    for number, words in enumerate(("short", "a long caption " * 60, "a-word-without-end" * 30)):
        write(tmp_path / "films" / f"{number}.mp4", words)
    options = JobOptions(thumbnails=9)
    run_job(captioning, tmp_path / "films", tmp_path / "job", options)
    (tmp_path / "job" / "thumbnails").mkdir(exist_ok=True)
    for number, size in enumerate(((684, 96), (96, 96), (216, 96)), 1):
        Image.new("RGB", size, "red").save(tmp_path / "job" / "thumbnails" / f"{number}.jpg")
    run_job(captioning, tmp_path / "films", tmp_path / "job", options)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=["--no-sandbox"], executable_path=next(
            filter(None, map(which, ("chromium", "chromium-browser", "google-chrome")))))
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto((tmp_path / "job" / "report.html").as_uri())
        boxes = [card.bounding_box() for card in page.query_selector_all(".card")]
        pictures = [picture.bounding_box()["height"] for picture in page.query_selector_all(".card img")]
        browser.close()
    assert len(boxes) == 3
    assert len({box["height"] for box in boxes}) == len(set(pictures)) == 1
