"""One pass over a video: what is kept of it, for any length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmvideo.everyday import look as looking
from mmvideo.everyday.camera import CameraJudge
from mmvideo.everyday.look import MOST_LARGE, look_over
from mmvideo.media.api import open_source
from mmvideo.media.write import write_video
from mmvideo.types import Audio


def _frames(count: int, height: int = 48, width: int = 80) -> np.ndarray:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 255, (height, width * 2, 3), dtype=np.uint8)
    return np.stack([base[:, i % width:i % width + width] for i in range(count)]).transpose(0, 3, 1, 2)


def test_frames_are_kept_at_a_steady_pace_with_cuts_and_sound(tmp_path):
    first, second = _frames(40), 255 - _frames(40) // 3
    sound = Audio(torch.zeros(1, 16000 * 8), 16000)
    path = tmp_path / "two.mp4"
    write_video(path, np.concatenate([first, second]), fps=10, audio=sound)
    with open_source(path) as media:
        seen = look_over(media)
    assert seen.large.pictures.shape[1:] == (3, 48, 80)  # no larger than the video itself
    assert seen.small.pictures.shape[1:] == (3, 64, 64)
    assert seen.large.seconds.diff().max() < 0.75
    assert len(seen.large) == 16
    assert [round(cut, 1) for cut in seen.cuts] == [4.0]
    assert seen.has_audio
    assert len(seen.sounds[0].samples) == pytest.approx(16000 * 8, rel=0.02)
    assert seen.clips.frames.shape[:2] == (1, 16)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_shortest_videos_have_a_frame(tmp_path, count):
    path = tmp_path / "short.mp4"
    write_video(path, _frames(count), fps=25)
    with open_source(path) as media:
        seen = look_over(media)
    assert len(seen.large) >= 1
    assert len(seen.small) >= 1


def test_a_long_video_is_looked_at_in_places(tmp_path, monkeypatch):
    monkeypatch.setattr(looking, "LONGEST_WHOLE_SECONDS", 20.0)
    monkeypatch.setattr(looking, "_PLACES", 10)
    path = tmp_path / "long.mp4"
    write_video(path, _frames(300), fps=5)
    with open_source(path) as media:
        seen = look_over(media)
    assert len(seen.large) <= MOST_LARGE
    assert seen.large.seconds.diff().min() > 0
    assert "10 places" in seen.notes[0]
    assert float(seen.large.seconds[-1]) > 50


def test_a_part_of_a_video_is_looked_at_alone(tmp_path):
    path = tmp_path / "whole.mp4"
    write_video(path, _frames(100), fps=10)
    with open_source(path) as media:
        seen = look_over(media, start_seconds=2, end_seconds=5)
    assert 2 <= float(seen.large.seconds[0]) < float(seen.large.seconds[-1]) < 5
    assert float(seen.small.seconds[-1]) < 5


def test_the_camera_is_judged_in_windows_of_every_shot(tmp_path):
    path = tmp_path / "pan.mp4"
    still = np.repeat(_frames(1), 40, 0)
    write_video(path, np.concatenate([_frames(40), still]), fps=10)
    with open_source(path) as media:
        seen = look_over(media)
    judge = CameraJudge()
    windows, spans = judge.windows(seen.small, [(0.0, 4.0), (4.0, 8.0)])
    assert windows.shape[1:] == (16, 3, 64, 64)
    assert spans[0][0] == pytest.approx(0)
    assert spans[-1][1] == pytest.approx(8)
    found = judge.segments(judge.probabilities(windows), spans)
    assert found[0].text.startswith("pan")
    assert found[-1].text == "static"
    nothing, none = judge.windows(seen.small, [(0.0, 0.3)])
    assert len(nothing) == len(none) == 0
    assert judge.probabilities(nothing).shape == (0, len(judge.labels))
