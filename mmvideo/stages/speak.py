"""Stages `answer` and `caption`: embeddings -> words, with what was looked at."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.language import prompts
from mmvideo.results import Answer, Caption
from mmvideo.stages.base import Stage
from mmvideo.stages.remedy import remedy
from mmvideo.stages.sample import Span
from mmvideo.types import Clips, Domain, Segment

_ABOUT_WHAT_COMES = re.compile(
    r"\b(next|will|going to|about to|afterwards?|after (this|that|the (clip|video|end)))\b", re.IGNORECASE)

RULE_NEXT = "each window was asked; the last one answers what happens next"
RULE_SURE = "each window was asked; the surest one within the domain answers"
RULE_ONE = "one window, one answer"


@dataclass(kw_only=True)
class Speak(Stage):
    """What both stages share: the language model."""

    weights: str
    max_new_tokens: int = 32
    language: nn.Module | None = field(default=None, repr=False, init=False)

    def load(self, device: torch.device) -> None:
        """Load the language model and its tokenizer."""
        from mmvideo.language.model import LanguageModel

        self.language = LanguageModel.from_pretrained(weight_files.part(self.weights, "language")).to(device).eval()

    def modules(self) -> dict[str, nn.Module]:
        """Return the language model."""
        return {"language": self.language} if self.language is not None else {}


@dataclass(kw_only=True)
class AnswerQuestions(Speak):
    """Ask every window of the video every question, and keep one answer a question by a stated rule."""

    needs: ClassVar = ("embeddings", "clips", "spans", "domains", "text")
    gives: ClassVar = ("answers",)

    def __call__(
        self, *, embeddings: Tensor, clips: Clips, spans: Sequence[Span], domains: Sequence[Domain],
        text: Sequence[str],
    ) -> dict[str, tuple[Answer, ...]]:
        """Return one Answer a question.

        Args:
            embeddings: float (B, N, D), one row a window.
            text: the questions.
        """
        return {"answers": tuple(self._answer(question, embeddings, clips, spans, domains) for question in text)}

    def _answer(self, question: str, embeddings: Tensor, clips: Clips, spans: Sequence[Span],
                domains: Sequence[Domain]) -> Answer:
        num_windows = embeddings.shape[0]
        said = self.language.generate(
            embeddings, [prompts.question(question)] * num_windows, max_new_tokens=self.max_new_tokens)
        kept, rule = pick(question, [s.confidence for s in said], [d.inside for d in domains])
        domain = domains[kept]
        if said[kept].unknown_words:
            words = ", ".join(repr(word) for word in said[kept].unknown_words)
            unknown = f"the question has words that {self.weights} never saw: {words}"
            reason = f"{domain.reason}; {unknown}" if domain.reason else unknown
            domain = Domain(False, reason, remedy("video-qa"), domain.score)
        return Answer(
            question=question, text=said[kept].text, confidence=said[kept].confidence, in_domain=domain,
            seconds_looked_at=looked_at(clips), rule=f"{clips.rule}; {rule}", model=self.weights,
            segments=tuple(Segment(span.start_seconds, span.end_seconds, s.text, s.confidence)
                           for span, s in zip(spans, said, strict=True)),
        )


def pick(question: str, confidences: Sequence[float], inside: Sequence[bool]) -> tuple[int, str]:
    """Choose which window's answer is kept.

    Returns:
        The window's index and the rule in words: the last window for a question about what comes next, else the
        surest of those within the domain (of all, if none is).
    """
    if len(confidences) == 1:
        return 0, RULE_ONE
    if _ABOUT_WHAT_COMES.search(question):
        return len(confidences) - 1, RULE_NEXT
    allowed = [i for i, known in enumerate(inside) if known] or list(range(len(confidences)))
    return max(allowed, key=lambda i: confidences[i]), RULE_SURE


def looked_at(clips: Clips) -> tuple[float, ...]:
    """Return the time of every frame that a model saw, ascending, each once, padding left out."""
    return tuple(sorted(set(clips.pts_seconds[clips.valid].tolist())))


@dataclass(kw_only=True)
class DescribeWindows(Speak):
    """Caption every window."""

    needs: ClassVar = ("embeddings", "clips", "spans", "domains")
    gives: ClassVar = ("caption",)

    max_new_tokens: int = 64

    def __call__(
        self, *, embeddings: Tensor, clips: Clips, spans: Sequence[Span], domains: Sequence[Domain],
    ) -> dict[str, Caption]:
        """Return the captions of all windows as one Caption; its confidence is that of the least sure window."""
        said = self.language.generate(
            embeddings, [prompts.caption()] * embeddings.shape[0], max_new_tokens=self.max_new_tokens)
        segments = tuple(Segment(span.start_seconds, span.end_seconds, s.text, s.confidence)
                         for span, s in zip(spans, said, strict=True))
        return {"caption": Caption(
            text=" ".join(dict.fromkeys(s.text for s in said)), confidence=min(s.confidence for s in said),
            seconds_looked_at=looked_at(clips), in_domain=whole_domain(domains, spans), segments=segments,
            rule=f"{clips.rule}; one caption a window", model=self.weights,
        )}


def whole_domain(domains: Sequence[Domain], spans: Sequence[Span]) -> Domain:
    """Join the verdicts of all windows: inside only if every window is."""
    outside = [(d, s) for d, s in zip(domains, spans, strict=True) if not d.inside]
    scores = [d.score for d in domains if d.score is not None]
    score = min(scores) if scores else None
    if not outside:
        return Domain(True, score=score)
    reason = outside[0][0].reason
    if len(outside) < len(domains):
        where = ", ".join(f"{s.start_seconds:.1f}-{s.end_seconds:.1f} s" for _, s in outside[:4])
        reason += f" ({len(outside)} of {len(domains)} windows: {where}{' ...' if len(outside) > 4 else ''})"
    return Domain(False, reason, outside[0][0].remedy, score)
