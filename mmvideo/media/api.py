"""The public functions of mmvideo.media: open anything, read it, look into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import torch

from mmvideo import checks
from mmvideo.errors import DownloadRefused, InvalidInput, MediaNotFound, VideoDecodeError
from mmvideo.media.container import Opener
from mmvideo.media.convert import Fit
from mmvideo.media.damage import examined
from mmvideo.media.download import download, is_url, temporary
from mmvideo.media.files import FileSource
from mmvideo.media.hdr import HDR
from mmvideo.media.info import MediaInfo
from mmvideo.media.limits import MediaLimits
from mmvideo.media.memory import array_source, audio_source, image_files, image_source, pixels, video_source
from mmvideo.media.metadata import look
from mmvideo.media.samples import as_audio
from mmvideo.media.source import Source, check_budget
from mmvideo.media.webcam import WebcamSource
from mmvideo.types import Audio, Size, Video

CHECK_SECONDS = 10.0
"""How long `probe` looks for damage, unless told otherwise."""

MediaLike = Any
"""str | Path | bytes | binary file | ndarray | Tensor | list of image paths | Video | Audio | int (camera)"""


def open_source(source: MediaLike, *, fps: float | None = None, pts_seconds: Sequence[float] | None = None,
                audio: Any = None, sample_rate: int | None = None, audio_stream: int | None = None,
                video_stream: int | None = None, strict: bool = False, threads: int | None = None,
                deinterlace: bool = False, hdr: Literal["tonemap", "keep"] = "tonemap",
                limits: MediaLimits | None = None) -> Source:
    """Open anything that shows frames or holds sound. Use the result as a context manager.

    Args:
        source: path, http(s) address, bytes, binary file object, GIF, uint8 frames (T, H, W, C) or (T, C, H, W) as
            numpy or torch, folder or list of image files, a `Video`, an `Audio`, or the index of a camera.
        fps: frames per second, for frames and images, which have no clock of their own.
        pts_seconds: the time of each frame instead of `fps`.
        audio: sound for frames and images: an `Audio`, a path, or samples (channels, S) with `sample_rate`.
        sample_rate: samples per second of `audio` given as an array.
        audio_stream: which sound track of a file, from 0; None takes the container's default, else the first.
        video_stream: which video track of a file, from 0; None takes the best, as FFmpeg does.
        strict: raise `VideoDecodeError` at damage instead of warning.
        threads: decoder threads; None lets FFmpeg choose.
        deinterlace: keep one field of interlaced frames.
        hdr: ``tonemap`` maps PQ, HLG and BT.2020 to BT.709 SDR (docs/media.md has the rule); ``keep`` takes the values
            as they are stored, which look grey.
        limits: on downloads and file objects, and on the size of frames.

    Raises:
        InvalidInput: frames or images without a clock, or something that cannot be a source.
        MediaNotFound: no such file, address or camera.
        VideoDecodeError: empty, not media, or damaged beyond opening.
        DownloadRefused: an address or file object over the limits.
        BudgetExceeded: frames of more than `MediaLimits.max_pixels`.
    """
    if isinstance(source, Source):
        return source
    if fps is not None and pts_seconds is not None:
        raise InvalidInput("Give fps= or pts_seconds=, not both.")
    strict, deinterlace = checks.flag("strict", strict), checks.flag("deinterlace", deinterlace)
    threads = None if threads is None else checks.whole("threads", threads, low=0, high=1024)
    audio_stream, video_stream = (value if value is None else checks.whole(name, value) for name, value in
                                  (("audio_stream", audio_stream), ("video_stream", video_stream)))
    checks.one_of("hdr", hdr, HDR)
    is_file = isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read")
    for name, value in (("audio_stream", audio_stream), ("video_stream", video_stream)):
        if value and not is_file:
            raise InvalidInput(f"{name}={value}, but only files have several tracks; leave it out.")
    limits = MediaLimits() if limits is None else limits
    if not isinstance(limits, MediaLimits):
        raise InvalidInput(f"limits must be a MediaLimits, not {checks.described(limits)}.")
    sound = _sound(audio, sample_rate, limits)
    clocked: dict[str, Any] = {"fps": fps, "pts_seconds": pts_seconds, "audio": sound, "strict": strict}
    if isinstance(source, Video | Audio) and (fps is not None or pts_seconds is not None):
        raise InvalidInput(f"fps= and pts_seconds= are for frames and images; a {type(source).__name__} has its times.")
    if isinstance(source, Video):
        return video_source(source, audio=sound, strict=strict)
    if isinstance(source, Audio):
        return audio_source(source, strict=strict)
    if isinstance(source, np.ndarray | torch.Tensor):
        return array_source(source, **clocked)
    if isinstance(source, int) and not isinstance(source, bool):
        return WebcamSource(source, strict=strict)
    if isinstance(source, list | tuple):
        return _list_source(source, clocked, limits)
    if images := _images_in(source):
        return image_source(images, name=str(source), max_pixels=limits.max_pixels, **clocked)
    if fps is not None or pts_seconds is not None:
        raise InvalidInput("fps= and pts_seconds= are for frames and images; a file has its own timestamps.")
    if sound is not None:
        raise InvalidInput("audio= is for frames and images; a file has its own sound.")
    opener, on_close = _as_opener(source, limits)
    try:
        return FileSource(opener, audio_stream=audio_stream, video_stream=video_stream, strict=strict, threads=threads,
                          deinterlace=deinterlace, hdr=hdr, on_close=on_close)
    except BaseException:
        if on_close is not None:
            on_close()
        raise


def _images_in(source: MediaLike) -> list[Path]:
    is_path = isinstance(source, str | os.PathLike) and not is_url(os.fspath(source))
    return image_files(Path(source)) if is_path and os.path.isdir(source) else []


def _list_source(source: Sequence, clocked: dict, limits: MediaLimits) -> Source:
    if not source:
        raise InvalidInput("The list of frames or image files is empty.")
    if all(isinstance(item, str | os.PathLike) for item in source):
        return image_source([Path(item) for item in source], name=f"{len(source)} images",
                            max_pixels=limits.max_pixels, **clocked)
    if all(isinstance(item, np.ndarray | torch.Tensor) for item in source):
        if len({(tuple(item.shape), str(item.dtype).removeprefix("torch.")) for item in source}) > 1:
            raise InvalidInput("Frames in a list must all have the same shape and type.")
        return array_source(np.stack([pixels(item[None])[0] for item in source]), **clocked)
    raise InvalidInput("A list must hold image paths or frames, all of one kind.")


def _sound(audio: Any, sample_rate: int | None, limits: MediaLimits) -> Audio | None:
    if audio is None or isinstance(audio, Audio):
        return audio
    if isinstance(audio, np.ndarray | torch.Tensor):
        return as_audio(audio, sample_rate)
    if isinstance(audio, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(audio, "read"):
        return read_audio(audio, limits=limits)
    raise InvalidInput(f"audio= must be an Audio, samples with sample_rate=, a path, bytes or a binary file, not "
                       f"{checks.described(audio)}.")


def _as_opener(source: MediaLike, limits: MediaLimits) -> tuple[Opener, Callable[[], None] | None]:
    """Return an Opener, and what to call when it is no longer needed."""
    if isinstance(source, bytes | bytearray | memoryview):
        return Opener(bytes(source), limits=limits), None
    if isinstance(source, str | os.PathLike):
        text = os.fspath(source)
        if isinstance(text, bytes):
            text = os.fsdecode(text)
        if is_url(text):
            path = download(text, limits=limits)
            return Opener(path, name=text, limits=limits), lambda: path.unlink(missing_ok=True)
        if not text or "\0" in text:
            raise MediaNotFound(f"{text!r} is not a path.")
        return Opener(text, limits=limits), None
    if hasattr(source, "read"):
        path = _spool(source, limits)
        name = str(getattr(source, "name", "<file object>"))
        return Opener(path, name=name, limits=limits), lambda: path.unlink(missing_ok=True)
    raise InvalidInput(f"A {type(source).__name__} cannot be a source. Give a path, address, bytes, binary file, "
                       "frames, image files, Video, Audio or camera index.")


def _spool(file: BinaryIO, limits: MediaLimits) -> Path:
    """Copy a file object from its start into a temporary file, so that several readers can seek in it."""
    if getattr(file, "seekable", lambda: False)():
        file.seek(0)
    with temporary() as (path, out):
        shutil.copyfileobj(_Counted(file, limits.max_bytes), out, 1024 * 1024)
    return path


class _Counted:
    """A binary file object that refuses to be longer than a limit, or to be text."""

    def __init__(self, file: BinaryIO, max_bytes: int):
        self._file, self._left = file, max_bytes

    def read(self, count: int = -1, /) -> bytes:
        data = self._file.read(count)
        if not isinstance(data, bytes):
            raise InvalidInput("The file object gives text; open it in binary mode ('rb').")
        self._left -= len(data)
        if self._left < 0:
            raise DownloadRefused("The file object is over MediaLimits.max_bytes.")
        return data


def probe(source: MediaLike, *, count_frames: bool = False, video_stream: int | None = None,
          check_seconds: float | None = CHECK_SECONDS, limits: MediaLimits | None = None) -> MediaInfo:
    """Describe a source: container, true duration, tracks, rotation, start offset, and what is damaged or doubtful.

    Args:
        source: a path, address, bytes or binary file object.
        count_frames: also read every packet (without decoding), to compare declared with found.
        video_stream: which video track is described as the one that is read, from 0; None takes the best.
        check_seconds: the longest time to spend on decoding picture and sound in search of damage; 0 reads only
            headers, None decodes everything. `MediaInfo.examined_until_seconds` tells how far it came.
        limits: as in `open_source`.

    Raises:
        MediaNotFound: no such file or address.
        VideoDecodeError: empty, not media, or damaged beyond opening.
        DownloadRefused: an address or file object over the limits.
        BudgetExceeded: frames of more than `MediaLimits.max_pixels`.
    """
    if check_seconds is not None:
        check_seconds = checks.number("check_seconds", check_seconds, low=0)
    if video_stream is not None:
        video_stream = checks.whole("video_stream", video_stream)
    if isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) or hasattr(source, "read"):
        opener, on_close = _as_opener(source, limits or MediaLimits())
        try:
            info = look(opener, count_frames=count_frames, video_stream=video_stream)[0]
            if check_seconds == 0:
                return info
            return examined(opener, info, video_stream=video_stream, max_seconds=check_seconds)
        finally:
            if on_close is not None:
                on_close()
    with open_source(source, limits=limits) as opened:
        return opened.info


def read_video(source: MediaLike, *, start_seconds: float | None = None, end_seconds: float | None = None,
               size: Size | int | tuple[int, int] | None = None, fit: Fit = "crop", strict: bool = False,
               **options: Any) -> Video:
    """Read all frames of a span at once.

    Args:
        source: anything that `open_source` takes; `options` go to it.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.
        size: pixels of the result; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``.
        strict: raise `VideoDecodeError` at damage instead of warning.

    Returns:
        uint8 frames (T, C, H, W) with the file's own timestamps; `warnings` says what is missing or doubtful.

    Raises:
        VideoDecodeError: nothing in the span can be decoded, or damage with ``strict=True``.
        BudgetExceeded: the span does not fit in memory; use `Source.stream`.
    """
    with open_source(source, strict=strict, **options) as opened:
        batches, total = [], 0
        for video in opened.stream(size=size, fit=fit, batch=64, start_seconds=start_seconds, end_seconds=end_seconds):
            total += video.frames.numel()
            check_budget(1, total)
            batches.append(video)
        if not batches:
            raise VideoDecodeError(f"{opened.info.source} has no frame between {start_seconds} and {end_seconds} s; it "
                                   f"runs from {opened.start_seconds:.3f} to {opened.end_seconds:.3f} s.")
        last = batches[-1]
        frames = torch.cat([video.frames.permute(0, 2, 3, 1) for video in batches]).permute(0, 3, 1, 2)
        return Video(frames, torch.cat([video.pts_seconds for video in batches]), last.duration_seconds,
                     start_seconds=last.start_seconds, fps=last.fps, source=last.source, warnings=opened.warnings)


def read_audio(source: MediaLike, *, sample_rate: int | None = None, mono: bool = False,
               start_seconds: float | None = None, end_seconds: float | None = None, **options: Any) -> Audio:
    """Read the sound of a span; see `Source.audio` for the rules.

    Raises:
        NoAudioTrack: there is no sound track.
        VideoDecodeError: it cannot be decoded.
    """
    with open_source(source, **options) as opened:
        return opened.audio(sample_rate=sample_rate, mono=mono, start_seconds=start_seconds, end_seconds=end_seconds)
