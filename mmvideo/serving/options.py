"""Whether the served model takes the options of a request."""

from __future__ import annotations

from mmvideo.errors import InvalidInput
from mmvideo.pipeline import Pipeline
from mmvideo.serving.problems import Refused
from mmvideo.session import check_generation
from mmvideo.types import GenerationOptions

_FIELDS = {"schema": "response_format", "history": "messages", "max_new_tokens": "max_tokens"}
"""Options of a question -> OpenAI's names for them, where these differ."""


def check_model(pipe: Pipeline, generation: GenerationOptions) -> None:
    """Refuse options that the model would ignore and that would change the reply.

    Raises:
        Refused: there is one; names the field.
    """
    if "generation" in pipe.recipe.takes:
        return
    longest = max((stage.max_new_tokens for _, stage in pipe.stages if hasattr(stage, "max_new_tokens")), default=0)
    short = generation.max_new_tokens is not None and generation.max_new_tokens < longest
    given = {"choices": generation.choices, "schema": generation.schema, "history": generation.history,
             "stop": generation.stop,
             "temperature": generation.temperature,
             f"max_new_tokens below {longest}": generation.max_new_tokens if short else None}
    for name, value in given.items():
        if value:
            try:
                check_generation(pipe.recipe, {name: value})
            except InvalidInput as error:
                option = name.split()[0]
                raise Refused(str(error), _FIELDS.get(option, option), code="unsupported_value") from error


__all__ = ["check_model"]
