"""Every oddity reads exactly as a full decode does, densely and sparsely."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import MAKERS, STEADY, UNEQUAL
from reference import full_decode, full_sound, increasing

from mmvideo.errors import NoAudioTrack, NoVideoTrack
from mmvideo.media import open_source, probe, read_audio, read_video

TURNS = {"rot90.mp4": 1, "rot180.mp4": 2}


def shown(times: list[float], asked: list[float]) -> list[int]:
    return [max(0, int(np.searchsorted(times, t + 1e-6, side="right")) - 1) for t in asked]


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "raw.h264"])
def test_frames_are_those_of_a_full_decode(odd, name):
    path = odd(name)
    frames, times = increasing(*full_decode(str(path)))
    frames = [np.rot90(frame, TURNS.get(name, 0)) for frame in frames]
    with open_source(path) as source:
        video = [piece for piece in source.stream(batch=7)]
        assert torch.cat([piece.pts_seconds for piece in video]).tolist() == times
        dense = torch.cat([piece.frames for piece in video])
        assert dense.shape[0] == len(frames) > 0
        assert torch.equal(dense, torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2))
        asked = [times[-1], times[0] - 1, *np.random.default_rng(0).uniform(times[0], times[-1] + 1, 9), times[5]]
        sparse = source.frames_at(asked)
        rows = shown(times, asked)
        assert sparse.pts_seconds.tolist() == [times[row] for row in rows]
        assert torch.equal(sparse.frames, dense[rows])


@pytest.mark.parametrize("name", ["opengop.mp4", "opengop.mkv", "vfr.mkv", "late.mkv", "late.ts"])
def test_every_single_frame_and_every_start_is_exact(odd, name):
    path = odd(name)
    whole = read_video(path)
    with open_source(path) as source:
        for row in range(0, len(whole), 7):
            one = source.frames_at([float(whole.pts_seconds[row])])
            assert torch.equal(one.frames[0], whole.frames[row])
    for start in (whole.start_seconds + 1.3, whole.start_seconds + 1.5):
        part = read_video(path, start_seconds=start)
        keep = whole.pts_seconds >= start - 1e-6
        assert torch.equal(part.pts_seconds, whole.pts_seconds[keep])
        assert torch.equal(part.frames, whole.frames[keep])


def test_sparse_reading_seeks_where_it_can(odd):
    with open_source(odd("mute.mp4")) as source:
        source.frames_at([1.0, 0.2])
        assert source._seeks


def test_the_clock_is_the_files_own(odd):
    video = read_video(odd("vfr.mp4"))
    assert np.allclose(np.diff(video.pts_seconds.numpy()), np.diff(UNEQUAL) / 25, atol=1e-4)
    late = read_video(odd("late.mkv"))
    assert abs(late.start_seconds - 8.32) < 0.01
    assert abs(float(late.pts_seconds[-1]) - 8.32 - STEADY[-1] / 25) < 0.01
    gif = read_video(odd("delays.gif"))
    assert np.allclose(np.diff(gif.pts_seconds.numpy()), [0.05, 0.1, 0.4, 0.08, 0.12, 0.2, 0.06])


def test_probe_tells_what_is_there(odd):
    info = probe(odd("vfr.mp4"), count_frames=True)
    assert info.main_video.variable_frame_rate
    assert info.main_video.found_frames == info.main_video.declared_frames == 40
    assert not probe(odd("mute.mp4")).main_video.variable_frame_rate
    assert probe(odd("rot90.mp4")).main_video.rotation == 90
    assert probe(odd("ten-bit.mp4")).main_video.bit_depth == 10
    assert probe(odd("interlaced.mp4")).main_video.interlaced
    info = probe(odd("five-one.mp4"))
    assert info.audio[0].channels == 6
    assert info.audio[0].layout == "5.1"
    assert "5.1" in str(info)
    assert info.to_dict()["audio"][0]["codec"] == "aac"
    assert [track.language for track in probe(odd("two-tracks.mkv")).audio] == ["eng", "fre"]
    assert abs(probe(odd("mpeg2.ts")).duration_seconds - 1.6) < 0.2


def test_a_file_without_duration_is_measured(odd, tmp_path):
    info = probe(odd("raw.h264"))
    assert info.main_video is not None
    assert any("no duration" in warning for warning in info.warnings)


def test_ten_bits_become_eight_with_the_right_colours(odd):
    eight, ten = read_video(odd("mute.mp4")), read_video(odd("ten-bit.mp4"))
    assert (eight.frames.float().mean((2, 3)) - ten.frames.float().mean((2, 3))).abs().max() < 3


def test_deinterlacing_keeps_one_field(odd):
    woven = read_video(odd("interlaced.mp4"))
    single = read_video(odd("interlaced.mp4"), deinterlace=True)
    assert torch.equal(woven.frames[:, :, ::2], single.frames[:, :, ::2])
    middle = (single.frames[:, :, 0:-2:2].int() + single.frames[:, :, 2::2].int() + 1) // 2
    assert torch.equal(single.frames[:, :, 1:-1:2].int(), middle)
    assert any("interlaced" in warning for warning in woven.warnings)


@pytest.mark.parametrize(("fit", "black"), [("crop", False), ("pad", True), ("squash", False)])
def test_sizes(odd, fit, black):
    video = read_video(odd("mute.mp4"), size=(48, 48), fit=fit)
    assert video.frames.shape == (40, 3, 48, 48)
    assert bool((video.frames[:, :, :6] == 0).all()) is black


@pytest.mark.parametrize("name", ["late.mkv", "late.ts", "mpeg4.avi", "mpeg2.ts"])
def test_sound_is_that_of_a_full_decode(odd, name):
    samples, rate, begin = full_sound(str(odd(name)))
    audio = read_audio(odd(name))
    assert audio.sample_rate == rate
    assert abs(audio.start_seconds - begin) < 1e-3
    assert audio.samples.shape == samples.shape
    assert np.abs(audio.samples.numpy() - samples).max() < 1e-6
    part = read_audio(odd(name), start_seconds=begin + 0.7, end_seconds=begin + 1.1)
    first = round((begin + 0.7) * rate) - round(begin * rate)
    assert part.samples.shape[1] == round((begin + 1.1) * rate) - round((begin + 0.7) * rate)
    assert np.abs(part.samples.numpy() - samples[:, first:first + part.samples.shape[1]]).max() < 1e-3


def test_five_one_is_mixed_down(odd):
    audio = read_audio(odd("five-one.mp4"))
    assert audio.samples.shape[0] == 2
    mono = read_audio(odd("five-one.mp4"), mono=True, sample_rate=16000)
    assert mono.samples.shape[0] == 1
    assert abs(mono.duration_seconds - audio.duration_seconds) < 0.01
    spectrum = np.abs(np.fft.rfft(mono.samples[0].numpy()))
    heard = {round(frequency) for frequency in (300, 450, 600)
             if spectrum[round(frequency * mono.duration_seconds) - 2:][:5].max() > 100}
    assert heard == {300, 450, 600}  # left, right and centre are all in the mix


def test_tracks_are_chosen(odd):
    with open_source(odd("two-tracks.mkv"), audio_stream=1) as source:
        assert source.audio().samples.shape[0] == 2
        assert not source.warnings
    with open_source(odd("two-tracks.mkv")) as source:
        assert source.audio().samples.shape[0] == 1
        assert any("2 sound tracks" in warning for warning in source.warnings)
    with pytest.raises(ValueError, match="choose 0 to 1"):
        read_audio(odd("two-tracks.mkv"), audio_stream=5)


def test_no_sound_and_sound_only(odd, tmp_path):
    with pytest.raises(NoAudioTrack):
        read_audio(odd("mute.mp4"))
    from mmvideo.media import write_audio
    from mmvideo.types import Audio
    write_audio(tmp_path / "a.flac", Audio(torch.zeros(1, 800), 16000))
    with pytest.raises(NoVideoTrack):
        read_video(tmp_path / "a.flac")


def test_picture_and_sound_stay_in_step(odd):
    path = odd("late.mkv")
    whole = read_audio(path)
    with open_source(path) as source:
        pieces = list(source.stream_av(batch=9))
    for video, audio in pieces:
        assert abs(audio.start_seconds - float(video.pts_seconds[0])) < 1e-3
    samples = torch.cat([audio.samples for _, audio in pieces], dim=1)
    lead = round((whole.start_seconds - pieces[0][1].start_seconds) * whole.sample_rate)
    both = min(samples.shape[1] - max(lead, 0), whole.samples.shape[1] - max(-lead, 0))
    assert both > 60000
    assert (samples[:, max(lead, 0):][:, :both] - whole.samples[:, max(-lead, 0):][:, :both]).abs().max() < 1e-3
