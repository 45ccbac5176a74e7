"""A source seen without pictures, in another order, or standing still; to see what a model uses."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import av
import numpy as np

from mmvideo import checks
from mmvideo.media.decoder import EPSILON_SECONDS
from mmvideo.media.source import Frames, Source, Take
from mmvideo.types import Audio

PROBES = ("blind", "single-frame", "frozen", "shuffled", "reversed", "muted")
"""blind: grey pictures, no sound; single-frame: the middle frame all the time; frozen: the first one; shuffled: sixteen
equal parts in another order; reversed: backwards; muted: no sound. Times and length stay those of the source."""
_PARTS = 16
_CHUNK = 32


class ProbedSource(Source):
    """Another source seen through a probe; sound is that of the source, or none.

    Args:
        inner: the opened source, which is closed with this.
        probe: one of `PROBES`.

    Raises:
        InvalidInput: no such probe.
    """

    def __init__(self, inner: Source, probe: str):
        self.inner, self.probe = inner, checks.one_of("probe", probe, PROBES)
        info = replace(inner.info, audio=()) if probe in ("blind", "muted") else inner.info
        super().__init__(info, strict=inner.strict, deinterlace=inner.deinterlace, hdr=inner.hdr)
        self._order = list(range(_PARTS))
        mixer = random.Random(0)
        if probe == "shuffled":
            while any(n == place for n, place in enumerate(self._order)):
                mixer.shuffle(self._order)
        self._grey: av.VideoFrame | None = None

    def close(self) -> None:
        """Close the source."""
        self.inner.close()

    def shown_at(self, seconds: float) -> float:
        """Return the time of the source that is shown at a time."""
        begin, length = self.inner.start_seconds, max(self.inner.end_seconds - self.inner.start_seconds, 1e-6)
        if self.probe == "single-frame":
            return begin + length / 2
        if self.probe == "frozen":
            return begin
        if self.probe == "reversed":
            return max(begin, begin + length - (seconds - begin) - 2 * EPSILON_SECONDS)
        if self.probe == "shuffled":
            part = min(_PARTS - 1, max(0, int((seconds - begin) / length * _PARTS)))
            return seconds + (self._order[part] - part) * length / _PARTS
        return seconds

    def frame_times(self) -> np.ndarray:
        """Return the times of the source's frames."""
        return self.inner.frame_times()

    def holds_fewer_frames(self, count: int) -> bool:
        """As the source."""
        return self.inner.holds_fewer_frames(count)

    def can_last(self, seconds: float) -> bool:
        """As the source."""
        return self.inner.can_last(seconds)

    def audio(self, **options: Any) -> Audio:
        """Return the sound of the source; none where it is muted."""
        return self.inner.audio(**options) if self.has_audio else super().audio(**options)

    def _audio_chunks(self, **options: Any) -> Iterator[tuple[np.ndarray, float, int]]:
        return self.inner._audio_chunks(**options) if self.has_audio else super()._audio_chunks(**options)

    def _pick(self, times_seconds: list[float], take: Take) -> None:
        """Take the frame that the probe shows at each time, under the time of the source's own frame there."""
        stamps = self.frame_times()
        wanted: dict[float, float] = {}
        for seconds in times_seconds:
            own = float(stamps[max(0, int(np.searchsorted(stamps, seconds + EPSILON_SECONDS, side="right")) - 1)])
            wanted[own] = self.shown_at(own)
        held: list[tuple[av.VideoFrame, float]] = []

        def hold(frame: av.VideoFrame, seconds: float) -> None:
            if held and seconds <= held[-1][1]:  # reading began anew
                held.clear()
            held.append((frame, seconds))

        self.inner._pick(sorted(set(wanted.values())), hold)
        shown = [seconds for _, seconds in held]
        for own, source in wanted.items():
            place = max(0, int(np.searchsorted(shown, source + EPSILON_SECONDS, side="right")) - 1)
            take(self._seen(held[place][0]), own)

    def _frames(self, start_seconds: float | None = None) -> Frames:
        if self.probe in ("blind", "muted"):
            for frame, seconds in self.inner._frames(start_seconds):
                yield self._seen(frame), seconds
            return
        times = [float(one) for one in self.frame_times() if start_seconds is None or one >= start_seconds - 1.0]
        for at in range(0, len(times), _CHUNK):
            held: list[tuple[av.VideoFrame, float]] = []
            self._pick(times[at:at + _CHUNK], lambda frame, seconds, held=held: held.append((frame, seconds)))  # type: ignore[misc]
            yield from held

    def _seen(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self.probe != "blind":
            return frame
        if self._grey is None or (self._grey.width, self._grey.height) != (frame.width, frame.height):
            self._grey = av.VideoFrame.from_ndarray(np.full((frame.height, frame.width, 3), 128, np.uint8), "rgb24")
        return self._grey


__all__ = ["PROBES", "ProbedSource"]
