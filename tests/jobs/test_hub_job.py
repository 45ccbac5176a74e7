"""A job over a chat model in the Hugging Face format: prompts a clip, and the same words as a single call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmvideo import Pipeline
from mmvideo.errors import OutOfMemory
from mmvideo.jobs import JobOptions, run_job
from mmvideo.jobs.rows import comparable
from tests.hub import checkpoints


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.make("smolvlm", tmp_path_factory.mktemp("hub") / "model")


def _rows(pipe: Pipeline, inputs: Any, out: Path, **options: Any) -> list[dict[str, Any]]:
    summary = run_job(pipe, inputs, out, JobOptions(workers=1, **options))
    assert summary.failures == ()
    return [comparable(row) for row in summary.rows()]


@pytest.mark.slow
def test_a_chat_model_reads_clips_together(folder: Path, clips: Path, tmp_path: Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of single calls; the same rows in another order and beside others; a prompt for each clip."""
    pipe = Pipeline("video-captioning", str(folder), "cpu", dtype="float32", num_frames=2, max_new_tokens=4)
    together: list[int] = []
    forward = pipe.stages[1][1].reader.chat.model.forward

    def noting(**inputs: Any) -> Any:
        if inputs["input_ids"].shape[1] > 1:
            together.append(len(inputs["input_ids"]))
        return forward(**inputs)

    monkeypatch.setattr(pipe.stages[1][1].reader.chat.model, "forward", noting)
    chosen = [clips / f"clip{number:04}.mp4" for number in (0, 1, 3)]
    rows = _rows(pipe, chosen, tmp_path / "job", batch_size=2)
    assert together == [2, 2], "three clips in two batches, the second filled up"
    monkeypatch.undo()
    for row in rows:
        alone = pipe(row["source"])
        assert row["text"] == alone.text
        assert row["confidence"] == pytest.approx(alone.confidence, abs=2e-4)
        assert row["frame_times"] == pytest.approx(alone.seconds_looked_at)
        assert len(row["frame_times"]) == 2
    assert len({row["confidence"] for row in rows}) == 3
    backwards = _rows(pipe, [*reversed(chosen), clips / "clip0004.mp4"], tmp_path / "back", batch_size=2)
    assert backwards[:3] == rows[::-1]
    asked = run_job(pipe, chosen[0], tmp_path / "job", JobOptions(workers=1), prompt="Who moves, and where to?")
    assert (asked.done_now, asked.reused) == (1, 0), "another prompt is another result"
    (row,) = asked.rows()
    assert row["prompt"] == "Who moves, and where to?"
    narrate = Pipeline("video-captioning", str(folder), "cpu", dtype="float32", num_frames=2, max_new_tokens=4,
                       caption={"request": "Who moves, and where to?"})
    assert row["text"] == narrate(chosen[0]).text


@pytest.mark.slow
def test_token_reduction_frames_where_a_chat_model_runs_out_of_memory(folder: Path, clips: Path, tmp_path: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipeline("video-captioning", str(folder), "cpu", dtype="float32", num_frames=8, max_new_tokens=2)
    narrate, tried = pipe.stages[-1][1], []
    describe = narrate.batch

    def small(items: Any, *, size: int) -> Any:
        frames = len(items[0]["clips"].pts_seconds[0])
        tried.append(frames)
        if frames > 2:
            raise OutOfMemory(f"{frames} frames do not fit.")
        return describe(items, size=size)

    monkeypatch.setattr(narrate, "batch", small)
    (row,) = _rows(pipe, clips / "clip0000.mp4", tmp_path / "less", batch_size=1, allow_reduce=True)
    assert tried == [8, 4, 2]
    assert len(row["frame_times"]) == 2
    assert row["notes"] == ["out of memory: 1/4 of the frames"]
    refused = run_job(pipe, clips / "clip0000.mp4", tmp_path / "as-asked", JobOptions(workers=1, batch_size=1))
    assert [failure[2] for failure in refused.failures] == ["OutOfMemory"]


@pytest.mark.slow
def test_one_question_and_several(folder: Path, clips: Path, tmp_path: Path) -> None:
    pipe = Pipeline("video-qa", str(folder), "cpu", dtype="float32", num_frames=2, max_new_tokens=4)
    given = [{"id": "one", "path": str(clips / "clip0000.mp4"), "question": "Who is it?"},
             {"id": "two", "path": str(clips / "clip0001.mp4"), "questions": ["Who is it?", "Where?"]}]
    for row, one in zip(_rows(pipe, given, tmp_path / "job", batch_size=2), given, strict=True):
        asked = list(row["questions"])
        alone = pipe(one["path"], asked)
        assert [(a["question"], a["text"]) for a in row["answers"]] == [(a.question, a.text) for a in alone]
        assert [a["confidence"] for a in row["answers"]] == pytest.approx([a.confidence for a in alone], abs=2e-4)


@pytest.mark.slow
def test_subtitles_of_a_chat_model(folder: Path, clips: Path, tmp_path: Path) -> None:
    """It says one thing of the clip, or of the span that a manifest names: one cue over that."""
    pipe = Pipeline("video-captioning", str(folder), "cpu", dtype="float32", num_frames=2, max_new_tokens=4)
    clip = clips / "clip0000.mp4"
    given = [{"id": "all", "path": str(clip)}, {"id": "part", "path": str(clip), "start": 0.25, "end": 0.75}]
    rows = _rows(pipe, given, tmp_path / "job", batch_size=2, sidecars=("srt", "vtt", "chapters", "txt"))
    home = tmp_path / "job" / "sidecars"
    assert [row["spans"] for row in rows] == [[], []]
    length = rows[0]["duration_seconds"]
    for row, start, end in ((rows[0], 0.0, length), (rows[1], 0.25, 0.75)):
        lines = (home / f"{row['id']}.srt").read_text().splitlines()
        assert lines[1] == f"00:00:0{start:.3f} --> 00:00:0{end:.3f}".replace(".", ",")
        assert " ".join(" ".join(lines[2:]).replace("\u2060", "").split()) == (" ".join(row["text"].split()) or "-")
        assert (home / f"{row['id']}.vtt").read_text().startswith("WEBVTT")
        assert (home / f"{row['id']}.chapters.txt").read_text().startswith("00:00:00.000 ")
