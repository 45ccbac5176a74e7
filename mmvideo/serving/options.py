"""Whether the served model takes the options of a request."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from mmvideo.errors import InvalidInput
from mmvideo.pipeline import Pipeline
from mmvideo.serving.problems import Refused
from mmvideo.session import check_generation
from mmvideo.types import GenerationOptions

_FIELDS = {"schema": "response_format", "history": "messages", "max_new_tokens": "max_tokens"}
"""Options of a question -> OpenAI's names for them, where these differ."""


def check_model(pipe: Pipeline, generation: GenerationOptions) -> None:
    """Refuse options that the model does not take, before the video is fetched.

    Schemas and choices are checked when the reply begins: that needs the tokenizer's whole vocabulary.

    Raises:
        Refused: there is one; names the field.
    """
    for name in ("stop", "history"):
        given = getattr(generation, name)
        if not given:
            continue
        only = dataclasses.replace(GenerationOptions(), **{name: given})
        try:
            if "generation" not in pipe.recipe.takes:
                check_generation(pipe.recipe, {name: given})
            for _, stage in pipe.stages:
                stage.check((), only)
        except InvalidInput as error:
            raise Refused(str(error), _FIELDS.get(name, name), code="unsupported_value") from error


def with_view(pipe: Pipeline, view: tuple[tuple[str, Any], ...]) -> Pipeline:
    """Return a pipeline with the same networks that looks at other frames.

    Raises:
        Refused: the model chooses its frames itself; names the field.
    """
    if not view:
        return pipe
    options = dict(view)
    stages: list[tuple[str, Any]] = list(pipe.stages)
    takes = next((set(stage.reader.takes) for _, stage in stages if hasattr(stage, "reader")), set())
    for name in options:
        if name not in takes:
            raise Refused(f"'{name}': this model chooses its frames itself; it cannot be told how.", name,
                          code="unsupported_value")
    other = copy.copy(pipe)
    other.stages = [(name, stage.looking(options) if hasattr(stage, "reader") else stage)
                    for name, stage in stages]
    return other


__all__ = ["check_model", "with_view"]
