"""A camera as a live source: frames as they come, each with its time since the source was opened."""

from __future__ import annotations

import sys
import threading

import av

from mmvideo.errors import InvalidInput, MediaNotFound, VideoDecodeError
from mmvideo.media.container import ERRORS
from mmvideo.media.info import MediaInfo, VideoStreamInfo
from mmvideo.media.source import Frames, Source, Take

_DEVICES = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}"), "win32": ("dshow", "video={}")}


class WebcamSource(Source):
    """A camera by its index; only `stream` works, since the past cannot be sought.

    Raises:
        MediaNotFound: no such camera.
    """

    def __init__(self, index: int, *, strict: bool = False):
        kind, pattern = _DEVICES.get(sys.platform, ("v4l2", "/dev/video{}"))
        name = pattern.format(index)
        self._reading = threading.Lock()
        if index < 0:
            raise InvalidInput(f"A camera's index is 0 or more, not {index}.")
        try:
            self._container = av.open(name, format=kind)
        except ERRORS as error:
            raise MediaNotFound(f"No camera {index} ({kind} {name}): {error}. Plug one in, or give a file.") from error
        stream = self._container.streams.video[0]
        context = stream.codec_context
        rate = float(stream.average_rate) if stream.average_rate else None
        super().__init__(MediaInfo(name, kind, 0.0, 0.0, (VideoStreamInfo(
            0, context.name, None, context.pix_fmt, 8, context.width, context.height, 0, False, rate, None, None, 0.0,
            0.0, False, False, True),)), strict=strict)

    def close(self) -> None:
        """Give the camera back."""
        self._container.close()

    def _frames(self, start_seconds: float | None = None) -> Frames:
        if not self._reading.acquire(blocking=False):
            raise InvalidInput(f"The camera {self.info.source} is being read already; share the frames of one stream.")
        first = None
        try:
            for frame in self._container.decode(video=0):
                if frame.pts is None or frame.time_base is None:
                    continue
                seconds = float(frame.pts * frame.time_base)
                first = seconds if first is None else first
                yield frame, seconds - first
        except ERRORS as error:
            raise VideoDecodeError(f"The camera {self.info.source} stopped: {error}.") from error
        finally:
            self._reading.release()

    def _pick(self, times_seconds: list[float], take: Take) -> None:
        raise InvalidInput("A camera is live: read it with stream(), or record it with write_video first.")
