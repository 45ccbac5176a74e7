"""Copies for browsers: what needs one, and that it shows and sounds like its original."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import mmvideo
from mmvideo.errors import NoVideoTrack, VideoDecodeError
from mmvideo.media.playable import is_playable, write_playable


def make(path: Path, codec: str, *, sound: str | None = "aac", size: tuple[int, int] = (90, 160), seconds: int = 3,
         layout: str = "mono", pixels: str = "yuv420p") -> Path:
    """Write a film that grows brighter, with a tone that sets in after a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=10)
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        voice = out.add_stream(sound, rate=48000, layout=layout) if sound else None
        for number in range(10 * seconds):
            picture = np.full((*size, 3), 20 + 200 * number // (10 * seconds), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
        if voice is not None:
            time = np.arange(48000 * seconds) / 48000
            tone = (np.sin(2 * np.pi * 440 * time) * 0.5 * (time > 1)).astype(np.float32)
            tone = np.tile(tone, (voice.layout.nb_channels, 1))
            resampler = av.AudioResampler(format=voice.format, layout=layout, rate=48000, frame_size=1024)
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout=layout)
            frame.sample_rate = 48000
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                out.mux(voice.encode(piece))
            out.mux(voice.encode(None))
    return path


@pytest.mark.parametrize(("name", "codec", "sound", "plays"), [
    ("a.mp4", "libx264", "aac", True), ("a.mp4", "libx264", None, True), ("a.mp4", "mpeg4", "aac", False),
    ("a.avi", "mpeg4", "mp3", False), ("a.mkv", "libx264", "aac", False), ("a.mp4", "libx265", "aac", False),
    ("a.webm", "libvpx", "libopus", True), ("a.mov", "libx264", "pcm_s16le", False), ("a.m4v", "libx264", "aac", True),
])
def test_what_browsers_play(tmp_path: Path, name: str, codec: str, sound: str | None, plays: bool) -> None:
    try:
        path = make(tmp_path / name, codec, sound=sound)
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"no encoder: {error}")
    info = mmvideo.probe(path)
    assert is_playable(info, path.suffix) == plays
    assert not is_playable(info, ".avi")
    copy = write_playable(path, tmp_path / "copy.mp4")
    assert is_playable(mmvideo.probe(copy), ".mp4")


def test_ten_bit_pictures_are_not_played(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", "libx264", pixels="yuv444p")
    assert not is_playable(mmvideo.probe(path), ".mp4")
    assert mmvideo.probe(write_playable(path, tmp_path / "b.mp4")).main_video.pixel_format == "yuv420p"


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_a_copy_shows_and_sounds_like_its_original(tmp_path: Path, layout: str) -> None:
    path = make(tmp_path / "film.avi", "mpeg4", sound="mp3", layout=layout)
    copy = write_playable(path, tmp_path / "copy.mp4")
    before, after = mmvideo.read_video(path), mmvideo.read_video(copy)
    assert after.frames.shape == before.frames.shape
    times = [video.pts_seconds - video.pts_seconds[0] for video in (before, after)]
    assert torch.allclose(times[0], times[1], atol=1e-3)
    assert (before.frames.float() - after.frames.float()).abs().mean() < 4
    heard = [mmvideo.read_audio(file, sample_rate=16000, mono=True).samples[0] for file in (path, copy)]
    sets_in = [int((sound.abs() > 0.1).nonzero()[0]) / 16000 for sound in heard]
    assert abs(sets_in[0] - sets_in[1]) < 0.08
    power = [float(sound[20000:40000].square().mean()) for sound in heard]
    assert power[1] == pytest.approx(power[0], rel=0.1)


def test_a_preview_is_small_and_short(tmp_path: Path) -> None:
    path = make(tmp_path / "film.avi", "mpeg4", sound="mp3", size=(241, 321), seconds=4)
    copy = write_playable(path, tmp_path / "copy.mp4", short_side=120, max_seconds=2)
    main = mmvideo.probe(copy).main_video
    assert (main.width, main.height) == (160, 120)
    assert 1.9 < mmvideo.probe(copy).duration_seconds < 2.2
    same = mmvideo.probe(write_playable(path, tmp_path / "same.mp4", short_side=480)).main_video
    assert (same.width, same.height) == (322, 242)


def test_what_cannot_be_copied(tmp_path: Path) -> None:
    with pytest.raises(VideoDecodeError):
        write_playable(b"no film at all", tmp_path / "a.mp4")
    mmvideo.write_audio(tmp_path / "a.wav", mmvideo.Audio(torch.zeros(1, 16000), 16000))
    with pytest.raises(NoVideoTrack):
        write_playable(tmp_path / "a.wav", tmp_path / "a.mp4")
    assert not list(tmp_path.glob("*.mp4"))


def test_the_name_of_the_decoder_does_not_matter(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", "libx264", sound="mp3")
    info = mmvideo.probe(path, check_seconds=0)
    assert info.audio[0].codec == "mp3float"
    assert is_playable(info, ".mp4")


def test_hdr_and_several_tracks_are_copied_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        tracks = [out.add_stream("libx264", rate=10) for _ in range(2)]
        for track, (height, width) in zip(tracks, ((48, 64), (96, 128)), strict=True):
            track.height, track.width, track.pix_fmt = height, width, "yuv420p"
            track.disposition = av.stream.Disposition.default
        for track in tracks:
            for _ in range(5):
                picture = np.random.default_rng(0).integers(0, 255, (track.height, track.width, 3), np.uint8)
                out.mux(track.encode(av.VideoFrame.from_ndarray(picture)))
            out.mux(track.encode(None))
    info = mmvideo.probe(path)
    assert not is_playable(info, ".mp4")
    copy = write_playable(path, tmp_path / "copy.mp4")
    assert mmvideo.read_video(copy).frames.shape[2:] == mmvideo.read_video(path).frames.shape[2:] == (96, 128)
    one = mmvideo.probe(copy)
    assert is_playable(one, ".mp4")
    hdr = replace(one, video=(replace(one.video[0], hdr="PQ"),))
    assert not is_playable(hdr, ".mp4")
