"""Stages `sample` and `shots`: choose which frames are looked at."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import torch

from mmvideo import checks
from mmvideo.errors import RecipeError, UnknownName
from mmvideo.recipes import keywords
from mmvideo.registry import find
from mmvideo.sampling.gather import TimeSpan
from mmvideo.sampling.windows import MAX_WINDOWS, spans_of
from mmvideo.stages.base import Stage
from mmvideo.types import Clips

_PASSED_BY_THE_STAGE = {"source", "size", "sample_rate", "start_seconds", "end_seconds"}


@dataclass(kw_only=True)
class Sample(Stage):
    """Turn the video into clips with a registered sampler; options of the sampler are options of the stage."""

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("clips", "spans")
    optional: ClassVar[tuple[str, ...]] = ("shots",)

    sampler: str
    size: int | list[int]
    """Height and width of the frames in pixels, or one number for a square."""
    sample_rate: int | None = None
    """Audio samples per second; None for a deaf model."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    min_window_seconds: float = 1.0
    """A shot shorter than `window_seconds` is seen in a window of its own length, but never in a shorter one than
    this."""
    sampler_options: dict[str, Any] = field(default_factory=dict, init=False)

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: str) -> Self:
        """Build the stage; options that are not its own go to the sampler, checked against its signature.

        Raises:
            RecipeError: an option that neither the stage nor the sampler has, or one of another type.
        """
        own = {f.name for f in fields(cls) if f.init}
        mine = {name: value for name, value in options.items() if name in own}
        rest = {name: value for name, value in options.items() if name not in own}
        stage = super().from_options(mine, where)
        sampler = find("samplers", stage.sampler)
        known = set(inspect.signature(sampler).parameters) - _PASSED_BY_THE_STAGE
        for name in rest:
            if name not in known:
                raise RecipeError(f"{where}: {UnknownName(f'option of sampler {stage.sampler!r}', name, known | own)}")
        stage.sampler_options = keywords(sampler, rest, where, without=_PASSED_BY_THE_STAGE)
        return stage

    def __call__(self, *, media: Any, shots: Sequence[tuple[float, float]] | None = None) -> dict[str, Any]:
        """Return the clips of the whole source (or the asked span) and the span that each stands for.

        Args:
            shots: (start, end) of each, in seconds: every shot is sampled by itself, so that no clip crosses a cut.
        """
        if shots is not None:
            return self._of_shots(media, shots)
        clips = self.take(media, self.start_seconds, self.end_seconds)
        start = media.start_seconds if self.start_seconds is None else max(self.start_seconds, media.start_seconds)
        end = media.end_seconds if self.end_seconds is None else min(self.end_seconds, media.end_seconds)
        return {"clips": clips, "spans": spans_of(clips, start, end)}

    def _of_shots(self, media: Any, shots: Sequence[tuple[float, float]]) -> dict[str, Any]:
        """Return the clips of all shots, in order, and the span and shot that each stands for."""
        taken: list[Clips] = []
        where: list[TimeSpan] = []
        window = self.sampler_options.get("window_seconds")
        if window is not None:
            window = checks.number("window_seconds", window, above=0)
        shortest = checks.number("min_window_seconds", self.min_window_seconds, above=0)
        numbers, windows_a_second = self._share(shots, window or 1.0)
        for index in numbers:
            start, end = shots[index]
            short = window is not None and end - start < window
            changes = {"window_seconds": max(end - start, shortest)} if short else {}
            if windows_a_second is not None:
                changes["max_windows"] = max(1, int(windows_a_second * (end - start)))
            clips = self.take(media, start, end, **changes)
            taken.append(clips)
            where += spans_of(clips, start, end, shot=index)
        return {"clips": _joined(taken), "spans": tuple(where)}

    def _share(self, shots: Sequence[tuple[float, float]], window: float) -> tuple[list[int], float | None]:
        """Return which shots are looked at and how many windows each gets at most for every second, so that all of
        them get no more than `MAX_WINDOWS`; None where they need less, or where the recipe sets `max_windows`."""
        numbers = list(range(len(shots)))
        known = inspect.signature(find("samplers", self.sampler)).parameters
        if "max_windows" in self.sampler_options or "max_windows" not in known:
            return numbers, None
        if sum(math.ceil((end - start) / window) for start, end in shots) <= MAX_WINDOWS:
            return numbers, None
        if len(shots) > MAX_WINDOWS:
            numbers = [int((i + 0.5) * len(shots) / MAX_WINDOWS) for i in range(MAX_WINDOWS)]
        seconds = sum(shots[number][1] - shots[number][0] for number in numbers)
        return numbers, MAX_WINDOWS / seconds

    def with_fewer_frames(self, halvings: int) -> tuple[Stage, str] | None:
        """Return a copy whose clips have fewer frames, where their number is an option of the sampler."""
        frames = self.sampler_options.get("num_frames")
        if not isinstance(frames, int) or frames < 2:
            return None
        fewer = max(1, frames >> halvings)
        copy = replace(self)
        copy.sampler_options = {**self.sampler_options, "num_frames": fewer}
        return copy, f"out of memory: {fewer} frames instead of {frames}"

    def take(self, media: Any, start_seconds: float | None, end_seconds: float | None, **changes: Any) -> Clips:
        """Sample one range of time (None: from the start, to the end), with some options of the sampler changed."""
        size = (self.size, self.size) if isinstance(self.size, int) else tuple(self.size)
        return find("samplers", self.sampler)(
            media, size=size, sample_rate=self.sample_rate, start_seconds=start_seconds, end_seconds=end_seconds,
            **{**self.sampler_options, **changes},
        )


@dataclass(kw_only=True)
class Shots(Stage):
    """Find the cuts; a video without cuts is one shot."""

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("shots",)

    min_seconds: float = 0.25
    """A shorter shot is joined to the one before it."""

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return (start, end) of every shot, in seconds, covering the whole source."""
        from mmvideo.sampling.shots import find_cuts

        checks.number("min_seconds", self.min_seconds, low=0)
        start, end = media.start_seconds, media.end_seconds
        edges = [start]
        for cut in find_cuts(media):
            if cut - edges[-1] >= self.min_seconds and end - cut >= self.min_seconds:
                edges.append(cut)
        return {"shots": tuple(zip(edges, [*edges[1:], end], strict=True))}


def _joined(parts: list[Clips]) -> Clips:
    """Concatenate clips of one geometry along B."""
    audio = [part.audio for part in parts if part.audio is not None]
    rules = list(dict.fromkeys(part.rule for part in parts))
    rule = rules[0] if len(parts) == 1 else f"{len(parts)} shots, each by itself: {rules[0]}{' ...' * (len(rules) > 1)}"
    return Clips(
        frames=torch.cat([part.frames for part in parts]),
        pts_seconds=torch.cat([part.pts_seconds for part in parts]),
        valid=torch.cat([part.valid for part in parts]),
        audio=torch.cat(audio) if len(audio) == len(parts) else None,
        sample_rate=parts[0].sample_rate, has_audio=parts[0].has_audio, rule=rule,
    )
