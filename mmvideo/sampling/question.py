"""Sampler `question`: frames that a text-image model finds relevant to a question, spread over the video where needed.

Relevance and coverage as Adaptive Keyframe Sampling (Tang et al. 2025, https://arxiv.org/abs/2502.21271).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mmvideo.errors import InvalidInput
from mmvideo.media.convert import Fit
from mmvideo.media.source import Source
from mmvideo.sampling.choose import candidates, covering, take_chosen
from mmvideo.sampling.gather import SizeLike, checked_count, span_of
from mmvideo.types import Clips

Relevance = Callable[[Tensor, str], Tensor]
"""Frames uint8 (N, C, H, W) and a question -> how relevant each frame is, float (N,)."""


def question(source: Source, *, text: str = "", relevance: Relevance | None = None, num_clips: int = 8,
             num_frames: int = 1, clip_seconds: float = 1.0, crops: int = 1, preview_size: int = 224,
             threshold: float = 0.8, size: SizeLike = None, fit: Fit = "crop", sample_rate: int | None = None,
             start_seconds: float | None = None, end_seconds: float | None = None) -> Clips:
    """Take the windows whose middle frame has most to do with a question.

    Args:
        text: the question; stages fill it in.
        relevance: of frames for a text, by a text-image model; stages fill it in.
        num_clips: windows that are taken.
        num_frames: frames of each.
        clip_seconds: length of a window.
        crops: 1, or 3 along the longer side (needs `size`).
        preview_size: pixels on a side of the frames that are compared with the question.
        threshold: by how much the best frames of a range must stand out for it to be taken whole, see `covering`.
        size: pixels of the frames that are given; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Raises:
        InvalidInput: no question or no text-image model, or an option out of range.
    """
    if not text.strip() or relevance is None:
        raise InvalidInput("The sampler 'question' needs a question and a text-image model: ask one, and name the "
                           "model with relevance_model=, as openai/clip-vit-base-patch32.")
    num_clips = checked_count("num_clips", num_clips)
    spans = candidates(span_of(source, start_seconds, end_seconds), clip_seconds)
    scores: list[float] = []
    for at in range(0, len(spans), 64):
        middles = [(span.start_seconds + span.end_seconds) / 2 for span in spans[at:at + 64]]
        scores += relevance(source.frames_at(middles, size=preview_size).frames, text).flatten().tolist()
    chosen = covering(scores, num_clips, threshold=threshold)
    return take_chosen(source, spans, chosen, num_frames=num_frames, crops=crops, size=size, fit=fit,
                       sample_rate=sample_rate, why="by relevance to the question, with coverage")


__all__ = ["Relevance", "question"]
