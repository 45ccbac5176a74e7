"""Sound in memory is what a file with the same samples gives, and no NaN of either comes out."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from conftest import STEADY, tone, write

from mmvideo.errors import InvalidInput, VideoDecodeError
from mmvideo.media import open_source, read_audio
from mmvideo.separation.voices.save import remix_voices
from mmvideo.types import Audio

RATE = 8000
FRAMES = np.zeros((4, 8, 8, 3), np.uint8)
FORMATS = {"uint8": (1, "<u1"), "int16": (1, "<i2"), "int32": (1, "<i4"), "float32": (3, "<f4"), "float64": (3, "<f8")}


def wav(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    """Write samples (channels, S) of any type as they are."""
    kind, dtype = FORMATS[samples.dtype.name]
    data = samples.T.astype(dtype).tobytes()
    channels, width = samples.shape[0], np.dtype(dtype).itemsize
    head = struct.pack("<IHHIIHH", 16, kind, channels, rate, rate * channels * width, channels * width, 8 * width)
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + head + b"data"
                     + struct.pack("<I", len(data)) + data)
    return path


def in_memory(samples: np.ndarray | torch.Tensor, **options) -> Audio:
    with open_source(FRAMES, fps=2, audio=samples, sample_rate=RATE) as source:
        return source.audio(**options)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("as_torch", [False, True])
def test_integers_are_scaled_as_in_files(dtype, as_torch, tmp_path):
    wave = tone(0.5, RATE, 2)
    wave[0, :4] = (1, -1, 0.5, 0)
    samples = wave.astype(dtype)
    if not dtype.startswith("float"):
        limits = np.iinfo(dtype)
        middle = 128 if dtype == "uint8" else 0
        scaled = np.round(wave.astype(np.float64) * -float(limits.min if middle == 0 else -128)) + middle
        samples = scaled.clip(limits.min, limits.max).astype(dtype)
    of_file = read_audio(wav(tmp_path / "a.wav", samples))
    of_memory = in_memory(torch.from_numpy(samples) if as_torch else samples)
    assert torch.equal(of_memory.samples, of_file.samples)
    assert np.abs(of_memory.samples.numpy() - wave).max() < 0.01
    assert not of_memory.warnings
    other = {"sample_rate": 16000, "mono": True}
    assert (in_memory(samples, **other).samples - read_audio(tmp_path / "a.wav", **other).samples).abs().max() < 1e-4


def test_the_answer_does_not_depend_on_the_type():
    wave = tone(0.5, RATE, 1)
    whole = (wave * 32767).round().astype(np.int16)
    assert np.abs(in_memory(whole).samples.numpy() - wave).max() < 1e-4
    assert torch.equal(in_memory(torch.tensor(wave).bfloat16()).samples, torch.tensor(wave).bfloat16().float())
    assert torch.equal(in_memory(whole.astype(np.float32) / 32768, sample_rate=16000).samples,
                       in_memory(whole, sample_rate=16000).samples)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 24, 32])
@pytest.mark.parametrize("mono", [False, True])
def test_channels_are_mixed_as_in_files(channels, mono, tmp_path):
    samples = tone(0.5, RATE, channels)
    for rate in (None, 16000):
        of_file = read_audio(wav(tmp_path / "a.wav", samples), mono=mono, sample_rate=rate)
        of_memory = in_memory(samples, mono=mono, sample_rate=rate)
        assert of_memory.samples.shape[0] == (1 if mono or channels == 1 else 2)
        assert torch.equal(of_memory.samples, of_file.samples)
    heard = np.abs(np.fft.rfft(of_memory.samples.numpy().mean(0)))
    place = round(300 * 0.5)  # the first channel's tone
    assert heard[place - 1:place + 2].max() > 20


def test_eight_channels_by_the_weights_of_bs775():
    centre = np.zeros((8, 400), np.float32)
    centre[2] = 0.5
    assert torch.allclose(in_memory(centre).samples, torch.full((2, 400), 0.5 * 2**-0.5), atol=1e-4)
    assert torch.allclose(in_memory(centre, mono=True).samples, torch.full((1, 400), 0.5), atol=1e-4)
    nine = np.linspace(-0.4, 0.8, 9, dtype=np.float32)[:, None].repeat(400, 1)  # no layout has nine: the mean
    assert torch.allclose(in_memory(nine).samples, torch.full((2, 400), 0.2), atol=1e-4)
    assert torch.allclose(in_memory(nine, mono=True).samples, torch.full((1, 400), 0.2), atol=1e-4)


def test_a_compressed_file_of_eight_channels_is_read(tmp_path):
    path = write(tmp_path / "a.mp4", ticks=STEADY)
    with av.open(str(path.with_name("b.mp4")), "w") as out:
        track = out.add_stream("aac", rate=48000, layout="7.1")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone(0.5, 48000, 8).T).reshape(1, -1), format="flt",
                                           layout="7.1")
        frame.sample_rate = 48000
        shape = av.AudioResampler(format="fltp", layout="7.1", rate=48000, frame_size=1024)
        for piece in (*shape.resample(frame), *shape.resample(None)):
            out.mux(track.encode(piece))
        out.mux(track.encode(None))
    sound = read_audio(path.with_name("b.mp4"), mono=True)
    assert sound.samples.shape[0] == 1
    assert 0.2 < float(sound.samples[0, 2000:20000].abs().max()) <= 1


def spoilt(dtype: str = "float32") -> np.ndarray:
    samples = tone(1.0, RATE, 2).astype(dtype)
    samples[0, 100:140], samples[1, 5000], samples[1, 5001] = np.nan, np.inf, -np.inf
    return samples


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"sample_rate": 16000}, {"mono": True}, {"sample_rate": 16000, "mono": True}])
def test_no_nan_of_a_file_or_of_memory(dtype, options, tmp_path):
    samples = spoilt(dtype)
    path = wav(tmp_path / "a.wav", samples)
    clean = tone(1.0, RATE, 2).astype(dtype)
    clean[~np.isfinite(samples)] = 0
    want = in_memory(clean, **options)
    for sound in (read_audio(path, **options), in_memory(samples, **options)):
        assert torch.allclose(sound.samples, want.samples, rtol=0, atol=1e-6), "silence there, and nothing else changed"
        assert any("not finite numbers" in warning for warning in sound.warnings)
        json.dumps([sound.samples.sum().item(), *sound.warnings], allow_nan=False)
    with open_source(path) as source:
        pieces = list(source.stream_audio(**options))
        assert all(bool(torch.isfinite(piece.samples).all()) for piece in pieces)
        assert any("not finite" in warning for warning in source.warnings)
    with pytest.raises(VideoDecodeError, match="finite"):
        read_audio(path, strict=True, **options)


def test_an_audio_of_nan_is_cleaned_with_a_warning():
    bad = Audio(torch.full((1, RATE), float("nan")), RATE)
    with open_source(FRAMES, fps=2, audio=bad) as source:
        assert not source.audio().samples.any()
        assert any("8000 of 8000 samples" in warning for warning in source.warnings)
    assert not read_audio(bad, sample_rate=16000).samples.any()
    with pytest.raises(InvalidInput, match="finite"):
        open_source(bad, strict=True)


def test_huge_numbers_stay_finite(tmp_path):
    samples = tone(1.0, RATE, 6) * np.float32(3e38)
    path = wav(tmp_path / "a.wav", samples)
    for sound in (read_audio(path, sample_rate=16000), in_memory(samples, sample_rate=16000),
                  in_memory(samples.astype(np.float64) * 1e30)):
        assert bool(torch.isfinite(sound.samples).all())
        assert float(sound.samples.abs().max()) <= 1


def test_floats_of_another_scale_are_clipped_with_a_warning():
    sound = in_memory(tone(0.5, RATE, 1) * 32767)
    assert float(sound.samples.abs().max()) == 1
    assert any("divide by their full scale" in warning for warning in sound.warnings)


@pytest.mark.parametrize("rate", [1, 50, 900_000])
def test_a_header_with_an_impossible_rate_is_refused(rate, tmp_path):
    with pytest.raises(VideoDecodeError, match=f"{rate} samples a second"):
        read_audio(wav(tmp_path / "a.wav", tone(0.5, RATE, 1), rate))


def test_a_mix_takes_no_nan():
    class Result:
        tracks = (None, None)

    for gains in ((float("nan"), 1), (float("inf"), 1), ("1", 1), (None, 1), (-1, 1), (1,)):
        with pytest.raises(InvalidInput):
            remix_voices(Result(), Path("a.wav"), gains, 1.0)
    with pytest.raises(InvalidInput):
        remix_voices(Result(), Path("a.wav"), (1, 1), float("nan"))
