"""Copies that browsers play, made in memory that does not grow with the length of the video."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from mmvideo.errors import MmvideoError, VideoDecodeError
from mmvideo.media.api import MediaLike, open_source
from mmvideo.media.container import ERRORS
from mmvideo.media.info import MediaInfo
from mmvideo.media.source import Source
from mmvideo.media.write import _CLOCK, _even, _video_stream, _whole
from mmvideo.types import Audio, Size, Video

_PLAYED = {"mp4": ({"h264", "av1", "vp9"}, {"aac", "mp3", "opus", "flac"}),
           "mov": ({"h264"}, {"aac", "mp3"}),
           "webm": ({"vp8", "vp9", "av1"}, {"opus", "vorbis"})}
"""Containers by the suffix that a server tells their type by -> codecs of picture and sound that every browser of today
plays in them."""
_CODECS = {"mp3float": "mp3", "libdav1d": "av1", "libaom-av1": "av1", "libvpx": "vp8", "libvpx-vp9": "vp9",
           "libopus": "opus", "libvorbis": "vorbis"}
"""Names of decoders -> of what they decode."""
_RATE, _PIECE = 48000, 1024


def is_playable(info: MediaInfo, suffix: str) -> bool:
    """Tell whether browsers can be expected to play a file; where in doubt, they are not.

    Args:
        info: what `probe` says of it.
        suffix: of its name.
    """
    video, moving = info.main_video, [track for track in info.video if not track.is_cover_art]
    if video is None or len(moving) > 1 or video.hdr is not None:  # browsers choose other tracks, and other colours
        return False
    pictures, sounds = _PLAYED.get(suffix.lower().lstrip(".").replace("m4v", "mp4"), (set(), set()))
    if _CODECS.get(video.codec, video.codec) not in pictures:
        return False
    if any(_CODECS.get(track.codec, track.codec) not in sounds for track in info.audio):
        return False
    return video.codec != "h264" or video.pixel_format in ("yuv420p", "yuvj420p")


def write_playable(media: MediaLike, path: str | os.PathLike, *, short_side: int | None = None,
                   max_seconds: float | None = None) -> Path:
    """Write a copy in H.264 (yuv420p) and AAC in mp4.

    Args:
        media: what `open_source` takes.
        path: ends in .mp4.
        short_side: pixels of the shorter side at most; None keeps the size.
        max_seconds: what lies after these is left out; None keeps all.

    Raises:
        MediaError: it cannot be read, or holds no moving picture.
        VideoDecodeError: its pictures cannot be encoded.
    """
    path = Path(path)
    with open_source(media) as source, _whole(path) as part, av.open(
            f"file:{part}", "w", format="mp4", options={"movflags": "+faststart"}) as out:
        try:
            _copy(source, out, short_side, max_seconds)
        except MmvideoError:
            raise
        except ERRORS as error:
            raise VideoDecodeError(f"{source.info.source} cannot be copied: {error}.") from error
    return path


def _copy(source: Source, out: Any, short_side: int | None, max_seconds: float | None) -> None:
    size = None if short_side is None else _within(source, short_side)
    end = None if max_seconds is None else source.start_seconds + max_seconds
    picture = sound = None
    begins, last = 0.0, -1
    for video, audio in source.stream_av(size=size, batch=8, sample_rate=_RATE, end_seconds=end):
        if picture is None:
            begins, picture = float(video.pts_seconds[0]), _pictures(out, video)
            channels = 2 if audio is None else audio.samples.shape[0]
            sound = _Sound(out, channels) if source.has_audio else None
        for frame, seconds in video:
            last = max(last + 1, round((seconds - begins) * _CLOCK))
            coded = av.VideoFrame.from_ndarray(_even(frame.permute(1, 2, 0).numpy()), format="rgb24")
            coded.pts, coded.time_base = last, Fraction(1, _CLOCK)
            out.mux(picture.encode(coded))
        if sound is not None and audio is not None:
            sound.take(audio)
    if picture is not None:
        out.mux(picture.encode(None))
    if sound is not None:
        sound.end()


def _within(source: Source, short_side: int) -> Size | None:
    """Return the size with this shorter side; None where the pictures are not larger."""
    main = source.info.main_video
    if main is None or min(main.upright) <= short_side:
        return None
    height, width = main.upright
    scale = short_side / min(width, height)
    return Size(max(1, round(height * scale)), max(1, round(width * scale)))


def _pictures(out: Any, video: Video) -> Any:
    rate = Fraction(video.fps or 25).limit_denominator(1001)
    stream = _video_stream(out, video.frames, min(max(rate, Fraction(1)), Fraction(120)), 23)
    stream.options = {"crf": "23", "preset": "veryfast"}
    return stream


class _Sound:
    """The sound of a copy: one channel or two, from the first picture on."""

    def __init__(self, out: Any, channels: int):
        self._out, self._at, self._fifo, self._channels = out, 0, av.AudioFifo(), channels
        self._stream = out.add_stream("aac", rate=_RATE, layout="mono" if channels == 1 else "stereo")

    def take(self, audio: Audio) -> None:
        """Encode what follows."""
        samples = audio.samples.clamp(-1, 1).expand(self._channels, -1)
        if samples.shape[1]:
            layout = self._stream.layout.name
            frame = av.AudioFrame.from_ndarray(samples.contiguous().numpy(), format="fltp", layout=layout)
            frame.sample_rate, frame.pts = _RATE, None
            self._fifo.write(frame)
        self._encode(partial=False)

    def end(self) -> None:
        """Encode the rest."""
        self._encode(partial=True)
        self._out.mux(self._stream.encode(None))

    def _encode(self, *, partial: bool) -> None:
        while (piece := self._fifo.read(_PIECE, partial)) is not None:
            piece.pts, piece.time_base = self._at, Fraction(1, _RATE)
            self._at += piece.samples
            self._out.mux(self._stream.encode(piece))


__all__ = ["is_playable", "write_playable"]
