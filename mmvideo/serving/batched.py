"""Several requests in one pass of the networks: those that wait at the same time and ask for plain replies."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch

from mmvideo.pipeline import Pipeline
from mmvideo.results import Answer
from mmvideo.serving.pictures import Slideshow
from mmvideo.serving.request import Wanted
from mmvideo.types import GenerationOptions

MOST = 8
"""Requests in one pass."""


def goes_together(wanted: Wanted) -> bool:
    """Say whether a request can be answered beside others: a whole reply, drawn by nothing, about frames as usual."""
    plain = GenerationOptions(max_new_tokens=wanted.generation.max_new_tokens)
    return replace(wanted.generation, seed=None) == plain and not wanted.view


class Together:
    """Answers requests about several videos in batches, with the networks of a pipeline.

    Replies are those of a request alone, up to the last digits of a confidence: networks see `MOST` rows in any case.
    """

    def __init__(self, pipe: Pipeline):
        self.pipe = pipe
        parts = [(name, stage.partition()) for name, stage in pipe.stages]
        self.divided = any(pair for _, pair in parts)
        self._head: list[tuple[str, Any]] = []
        self._tail: list[tuple[str, Any]] = []
        for (name, stage), (_, pair) in zip(pipe.stages, parts, strict=True):
            if pair is not None:
                pair[0].load(torch.device("cpu"))
                self._head.append((name, pair[0]))
                self._tail.append((name, pair[1]))
            else:
                (self._tail if self._tail else self._head).append((name, stage))

    def answer(self, wanted: Sequence[tuple[Wanted, Any]]) -> list[Answer]:
        """Answer requests.

        Args:
            wanted: each with its video: what `Pipeline.open` takes, or a `Slideshow`.

        Raises:
            MmvideoError: one of the videos cannot be read, or a question not be answered; none is answered then.
        """
        with ExitStack() as stack, torch.inference_mode():
            fields = [self._prepared(one, video, stack) for one, video in wanted]
            for _, stage in self._tail:
                given = [{need: one[need] for need in stage.needs} for one in fields]
                for one, found in zip(fields, stage.batch(given, size=MOST), strict=True):
                    one.update(found)
        return [one[self.pipe.recipe.gives][0] for one in fields]

    def _prepared(self, wanted: Wanted, video: Any, stack: ExitStack) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if isinstance(video, Slideshow):
            video, options = video.decoded()
        fields = self.pipe.request_fields(video, (wanted.question,), wanted.generation, options)
        for _, stage in self._head:
            found = stage(**stage.inputs(fields))
            for value in found.values():
                if hasattr(value, "__exit__"):
                    stack.enter_context(value)
            fields.update(found)
        return fields


__all__ = ["MOST", "Together", "goes_together"]
