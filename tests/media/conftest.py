"""Small media files that the tests make themselves, one oddity each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

HEIGHT, WIDTH = 64, 96


def pictures(count: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """Frames of a texture that moves, so that no two are alike."""
    coarse = np.random.default_rng(0).integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    base = np.kron(coarse, np.ones((8, 8, 1), np.uint8))[:height, :width]
    return [np.roll(base, (number, 2 * number), axis=(0, 1)) for number in range(count)]


def tone(seconds: float, rate: int, channels: int) -> np.ndarray:
    """A different steady tone in each channel, float (channels, S)."""
    time = np.arange(round(seconds * rate)) / rate
    return np.stack([0.3 * np.sin(2 * np.pi * (300 + 150 * channel) * time) for channel in range(channels)]
                    ).astype(np.float32)


def write(path: Path, *, ticks: list[int], tick: Fraction = Fraction(1, 25), codec: str = "libx264",
          pixels: str = "yuv420p", options: dict | None = None, gop: int = 12, sounds: tuple = (),
          rotation: int | None = None, container: str | None = None, interlaced: bool = False,
          sound_delay: float = 0.0) -> Path:
    """Write a file; `sounds` are (codec, layout, channels, language)."""
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, pixels, gop
        stream.time_base = stream.codec_context.time_base = tick
        if codec == "libx264":
            stream.options = {"bf": "3", **({"x264-params": "interlaced=1:tff=1"} if interlaced else {}),
                              **({"x264-params": "open-gop=1:bframes=3"} if options == {} else {})}
        if rotation is not None:
            stream.set_display_rotation(rotation)
        tracks = [out.add_stream(name, rate=48000, layout=layout) for name, layout, _, _ in sounds]
        for track, (_, _, _, language) in zip(tracks, sounds, strict=True):
            track.metadata["language"] = language
        for picture, pts in zip(pictures(len(ticks)), ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts, frame.time_base = pts, tick
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        seconds = float((max(ticks) - min(ticks)) * tick)
        for track, (_, layout, channels, _) in zip(tracks, sounds, strict=True):
            _write_sound(out, track, tone(seconds, 48000, channels), layout, sound_delay)
    return path


def _write_sound(out, track, samples: np.ndarray, layout: str, delay: float) -> None:
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate = 48000
    shape = av.AudioResampler(format=track.codec_context.format, layout=layout, rate=48000,
                              frame_size=track.codec_context.frame_size or 1024)
    at = round(delay * 48000)
    for piece in (*shape.resample(frame), *shape.resample(None)):
        piece.pts, piece.time_base = at, Fraction(1, 48000)
        at += piece.samples
        out.mux(track.encode(piece))
    out.mux(track.encode(None))


STEADY = list(range(40))
UNEQUAL = np.cumsum([1, *np.random.default_rng(1).integers(1, 9, 39)]).tolist()
TEN_BIT = "yuv420p10le"
MAKERS: dict[str, Callable[[Path], Path]] = {
    "vfr.mp4": lambda p: write(p, ticks=UNEQUAL),
    "vfr.mkv": lambda p: write(p, ticks=UNEQUAL),
    "late.mkv": lambda p: write(p, ticks=[t + 208 for t in STEADY], sounds=(("aac", "stereo", 2, "eng"),),
                                sound_delay=8.32),
    "late.ts": lambda p: write(p, ticks=[t + 208 for t in STEADY], sounds=(("mp2", "stereo", 2, "eng"),),
                               sound_delay=8.32),
    "rot90.mp4": lambda p: write(p, ticks=STEADY, rotation=90),
    "rot180.mp4": lambda p: write(p, ticks=STEADY, rotation=180),
    "ten-bit.mp4": lambda p: write(p, ticks=STEADY, pixels=TEN_BIT),
    "five-one.mp4": lambda p: write(p, ticks=STEADY, sounds=(("aac", "5.1", 6, "eng"),)),
    "two-tracks.mkv": lambda p: write(p, ticks=STEADY, sounds=(("aac", "mono", 1, "eng"), ("aac", "stereo", 2, "fre"))),
    "mute.mp4": lambda p: write(p, ticks=STEADY),
    "interlaced.mp4": lambda p: write(p, ticks=STEADY, interlaced=True),
    "opengop.mp4": lambda p: write(p, ticks=list(range(100)), options={}, gop=10),
    "opengop.mkv": lambda p: write(p, ticks=list(range(100)), options={}, gop=10),
    "mpeg2.ts": lambda p: write(p, ticks=STEADY, codec="mpeg2video", sounds=(("mp2", "stereo", 2, "eng"),)),
    "mpeg4.avi": lambda p: write(p, ticks=STEADY, codec="mpeg4", sounds=(("mp3", "stereo", 2, "eng"),)),
    "vp9.webm": lambda p: write(p, ticks=STEADY, tick=Fraction(1, 25), codec="libvpx-vp9"),
    "raw.h264": lambda p: write(p, ticks=STEADY, container="h264"),
    "delays.gif": lambda p: write_gif(p),
}


def write_gif(path: Path) -> Path:
    """An animation whose frames last 50 to 400 ms."""
    from PIL import Image
    images = [Image.fromarray(picture).quantize(64) for picture in pictures(8)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=[50, 100, 400, 80, 120, 200, 60, 90], loop=0)
    return path


@pytest.fixture(scope="session")
def odd(tmp_path_factory) -> Callable[[str], Path]:
    """Make (once) and return the file of a name in MAKERS."""
    folder = tmp_path_factory.mktemp("odd")

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else MAKERS[name](path)
    return make
