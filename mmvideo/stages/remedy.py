"""The line of code that names a model which does know, for answers from outside an embedded model's domain."""

from __future__ import annotations

_CLIP = "clip.mp4"
_CHAT = (
    "from transformers import pipeline; print(pipeline('any-to-any', model='Qwen/Qwen3-VL-2B-Instruct')(text=[{{"
    "'role': 'user', 'content': [{{'type': 'video', 'path': 'clip.mp4'}}, {{'type': 'text', 'text': {text!r}}}]}}]))"
)
_CLASSIFY = (
    "from transformers import pipeline; print(pipeline('video-classification', "
    "model='MCG-NJU/videomae-base-finetuned-kinetics')('clip.mp4'))"
)


def remedy(task: str, question: str = "What happens in this video?") -> str:
    """Return a line of Python for a task, which downloads a large model; an empty text if none is known.

    Args:
        task: name of a recipe.
        question: put into the line where the task asks one.
    """
    if task == "video-classification":
        return _CLASSIFY
    if task == "video-captioning":
        return _CHAT.format(text="Describe this video.")
    return _CHAT.format(text=question) if task == "video-qa" else ""


def with_clip(line: str, path: str) -> str:
    """Put the path of the clip into a line that `remedy` gave."""
    return line.replace(repr(_CLIP), repr(path))
