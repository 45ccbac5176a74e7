"""A pipeline that looks at a live source again and again: newest frames first, in constant memory.

The rule: a look begins with the newest frame that has arrived when the one before has ended. What came in between and
fits into the window is seen, the rest is dropped and counted; nothing waits in a queue.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self

import numpy as np
import torch

from mmvideo.errors import InvalidInput, UnknownName, shown
from mmvideo.live.options import LiveOptions
from mmvideo.media.convert import as_tensor
from mmvideo.media.frame_ring import FrameRing, TimedFrame
from mmvideo.media.live import LiveClock, LiveReader, open_live
from mmvideo.redaction import clean
from mmvideo.results import Evidence, Result, ResultT_co
from mmvideo.session import check_text, checked_generation, several
from mmvideo.types import Clips, Timings, Video


@dataclass(frozen=True)
class LiveResult(Generic[ResultT_co]):
    """What a look found."""

    result: ResultT_co
    """What the pipeline gives for a file; times are those of the source."""
    seconds: float
    """Time of the newest frame that was looked at, on the clock of the source."""
    latency_seconds: float
    """From the arrival of that frame to this result."""
    dropped: int
    """Frames, of those taken at the rate of the look, that nobody looked at since the stream began."""
    received: int
    """Frames that the source gave since the stream began."""
    results: tuple[Any, ...] = field(default=(), repr=False)
    """The results of all questions, where there are several; `result` is the first."""

    @property
    def text(self) -> str:
        """The answer in words."""
        return self.result.text

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {"seconds": round(self.seconds, 3), "latency_seconds": round(self.latency_seconds, 3),
                "dropped": self.dropped, "received": self.received,
                **({"results": [one.to_dict() for one in self.results]} if len(self.results) > 1 else
                   {"result": self.result.to_dict()})}

    def __str__(self) -> str:
        said = " | ".join(one.text for one in self.results) if len(self.results) > 1 else self.text
        lost = f", {self.dropped} frames dropped" if self.dropped else ""
        return f"{self.seconds:8.2f} s  {said}  ({self.latency_seconds:.2f} s later{lost})"


class LiveStream(Generic[ResultT_co]):
    """Results of a pipeline on a live source, as they come; made by `Pipeline.stream`.

    A context manager, and an iterator of `LiveResult`. The iteration ends where the source ends (a file, a sender that
    hangs up in order) or after `max_seconds`.

    Raises:
        StreamStalled: no frame came for `stall_seconds`.
        MediaError: the source broke.
    """

    def __init__(self, pipeline: Any, source: Any, text: str | Sequence[str] | None,
                 options: LiveOptions, *, clock: LiveClock | None = None, generation: dict[str, Any] | None = None,
                 media_options: dict[str, Any] | None = None):
        check_text(pipeline.recipe, text)
        checked_generation(pipeline.recipe, pipeline.stages, several(text), generation or {})
        if (generation or {}).get("stream"):
            raise InvalidInput("stream=True gives pieces of one reply; a live stream gives whole results.")
        self.pipeline, self.options, self._text = pipeline, options, text
        self._generation, self._source = generation or {}, source
        self._clock = clock or LiveClock()
        self._causal = next((found for _, stage in pipeline.stages if (found := stage.live()) is not None), None)
        if self._causal is not None:
            fps = 1 / options.every_seconds if options.every_seconds else self._causal.fps
            ring, size = FrameRing(1, fps), self._causal.size
        else:
            ring, size = FrameRing(options.window_frames, options.window_frames / options.window_seconds), None
        self.ring = ring
        self._reader: LiveReader = open_live(source, ring, size=size, stall_seconds=options.stall_seconds,
                                             clock=self._clock, **(media_options or {}))
        named = {str(s.options["weights"]) for s in pipeline.recipe.stages if s.options.get("weights")}
        self._weights = named.pop() if len(named) == 1 else ""
        self._first: float | None = None
        self._last_look: float | None = None
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(self._reader)

    def __iter__(self) -> Iterator[LiveResult[ResultT_co]]:
        return self

    def __next__(self) -> LiveResult[ResultT_co]:
        while self._reader.wait():
            if (frames := self._due()) is None:
                continue
            newest = frames[-1]
            if self._first is None:
                self._first = frames[0].seconds
            if self.options.max_seconds is not None and newest.seconds - self._first > self.options.max_seconds:
                break
            self._last_look = newest.seconds
            results = self._look(frames)
            return LiveResult(results[0], newest.seconds, max(0.0, self._clock.now() - newest.arrived),
                              self.ring.dropped, self.ring.received, results)
        self.close()
        raise StopIteration

    def _due(self) -> list[TimedFrame] | None:
        """Return what the next look sees; None where it is too early for one."""
        if self._causal is not None:
            return [self._reader.newest()]
        frames = self._reader.window()
        every, newest = self.options.every_seconds, frames[-1].seconds
        if every is not None and self._last_look is not None and 0 <= newest - self._last_look < every:
            return None
        return [frame for frame in frames if newest - self.options.window_seconds < frame.seconds <= newest]

    def _look(self, frames: list[TimedFrame]) -> tuple[Any, ...]:
        name = self._source if isinstance(self._source, str) else self._reader.source.info.source
        if self._causal is not None:
            began = self._clock.now()
            pixels = torch.from_numpy(np.ascontiguousarray(frames[-1].pixels)).permute(2, 0, 1)
            result = self._causal.step(pixels, frames[-1].seconds)
            taken = Timings((("classify", self._clock.now() - began),))
            seen = Clips(pixels[None, None], torch.tensor([[frames[-1].seconds]], dtype=torch.float64),
                         torch.ones(1, 1, dtype=torch.bool))
            evidence = Evidence(clips=seen, model=self._weights)
            return (dataclasses.replace(result, source=clean(name), timings=taken, evidence=evidence),)
        times = [frame.seconds for frame in frames]
        video = Video(as_tensor(np.stack([frame.pixels for frame in frames])),
                      torch.tensor(times, dtype=torch.float64), start_seconds=times[0], source=clean(name),
                      duration_seconds=_length(times), fps=None)
        found = self.pipeline(video, self._text, **self._generation)
        results = found if isinstance(found, list) else [found]
        return tuple(dataclasses.replace(one, source=clean(name), duration_seconds=None)
                     if isinstance(one, Result) else one for one in results)

    def close(self) -> None:
        """Give the source back."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _length(times: list[float]) -> float:
    """Return how long frames last: the last one as long as the one before."""
    step = times[-1] - times[-2] if len(times) > 1 else 1 / 25
    return times[-1] - times[0] + step


def live_stream(pipeline: Any, source: Any, text: str | Sequence[str] | None = None, *, clock: LiveClock | None = None,
                generation: dict[str, Any] | None = None, **options: Any) -> LiveStream[Any]:
    """Begin to look at a live source; the runner behind `Pipeline.stream`.

    Raises:
        UnknownName: an option that nobody has.
    """
    own = {field.name for field in dataclasses.fields(LiveOptions)}
    media = {name: value for name, value in options.items() if name not in own}
    known = ("audio_stream", "video_stream", "strict", "hdr", "deinterlace", "threads", "fps", "pts_seconds", "limits")
    for name in media:
        if name not in known:
            raise UnknownName("option of a live stream", name, [*own, *known], hint=f"It was {shown(media[name])}.")
    return LiveStream(pipeline, source, text, LiveOptions(**{k: v for k, v in options.items() if k in own}),
                      clock=clock, generation=generation, media_options=media)


__all__ = ["LiveResult", "LiveStream", "live_stream"]
