"""Several sources one after the other: clock, frames of other sizes, sound and silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmvideo.errors import InvalidInput, NoAudioTrack
from mmvideo.media import open_source, write_video
from mmvideo.media.joined import JoinedSource
from mmvideo.types import Audio

RATE = 8_000


def _clip(path: Path, level: int, *, seconds: int, size: tuple[int, int] = (32, 48),
          sound: float | None = None) -> Path:
    frames = torch.full((seconds * 4, 3, *size), level, dtype=torch.uint8)
    heard = None if sound is None else Audio(torch.full((1, seconds * RATE), sound), RATE)
    write_video(path, frames, fps=4, audio=heard)
    return path


@pytest.fixture
def joined(tmp_path: Path) -> JoinedSource:
    """A silent red clip of 2 s, a picture, and a wider clip of 3 s with sound."""
    still = np.full((1, 32, 48, 3), 120, np.uint8)
    parts = [open_source(_clip(tmp_path / "a.mp4", 60, seconds=2)), open_source(still, pts_seconds=[0.0]),
             open_source(_clip(tmp_path / "b.mp4", 200, seconds=3, size=(32, 96), sound=0.25))]
    return JoinedSource(parts, ["video 1", "picture 1", "video 2"])


def test_parts_follow_each_other_on_one_clock(joined: JoinedSource) -> None:
    with joined:
        assert [(s.start_seconds, s.end_seconds, s.text) for s in joined.segments] == [
            (0.0, pytest.approx(2.0), "video 1"), (pytest.approx(2.0), pytest.approx(3.0), "picture 1"),
            (pytest.approx(3.0), pytest.approx(6.0), "video 2")]
        assert (joined.start_seconds, joined.end_seconds) == (0.0, pytest.approx(6.0))
        stamps = joined.frame_times()
        assert len(stamps) == 8 + 1 + 12
        assert (np.diff(stamps) > 0).all()
        videos = list(joined.stream(batch=5))
        assert torch.cat([video.pts_seconds for video in videos]).tolist() == pytest.approx(stamps.tolist())
        found = joined.frames_at([4.1, 0.3, 2.5, 99.0, -1.0])
        assert found.frames.shape == (5, 3, 32, 48)
        assert found.pts_seconds.tolist() == pytest.approx([4.0, 0.25, 2.0, 5.75, 0.0])
        centre = found.frames[:, :, 12:20].float().mean((1, 2, 3)).tolist()
        assert centre == pytest.approx([200, 60, 120, 200, 60], abs=6)
        assert found.frames[0, :, :4].float().mean() < 10, "a wider picture is padded"
        (later,) = joined.stream(batch=64, start_seconds=3.4)
        assert later.pts_seconds[0] == pytest.approx(3.5)


def test_sound_keeps_its_place(joined: JoinedSource) -> None:
    with joined:
        whole = joined.audio(sample_rate=RATE, mono=True)
        assert whole.samples.shape == (1, 6 * RATE)
        assert whole.samples[0, :3 * RATE - 2_000].abs().max() < 0.01
        assert whole.samples[0, 4 * RATE:5 * RATE].mean() == pytest.approx(0.25, abs=0.03)
        part = joined.audio(sample_rate=RATE, mono=True, start_seconds=2.5, end_seconds=4.5)
        assert (part.start_seconds, part.samples.shape[1]) == (2.5, 2 * RATE)
        assert part.samples[0, RATE:].mean() == pytest.approx(0.25, abs=0.03)
        assert sum(piece.samples.shape[1] for piece in joined.stream_audio(sample_rate=RATE, mono=True)) == 6 * RATE


def test_what_cannot_be_joined(tmp_path: Path) -> None:
    silent = open_source(_clip(tmp_path / "a.mp4", 60, seconds=1))
    with JoinedSource([silent], ["video 1"]) as one, pytest.raises(NoAudioTrack):
        one.audio()
    with pytest.raises(InvalidInput, match="video 2 has no moving picture"):
        JoinedSource([silent, open_source(Audio(torch.zeros(1, RATE), RATE))], ["video 1", "video 2"])
    with pytest.raises(InvalidInput, match="Nothing has no moving picture"):
        JoinedSource([], [])
