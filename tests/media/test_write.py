"""What is written plays: it reads back, with its clock, its colours and its sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmvideo.errors import InvalidInput
from mmvideo.media import probe, read_audio, read_video, write_audio, write_video
from mmvideo.types import Audio


def tone(seconds: float = 2.0, rate: int = 16000, start: float = 0.0) -> Audio:
    return Audio(0.4 * torch.sin(torch.arange(round(seconds * rate)) / rate * 2770)[None].repeat(2, 1), rate, start)


def test_video_with_sound_comes_back(tmp_path):
    colours = torch.tensor([[220, 30, 30], [30, 200, 40], [40, 50, 210], [128, 128, 128]], dtype=torch.uint8)
    frames = colours[torch.arange(24) // 6][:, :, None, None].expand(24, 3, 65, 97)
    path = tmp_path / "film.mp4"
    write_video(path, frames, fps=12, audio=tone())
    info = probe(path, count_frames=True)
    assert (info.main_video.codec, info.main_video.pixel_format) == ("h264", "yuv420p")
    assert (info.main_video.width, info.main_video.height) == (98, 66)
    assert info.audio[0].codec == "aac"
    assert not info.warnings
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # a browser can start before the file is whole
    video = read_video(path, strict=True)
    assert np.allclose(video.pts_seconds.numpy(), np.arange(24) / 12, atol=1e-4)
    assert abs(video.duration_seconds - 2.0) < 1e-3
    assert (video.frames[:, :, :65, :97].float() - frames.float()).abs().max() < 12
    sound = read_audio(path)
    assert sound.start_seconds == 0
    assert (sound.samples[:, 500:30000] - tone().samples[:, 500:30000]).abs().max() < 0.08
    assert list(tmp_path.iterdir()) == [path]


def test_unequal_times_and_late_sound_are_kept(tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.2, 20)) + 5
    path = tmp_path / "vfr.mp4"
    frames = torch.randint(0, 255, (20, 3, 32, 32), dtype=torch.uint8)
    write_video(path, frames, pts_seconds=times, audio=tone(1.0, start=times[0] + 0.5))
    video = read_video(path)
    assert np.allclose(video.pts_seconds.numpy(), times - times[0], atol=1e-4)
    sound = read_audio(path).samples[0]
    assert sound[:7500].abs().max() < 0.05 < sound[8500:9500].abs().max()
    again = tmp_path / "again.mp4"
    write_video(again, video)
    assert torch.equal(read_video(again).pts_seconds, video.pts_seconds)


@pytest.mark.parametrize(("suffix", "worst"), [(".wav", 0.0), (".flac", 2e-7)])
def test_sound_comes_back(tmp_path, suffix, worst):
    path = tmp_path / f"tone{suffix}"
    write_audio(path, tone())
    sound = read_audio(path)
    assert sound.sample_rate == 16000
    assert sound.samples.shape == (2, 32000)
    assert (sound.samples - tone().samples).abs().max() <= worst


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"old")
    frames = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(InvalidInput):
        write_video(path, frames)
    with pytest.raises(InvalidInput):
        write_video(path, frames.float(), fps=5)
    with pytest.raises(InvalidInput):
        write_video(tmp_path / "film.xyz", frames, fps=5)
    with pytest.raises(InvalidInput):
        write_audio(tmp_path / "a.mp3", tone())
    monkeypatch.setattr("mmvideo.media.write._even", lambda picture: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_video(path, frames, fps=5)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
