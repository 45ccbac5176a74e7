"""Write files that other programs play: H.264/AAC mp4, WAV, FLAC. A file appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import torch
from av.container import OutputContainer
from torch import Tensor

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.media.convert import MAX_SIDE
from mmvideo.media.memory import convert_audio, frame_clock
from mmvideo.types import Audio, Video

_CLOCK = 90000
"""Ticks per second of written timestamps: whole numbers for 24, 25, 30, 50 and 60 fps, and 11 us otherwise."""
_AAC_FRAME = 1024
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def _suffix(path: str | os.PathLike) -> str:
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput(f"The path to write must be a string or a path, not {checks.described(path)}.")
    return Path(path).suffix.lower()


def _tensor(frames: Tensor | np.ndarray) -> Tensor:
    fits = isinstance(frames, Tensor | np.ndarray) and frames.ndim == 4 and frames.shape[1] == 3 and all(frames.shape)
    if not fits or frames.dtype not in (torch.uint8, np.dtype(np.uint8)) or getattr(frames, "is_meta", False):
        raise InvalidInput("frames must be uint8 (T, 3, H, W) with at least one pixel, not "
                           f"{checks.described(frames)}.")
    if max(frames.shape[2:]) > MAX_SIDE:
        raise InvalidInput(f"H.264 holds at most {MAX_SIDE} rows and columns, not {tuple(frames.shape[2:])} (H, W).")
    return torch.as_tensor(frames).detach().cpu()


def _check_sound(audio: Audio) -> None:
    """Refuse what is no sound, or holds numbers that no file can hold."""
    if not isinstance(audio, Audio):
        raise InvalidInput(f"The sound to write must be an Audio, not {checks.described(audio)}; make one with "
                           "Audio(samples, sample_rate).")
    if not bool(torch.isfinite(audio.samples).all()):
        raise InvalidInput("The sound to write holds samples that are not finite numbers (NaN or infinite); replace "
                           "them, for example with torch.nan_to_num.")


@contextmanager
def _whole(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place if the block succeeds."""
    path = Path(path)
    if not path.parent.is_dir():
        raise InvalidInput(f"The folder {path.parent} does not exist; make it first.")
    handle, name = tempfile.mkstemp(prefix=".mmvideo-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def write_video(path: str | os.PathLike, frames: Tensor | np.ndarray | Video, *, fps: float | None = None,
                pts_seconds: Sequence[float] | None = None, audio: Audio | None = None, crf: int = 20) -> None:
    """Write an H.264 (yuv420p) + AAC mp4 that browsers play and can start before it is whole.

    Args:
        path: ends in .mp4 or .mov.
        frames: uint8 (T, C, H, W), C = 3, or a `Video`, which brings its own times. Odd sizes get one more row or
            column, a copy of the last.
        fps: frames per second.
        pts_seconds: the time of each frame instead of `fps`; unequal steps are kept.
        audio: sound on the same clock; it is cut or delayed to begin with the first frame.
        crf: quality of x264, 0 (lossless) to 51; less is better.

    Raises:
        InvalidInput: no clock, wrong shape or suffix.
    """
    if _suffix(path) not in (".mp4", ".mov", ".m4v"):
        raise InvalidInput(f"write_video writes .mp4, not {_suffix(path)!r}.")
    if isinstance(frames, Video):
        if fps is None and pts_seconds is None:
            pts_seconds = frames.pts_seconds.tolist()
        frames = frames.frames
    frames = _tensor(frames)
    crf = checks.whole("crf", crf, low=0, high=51)
    if audio is not None:
        _check_sound(audio)
    times, duration = frame_clock(len(frames), fps, pts_seconds, "Frames to write")
    ticks = [round((seconds - times[0]) * _CLOCK) for seconds in times]
    with _whole(path) as part, av.open(f"file:{part}", "w", format="mp4", options={"movflags": "+faststart"}) as out:
        stream = _video_stream(out, frames, Fraction(len(frames) / max(duration, 1e-6)).limit_denominator(1001), crf)
        sound = None if audio is None else _Sound(out, audio, times[0])
        _encode(out, stream, sound, frames, ticks, round(duration * _CLOCK))


def _video_stream(out: OutputContainer, frames: Tensor, rate: Fraction, crf: int) -> av.VideoStream:
    stream = out.add_stream("libx264", rate=max(rate, Fraction(1, 1001)))
    stream.height, stream.width = (side + side % 2 for side in frames.shape[2:])
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
    stream.options = {"crf": str(crf), "preset": "medium"}
    context = stream.codec_context
    context.color_range, context.colorspace = 1, 5  # MPEG range, BT.601: what swscale converts to
    context.color_primaries, context.color_trc = 6, 6
    return stream


def _sound_stream(out: OutputContainer, audio: Audio) -> av.AudioStream:
    rate = audio.sample_rate if audio.sample_rate in _AAC_RATES else 48000
    return out.add_stream("aac", rate=rate, layout="mono" if audio.samples.shape[0] == 1 else "stereo")


def _aligned(audio: Audio, start_seconds: float, rate: int) -> Audio:
    """Resample, and cut or delay the sound so that its first sample is heard with the first frame."""
    late = audio.start_seconds - start_seconds
    audio = convert_audio(audio, sample_rate=rate, start_seconds=None if late >= 0 else start_seconds)
    samples = torch.nn.functional.pad(audio.samples, (max(0, round(late * rate)), 0))
    return Audio(samples.clamp(-1, 1), rate)


def _encode(out: OutputContainer, stream: av.VideoStream, sound: _Sound | None, frames: Tensor, ticks: list[int],
            end: int) -> None:
    for number, picture in enumerate(frames):
        following = ticks[number + 1] if number + 1 < len(ticks) else end
        frame = av.VideoFrame.from_ndarray(_even(picture.permute(1, 2, 0).numpy()), format="rgb24")
        frame.pts, frame.time_base = ticks[number], Fraction(1, _CLOCK)
        frame.duration = max(1, following - ticks[number])
        out.mux(stream.encode(frame))
        if sound is not None:  # in step, so that a player finds both near each other
            sound.encode_until(following / _CLOCK)
    out.mux(stream.encode(None))
    if sound is not None:
        sound.end()


class _Sound:
    """The sound of a file that is being written, and how far it has been encoded.

    Args:
        out: the file.
        audio: the sound; it is cut or delayed to begin with the first frame.
        start_seconds: time of the first frame.
    """

    def __init__(self, out: OutputContainer, audio: Audio, start_seconds: float):
        self._out, self._stream = out, _sound_stream(out, audio)
        self._audio = _aligned(audio, start_seconds, self._stream.rate)
        self._at = 0

    def encode_until(self, seconds: float) -> None:
        """Encode whole AAC frames up to a time after the first frame."""
        self._encode(round(seconds * self._audio.sample_rate))

    def end(self) -> None:
        """Encode the rest."""
        self._encode(self._audio.samples.shape[1])
        self._out.mux(self._stream.encode(None))

    def _encode(self, until: int) -> None:
        """Encode whole AAC frames up to a sample; at the end also the rest."""
        total, rate = self._audio.samples.shape[1], self._audio.sample_rate
        while self._at < min(until, total) and (until >= total or self._at + _AAC_FRAME <= until):
            piece = self._audio.samples[:, self._at:self._at + _AAC_FRAME].contiguous().numpy()
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=self._stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = rate, self._at, Fraction(1, rate)
            self._out.mux(self._stream.encode(frame))
            self._at += piece.shape[1]


def _even(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.ascontiguousarray(np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge"))


def write_audio(path: str | os.PathLike, audio: Audio) -> None:
    """Write sound as .wav (32-bit float) or .flac (24-bit).

    Raises:
        InvalidInput: another suffix, or a number of channels other than 1, 2, 6 or 8.
    """
    _check_sound(audio)
    write_audio_pieces(path, [audio], sample_rate=audio.sample_rate)


def write_audio_pieces(path: str | os.PathLike, pieces: Iterable[Audio], *, sample_rate: int) -> None:
    """Write sound that comes in pieces which follow each other, in memory that does not grow with its length.

    Raises:
        InvalidInput: as `write_audio`; or no piece.
    """
    kinds = {".wav": ("wav", "pcm_f32le", "flt"), ".flac": ("flac", "flac", "s32")}
    suffix = _suffix(path)
    if suffix not in kinds:
        raise InvalidInput(f"write_audio writes {' or '.join(kinds)}, not {suffix!r}.")
    layouts = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
    pieces = iter(pieces)
    first = next(pieces, None)
    if first is None:
        raise InvalidInput("There is no sound to write: not a single piece came.")
    channels = first.samples.shape[0]
    if channels not in layouts:
        raise InvalidInput(f"write_audio writes {', '.join(map(str, layouts))} channels, not {channels}.")
    container, codec, kind = kinds[suffix]
    with _whole(path) as part, av.open(f"file:{part}", "w", format=container) as out:
        stream = out.add_stream(codec, rate=sample_rate, layout=layouts[channels], format=kind)
        assert isinstance(stream, av.AudioStream)
        start = 0
        for audio in chain([first], pieces):
            _check_sound(audio)
            for at in range(0, audio.samples.shape[1], 4096):
                piece = audio.samples[:, at:at + 4096].clamp(-1, 1).t().contiguous().numpy()
                if kind == "s32":
                    scaled = np.round(piece.astype(np.float64) * 2**23)
                    piece = (np.clip(scaled, -2**23, 2**23 - 1) * 256).astype(np.int32)
                frame = av.AudioFrame.from_ndarray(piece.reshape(1, -1), format=kind, layout=layouts[channels])
                frame.sample_rate, frame.pts, frame.time_base = sample_rate, start + at, Fraction(1, sample_rate)
                out.mux(stream.encode(frame))
            start += audio.samples.shape[1]
        out.mux(stream.encode(None))
