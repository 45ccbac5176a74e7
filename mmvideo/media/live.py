"""Live sources: a camera, an address that streams, a file in real time; read into a `FrameRing` as they come.

A file is read by the thread that looks, up to the moment that the clock shows. Cameras and addresses are read by a
thread of their own, so that their buffers never fill while a network works.
"""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Any, Self

import av

from mmvideo import checks
from mmvideo.errors import (
    InvalidInput,
    MediaNotFound,
    MmvideoError,
    NoVideoTrack,
    StreamStalled,
    VideoDecodeError,
    shown,
)
from mmvideo.media.api import open_source
from mmvideo.media.container import ERRORS
from mmvideo.media.convert import Converter
from mmvideo.media.frame_ring import FrameRing, TimedFrame
from mmvideo.media.info import MediaInfo, VideoStreamInfo
from mmvideo.media.source import Frames, Source, Take
from mmvideo.redaction import redacted

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "srt", "tcp")
"""Addresses that are read as they come; FFmpeg may have been built without some of them."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class LiveClock:
    """The clock of the machine; tests have one that they turn themselves."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class AddressSource(Source):
    """A network stream, read as it comes; only `_frames` works, since the past cannot be sought.

    Args:
        stall_seconds: longest time to wait for the connection, and for each packet.

    Raises:
        InvalidInput: an address of another kind.
        MediaNotFound: nobody answers.
        NoVideoTrack: it sends sound only.
    """

    def __init__(self, address: str, *, stall_seconds: float):
        scheme = _ADDRESS.match(address)
        name = redacted(address)
        if scheme is None or scheme.group(1).lower() not in SCHEMES:
            raise InvalidInput(f"{name} cannot be streamed; addresses begin with {', '.join(SCHEMES)} and ://.")
        options = {"rtsp_transport": "tcp"} if scheme.group(1).lower().startswith("rtsp") else {}
        try:
            self._container = av.open(address, timeout=(stall_seconds, stall_seconds), options=options)
        except ERRORS as error:
            raise MediaNotFound(f"{name} does not stream: {error}. Check the address, and that it can be "
                                "reached.") from error
        if not self._container.streams.video:
            self._container.close()
            raise NoVideoTrack(f"{name} sends no moving picture.")
        stream = self._container.streams.video[0]
        context, duration = stream.codec_context, self._container.duration
        self.is_live = duration is None or duration <= 0
        """Whether the sender decides the speed; a recording of a known length comes as fast as the network allows."""
        rate = float(stream.average_rate) if stream.average_rate else None
        super().__init__(MediaInfo(name, scheme.group(1), 0.0, 0.0, (VideoStreamInfo(
            0, context.name, None, context.pix_fmt, 8, context.width, context.height, 0, False, rate, None, None, 0.0,
            0.0, False, False, True),)))

    def close(self) -> None:
        """Hang up."""
        self._container.close()

    def _frames(self, start_seconds: float | None = None) -> Frames:
        try:
            for frame in self._container.decode(video=0):
                if frame.pts is not None and frame.time_base is not None:
                    yield frame, float(frame.pts * frame.time_base)
        except av.error.ExitError as error:  # PyAV's own limit on a packet
            raise StreamStalled(f"{self.info.source} sent nothing for too long.") from error
        except ERRORS as error:
            raise VideoDecodeError(f"{self.info.source} stopped: {error}.") from error

    def _pick(self, times_seconds: list[float], take: Take) -> None:
        raise InvalidInput("A stream is live and cannot be sought; record it with write_video first.")


class LiveReader:
    """Base of what brings frames of a source into a ring.

    Args:
        source: an opened source; closed with the reader.
        ring: where the frames go.
        size: height and width in pixels, cut to fit; None keeps the shape of the picture, its shorter side at most
            `MAX_SHORT_SIDE`.
    """

    MAX_SHORT_SIDE = 360

    def __init__(self, source: Source, ring: FrameRing, clock: LiveClock, *, size: tuple[int, int] | None,
                 stall_seconds: float):
        self.source, self.ring, self.clock = source, ring, clock
        self.stall_seconds = checks.number("stall_seconds", stall_seconds, above=0)
        self._size = size
        self._converter: Converter | None = None

    def _take(self, frame: av.VideoFrame, seconds: float, arrived: float) -> TimedFrame:
        if self._converter is None:
            self._converter = Converter(size=self._size or self._small(frame), fit="crop", hdr=self.source.hdr)
        return TimedFrame(self._converter.array(frame), seconds, arrived)

    def _small(self, frame: av.VideoFrame) -> tuple[int, int]:
        shape = Converter().result_size(frame)  # upright
        scale = min(1.0, self.MAX_SHORT_SIDE / min(shape.height, shape.width))
        return max(1, round(shape.height * scale)), max(1, round(shape.width * scale))

    def wait(self) -> bool:
        """Wait until the ring has a frame that nobody looked at; return False where the source has ended.

        Raises:
            StreamStalled: nothing came for `stall_seconds`.
            MediaError: the source broke.
        """
        raise NotImplementedError

    def newest(self) -> TimedFrame:
        """Return the newest frame; the others that are held go."""
        return self.ring.newest()

    def window(self) -> list[TimedFrame]:
        """Return the frames that are held, ascending; they stay."""
        return self.ring.window()

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class PacedReader(LiveReader):
    """Plays a recording in real time: a frame is there from the moment at which it would be shown."""

    def __init__(self, source: Source, ring: FrameRing, clock: LiveClock, **options: Any):
        super().__init__(source, ring, clock, **options)
        self._frames = source._frames()
        self._ahead: tuple[av.VideoFrame, float] | None = None
        self._began: float | None = None
        """Time of the machine at which second 0 of the source is shown."""

    def wait(self) -> bool:
        """Bring the ring up to the moment that the clock shows; wait for the next frame where there is no new one."""
        while True:
            if self._ahead is None:
                self._ahead = next(self._frames, None)
            if self._ahead is None:
                return self.ring.has_new
            frame, seconds = self._ahead
            if self._began is None:
                self._began = self.clock.now() - seconds
            due = self._began + seconds
            early = due - self.clock.now()
            if early > 0:
                if self.ring.has_new:
                    return True
                self.clock.sleep(early)
            if self.ring.wants(seconds):
                self.ring.put(self._take(frame, seconds, due))
            self._ahead = None


class ThreadedReader(LiveReader):
    """Reads a camera or a network stream in a thread of its own, as fast as it sends."""

    def __init__(self, source: Source, ring: FrameRing, clock: LiveClock, **options: Any):
        super().__init__(source, ring, clock, **options)
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._ended = self._closing = False
        self._thread = threading.Thread(target=self._read, name="mmvideo-live", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        paced = not getattr(self.source, "is_live", True)
        began: float | None = None
        try:
            for frame, seconds in self.source._frames():
                if self._closing:
                    return
                now = self.clock.now()
                began = now - seconds if began is None else began
                if paced and began + seconds > now:
                    self.clock.sleep(began + seconds - now)
                with self._changed:
                    wanted = self.ring.wants(seconds)
                if wanted:
                    taken = self._take(frame, seconds, self.clock.now())
                    with self._changed:
                        self.ring.put(taken)
                        self._changed.notify_all()
        except (*ERRORS, MmvideoError, RuntimeError, MemoryError) as error:  # handed to the thread that looks
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def wait(self) -> bool:
        """Wait for a frame that nobody looked at."""
        with self._changed:
            came = self._changed.wait_for(lambda: self.ring.has_new or self._ended, self.stall_seconds)
            if self.ring.has_new:
                return True
            if isinstance(self._error, MmvideoError):
                raise self._error
            if self._error is not None:
                raise VideoDecodeError(f"{self.source.info.source} stopped: {self._error}.") from self._error
            if not came:
                raise StreamStalled(f"{self.source.info.source} sent no frame for {self.stall_seconds:g} s. Check the "
                                    "camera or sender, or wait longer with stall_seconds= (--stall).")
            return False

    def newest(self) -> TimedFrame:
        """Return the newest frame, while another thread fills the ring."""
        with self._changed:
            return self.ring.newest()

    def window(self) -> list[TimedFrame]:
        """Return the frames that are held, while another thread fills the ring."""
        with self._changed:
            return self.ring.window()

    def close(self) -> None:
        """End the thread, then close the source; a thread that waits for a packet ends after `stall_seconds`."""
        self._closing = True
        self._thread.join(self.stall_seconds + 1)
        if not self._thread.is_alive():
            self.source.close()


def open_live(source: Any, ring: FrameRing, *, size: tuple[int, int] | None = None, stall_seconds: float = 10.0,
              clock: LiveClock | None = None, **options: Any) -> LiveReader:
    """Open a live source; use the result as a context manager.

    Args:
        source: the index of a camera; an address (`SCHEMES`); anything else that `open_source` takes, which is played
            in real time.
        ring: where the frames go.
        size: of the frames, see `LiveReader`.
        stall_seconds: longest time without a frame.
        options: of `open_source`, for what is no address.

    Raises:
        MediaError: it cannot be opened.
        InvalidInput: an address of another kind.
    """
    given: dict[str, Any] = {"size": size, "stall_seconds": stall_seconds}
    clock = clock or LiveClock()
    if isinstance(source, str) and _ADDRESS.match(source):
        if options:
            raise InvalidInput(f"{next(iter(options))}={shown(next(iter(options.values())))}: an address takes no "
                               "options of files.")
        return ThreadedReader(AddressSource(source, stall_seconds=stall_seconds), ring, clock, **given)
    opened = open_source(os.fspath(source) if isinstance(source, os.PathLike) else source, **options)
    if opened.info.main_video is None:
        opened.close()
        raise NoVideoTrack(f"{opened.info.source} has no moving picture to look at.")
    threaded = isinstance(source, int)
    return (ThreadedReader if threaded else PacedReader)(opened, ring, clock, **given)


__all__ = ["SCHEMES", "AddressSource", "LiveClock", "LiveReader", "PacedReader", "ThreadedReader", "open_live"]
