"""Which frames the samplers look at, how they pad, and that the sound beside them is the right piece."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from mmvideo import registry
from mmvideo.errors import InvalidInput, NoAudioTrack, NoVideoTrack
from mmvideo.media import open_source
from mmvideo.sampling import at_fps, dense, uniform, windows
from mmvideo.types import Audio, Clips

RATE = 1000


def source_of(seconds: float, fps: float = 10, sound: bool = True, start: float = 0.0, height: int = 24):
    """A source whose pixels and samples tell their own time: frame i is grey i, sample i is i / 100000."""
    count = round(seconds * fps)
    frames = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, height, 32)
    ramp = Audio(torch.arange(round(seconds * RATE))[None] / 100000, RATE, start) if sound else None
    return open_source(frames, pts_seconds=start + np.arange(count) / fps, audio=ramp)


def check(clips: Clips) -> None:
    b, t = clips.frames.shape[:2]
    assert clips.pts_seconds.shape == clips.valid.shape == (b, t)
    assert clips.frames.dtype == torch.uint8
    assert bool(clips.valid[:, 0].all())
    assert clips.rule


@pytest.mark.parametrize("name", registry.names("samplers"))
def test_every_sampler_keeps_the_contract(name):
    sampler = registry.find("samplers", name)
    if name == "question":
        with source_of(5.0) as source, pytest.raises(InvalidInput, match="needs a question"):
            sampler(source)
        sampler = partial(sampler, text="how grey?", relevance=lambda frames, _: frames.float().mean((1, 2, 3)))
    with source_of(5.0) as source:
        clips = sampler(source, size=16, sample_rate=RATE, start_seconds=1.0, end_seconds=4.0)
        check(clips)
        assert clips.frames.shape[-2:] == (16, 16)
        assert clips.has_audio
        assert clips.audio.shape[0] == clips.frames.shape[0]
        assert float(clips.pts_seconds.min()) >= 1.0 - 1e-6
        assert float(clips.pts_seconds.max()) < 4.0
        grey = clips.frames[:, :, 0, 8, 8].double()
        assert torch.equal(grey, (clips.pts_seconds * 10).round())
        assert sampler(source).audio is None
    with source_of(2.0, sound=False) as source:
        if name == "audio-preview":
            with pytest.raises(NoAudioTrack, match="take the sampler salient"):
                sampler(source, sample_rate=RATE)
        else:
            silent = sampler(source, sample_rate=RATE)
            assert not silent.has_audio
            assert float(silent.audio.abs().max()) == 0.0
    with source_of(0.3) as source:
        short = sampler(source, sample_rate=RATE)
        check(short)
    with open_source(Audio(torch.zeros(1, RATE), RATE)) as source, pytest.raises(NoVideoTrack):
        sampler(source)


def test_uniform_takes_the_centres():
    with source_of(8.0) as source:
        clips = uniform(source, num_frames=4)
        assert clips.pts_seconds[0].tolist() == [1.0, 3.0, 5.0, 7.0]
        assert bool(clips.valid.all())
        clips = uniform(source, num_frames=2, start_seconds=2, end_seconds=4, sample_rate=RATE)
        assert clips.pts_seconds[0].tolist() == [2.5, 3.5]
        assert torch.allclose(clips.audio[0], torch.arange(2000, 4000) / 100000)
    with source_of(0.3) as source:
        clips = uniform(source, num_frames=6)
        assert clips.valid[0].tolist() == [True, False, True, False, True, False]
        assert "repeated" in clips.rule


def test_fps_thins_evenly_and_says_so():
    with source_of(8.0) as source:
        assert at_fps(source, fps=2).pts_seconds[0].tolist() == [i / 2 for i in range(16)]
        clips = at_fps(source, fps=2, max_frames=4)
        assert clips.pts_seconds[0].tolist() == [1.0, 3.0, 5.0, 7.0]
        assert "thinned evenly from 16 to 4" in clips.rule
    with source_of(2.0, start=8.3) as source:
        assert at_fps(source, fps=1).pts_seconds[0].tolist() == pytest.approx([8.3, 9.3])


def test_dense_spreads_clips_and_cuts_three():
    with source_of(10.0, height=24) as source:
        clips = dense(source, num_clips=3, num_frames=4, stride_frames=2, crops=3, size=16, sample_rate=RATE)
        assert clips.frames.shape == (9, 4, 3, 16, 16)
        assert clips.pts_seconds[::3, 0].tolist() == pytest.approx([0.0, 4.6, 9.2])
        assert (clips.pts_seconds[0] == clips.pts_seconds[2]).all()
        assert clips.pts_seconds[0].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6])
        assert clips.audio.shape == (9, 800)
        assert torch.allclose(clips.audio[3], torch.arange(4600, 5400) / 100000)
        with pytest.raises(InvalidInput, match="size"):
            dense(source, crops=3)
    wide = torch.zeros(10, 3, 16, 48, dtype=torch.uint8)
    wide[..., 16:32], wide[..., 32:] = 100, 200
    with open_source(wide, fps=10) as source:
        clips = dense(source, num_clips=1, num_frames=2, clip_seconds=0.4, crops=3, size=16)
        assert clips.frames[:, 0, 0, 8, 8].tolist() == [0, 100, 200]


def test_windows_follow_each_other_and_the_last_ends_with_the_video():
    with source_of(5.0) as source:
        clips = windows(source, window_seconds=2.0, num_frames=4, sample_rate=RATE)
        assert clips.pts_seconds.tolist() == [[0.0, 0.5, 1.0, 1.5], [2.0, 2.5, 3.0, 3.5], [3.0, 3.5, 4.0, 4.5]]
        assert bool(clips.valid.all())
        assert clips.audio.shape == (3, 2000)
        assert torch.allclose(clips.audio[2], torch.arange(3000, 5000) / 100000)
        assert "shifted back" in clips.rule
        few = windows(source, window_seconds=1.0, num_frames=2, max_windows=2)
        assert few.pts_seconds[:, 0].tolist() == [1.0, 3.0]
    with source_of(4.0) as source:
        assert len(windows(source).frames) == 2


def test_a_source_shorter_than_a_window_is_padded():
    with source_of(1.0) as source:
        clips = windows(source, window_seconds=2.0, num_frames=8, sample_rate=RATE)
        assert clips.valid[0].tolist() == [True] * 4 + [False] * 4
        assert clips.pts_seconds[0].tolist() == pytest.approx([0.0, 0.2, 0.5, 0.7, 0.9, 0.9, 0.9, 0.9])
        assert float(clips.audio[0, 1000:].abs().max()) == 0.0
        assert float(clips.audio[0, 999]) == pytest.approx(0.00999)
        assert "repeated" in clips.rule


def test_a_short_span_can_be_spread_and_brings_no_sound_from_outside():
    with source_of(5.0) as source:
        clips = windows(source, window_seconds=2.0, num_frames=5, sample_rate=RATE, short="spread", start_seconds=1.0,
                        end_seconds=2.0)
        assert clips.pts_seconds[0].tolist() == pytest.approx([1.0, 1.2, 1.4, 1.6, 1.8])
        assert bool(clips.valid.all())
        assert "spread evenly" in clips.rule
        assert clips.audio.shape == (1, 2000)
        assert torch.allclose(clips.audio[0, :1000], torch.arange(1000, 2000) / 100000)
        assert float(clips.audio[0, 1000:].abs().max()) == 0.0
        more = windows(source, window_seconds=2.0, num_frames=5, short="spread", end_seconds=0.2)
        assert more.valid[0].tolist() == [True, False, False, True, False]
        long = windows(source, window_seconds=2.0, num_frames=4, short="spread")
        assert torch.equal(long.pts_seconds, windows(source, window_seconds=2.0, num_frames=4).pts_seconds)
        with pytest.raises(InvalidInput, match="spread"):
            windows(source, short="stretch")


@pytest.mark.parametrize("bad", [{"num_frames": 0}, {"num_frames": -3}, {"start_seconds": 9, "end_seconds": 9.5},
                                 {"start_seconds": 2, "end_seconds": 1}, {"start_seconds": float("nan")},
                                 {"size": 0}, {"fit": "stretch"}])
def test_options_out_of_range_are_refused(bad):
    with source_of(2.0) as source, pytest.raises(InvalidInput):
        uniform(source, **bad)
