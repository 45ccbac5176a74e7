"""Where memory runs out, batches are halved and frames reduced as allowed, and the rows say so."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.jobs import JobOptions, run_job
from mmvideo.types import Clips


class _Small:
    """A device on which only so many frames of all clips together fit."""

    def __init__(self, most_frames: int, encode: Any):
        self.most, self.encode, self.tried = most_frames, encode, []

    def __call__(self, items: Any, size: int) -> Any:
        frames = size * items[0].clips.frames.shape[1]
        self.tried.append(frames)
        if frames > self.most:
            raise torch.OutOfMemoryError(f"{frames} frames do not fit")
        return self.encode([dataclasses.replace(one, clips=_sixteen(one.clips)) for one in items], size)


def _sixteen(clips: Clips) -> Clips:
    """Repeat frames until there are as many as the embedded encoder takes."""
    times = 16 // clips.frames.shape[1]
    return dataclasses.replace(clips, **{name: getattr(clips, name).repeat_interleave(times, 1)
                                         for name in ("frames", "pts_seconds", "valid")})


@pytest.mark.parametrize(("most", "allowed", "note"), [
    (32, False, "out of memory: batch of 2 instead of 4"), (8, True, "out of memory: 1/2 of the frames")])
def test_less_is_taken_and_said(captioning: Pipeline, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                most: int, allowed: bool, note: str) -> None:
    reader = dict(captioning.stages)["encode_video"].reader
    small = _Small(most, reader.read_later)
    monkeypatch.setattr(reader, "read_later", small)
    some = [clips / f"clip{n:04}.mp4" for n in (0, 3, 6)]
    summary = run_job(captioning, some, tmp_path / "job", JobOptions(batch_size=4, allow_reduce=allowed))
    assert summary.failures == ()
    assert small.tried[0] == 64
    assert all(note in row["notes"] for row in summary.rows())


def test_a_clip_that_never_fits_fails_alone(captioning: Pipeline, clips: Path, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    reader = dict(captioning.stages)["encode_video"].reader
    monkeypatch.setattr(reader, "read_later", _Small(1, reader.read_later))
    summary = run_job(captioning, clips / "clip0000.mp4", tmp_path / "job", JobOptions(batch_size=2))
    assert [failure[2] for failure in summary.failures] == ["OutOfMemory"]
    assert "--allow-reduce" in summary.failures[0][3]
