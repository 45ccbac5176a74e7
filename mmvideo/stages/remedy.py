"""The line of code that names a model which does know, for answers from outside an embedded model's domain."""

from __future__ import annotations

_LINES = {
    "video-qa": (
        "transformers.pipeline('any-to-any', model='Qwen/Qwen3-VL-2B-Instruct')(text=[{'role': 'user', 'content': "
        "[{'type': 'video', 'path': 'CLIP'}, {'type': 'text', 'text': 'QUESTION'}]}])"
    ),
    "video-captioning": (
        "transformers.pipeline('any-to-any', model='Qwen/Qwen3-VL-2B-Instruct')(text=[{'role': 'user', 'content': "
        "[{'type': 'video', 'path': 'CLIP'}, {'type': 'text', 'text': 'Describe this video.'}]}])"
    ),
    "video-classification": "transformers.pipeline('video-classification', "
                            "model='MCG-NJU/videomae-base-finetuned-kinetics')('CLIP')",
}


def remedy(task: str) -> str:
    """Return the line for a task, or an empty text if no better model is known."""
    return _LINES.get(task, "")
