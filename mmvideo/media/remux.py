"""Give a video another sound: its pictures are copied as they are, bit for bit, only the new sound is encoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mmvideo.errors import InvalidInput, NoVideoTrack, VideoDecodeError
from mmvideo.media.container import ERRORS, Opener
from mmvideo.media.container import video_stream as moving_picture
from mmvideo.media.write import _whole
from mmvideo.types import Audio

_IN_MP4 = ("h264", "hevc", "av1", "mpeg4", "vp9")
_PIECE = 1024


def with_sound(media: str | os.PathLike | bytes, path: str | os.PathLike, sound: Iterator[Audio],
               sample_rate: int, *, video_stream: int | None = None) -> Path:
    """Write the moving picture of a file with another sound, in memory that does not grow with its length.

    Args:
        media: a path, or the bytes of a file.
        path: where to write; the suffix becomes .mp4, or .mkv for pictures that mp4 does not hold.
        sound: mono pieces that follow each other, on the clock of the file.
        sample_rate: of the pieces.
        video_stream: which video track, from 0; None takes the best.

    Returns:
        The path that was written.

    Raises:
        NoVideoTrack: there is no moving picture.
        VideoDecodeError: the file cannot be read, or its pictures cannot be copied.
    """
    opener = Opener(media)
    with opener() as given:
        stream = moving_picture(given, video_stream)
        if stream is None:
            raise NoVideoTrack(f"{opener.name} has no moving picture to copy.")
        path = Path(path).with_suffix(".mp4" if stream.codec_context.name in _IN_MP4 else ".mkv")
        try:
            kind = "mp4" if path.suffix == ".mp4" else "matroska"
            with _whole(path) as part, av.open(f"file:{part}", "w", format=kind,
                                               options={"movflags": "+faststart"} if path.suffix == ".mp4" else {},
                                               ) as out:
                copied = out.add_stream_from_template(stream)
                voice = out.add_stream("aac", rate=sample_rate, layout="mono")
                pieces = _frames(sound, sample_rate)
                at = 0.0
                for packet in given.demux(stream):
                    if packet.dts is None or packet.time_base is None:
                        continue
                    until = float(packet.dts * packet.time_base)
                    packet.stream = copied
                    out.mux(packet)
                    while at <= until + 0.5 and (frame := next(pieces, None)) is not None:
                        at = float((frame.pts or 0) * Fraction(1, sample_rate))
                        out.mux(voice.encode(frame))
                for frame in pieces:
                    out.mux(voice.encode(frame))
                out.mux(voice.encode(None))
        except ERRORS as error:
            raise VideoDecodeError(f"{opener.name}: its pictures cannot be copied into {path.name}: {error}") from error
    return path


def _frames(sound: Iterator[Audio], rate: int) -> Iterator[av.AudioFrame]:
    """Cut pieces of any length into frames as the encoder wants them."""
    left, at = np.zeros(0, np.float32), None
    for piece in sound:
        if piece.samples.shape[0] != 1 or piece.sample_rate != rate:
            raise InvalidInput(f"with_sound takes mono pieces at {rate} Hz, not {piece!r}.")
        at = round(piece.start_seconds * rate) if at is None else at
        left = np.concatenate([left, piece.samples[0].numpy()])
        while len(left) >= _PIECE:
            yield _frame(left[:_PIECE], at, rate)
            left, at = left[_PIECE:], at + _PIECE
    if len(left):
        yield _frame(left, at or 0, rate)


def _frame(samples: np.ndarray, at: int, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None].clip(-1, 1)), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
    return frame


__all__ = ["with_sound"]
