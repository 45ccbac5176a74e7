"""Spans of a film that are captioned one by one: shots between cuts and dissolves, and parts of long ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from mmvideo.deadline import check
from mmvideo.sampling.gather import TimeSpan, span_of
from mmvideo.sampling.shots import find_boundaries
from mmvideo.sampling.transnet import learned_boundaries
from mmvideo.stages.readers import ChatReader, Reader, Reading, Taken, WindowReader, without_pictures
from mmvideo.stages.remote_reader import RemoteReader
from mmvideo.types import Clips, Expected, GenerationOptions
from mmvideo.vlm.batch import Prepared
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.generate import Generated

RULES = ("auto", "shots", "transnet", "windows", "none")
MOST_SPANS = 48
MOST_FRAMES = 192
"""Of all spans of one film together, unless the caller says how many frames are looked at in each."""
FEWEST_FRAMES = 3
SHORTEST_SECONDS = 1.5
"""A shorter shot is captioned with its shorter neighbour."""


def caption_spans(media: Any, start: float | None, end: float | None, *, rule: str, seconds: float
                  ) -> tuple[TimeSpan, ...]:
    """Return the spans of an opened source that are captioned one by one, in order, without gaps.

    Args:
        rule: "shots" (and "auto") divides at cuts and dissolves, and shots longer than `seconds` into equal parts;
            "transnet" asks TransNetV2 for cuts and dissolves; "windows" divides into equal parts only; "none" leaves
            the source whole.

    Raises:
        InvalidInput: an empty span.
        MissingExtra: TransNetV2 is not installed.
        NoVideoTrack: there is no moving picture.
    """
    whole = span_of(media, start, end)
    if rule == "none" or whole.seconds <= SHORTEST_SECONDS:
        return (whole,)
    found = [] if rule == "windows" else (learned_boundaries if rule == "transnet" else find_boundaries)(media)
    inner = [at for at in found if whole.start_seconds < at < whole.end_seconds]
    edges = _without_short([whole.start_seconds, *inner, whole.end_seconds], SHORTEST_SECONDS)
    parts: list[float] = [edges[0]]
    for first, last in itertools.pairwise(edges):
        count = max(1, math.ceil((last - first) / seconds - 1e-6))
        parts += [first + (last - first) * (n + 1) / count for n in range(count)]
    shortest = SHORTEST_SECONDS
    while len(parts) - 1 > MOST_SPANS:  # a long film: neighbours are captioned together
        shortest *= 1.5
        parts = _without_short(parts, shortest)
    return tuple(TimeSpan(first, last) for first, last in itertools.pairwise(parts))


def _without_short(edges: Sequence[float], shortest: float) -> list[float]:
    """Leave out inner edges until no part is shorter than `shortest`."""
    edges = list(edges)
    while len(edges) > 2:
        lengths = [last - first for first, last in itertools.pairwise(edges)]
        least = min(range(len(lengths)), key=lengths.__getitem__)
        if lengths[least] >= shortest:
            break
        left = least > 0 and (least == len(lengths) - 1 or lengths[least - 1] <= lengths[least + 1])
        del edges[least if left else least + 1]
    return edges


@dataclass(frozen=True)
class SpanParts:
    """What was taken of every span."""

    parts: tuple[Taken, ...]

    def without_pictures(self) -> SpanParts:
        """Leave out the pictures, which are on their way to another process."""
        nothing = [replace(part.clips, frames=part.clips.frames[..., :1, :1], audio=None, sample_rate=None)
                   for part in self.parts]
        return SpanParts(tuple(
            replace(part, clips=clips, prepared=without_pictures(part.prepared) if isinstance(part.prepared, Prepared)
                    else part.prepared) for part, clips in zip(self.parts, nothing, strict=True)))


class SpanReader(Reader):
    """Shows a model that reads a whole video one span after the other, so that each has a caption of its own.

    Args:
        inner: shows one span.
        rule: how spans are found (`caption_spans`), of at most `seconds`.
    """

    def __init__(self, inner: ChatReader | WindowReader | RemoteReader, rule: str, seconds: float):
        self.inner, self.rule, self.seconds = inner, rule, seconds
        self.takes = inner.takes

    @property
    def chat(self) -> Any:
        """The chat model, where it is one."""
        return self.inner.chat if isinstance(self.inner, ChatReader) else None

    @property
    def model(self) -> Any:
        """The composed model, where it is one."""
        return self.inner.model if isinstance(self.inner, WindowReader) else None

    @property
    def view(self) -> Any:
        """What of a video is shown."""
        return self.inner.view

    @view.setter
    def view(self, view: Any) -> None:
        self.inner = copy(self.inner)
        self.inner.view = view

    @property
    def client(self) -> Any:
        """The client of the server, where the model is behind one."""
        return self.inner.client if isinstance(self.inner, RemoteReader) else None

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.inner.modules()

    def check(self, questions: Sequence[str], options: GenerationOptions) -> None:
        """Refuse what the model cannot serve."""
        self.inner.check(questions, options)

    def take(self, media: Any, expected: Expected) -> Taken:
        """Choose what is shown of every span; of a source of one span, as without this."""
        view = self.inner.view
        spans = caption_spans(media, view.start_seconds, view.end_seconds, rule=self.rule, seconds=self.seconds)
        if len(spans) == 1:
            return self.inner.take(media, expected)
        parts = []
        for span in spans:
            check()
            parts.append(self._of(span, len(spans)).take(media, expected))
        return Taken(joined_clips([part.clips for part in parts], len(spans)), spans, SpanParts(tuple(parts)))

    def _of(self, span: TimeSpan, count: int) -> ChatReader | WindowReader | RemoteReader:
        """Return the reader of one span."""
        one, view = copy(self.inner), self.inner.view
        one.view = replace(view, start_seconds=span.start_seconds, end_seconds=span.end_seconds)
        if not isinstance(one, WindowReader) and view.num_frames is None and view.fps is None:
            most = max(FEWEST_FRAMES, MOST_FRAMES // count)
            one.view = replace(one.view, max_frames=min(most, view.max_frames or most))
        return one

    def read(self, taken: Taken) -> Reading:
        """Leave the reading of each span to when it is captioned: one is in memory at a time."""
        if not isinstance(taken.prepared, SpanParts):
            return self.inner.read(taken)
        return Reading(SpanConversation([lambda part=part: self.inner.read(part).conversation  # type: ignore[misc]
                                         for part in taken.prepared.parts]))

    def read_later(self, taken: Sequence[Taken], size: int) -> list[Reading]:
        """Read sources of one span together; others span by span."""
        several = [isinstance(one.prepared, SpanParts) for one in taken]
        plain = iter(self.inner.read_later([one for one, more in zip(taken, several, strict=True) if not more], size))
        return [self.read(one) if more else next(plain) for one, more in zip(taken, several, strict=True)]

    def look(self, media: Any, expected: Expected) -> tuple[Taken, Reading]:
        """Take and read in one."""
        taken = self.take(media, expected)
        if not isinstance(taken.prepared, SpanParts):
            return self.inner.look(media, expected)
        if not isinstance(self.inner, WindowReader):
            return taken, self.read(taken)
        # joined windows are as many as fit into the context, which is found out while they are read
        return taken, Reading(SpanConversation([
            lambda span=span: self._of(span, len(taken.spans)).look(media, expected)[1].conversation  # type: ignore[misc]
            for span in taken.spans]))


class SpanConversation(Conversation):
    """Conversations about the spans of a film, each read when it is asked and forgotten then.

    Args:
        opening: give the conversation about one span each.
    """

    def __init__(self, opening: Sequence[Callable[[], Conversation]]):
        self._opening = list(opening)
        self._held: tuple[int, Conversation] | None = None
        first = self.row(0)
        self.tokenizer, self.ends, self.context, self.num_read = first.tokenizer, first.ends, first.context, (
            first.num_read)
        self.max_new_tokens, self.short = first.max_new_tokens, first.short
        self.caption_request = first.caption_request

    def row(self, number: int) -> Conversation:
        """Return the conversation about one span."""
        if self._held is None or self._held[0] != number:
            self._held = None
            self._held = number, self._opening[number]()
        return self._held[1]

    def replies(self, questions: Sequence[str], options: GenerationOptions | None = None, *,
                num_tokens: int | None = None) -> list[Generated]:
        """Reply to the questions of all spans, one span after the other.

        Args:
            questions: N * R, R for each span in turn.
        """
        each = len(questions) // len(self._opening)
        return [self.row(number // each).reply(question, options) for number, question in enumerate(questions)]


def joined_clips(taken: Sequence[Clips], count: int) -> Clips:
    """Return what was looked at in all spans as one row of frames, in the size of the first."""
    height, width = taken[0].frames.shape[-2:]
    rows = []
    for clips in taken:
        frames = clips.frames.flatten(0, 1)
        if frames.shape[-2:] != (height, width):
            frames = torch.nn.functional.interpolate(frames.float(), size=(height, width), mode="area").to(torch.uint8)
        rows.append(frames)
    return replace(taken[0], frames=torch.cat(rows)[None],
                   pts_seconds=torch.cat([one.pts_seconds.flatten() for one in taken])[None],
                   valid=torch.cat([one.valid.flatten() for one in taken])[None], audio=None, sample_rate=None,
                   rule=f"{count} spans between cuts and dissolves, each looked at by itself",
                   notes=tuple(dict.fromkeys(note for one in taken for note in one.notes)))


__all__ = ["RULES", "SpanConversation", "SpanParts", "SpanReader", "caption_spans", "joined_clips"]
