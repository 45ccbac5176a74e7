"""A job from end to end: rows, resume, renamed files, changed settings, failures, sidecars, the report."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, JobIncomplete, UnknownName
from mmvideo.jobs import JobOptions, run_job, status
from mmvideo.jobs.rows import comparable
from mmvideo.subtitles import timecode

pytestmark = pytest.mark.filterwarnings("ignore:Done anew")


def _rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_rows_equal_the_results_of_single_calls(captioning: Pipeline, clips: Path, tmp_path: Path) -> None:
    summary = captioning.map(clips, out=tmp_path / "job", sidecars=("srt", "vtt", "chapters", "json", "txt"),
                             parquet=True, batch_size=4)
    assert summary.counts == {"pending": 0, "running": 0, "done": 12, "failed": 0, "quarantined": 0}
    rows = list(summary.rows())
    assert [row["id"] for row in rows] == [f"clip{n:04}.mp4" for n in range(12)]
    for row in rows[:4]:
        alone = captioning(clips / row["id"])
        assert row["text"] == alone.text
        assert row["confidence"] == pytest.approx(alone.confidence, abs=2e-4)
        assert row["frame_times"] == pytest.approx(alone.seconds_looked_at)
        assert [span["text"] for span in row["spans"]] == [segment.text for segment in alone.segments]
        assert row["prompt"] is None
        assert row["timings"].keys() >= {"fetch", "read", "encode_video", "caption"}
    srt = (tmp_path / "job" / "sidecars" / "clip0002.srt").read_text()
    first, *_ = spans = rows[2]["spans"]
    assert (first["start_seconds"], spans[-1]["end_seconds"]) == (0.0, 3.0), "neighbours that say the same are one"
    assert all(one["text"] != two["text"] for one, two in itertools.pairwise(spans))
    assert srt.startswith(f"1\n00:00:00,000 --> {timecode(first['end_seconds'], ',')}\n\u2060")
    assert srt.count(" --> ") == len(spans)
    assert (tmp_path / "job" / "sidecars" / "clip0002.vtt").read_text().startswith(
        "WEBVTT\n\nNOTE written by mmvideo\n\n00:00:00.000 -->")
    assert (tmp_path / "job" / "sidecars" / "clip0002.chapters.txt").read_text().startswith("00:00:00.000 ")
    assert (tmp_path / "job" / "sidecars" / "clip0002.txt").read_text() == rows[2]["text"] + "\n"
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "job" / "results.parquet").to_pylist()
    assert [row["text"] for row in table] == [row["text"] for row in rows]
    assert table[0]["spans"] == rows[0]["spans"]
    page = (tmp_path / "job" / "report.html").read_text()
    assert page.count("data:image/jpeg") == 12
    assert "Where the time went" in page
    about = json.loads((tmp_path / "job" / "run.json").read_text())
    assert about["weights_sha256"] == rows[0]["weights_sha256"]


def test_resume_knows_content_not_names(captioning: Pipeline, clips: Path, tmp_path: Path) -> None:
    home = tmp_path / "clips"
    shutil.copytree(clips, home)
    for number in range(4, 12):
        (home / f"clip{number:04}.mp4").unlink()
    first = run_job(captioning, home, tmp_path / "job", JobOptions(thumbnails=0))
    before = _rows(first.folder)
    again = run_job(captioning, home, tmp_path / "job")
    assert (again.done_now, again.counts["done"]) == (0, 4)
    (home / "clip0003.mp4").rename(home / "renamed.mp4")
    (home / "clip0000.mp4").write_bytes((clips / "clip0007.mp4").read_bytes())  # another film under an old name
    moved = run_job(captioning, home, tmp_path / "job")
    assert (moved.done_now, moved.reused, moved.counts["done"]) == (2, 1, 4)
    rows = {row["id"]: row for row in _rows(moved.folder)}
    assert rows.keys() == {"clip0000.mp4", "clip0001.mp4", "clip0002.mp4", "renamed.mp4"}
    assert rows["renamed.mp4"]["content_sha256"] == before[3]["content_sha256"]
    assert rows["renamed.mp4"]["text"] == before[3]["text"]
    assert rows["clip0000.mp4"]["content_sha256"] != before[0]["content_sha256"]
    assert comparable(rows["clip0001.mp4"]) == comparable(before[1])


def test_other_settings_are_another_job_and_old_rows_are_kept(model: Path, captioning: Pipeline, clips: Path,
                                                              tmp_path: Path) -> None:
    some = [clips / f"clip{n:04}.mp4" for n in range(3)]
    run_job(captioning, some, tmp_path / "job")
    longer = Pipeline("video-captioning", str(model), "cpu", encode_video={"domain": "test-inside"},
                      caption={"max_new_tokens": 2})
    changed = run_job(longer, some, tmp_path / "job")
    assert (changed.done_now, changed.reused) == (3, 0)
    assert len(list(changed.folder.glob("results.*.jsonl"))) == 1
    back = run_job(captioning, some, tmp_path / "job")
    assert back.done_now == 0, "the rows of the first settings are still known"
    assert len(_rows(back.folder)) == 3


def test_questions_per_clip_and_spans(answering: Pipeline, clips: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "list.jsonl"
    entries = [{"id": "a", "path": str(clips / "clip0002.mp4"), "questions": ["what happens?", "what color is it?"]},
               {"id": "b", "path": str(clips / "clip0002.mp4"), "question": "what happens?", "start": 1.0, "end": 2.5},
               {"id": "c", "path": str(clips / "clip0005.mp4"), "question": "what happens next?"}]
    manifest.write_text("\n".join(map(json.dumps, entries)))
    rows = {row["id"]: row for row in run_job(answering, manifest, tmp_path / "job").rows()}
    alone = answering(clips / "clip0002.mp4", ["what happens?", "what color is it?"])
    assert [answer["text"] for answer in rows["a"]["answers"]] == [answer.text for answer in alone]
    assert rows["a"]["questions"] == ["what happens?", "what color is it?"]
    assert min(rows["b"]["frame_times"]) >= 1.0
    assert max(rows["b"]["frame_times"]) < 2.5
    assert rows["b"]["content_sha256"] == rows["a"]["content_sha256"]


def test_failures_are_named_and_can_be_tried_again(captioning: Pipeline, clips: Path, tmp_path: Path) -> None:
    home = tmp_path / "clips"
    home.mkdir()
    shutil.copy(clips / "clip0000.mp4", home)
    bad = home / "bad.mp4"
    bad.write_text("not a film")
    summary = run_job(captioning, home, tmp_path / "job")
    assert (summary.counts["done"], summary.counts["failed"]) == (1, 1)
    with pytest.raises(JobIncomplete, match=r"1 of 2 items failed \(VideoDecodeError 1\)"):
        summary.check()
    failure = json.loads((summary.folder / "failures.jsonl").read_text())
    assert (failure["id"], failure["class"]) == ("bad.mp4", "VideoDecodeError")
    assert run_job(captioning, home, tmp_path / "job").done_now == 0, "a failed clip is not tried again unasked"
    bad.write_bytes((clips / "clip0001.mp4").read_bytes())
    mended = run_job(captioning, home, tmp_path / "job", JobOptions(retry_failed=True))
    assert (mended.done_now, mended.failed) == (1, 0)
    assert status(tmp_path / "job")["counts"]["done"] == 2


def test_what_does_not_fit_is_said_before_anything_runs(captioning: Pipeline, answering: Pipeline, clips: Path,
                                                        tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="needs a question"):
        run_job(answering, clips, tmp_path / "job")
    with pytest.raises(InvalidInput, match="takes no question"):
        run_job(captioning, clips, tmp_path / "job", questions=("what?",))
    with pytest.raises(InvalidInput, match="takes no prompt"):
        run_job(answering, clips, tmp_path / "job", questions=("what?",), prompt="Describe it.")
    with pytest.raises(UnknownName, match="batch_size"):
        captioning.map(clips, out=tmp_path / "job", batchsize=3)
    with pytest.raises(UnknownName, match="local"):
        JobOptions(engine="loca")
    assert not (tmp_path / "job").exists()
