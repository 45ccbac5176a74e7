"""A camera and a microphone as rows of 40 ms: the sound is the clock, and each row has the latest picture."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from mmvideo.errors import MediaNotFound, VideoDecodeError
from mmvideo.media.container import ERRORS

_DEVICES = {"linux": ("alsa", "default"), "darwin": ("avfoundation", ":0"), "win32": ("dshow", "audio=")}
MAX_WAIT_SECONDS = 10.0
"""Sound that may wait; when more does, the computer is too slow and the oldest is thrown away."""


class Microphone:
    """Sound as it comes, mono float32 at 16 kHz.

    Args:
        name: of the device, as FFmpeg names it; the default one by default.

    Raises:
        MediaNotFound: no such microphone.
    """

    rate = 16000

    def __init__(self, name: str | None = None):
        kind, default = _DEVICES.get(sys.platform, ("alsa", "default"))
        self.name = name or default
        try:
            self._container = av.open(self.name, format=kind)
        except (*ERRORS, ValueError) as error:  # ValueError: this build of FFmpeg has no such kind of device
            raise MediaNotFound(f"No microphone {self.name!r} ({kind}): {error}. Plug one in, or name another with "
                                "--microphone.") from error

    def pieces(self) -> Iterator[np.ndarray]:
        """Yield float32 (S,) until the microphone stops.

        Raises:
            VideoDecodeError: it stopped with an error.
        """
        resampler = av.AudioResampler("flt", "mono", self.rate)
        try:
            for frame in self._container.decode(audio=0):
                for piece in resampler.resample(frame):
                    yield np.asarray(piece.to_ndarray(), np.float32).reshape(-1)
        except ERRORS as error:
            raise VideoDecodeError(f"The microphone {self.name} stopped: {error}.") from error

    def close(self) -> None:
        """Give the microphone back."""
        self._container.close()


def recorded_rows(camera: Any, microphone: Any, *, row_samples: int = 640) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (picture, samples) rows of a camera and a microphone as they come.

    Two threads read them. A picture is shown until the next one comes; sound of which more than 10 s wait is thrown
    away, so that memory stays as it is.

    Args:
        camera: an opened source whose `stream(batch=1)` yields frames.
        microphone: its `pieces()` yield float32 (S,) at 16 kHz.
        row_samples: of a row.

    Raises:
        VideoDecodeError: the camera or the microphone stopped with an error.
    """
    latest: list[np.ndarray] = []
    failed: list[BaseException] = []
    over = threading.Event()
    waiting: queue.Queue[np.ndarray | None] = queue.Queue()

    def watch() -> None:
        try:
            for video in camera.stream(batch=1):
                latest[:] = [video.frames[-1].permute(1, 2, 0).contiguous().numpy()]
                if over.is_set():
                    return
        except VideoDecodeError as error:
            failed.append(error)

    def listen() -> None:
        held = 0.0
        try:
            for piece in microphone.pieces():
                waiting.put(piece)
                held = waiting.qsize() * len(piece) / 16000
                while held > MAX_WAIT_SECONDS and not waiting.empty():
                    waiting.get_nowait()
                    held -= len(piece) / 16000
                if over.is_set():
                    return
        except VideoDecodeError as error:
            failed.append(error)
        finally:
            waiting.put(None)

    for work in (watch, listen):
        threading.Thread(target=work, daemon=True).start()
    sound = np.zeros(0, np.float32)
    try:
        while (piece := waiting.get()) is not None:
            sound = np.concatenate([sound, piece])
            while len(sound) >= row_samples:
                if latest:
                    yield latest[0], sound[:row_samples]
                sound = sound[row_samples:]
        if failed:
            raise failed[0]
    finally:
        over.set()


__all__ = ["MAX_WAIT_SECONDS", "Microphone", "recorded_rows"]
