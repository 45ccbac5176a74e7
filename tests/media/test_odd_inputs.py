"""Inputs in memory and options that cannot be used: every one is a typed error that names what was given."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from conftest import STEADY, write

from mmvideo import registry
from mmvideo.errors import InvalidInput, MmvideoError
from mmvideo.media import open_source, read_audio, read_video, write_audio, write_video
from mmvideo.types import Audio, Video

NAN, INF = float("nan"), float("inf")
FRAMES = np.zeros((6, 16, 24, 3), np.uint8)
SAMPLES = np.zeros((2, 8000), np.float32)
SOUND = Audio(torch.zeros(2, 8000), 8000)

NO_NUMBER = {"text": "25", "empty text": "", "bytes": b"1", "nan": NAN, "inf": INF, "-inf": -INF, "complex": 2 + 1j,
             "list": [], "nested": [1, [2]], "dict": {}, "object": object(), "array": np.array([1, 2]),
             "tensor": torch.ones(3), "meta": torch.ones((), device="meta"), "decimal": Decimal(2), "huge": 10**400}
"""What is no finite number, whichever option it is given for."""


def film(**options: Any) -> Callable[[Any], Any]:
    """Return a call that reads FRAMES with one option set to the value under test."""
    def read(value: Any) -> Any:
        given = {name: value if part is ... else part for name, part in options.items()}
        return read_video(FRAMES, **({} if given.keys() & {"fps", "pts_seconds"} else {"fps": 5}), **given)
    return read


def sampled(name: str, **options: Any) -> Callable[[Any], Any]:
    """Return a call of a sampler with the options, where ... is the value under test."""
    def sample(value: Any) -> Any:
        given = {key: value if part is ... else part for key, part in options.items()}
        return registry.find("samplers", name)(open_source(FRAMES, fps=5, audio=SOUND), **given)
    return sample


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "fps": film(fps=...), "size": film(size=...), "start": film(start_seconds=...), "end": film(end_seconds=...),
    "height": lambda v: read_video(FRAMES, fps=5, size=(v, 8)),
    "time": lambda v: open_source(FRAMES, fps=5).frames_at([v]),
    "pts": lambda v: open_source(FRAMES[:1], pts_seconds=[v]),
    "batch": lambda v: next(open_source(FRAMES, fps=5).stream(batch=v)),
    "narrow": lambda v: open_source(FRAMES, fps=5).narrow(v, None),
    "narrow end": lambda v: open_source(FRAMES, fps=5).narrow(None, v),
    "rate of samples": lambda v: open_source(FRAMES, fps=5, audio=SAMPLES, sample_rate=v),
    "rate of Audio": lambda v: Audio(torch.zeros(1, 800), v),
    "start of Audio": lambda v: Audio(torch.zeros(1, 800), 8000, v),
    "duration of Video": lambda v: Video(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1), v),
    "start of Video": lambda v: Video(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1), 1.0, v),
    "fps of Video": lambda v: Video(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1), 1.0, 0.0, v),
    "rate to read": lambda v: read_audio(SOUND, sample_rate=v),
    "sound start": lambda v: read_audio(SOUND, start_seconds=v),
    "sound end": lambda v: read_audio(SOUND, end_seconds=v),
    "num_frames": sampled("uniform", num_frames=...), "sampled rate": sampled("uniform", sample_rate=...),
    "sampled start": sampled("uniform", start_seconds=...), "sampled end": sampled("uniform", end_seconds=...),
    "fps sampled": sampled("fps", fps=...), "max_frames": sampled("fps", max_frames=...),
    "window": sampled("windows", window_seconds=...), "max_windows": sampled("windows", max_windows=...),
    "num_clips": sampled("dense", num_clips=...), "crops": sampled("dense", crops=..., size=8),
    "stride": sampled("dense", stride_frames=...), "clip_seconds": sampled("dense", clip_seconds=...),
}
NONE_IS_DEFAULT = {"size", "start", "end", "narrow", "narrow end", "rate to read", "sound start", "sound end",
                   "sampled rate", "sampled start", "sampled end", "max_frames", "max_windows", "stride",
                   "clip_seconds", "fps of Video"}


@pytest.mark.parametrize("kind", NO_NUMBER)
@pytest.mark.parametrize("option", NUMBERS)
def test_what_is_no_number_is_refused(option, kind):
    if option == "size" and kind in ("list", "nested", "array", "tensor"):
        pytest.skip("two numbers are a size; test_sizes_that_are_refused has these")
    with pytest.raises(InvalidInput):
        NUMBERS[option](NO_NUMBER[kind])


@pytest.mark.parametrize("option", sorted(set(NUMBERS) - NONE_IS_DEFAULT))
def test_none_is_refused_where_it_is_no_default(option):
    with pytest.raises(InvalidInput):
        NUMBERS[option](None)


BIG = 2**31
RANGES = {
    "fps": (0, -1, 1e-12, 1e300), "batch": (0, -1, 2.5, BIG, True), "height": (0, -1, 2.5, BIG, True),
    "size": (0, -1, 2.5, BIG, True), "rate of samples": (0, -1, 1, 8000.5, BIG, True),
    "rate of Audio": (0, -1, 1, BIG, True), "rate to read": (0, -1, 1, BIG, True), "sampled rate": (0, 1, BIG),
    "num_frames": (0, -1, 2.5, BIG, True), "fps sampled": (0, -1, 1e300), "max_frames": (0, -1, BIG),
    "window": (0, -1, 1e300, 1e-300), "max_windows": (0, -1, BIG), "num_clips": (0, -1, BIG), "crops": (0, 2, 4, -1),
    "stride": (0, -1), "clip_seconds": (0, -1, 1e300), "start": (1e300, BIG), "sound start": (1e300,),
    "duration of Video": (-1,), "fps of Video": (0, -1), "start of Audio": (1e300,), "pts": (1e300,),
    "narrow": (BIG, 1e300), "narrow end": (0, -1), "end": (0, -1),
}


@pytest.mark.parametrize(("option", "value"), [(o, v) for o, values in RANGES.items() for v in values])
def test_numbers_out_of_range_are_refused(option, value):
    with pytest.raises(MmvideoError):
        NUMBERS[option](value)


@pytest.mark.parametrize("size", [[], [8], (8, 8, 8), (8, None), ("8", "8"), np.array([8, 8]), torch.ones(2), {8}],
                         ids=repr)
def test_sizes_that_are_refused(size):
    with pytest.raises(InvalidInput):
        read_video(FRAMES, fps=5, size=size)


def black(*shape: int) -> Video:
    return Video(torch.zeros(shape, dtype=torch.uint8), torch.zeros(shape[0]), 1.0)


SHAPES = [(0, 16, 16, 3), (4, 0, 0, 3), (4, 0, 16, 3), (4, 16, 0, 3), (4, 3, 0, 0), (4, 16, 16, 0), (4, 16, 16, 2),
          (4, 16, 16, 4), (16, 16, 3), (1, 4, 16, 16, 3), (), (3,), (4, 5, 16, 16)]


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
@pytest.mark.parametrize("as_torch", [False, True])
def test_shapes_that_are_refused(shape, as_torch):
    frames = torch.zeros(shape, dtype=torch.uint8) if as_torch else np.zeros(shape, np.uint8)
    with pytest.raises(InvalidInput):
        open_source(frames, fps=5)


TYPES = ["float32", "float64", "int8", "int16", "int32", "int64", "uint16", "bool", "complex64", "object", "U1", "S1",
         "datetime64[s]", "V4"]


@pytest.mark.parametrize("dtype", TYPES)
def test_types_of_frames_that_are_refused(dtype):
    with pytest.raises(InvalidInput, match="uint8"):
        open_source(np.zeros((4, 16, 16, 3), dtype), fps=5)


@pytest.mark.parametrize("dtype", ["int64", "uint16", "uint32", "bool", "complex64", "object", "U1", "V4"])
def test_types_of_samples_that_are_refused(dtype):
    with pytest.raises(InvalidInput, match="Samples must be"):
        open_source(FRAMES, fps=5, audio=np.zeros((2, 800), dtype), sample_rate=8000)


@pytest.mark.parametrize("shape", [(), (0,), (0, 800), (2, 0), (1, 2, 800), (800, 2)], ids=repr)
def test_shapes_of_samples_that_are_refused(shape):
    with pytest.raises(InvalidInput, match="Samples must be"):
        open_source(FRAMES, fps=5, audio=np.zeros(shape, np.float32), sample_rate=8000)


OTHERS: dict[str, Callable[[], Any]] = {
    "no clock": lambda: open_source(FRAMES),
    "two clocks": lambda: open_source(FRAMES, fps=5, pts_seconds=range(6)),
    "times of another length": lambda: open_source(FRAMES, pts_seconds=[0, 1]),
    "times in two dimensions": lambda: open_source(FRAMES, pts_seconds=np.zeros((6, 1))),
    "times as letters": lambda: open_source(FRAMES, pts_seconds=list("012345")),
    "times as one text": lambda: open_source(FRAMES, pts_seconds="012345"),
    "times of None": lambda: open_source(FRAMES, pts_seconds=[None] * 6),
    "times that stand still": lambda: open_source(FRAMES, pts_seconds=[1] * 6),
    "times that fall": lambda: open_source(FRAMES, pts_seconds=[5, 4, 3, 2, 1, 0]),
    "times with a NaN": lambda: open_source(FRAMES, pts_seconds=[0, 1, NAN, 3, 4, 5]),
    "times that are a number": lambda: open_source(FRAMES, pts_seconds=3.0),
    "no time asked": lambda: open_source(FRAMES, fps=5).frames_at([]),
    "times asked as None": lambda: open_source(FRAMES, fps=5).frames_at(None),
    "span backwards": lambda: read_video(FRAMES, fps=5, start_seconds=1, end_seconds=0.5),
    "span of nothing": lambda: read_video(FRAMES, fps=5, start_seconds=0.5, end_seconds=0.5),
    "span of sound backwards": lambda: read_audio(SOUND, start_seconds=0.5, end_seconds=0.2),
    "fit": lambda: read_video(FRAMES, fps=5, size=8, fit="stretch"),
    "fit as a list": lambda: read_video(FRAMES, fps=5, size=8, fit=["crop"]),
    "short": lambda: sampled("windows", short="no")(None),
    "three crops without a size": lambda: sampled("dense", crops=3)(None),
    "strict as text": lambda: open_source(FRAMES, fps=5, strict="no"),
    "mono as text": lambda: read_audio(SOUND, mono="no"),
    "limits as a number": lambda: open_source(FRAMES, fps=5, limits=100),
    "threads": lambda: open_source(FRAMES, fps=5, threads=-1),
    "audio as a number": lambda: open_source(FRAMES, fps=5, audio=3),
    "audio as a list": lambda: open_source(FRAMES, fps=5, audio=[0.0, 0.1], sample_rate=8000),
    "samples without a rate": lambda: open_source(FRAMES, fps=5, audio=SAMPLES),
    "no list": lambda: open_source([], fps=5),
    "a list of None": lambda: open_source([None], fps=5),
    "a list of both": lambda: open_source(["a.png", FRAMES[0]], fps=5),
    "a list of sizes": lambda: open_source([FRAMES[0], FRAMES[0][:8]], fps=5),
    "a list of types": lambda: open_source([FRAMES[0], FRAMES[0].astype(np.float32)], fps=5),
    "a list of empty frames": lambda: open_source([FRAMES[0][:0]], fps=5),
    "frames as numbers": lambda: open_source(FRAMES.tolist(), fps=5),
    "an object": lambda: open_source(object()),
    "None": lambda: open_source(None),
    "a bool": lambda: open_source(True),
    "a sparse tensor": lambda: open_source(torch.zeros(4, 8, 8, 3, dtype=torch.uint8).to_sparse(), fps=5),
    "a meta tensor": lambda: open_source(torch.zeros(4, 8, 8, 3, dtype=torch.uint8, device="meta"), fps=5),
    "a clock for a Video": lambda: open_source(read_video(FRAMES, fps=5), fps=9),
    "a Video of 4 channels": lambda: open_source(black(1, 4, 8, 8)),
    "a Video of no pixels": lambda: open_source(black(1, 3, 0, 8)),
    "a Video of floats": lambda: Video(torch.zeros(1, 3, 8, 8), torch.zeros(1), 1.0),
    "a Video of numpy": lambda: Video(FRAMES, np.zeros(6), 1.0),
    "a Video with a time NaN": lambda: Video(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.tensor([NAN]), 1.0),
    "an Audio of numpy": lambda: Audio(SAMPLES, 8000),
    "an Audio of no channel": lambda: Audio(torch.zeros(0, 8), 8000),
    "an Audio of integers": lambda: Audio(torch.zeros(1, 8, dtype=torch.int16), 8000),
}


@pytest.mark.parametrize("case", OTHERS)
def test_what_else_is_refused(case):
    with pytest.raises(InvalidInput):
        OTHERS[case]()


WRITES: dict[str, Callable[[Any], Any]] = {
    "path None": lambda p: write_video(None, torch.zeros(2, 3, 8, 8, dtype=torch.uint8), fps=5),
    "path a number": lambda p: write_audio(3, SOUND),
    "frames None": lambda p: write_video(p / "a.mp4", None, fps=5),
    "frames of no pixel": lambda p: write_video(p / "a.mp4", torch.zeros(2, 3, 0, 8, dtype=torch.uint8), fps=5),
    "no frames": lambda p: write_video(p / "a.mp4", torch.zeros(0, 3, 8, 8, dtype=torch.uint8), fps=5),
    "frames too wide": lambda p: write_video(p / "a.mp4", torch.zeros(1, 3, 1, 20000, dtype=torch.uint8), fps=5),
    "channels last": lambda p: write_video(p / "a.mp4", FRAMES, fps=5),
    "crf": lambda p: write_video(p / "a.mp4", torch.zeros(2, 3, 8, 8, dtype=torch.uint8), fps=5, crf=99),
    "crf as text": lambda p: write_video(p / "a.mp4", torch.zeros(2, 3, 8, 8, dtype=torch.uint8), fps=5, crf="20"),
    "sound as an array": lambda p: write_video(p / "a.mp4", torch.zeros(2, 3, 8, 8, dtype=torch.uint8), fps=5,
                                               audio=SAMPLES),
    "sound with NaN": lambda p: write_video(p / "a.mp4", torch.zeros(2, 3, 8, 8, dtype=torch.uint8), fps=5,
                                            audio=Audio(torch.full((1, 800), NAN), 8000)),
    "only NaN": lambda p: write_audio(p / "a.wav", Audio(torch.full((1, 800), NAN), 8000)),
    "infinite": lambda p: write_audio(p / "a.flac", Audio(torch.full((1, 800), INF), 8000)),
    "None": lambda p: write_audio(p / "a.wav", None),
}


@pytest.mark.parametrize("case", WRITES)
def test_what_cannot_be_written_is_refused(case, tmp_path):
    with pytest.raises(InvalidInput):
        WRITES[case](tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clip") / "a.mp4", ticks=STEADY, sounds=(("aac", "stereo", 2, "eng"),))


@pytest.mark.parametrize("value", ["1", None, NAN, INF, -INF, 2 + 1j, [], 10**400, 1e300], ids=repr)
def test_files_refuse_the_same_options(clip, value):
    for call in (lambda: read_video(clip, start_seconds=value), lambda: read_video(clip, end_seconds=value),
                 lambda: read_audio(clip, start_seconds=value), lambda: read_audio(clip, end_seconds=value),
                 lambda: read_audio(clip, sample_rate=value), lambda: read_audio(clip, audio_stream=value),
                 lambda: read_video(clip, threads=value), lambda: read_video(clip, limits=value)):
        if value is None:
            call()
            continue
        with pytest.raises(InvalidInput):
            call()


def test_scalars_of_numpy_and_torch_are_numbers():
    video = read_video(FRAMES, fps=np.float32(5), size=np.int64(8), start_seconds=torch.tensor(0.2),
                       end_seconds=np.array(0.8))
    assert video.frames.shape == (3, 3, 8, 8)
    times = (n / 2 for n in range(6))
    with open_source(FRAMES, pts_seconds=times, audio=SAMPLES, sample_rate=np.int64(8000)) as source:
        assert type(source.info.audio[0].sample_rate) is int
        assert source.frames_at(torch.tensor([0.6])).pts_seconds.tolist() == [0.5]
