"""Open a file with PyAV, or say in a typed error why it cannot be opened."""

from __future__ import annotations

import io
import os
from pathlib import Path

import av

from mmvideo.errors import MediaNotFound, VideoDecodeError
from mmvideo.media.limits import MAX_PIXELS

ERRORS = (av.FFmpegError, OSError, ValueError, EOFError, IndexError)
"""What PyAV raises on bad media."""

_NOT_MEDIA = {"tty", "concat", "ffmetadata", "srt", "webvtt", "ass"}
"""Text that FFmpeg would open, the first as a moving picture of the letters."""


class Opener:
    """Opens one path or one block of bytes as often as needed, each time from the start.

    Args:
        media: a path or the bytes of a whole file.
        name: how messages call it.
    """

    def __init__(self, media: str | os.PathLike | bytes, *, name: str | None = None):
        self._media = media
        self.name = name or ("<bytes>" if isinstance(media, bytes) else str(media))

    @property
    def num_bytes(self) -> int | None:
        """Length of the file in bytes; None if it cannot be known."""
        if isinstance(self._media, bytes):
            return len(self._media)
        try:
            return os.stat(self._media).st_size
        except OSError:
            return None

    def __call__(self) -> av.container.InputContainer:
        """Open the media.

        Raises:
            MediaNotFound: no such file.
            VideoDecodeError: a folder, an empty file, not media, or cut before its index.
        """
        self._check()
        media = io.BytesIO(self._media) if isinstance(self._media, bytes) else os.fspath(self._media)
        try:
            container = av.open(media, metadata_errors="replace")
        except av.FileNotFoundError as error:
            raise MediaNotFound(f"{self.name}: no such file.") from error
        except PermissionError as error:
            raise VideoDecodeError(f"{self.name} cannot be read: permission denied.") from error
        except ERRORS as error:
            raise VideoDecodeError(f"{self.name} cannot be opened: {self._reason()} ({_short(error)}).") from error
        if container.format.name in _NOT_MEDIA:
            container.close()
            raise VideoDecodeError(f"{self.name} is not a media file ({container.format.name}: plain text or a list).")
        return container

    def _check(self) -> None:
        if isinstance(self._media, bytes):
            if not self._media:
                raise VideoDecodeError(f"{self.name} is empty (0 bytes); give the bytes of a whole media file.")
            return
        path = Path(self._media)
        if path.is_dir():
            raise VideoDecodeError(f"{self.name} is a folder without image files; give a video file, or a folder of "
                                   "images with fps=.")
        if not path.exists():
            raise MediaNotFound(f"{self.name}: no such file.")
        if path.is_file() and path.stat().st_size == 0:
            raise VideoDecodeError(f"{self.name} is empty (0 bytes); copy or download it again.")

    def _reason(self) -> str:
        """Tell a cut ISO file from something that is no media at all."""
        if isinstance(self._media, bytes):
            head, boxes = self._media[:16], _top_boxes(io.BytesIO(self._media), len(self._media))
        else:
            with open(self._media, "rb") as file:
                head = file.read(16)
                boxes = _top_boxes(file, self.num_bytes or 0)
        if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free"):
            if b"moov" not in boxes:
                return "it is cut before its index (no moov atom); copy or download it again"
            return "its index (moov atom) is damaged"
        if head[:4] in (b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"FLV\x01", b"GIF8"):
            return "its header is damaged or cut"
        return "it is not a media file that FFmpeg knows, or its header is damaged"


def _top_boxes(file, num_bytes: int) -> set[bytes]:
    """List the top-level boxes of an ISO base media file (ISO 14496-12, 4.2)."""
    boxes, at = set(), 0
    while at + 8 <= num_bytes and len(boxes) < 64:
        file.seek(at)
        header = file.read(16)
        size = int.from_bytes(header[:4], "big")
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        boxes.add(header[4:8])
        if size < 8:
            break
        at += size
    return boxes


def _short(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)[:200]


def video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """Return the moving picture to decode: the default one, else the first; cover art does not count."""
    streams = [stream for stream in container.streams.video if not is_cover_art(stream)]
    preferred = [stream for stream in streams if stream.disposition & av.stream.Disposition.default]
    return (preferred or streams or [None])[0]


def is_cover_art(stream: av.VideoStream) -> bool:
    """Tell an attached still from a moving picture."""
    cover = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return bool(stream.disposition & cover)


def set_up_decoder(stream: av.VideoStream, *, careful: bool, threads: int | None) -> None:
    """Set threads, the pixel limit and, if `careful`, that any damage raises instead of being painted over.

    Damage is painted over by one thread only, so that the pictures do not depend on the number of processors: with
    slice threads FFmpeg conceals none in H.264, with frame threads the rows that a damaged VP8 picture lacks come from
    another picture.
    """
    context = stream.codec_context
    options = {"max_pixels": str(MAX_PIXELS)}
    if careful:
        options["err_detect"] = "explode"
    context.options = options
    alone = not careful or context.name == "vp8"
    context.thread_count = 1 if alone else threads or 0
    context.thread_type = "NONE" if alone else "AUTO"


def decoding_error(name: str, error: BaseException, at_seconds: float | None) -> VideoDecodeError:
    """Build the error for damage that strict reading does not accept."""
    where = "" if at_seconds is None else f" near {at_seconds:.3f} s"
    return VideoDecodeError(f"{name} is damaged{where}: {_short(error)}. Read it with strict=False to get what can be "
                            "decoded, with warnings.")
