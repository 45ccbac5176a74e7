"""The line of Python or of a shell that names a model which does know, for answers from outside a model's domain."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

CHAT_MODEL = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
CLASSIFIER = "MCG-NJU/videomae-base-finetuned-kinetics"
_CLIP = "clip.mp4"
_START = "from mmvideo import Pipeline; "


def suggestion(task: str, question: str = "What happens in this video?") -> str:
    """Return a line of Python for a task, which downloads a model; an empty text if none is known.

    Args:
        task: name of a recipe.
        question: put into the line where the task asks one.
    """
    if task == "video-classification":
        line = f"{_START}print(Pipeline('video-classification', model={CLASSIFIER!r})('clip.mp4'))"
    elif task == "video-captioning":
        line = f"{_START}print(Pipeline('video-captioning', model={CHAT_MODEL!r})('clip.mp4'))"
    elif task == "video-qa":
        line = f"{_START}print(Pipeline('video-qa', model={CHAT_MODEL!r})('clip.mp4', {question!r}))"
    else:
        return ""
    return f"{line}  # or for good: {get_line(CLASSIFIER if task == 'video-classification' else CHAT_MODEL)}"


def get_line(model: str) -> str:
    """Return the command that fetches a model and makes it the default of what it can do."""
    return shlex.join(["mmvideo", "models", "get", model, "--default"])


def with_clip(line: str, path: str) -> str:
    """Put the path of the clip into a line that `suggestion` gave."""
    return line.replace(repr(_CLIP), repr(path), 1)


def shell_line(verb: str, words: Sequence[str]) -> str:
    """Return the command to type instead, with the same clip and questions, and the one that settles it for good.

    Args:
        verb: ask, caption or classify.
        words: what followed it.
    """
    model = CLASSIFIER if verb == "classify" else CHAT_MODEL
    return f"{shlex.join(['mmvideo', verb, *words, '--model', model])}  # or for good: {get_line(model)}"


__all__ = ["CHAT_MODEL", "CLASSIFIER", "get_line", "shell_line", "suggestion", "with_clip"]
