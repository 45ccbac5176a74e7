"""Look for damage: decode a file, picture and sound, and collect what its readers warn of."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from mmvideo.errors import NoVideoTrack, VideoDecodeError
from mmvideo.media.audio import AudioReader
from mmvideo.media.container import Opener
from mmvideo.media.files import FileSource
from mmvideo.media.info import MediaInfo
from mmvideo.media.warn import WarningLog


def examined(opener: Opener, info: MediaInfo, *, video_stream: int | None = None,
             max_seconds: float | None = None) -> MediaInfo:
    """Decode a file and return its description with warnings about damage.

    Args:
        opener: opens the file.
        info: what is known already.
        video_stream: which video track, from 0; None takes the best.
        max_seconds: stop after so long a time of work; None decodes everything.
    """
    log = WarningLog()
    for warning in info.warnings:
        log.add(warning)
    deadline = math.inf if max_seconds is None else time.monotonic() + max_seconds
    reached = [_hear(opener, number, log, deadline) for number in range(len(info.audio))]
    if info.main_video is not None:
        reached.append(_see(opener, video_stream, log, deadline))
    stopped = [seconds for seconds in reached if seconds is not None]
    return replace(info, warnings=log.tuple(), examined=True, examined_until_seconds=min(stopped, default=None))


def _hear(opener: Opener, number: int, log: WarningLog, deadline: float) -> float | None:
    """Decode a sound track; return the time at which it was given up, None if it was decoded whole."""
    found = WarningLog()
    try:
        for samples, at_seconds, rate in AudioReader(opener, log=found, track=number).chunks():
            if time.monotonic() > deadline:
                return at_seconds + samples.shape[1] / rate
    except VideoDecodeError as error:
        found.add(_without_name(error, opener))
    finally:
        for warning in found.items:
            log.add(f"sound track {number}: {warning}")
    return None


def _see(opener: Opener, video_stream: int | None, log: WarningLog, deadline: float) -> float | None:
    """Decode the moving picture; return the time at which it was given up, None if it was decoded whole."""
    try:
        with FileSource(opener, video_stream=video_stream) as source:
            try:
                for _, seconds in source._frames():
                    if time.monotonic() > deadline:
                        return seconds
            finally:
                for warning in source.warnings:
                    log.add(warning)
    except (VideoDecodeError, NoVideoTrack) as error:
        log.add(_without_name(error, opener))
    return None


def _without_name(error: Exception, opener: Opener) -> str:
    return str(error).removeprefix(opener.name).lstrip(": ").rstrip(".")


__all__ = ["examined"]
