"""Work and memory follow what is in a file, not how long it claims to be."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from mmvideo.errors import InvalidInput, VideoDecodeError
from mmvideo.media import open_source, read_audio
from mmvideo.sampling import at_fps, uniform, windows
from mmvideo.sampling.gather import TimeSpan, sound_of
from mmvideo.sampling.windows import MAX_WINDOWS
from mmvideo.stages.base import Stage
from mmvideo.stages.sample import Sample
from mmvideo.stages.separate import Hear
from mmvideo.types import Audio

RATE = 16000


def film(path: Path, frames: Sequence[float], beeps: Sequence[float] = (), *, seconds: float = 0.256) -> Path:
    """Write frames, each of another grey, and beeps of a quarter of a second, at any times."""
    tick, codec = Fraction(1, 1000), "mp2" if path.suffix == ".ts" else "flac" if path.suffix == ".mkv" else "aac"
    with av.open(str(path), "w") as out:
        picture = out.add_stream("libx264", rate=25, options={"bf": "0"})
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        picture.time_base = picture.codec_context.time_base = tick
        sound = out.add_stream(codec, rate=RATE, layout="mono") if beeps else None
        packets = []
        for number, at in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 + number * 37 % 200, np.uint8))
            frame.pts, frame.time_base = round(at * 1000), tick
            packets += picture.encode(frame)
        packets += picture.encode(None)
        for at in beeps:
            wave = (np.sin(np.arange(round(seconds * RATE)) / 5) * 0.5).astype(np.float32)[None]
            beep = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            beep.sample_rate = RATE
            cut = av.AudioResampler(sound.codec_context.format, "mono", RATE, sound.codec_context.frame_size or 1024)
            begin = round(at * RATE)
            for piece in (*cut.resample(beep), *cut.resample(None)):
                piece.pts, piece.time_base = begin, Fraction(1, RATE)
                begin += piece.samples
                packets += sound.encode(piece)
        packets += sound.encode(None) if sound else []
        packets = [packet for packet in packets if packet.dts is not None]
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            out.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("step", [1000.0, 10_000.0, 100_000.0])
def test_windows_are_those_that_show_something_new(suffix: str, step: float, tmp_path) -> None:
    frames = [number * step for number in range(6)]
    path = film(tmp_path / f"x{suffix}", frames)
    assert path.stat().st_size < 3000
    with open_source(path) as source:
        clips = windows(source, size=16, num_frames=4, window_seconds=2.0)
        assert clips.frames.shape == (6, 4, 3, 16, 16)
        assert clips.pts_seconds[:, 0].tolist() == pytest.approx(frames, abs=2e-3)
        assert len({int(frame.float().mean()) for frame in clips.frames[:, 0]}) == 6
        assert "6 windows of 2 s, those of" in clips.rule
        few = windows(source, size=16, num_frames=4, max_windows=3)
        assert few.pts_seconds[:, 0].tolist() == pytest.approx([frames[1], frames[3], frames[5]], abs=2e-3)
        part = windows(source, size=16, num_frames=4, start_seconds=step * 1.5, end_seconds=step * 3.5)
        assert part.pts_seconds[:, 0].tolist() == pytest.approx(frames[1:4], abs=2e-3)
        looked = at_fps(source, fps=1.0, size=16)
        assert looked.pts_seconds[0].tolist() == pytest.approx(frames, abs=2e-3)
        assert len(uniform(source, num_frames=16, size=16).frames) == 1


def test_one_stray_frame_does_not_hide_the_film(tmp_path) -> None:
    frames = [*np.arange(50) / 25, 100_000.0]
    for suffix in (".mp4", ".mkv"):
        with open_source(film(tmp_path / f"x{suffix}", frames)) as source:
            clips = windows(source, size=16, num_frames=16)
            assert clips.frames.shape[0] == 3
            assert clips.pts_seconds[0].unique().numel() == 16
            assert clips.pts_seconds[1, -1] == pytest.approx(1.96)  # it is shown for more than a day
            assert clips.pts_seconds[2, 0] == pytest.approx(100_000.0, abs=0.01)
            assert clips.valid[2].tolist() == [True] + [False] * 15


def test_windows_of_ordinary_films_are_as_before(tmp_path) -> None:
    with open_source(torch.zeros(300, 3, 8, 8, dtype=torch.uint8), fps=1.0) as source:
        clips = windows(source, window_seconds=2.0, num_frames=2)
        assert len(clips.frames) == 150
        assert "150 consecutive windows" in clips.rule
    slides = [number * 5.0 for number in range(20)]  # each slide is shown for 5 s
    with open_source(film(tmp_path / "x.mp4", slides)) as source:
        assert len(windows(source, size=16, num_frames=2).frames) == 48


def test_windows_are_no_more_than_an_hour_unless_asked_for() -> None:
    frames = torch.zeros(2 * MAX_WINDOWS + 200, 3, 4, 4, dtype=torch.uint8)
    with open_source(frames, fps=1.0) as source:
        clips = windows(source, window_seconds=2.0, num_frames=1)
        assert len(clips.frames) == MAX_WINDOWS
        assert f"thinned evenly to {MAX_WINDOWS}" in clips.rule
        assert len(windows(source, window_seconds=2.0, num_frames=1, max_windows=None).frames) == MAX_WINDOWS + 100
        assert len(windows(source, window_seconds=2.0, num_frames=1, max_windows=MAX_WINDOWS + 7).frames) == \
            MAX_WINDOWS + 7


def sample_shots(**options) -> Stage:
    return Sample.from_options({"sampler": "windows", "size": 4, "num_frames": 1, **options}, "here")


def test_the_windows_of_all_shots_are_within_one_limit(tmp_path) -> None:
    frames = torch.zeros(6000, 3, 4, 4, dtype=torch.uint8)
    with open_source(frames, fps=1.0) as source:
        shots = ((0.0, 4000.0), (4000.0, 4001.0), (4001.0, 6000.0))
        given = sample_shots(window_seconds=2.0)(media=source, shots=shots)
        counts = np.bincount([span.shot for span in given["spans"]])
        assert counts.tolist() == [1200, 1, 599]
        given = sample_shots(window_seconds=2.0, max_windows=100)(media=source, shots=shots)
        assert np.bincount([span.shot for span in given["spans"]]).tolist() == [100, 1, 100]
        many = tuple((float(second), second + 1.0) for second in range(6000))
        given = sample_shots(window_seconds=2.0)(media=source, shots=many)
        assert len(given["clips"].frames) == len(given["spans"]) == MAX_WINDOWS
        assert given["spans"][-1].shot > 5990
    with open_source(film(tmp_path / "x.mp4", [0.0, 5000.0, 10_000.0, 15_000.0])) as source:
        given = sample_shots()(media=source, shots=((0.0, 7500.0), (7500.0, 15_000.0)))
        assert len(given["clips"].frames) <= 5


# --- sound


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_short_pauses_are_filled_and_long_ones_end_the_sound(suffix: str, tmp_path) -> None:
    short = film(tmp_path / f"short{suffix}", [0.0, 9.0], [0.0, 6.0])
    sound = read_audio(short)
    assert sound.samples.shape[1] / RATE == pytest.approx(6.256, abs=0.15)
    assert float(sound.samples[0, RATE:5 * RATE].abs().max()) == 0.0
    assert float(sound.samples[0, 6 * RATE + RATE // 10:].abs().max()) > 0.3
    long = film(tmp_path / f"long{suffix}", [0.0, 9.0, 4000.0], [0.0, 3500.0, 3600.0])
    sound = read_audio(long)
    assert sound.samples.shape[1] < 2 * RATE
    assert any("what follows was left out" in warning for warning in sound.warnings)
    with open_source(long) as source:
        assert sum(piece.samples.shape[1] for piece in source.stream_audio()) < 2 * RATE
        later = source.audio(start_seconds=3499.0, end_seconds=3700.0)
        assert later.start_seconds == pytest.approx(3500.0, abs=0.2)
        assert later.samples.shape[1] / RATE == pytest.approx(100.256, abs=0.2)
        pieces = list(source.sound_pieces(mono=True))
        assert sum(piece.samples.shape[1] for piece in pieces) < 2 * RATE
        assert pieces[-1].start_seconds == pytest.approx(3600.2, abs=0.3)
    with pytest.raises(VideoDecodeError):
        read_audio(long, strict=True)


def test_a_pause_is_filled_while_it_is_short_beside_what_is_heard(tmp_path) -> None:
    path = film(tmp_path / "x.mkv", [0.0, 900.0], [0.0, 700.0], seconds=60.0)  # ten times 60 s is under 640 s
    assert read_audio(path).samples.shape[1] / RATE == pytest.approx(60.0, abs=0.1)
    path = film(tmp_path / "y.mkv", [0.0, 900.0], [0.0, 700.0], seconds=80.0)
    assert read_audio(path).samples.shape[1] / RATE == pytest.approx(780.0, abs=0.1)


def test_the_sound_of_windows_lies_where_it_is_heard(tmp_path) -> None:
    frames, beeps = [0.0, 20_000.2, 30_000.2, 40_000.2, 40_001.4], [0.0, 20_000.5, 40_000.5]
    with open_source(film(tmp_path / "x.mkv", frames, beeps)) as source:
        clips = windows(source, size=16, num_frames=4, sample_rate=RATE)
        assert clips.audio.shape == (4, 2 * RATE)
        heard = clips.audio.abs() > 0.1
        assert heard.any(1).tolist() == [True, True, False, True]
        first = [float(heard[row].float().argmax()) / RATE for row in (0, 1, 3)]
        assert first == pytest.approx([0.0, 0.33, 0.36], abs=0.05)


def test_sound_of_spans_is_that_of_one_reading(shared_like) -> None:
    sound = shared_like
    spans = [TimeSpan(3.0, 5.0), TimeSpan(0.0, 2.0), TimeSpan(4.25, 6.25), TimeSpan(9.5, 11.5),
             TimeSpan(4.25, 6.25), TimeSpan(1.00003, 1.5)]
    with open_source(sound) as source:
        got = sound_of(source, spans, 8000, 2.0)
    whole = sound.samples[0]
    for row, span in zip(got, spans, strict=True):
        at, count = round(span.start_seconds * 8000), round(span.seconds * 8000)
        want = torch.zeros(16000)
        piece = whole[at:at + count]
        want[:len(piece)] = piece
        assert torch.equal(row, want)


@pytest.fixture
def shared_like() -> Audio:
    return Audio(torch.rand(1, 80_000, generator=torch.Generator().manual_seed(0)) - 0.5, 8000)


@pytest.mark.parametrize("late", [5.0, 30_000.0])
def test_a_track_that_begins_late_is_not_led_up_to_for_long(late: float, tmp_path) -> None:
    path = film(tmp_path / "x.mkv", [0.0, 1.0, 2.0, late, late + 1.0], [late])
    with open_source(path) as source:
        parts = list(source.stream_av(batch=1, size=16, sample_rate=RATE, mono=True))
    seconds = [None if sound is None else (round(sound.start_seconds, 2), sound.samples.shape[1] / RATE)
               for _, sound in parts]
    assert seconds[:2] == [(0.0, 1.0), (1.0, 1.0)]
    assert seconds[2] == ((2.0, late - 2.0) if late < 100 else None)
    assert seconds[3] == (pytest.approx(late), pytest.approx(0.256, abs=0.02))
    assert float(parts[3][1].samples.abs().max()) > 0.3


def test_separation_refuses_a_file_that_cannot_last_so_long(tmp_path) -> None:
    with open_source(film(tmp_path / "x.mp4", [0.0, 20_000.0], [0.0, 15_000.0])) as source, \
            pytest.raises(VideoDecodeError, match="is said to last 20000 s, but holds far less"):
        Hear()(media=source)
    with open_source(film(tmp_path / "y.mp4", [0.0, 300.0], [0.0, 250.0])) as source:
        assert Hear()(media=source)["heard"].num_rows == pytest.approx(7501, abs=5)
    with open_source(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), pts_seconds=[0.0, 20_000.0],
                     audio=Audio(torch.zeros(1, 8000), 8000)) as source:
        assert Hear()(media=source)["heard"].num_rows == 1_000_000


def test_a_live_source_says_so() -> None:
    from mmvideo.media.source import Source

    with open_source(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), fps=1.0) as source:
        assert source.frame_times().tolist() == [0.0, 1.0]
        with pytest.raises(InvalidInput, match="live"):
            Source(source.info).frame_times()


_PASS = """
import resource, sys, time
from mmvideo.errors import MmvideoError
from mmvideo.media import open_source, read_audio
from mmvideo.sampling import at_fps, dense, segments, uniform, windows
from mmvideo.sampling.shots import find_cuts
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
def look(path):
    with open_source(path) as source:
        rate = 16000
        for work in (lambda: source.audio(), lambda: source.audio(sample_rate=48000),
                     lambda: list(source.stream_audio()),
                     lambda: windows(source, size=64, sample_rate=rate), lambda: uniform(source, size=64),
                     lambda: dense(source, size=64, num_clips=3), lambda: at_fps(source, fps=2.0, size=64),
                     lambda: [None for _ in source.stream_av(size=64, batch=2, sample_rate=rate)],
                     lambda: find_cuts(source)):
            try:
                work()
            except MmvideoError as error:
                print(path, type(error).__name__, str(error)[:100])
look(sys.argv[1])
before, begun = peak(), time.monotonic()
for path in sys.argv[2:]:
    look(path)
print("grown", peak() - before, "MiB in", time.monotonic() - begun)
"""


def test_one_pass_over_files_with_odd_clocks_stays_small(tmp_path) -> None:
    paths = [film(tmp_path / "plain.mp4", np.arange(50) / 25, [0.0, 1.0])]
    for suffix in (".mp4", ".mkv", ".ts"):
        for step in (350.0, 3000.0, 20_000.0):
            frames = [number * step for number in range(6)]
            paths.append(film(tmp_path / f"{step}{suffix}", frames, [at * 0.99 for at in frames]))
            paths.append(film(tmp_path / f"{step}-late{suffix}", frames, [at + step / 2 for at in frames[1:]]))
            paths.append(film(tmp_path / f"{step}-early{suffix}", [at + step for at in frames], [0.0, 0.3, step / 2]))
    assert max(path.stat().st_size for path in paths) < 60_000
    ran = subprocess.run([sys.executable, "-c", _PASS, *paths], capture_output=True, text=True, check=True)
    *_, grown, _, _, seconds = ran.stdout.split()
    assert int(grown) < 500, ran.stdout
    assert float(seconds) < 60, ran.stdout


@pytest.mark.parametrize("seconds", [1e5, 1e9, 1e15, float("inf"), float("nan"), -5.0])
def test_declared_duration_alone_costs_nothing(seconds: float, tmp_path) -> None:
    path = film(tmp_path / "x.mkv", [0.0, 0.5, 1.0], [0.0])
    data = path.read_bytes()
    place = data.index(b"\x44\x89\x88") + 3  # the duration in Matroska's header, in milliseconds
    broken = data[:place] + struct.pack(">d", seconds * 1000) + data[place + 8:]
    with open_source(broken) as source:
        clips = windows(source, size=16, num_frames=4, sample_rate=RATE)
        assert len(clips.frames) <= 4
        assert 0.0 in clips.pts_seconds
        assert 1.0 in clips.pts_seconds
        assert at_fps(source, fps=4.0, size=16).frames.shape[1] <= 8
