"""Passwords and signatures of addresses stay in memory: not in rows, ledger, report, sidecars or messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import quick as clips_that_speak
from places import website

from mmvideo import Pipeline
from mmvideo.jobs import JobOptions, run_job, status
from mmvideo.jobs.job_status import status_text
from mmvideo.jobs.options import SIDECARS

SECRET = "s3cr3t"
pytestmark = pytest.mark.filterwarnings("ignore:Done anew")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    clips_that_speak.write(tmp_path / "site" / "one.mp4", "a ball")
    clips_that_speak.write(tmp_path / "site" / "two.mp4", "a cube")
    with website(tmp_path / "site") as address:
        yield address


def _leaks(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if SECRET in str(path)
            or (path.is_file() and SECRET.encode() in path.read_bytes())]


@pytest.mark.usefixtures("quick")
def test_no_file_of_a_job_holds_a_secret(captioning: Pipeline, site: str, tmp_path: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    inputs = [f"{site}/one.mp4?X-Amz-Signature={SECRET}&X-Amz-Expires=60", f"{site}/two.mp4?token={SECRET}",
              {"id": f"{site}/x?key={SECRET}", "url": f"{site}/one.mp4", "start": 0, "end": 1},
              f"{site}/missing.mp4?sig={SECRET}", f"http://user:{SECRET}@127.0.0.1:9/x.mp4",
              f"s3://KEY:{SECRET}@bucket/x.mp4"]
    options = JobOptions(sidecars=SIDECARS, parquet=True, progress=True, max_seconds=5)
    summary = run_job(captioning, inputs, tmp_path / "job", options)
    assert summary.counts["done"] == 3
    assert _leaks(tmp_path / "job") == []
    shown = status_text(status(tmp_path / "job"))
    said = f"{summary} {summary.failures} {list(summary.rows())} {shown} {capsys.readouterr()}"
    assert SECRET not in said
    rows = [json.loads(line) for line in (tmp_path / "job" / "results.jsonl").read_text().splitlines()]
    assert [row["source"] for row in rows] == [f"{site}/one.mp4?***", f"{site}/two.mp4?token=***", f"{site}/one.mp4"]
    assert [row["id"] for row in rows] == [f"{site}/one.mp4?***", f"{site}/two.mp4?token=***", f"{site}/x?key=***"]


@pytest.mark.usefixtures("quick")
def test_a_clip_that_is_signed_again_is_not_done_again(captioning: Pipeline, site: str, tmp_path: Path) -> None:
    def job(one: str, two: str, **options: bool) -> tuple[int, int]:
        inputs = [f"{site}/one.mp4?Signature={one}&Expires={one}", f"{site}/two.mp4?token={two}"]
        summary = run_job(captioning, inputs, tmp_path / "job", JobOptions(**options))
        return summary.done_now, summary.reused

    assert job("1", "a") == (2, 0)
    assert job("2", "a") == (0, 0), "another signature names the same clip"
    assert job("2", "b") == (1, 1), "another token may name another clip: it is fetched again, and known"


@pytest.mark.usefixtures("quick")
def test_addresses_that_differ_in_what_is_hidden_are_different_clips(captioning: Pipeline, site: str,
                                                                     tmp_path: Path) -> None:
    inputs = [f"{site}/one.mp4?token=a", f"{site}/one.mp4?token=b", f"{site}/one.mp4?token=c"]
    summary = run_job(captioning, inputs, tmp_path / "job")
    ids = [row["id"] for row in summary.rows()]
    assert ids[0] == f"{site}/one.mp4?token=***"
    assert len(set(ids)) == 3
    swapped = run_job(captioning, inputs[::-1], tmp_path / "job")
    assert swapped.counts["done"] == 3
    assert swapped.plan.kept < 3, "a place in the list does not make a clip"


def test_a_failure_in_a_worker_says_the_address_and_no_secret(captioning: Pipeline, site: str, tmp_path: Path) -> None:
    """Not the name of the copy that was downloaded, either."""
    summary = run_job(captioning, f"{site}/one.mp4?sig={SECRET}", tmp_path / "job", JobOptions(workers=1, thumbnails=0))
    ((name, _, kind, message),) = summary.failures
    assert (name, kind) == (f"{site}/one.mp4?***", "VideoDecodeError")
    assert f"{site}/one.mp4?***" in message
    assert "mmvideo-" not in message
    assert _leaks(tmp_path / "job") == []


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 are for Linux")
def test_a_name_that_is_not_utf8_is_read(captioning: Pipeline, clips: Path, tmp_path: Path) -> None:
    import os

    home = tmp_path / "films"
    home.mkdir()
    for name in (b"caf\xe9.mp4", b"12:30:05.mp4", b"x" * 236 + b".mp4"):
        (home / os.fsdecode(name)).write_bytes((clips / "clip0000.mp4").read_bytes() + bytes(len(name)))
    summary = run_job(captioning, home, tmp_path / "job", JobOptions(workers=1, sidecars=("srt",), beside=True))
    assert summary.failures == ()
    assert sorted(path.suffix for path in home.iterdir()) == [".mp4"] * 3 + [".srt"] * 3
    assert (home / os.fsdecode(b"caf\xe9.srt")).is_file()


def test_a_single_call_names_its_address_without_secrets(captioning: Pipeline, clips: Path) -> None:
    with website(clips) as address:
        result = captioning(f"{address}/clip0000.mp4?token={SECRET}")
    assert result.source == f"{address}/clip0000.mp4?token=***"
    assert SECRET not in f"{result} {json.dumps(result.to_dict())}"
