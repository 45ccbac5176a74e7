"""How a question becomes text for a language model: the only place where prompts are written."""

from __future__ import annotations

CAPTION_REQUEST = "describe the video"
"""What a captioning pipeline asks when the user gives no prompt of their own."""
QUESTION, ANSWER = "<question>", "<answer>"
"""Marks of the embedded model's format: <question> text <answer> reply <eos>."""


def embedded_prompt(request: str) -> str:
    """Return the embedded model's prompt for a question or a caption request."""
    return f"{QUESTION} {request.strip().lower()} {ANSWER}"
