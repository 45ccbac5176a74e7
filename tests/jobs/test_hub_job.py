"""A job over a chat model in the Hugging Face format: prompts a clip, and the same words as a single call."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvideo import Pipeline
from mmvideo.jobs import JobOptions, run_job
from tests.hub import checkpoints


@pytest.mark.slow
def test_a_chat_model_runs_as_a_job(clips: Path, tmp_path: Path) -> None:
    folder = checkpoints.make("smolvlm", tmp_path / "model")
    pipe = Pipeline("video-captioning", str(folder), "cpu", num_frames=2, max_new_tokens=4)
    summary = run_job(pipe, [clips / "clip0000.mp4", clips / "clip0001.mp4"], tmp_path / "job", JobOptions())
    assert summary.failures == ()
    for row in summary.rows():
        assert row["text"] == pipe(row["source"]).text
        assert len(row["frame_times"]) == 2
    asked = run_job(pipe, clips / "clip0000.mp4", tmp_path / "job", JobOptions(), prompt="Who moves, and where to?")
    assert (asked.done_now, asked.reused) == (1, 0), "another prompt is another result"
    assert next(iter(asked.rows()))["prompt"] == "Who moves, and where to?"
