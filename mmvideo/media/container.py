"""Open a file with PyAV, or say in a typed error why it cannot be opened."""

from __future__ import annotations

import io
import os
import re
import stat

import av
from av.container import InputContainer
from PIL import Image

from mmvideo.errors import BudgetExceeded, InvalidInput, MediaNotFound, VideoDecodeError
from mmvideo.media.formats import DEMUXERS, declared_size, reason, too_large
from mmvideo.media.limits import MediaLimits
from mmvideo.wording import plural

ERRORS = (av.FFmpegError, OSError, ValueError, EOFError, IndexError)
"""What PyAV raises on bad media."""

_STILLS = ("_pipe", "gif", "apng", "webp")
"""Ends of the names of image formats."""
_MAX_STILL_BYTES = 256 * 1024**2


class Opener:
    """Opens one path or one block of bytes as often as needed, each time from the start.

    Only `DEMUXERS` read it, and nothing but the file itself can be opened: no playlist, no other protocol, and no name
    that FFmpeg would take for an address.

    Args:
        media: a path of a regular file, or the bytes of a whole file.
        name: how messages call it.
        limits: `max_pixels` holds for every frame.
    """

    def __init__(self, media: str | os.PathLike | bytes, *, name: str | None = None, limits: MediaLimits | None = None):
        self._media = media
        self.name = printable_name(name or ("<bytes>" if isinstance(media, bytes) else str(media)))
        self.max_pixels = (limits or MediaLimits()).max_pixels
        self._path = "" if isinstance(media, bytes) else absolute(media)

    @property
    def path(self) -> str:
        """The path that was given, absolute; empty for bytes."""
        return self._path

    @property
    def num_bytes(self) -> int | None:
        """Length of the file in bytes; None if it cannot be known."""
        if isinstance(self._media, bytes):
            return len(self._media)
        try:
            return os.stat(self._path).st_size
        except OSError:
            return None

    def __call__(self) -> InputContainer:
        """Open the media.

        Raises:
            MediaNotFound: no such file.
            VideoDecodeError: a folder, pipe or empty file, not media, a playlist, or cut before its index.
            BudgetExceeded: its frames have more than `max_pixels`.
        """
        self._check()
        try:
            try:
                container = self._open(self._media if isinstance(self._media, bytes) else f"file:{self._path}")
            except av.ArgumentError:
                if not self._is_still():
                    raise
                # by its name FFmpeg took it for a pattern of numbered images
                with open(self._path, "rb") as file:
                    container = self._open(file.read(_MAX_STILL_BYTES))
        except av.FileNotFoundError as error:
            raise MediaNotFound(f"{self.name}: no such file.") from error
        except PermissionError as error:
            raise VideoDecodeError(f"{self.name} cannot be read: permission denied.") from error
        except ERRORS as error:
            raise VideoDecodeError(f"{self.name} cannot be opened: {self._reason()} ({_short(error)}).") from error
        try:
            self._check_pixels(container)
        except BudgetExceeded:
            container.close()
            raise
        return container

    def _open(self, media: bytes | str) -> InputContainer:
        options = {"format_whitelist": ",".join(sorted(DEMUXERS)), "max_pixels": str(_allocated(self.max_pixels)),
                   "protocol_whitelist": "file" if isinstance(media, str) else "none"}
        return av.open(io.BytesIO(media) if isinstance(media, bytes) else media, "r", metadata_errors="replace",
                       options=options)

    def _check(self) -> None:
        if isinstance(self._media, bytes):
            if not self._media:
                raise VideoDecodeError(f"{self.name} is empty (0 bytes); give the bytes of a whole media file.")
            return
        try:
            found = os.stat(self._path)
        except PermissionError as error:
            raise VideoDecodeError(f"{self.name} cannot be read: permission denied.") from error
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise MediaNotFound(f"{self.name}: no such file.") from error
        if stat.S_ISDIR(found.st_mode):
            raise VideoDecodeError(f"{self.name} is a folder without image files; give a video file, or a folder of "
                                   "images with fps=.")
        if not stat.S_ISREG(found.st_mode):
            raise VideoDecodeError(f"{self.name} is a pipe or device, which cannot be read twice; open it and give the "
                                   "file object.")
        if found.st_size == 0:
            raise VideoDecodeError(f"{self.name} is empty (0 bytes); copy or download it again.")

    def _is_still(self) -> bool:
        try:
            return (not isinstance(self._media, bytes) and (self.num_bytes or 0) <= _MAX_STILL_BYTES
                    and declared_size(self._path) is not None)
        except Image.DecompressionBombError:
            return True

    def _check_pixels(self, container: InputContainer) -> None:
        """Refuse large frames by what the header declares, before anything is decoded."""
        sizes = [(stream.width, stream.height) for stream in container.streams.video
                 if stream.codec_context is not None and not is_cover_art(stream)]
        if (0, 0) in sizes and container.format.name.endswith(_STILLS):  # FFmpeg forgets a size that it refuses
            try:
                sizes.append(declared_size(self._media if isinstance(self._media, bytes) else self._path) or (0, 0))
            except Image.DecompressionBombError as error:
                raise too_large(self.name, "far too many pixels", self.max_pixels) from error
        for width, height in sizes:
            if width * height > self.max_pixels:
                raise too_large(self.name, f"frames of {width} x {height} pixels", self.max_pixels)

    def _reason(self) -> str:
        with io.BytesIO(self._media) if isinstance(self._media, bytes) else open(self._path, "rb") as file:
            return reason(file, self.num_bytes or 0)


def absolute(path: str | os.PathLike) -> str:
    """Return a path that does not depend on the current folder, without touching links and ``..``."""
    text = os.fspath(path)
    text = os.fsdecode(text) if isinstance(text, bytes) else text
    if os.path.isabs(text):
        return text
    try:
        return os.path.join(os.getcwd(), text)
    except FileNotFoundError:  # the current folder was removed
        return os.path.join(os.curdir, text)


def _allocated(max_pixels: int) -> int:
    """Return the limit for FFmpeg's decoders, which count the margins of a frame too."""
    return max_pixels + max_pixels // 8 + 256 * 256


def printable_name(name: str) -> str:
    """Return a file's name in one line that can be printed: bytes that are no UTF-8 and control characters escaped."""
    text = name.encode(errors="backslashreplace").decode()
    return re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", text)


def _short(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)[:200]


def video_stream(container: InputContainer, track: int | None = None) -> av.VideoStream | None:
    """Return the moving picture to decode; None if there is none. Cover art does not count.

    Args:
        track: which video track, from 0; None takes the best, as FFmpeg does: the default one, then that of the highest
            bit rate, or of the most pixels where the container does not tell bit rates.

    Raises:
        InvalidInput: no such track, or cover art.
    """
    streams = container.streams.video
    if track is not None and (streams or track):
        if not 0 <= track < len(streams):
            raise InvalidInput(f"video_stream={track}, but the file has {plural(len(streams), 'video track')}"
                               + (f": choose 0 to {len(streams) - 1}." if streams else "."))
        if is_cover_art(streams[track]):
            raise InvalidInput(f"video_stream={track} is cover art, a still; choose another track.")
        return streams[track]
    moving = [stream for stream in streams if not is_cover_art(stream)]
    usable = [stream for stream in moving if stream.codec_context is not None and stream.width] or moving
    if len(usable) < 2:
        return usable[0] if usable else None
    best = container.streams.best("video")
    if all(stream.bit_rate for stream in usable) and best in usable:
        return best
    return max(usable, key=lambda s: (bool(s.disposition & av.stream.Disposition.default), s.width * s.height))


def is_cover_art(stream: av.VideoStream) -> bool:
    """Tell an attached still from a moving picture."""
    cover = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return bool(stream.disposition & cover)


def set_up_decoder(stream: av.VideoStream, *, careful: bool, threads: int | None, max_pixels: int) -> None:
    """Set threads, the pixel limit and, if `careful`, that any damage raises instead of being painted over.

    Damage is painted over by one thread only, so that the pictures do not depend on the number of processors: with
    slice threads FFmpeg conceals none in H.264, with frame threads the rows that a damaged VP8 picture lacks come from
    another picture.
    """
    context = stream.codec_context
    options = {"max_pixels": str(_allocated(max_pixels))}
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
