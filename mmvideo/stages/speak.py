"""Stages `prefill`, `answer` and `caption`: embeddings -> words, with what was looked at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.results import Answer, Caption, Usage
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.stages.sample import Span
from mmvideo.stages.suggestion import suggestion
from mmvideo.types import Clips, Domain, Segment
from mmvideo.vlm import embedded_prompt

if TYPE_CHECKING:
    from mmvideo.vlm.language_model import Generated, Session

_ABOUT_WHAT_COMES = re.compile(
    r"\b(next|will|going to|about to|afterwards?|after (this|that|the (clip|video|end)))\b", re.IGNORECASE)

RULE_NEXT = "each window was asked; the last one answers what happens next"
RULE_SURE = "each window was asked; the surest one within the domain answers"
RULE_ONE = "one window, one answer"


@dataclass(kw_only=True)
class Prefill(Stage):
    """Let the language model read what was seen, once for any number of questions."""

    needs: ClassVar = ("embeddings",)
    gives: ClassVar = ("conversation",)

    weights: str
    language: Any = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the language model and its tokenizer."""
        from transformers.utils import logging

        from mmvideo.vlm.language_model import LanguageModel

        shows_bars = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            self.language = LanguageModel.from_pretrained(weight_files.part(self.weights, "language"), device=device)
        finally:
            if shows_bars:
                logging.enable_progress_bar()

    def modules(self) -> dict[str, nn.Module]:
        """Return the language model."""
        return {"language": self.language} if self.language is not None else {}

    def __call__(self, *, embeddings: Tensor) -> dict[str, Session]:
        """Return the language model's session.

        Args:
            embeddings: float (B, N, D), one row a window.
        """
        return {"conversation": self.language.open(embeddings)}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Leave the reading to the stage that asks: it knows which clips go through together."""
        from mmvideo.vlm.window_batch import Unread

        return [{"conversation": Unread(self.language, fields["embeddings"])} for fields in items]


@dataclass(kw_only=True)
class AnswerQuestions(Stage):
    """Ask every window of the video every question, and keep one answer a question by a stated rule."""

    needs: ClassVar = ("conversation", "clips", "spans", "domains", "text")
    gives: ClassVar = ("answers",)

    task: str = "video-qa"
    """Which suggestion is offered outside the domain."""
    max_new_tokens: int = 32

    def __call__(
        self, *, conversation: Session, clips: Clips, spans: Sequence[Span], domains: Sequence[Domain],
        text: Sequence[str],
    ) -> dict[str, tuple[Answer, ...]]:
        """Return one Answer a question.

        Args:
            text: the R questions; each of the B windows is asked all of them in one batch.
        """
        said = conversation.reply(list(text) * len(spans), max_new_tokens=self.max_new_tokens)
        return {"answers": tuple(self._answer(question, said[number::len(text)], clips, spans, domains)
                                 for number, question in enumerate(text))}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Ask the windows of several videos their questions, `size` windows at a time."""
        from mmvideo.vlm.window_batch import reply_together

        replies = reply_together([fields["conversation"] for fields in items], [fields["text"] for fields in items],
                                 size=size, max_new_tokens=self.max_new_tokens)
        return [{"answers": tuple(
            self._answer(question, said[number::len(fields["text"])], fields["clips"], fields["spans"],
                         fields["domains"]) for number, question in enumerate(fields["text"]))}
            for fields, said in zip(items, replies, strict=True)]

    def _answer(self, question: str, said: Sequence[Generated], clips: Clips, spans: Sequence[Span],
                domains: Sequence[Domain]) -> Answer:
        """Keep one of the replies of all windows to a question."""
        kept, rule = pick(question, [s.confidence for s in said], [bool(d) for d in domains])
        domain = domains[kept]
        if said[kept].unknown_words:
            words = ", ".join(repr(word) for word in said[kept].unknown_words)
            unknown = f"the question has words that the model never saw: {words}"
            reason = f"{domain.reason}; {unknown}" if domain.reason else unknown
            domain = Domain(False, reason, suggestion(self.task, question), domain.score)
        elif domain.outside:
            domain = replace(domain, suggestion=suggestion(self.task, question))
        return Answer(
            question=question, text=said[kept].text, confidence=said[kept].confidence, in_domain=domain,
            seconds_looked_at=looked_at(clips), rule=f"{clips.rule}; {rule}", segments=segments(spans, said),
            **written(said, spans), finished=said[kept].finished, looped=bool(said[kept].repeats),
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


def written(said: Sequence[Generated], spans: Sequence[Span] = (), *, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a result says about how the replies of one or more windows were written.

    Args:
        spans: of the windows; none where one reply is about the whole video.
        notes: what was done otherwise than asked; warnings too.
    """
    warnings = list(notes)
    for number, reply in enumerate(said):
        if reply.repeats:
            where = f" in {spans[number].start_seconds:.1f}-{spans[number].end_seconds:.1f} s" if spans else ""
            warnings.append(f"the reply{where} repeated {reply.repeats!r} until it was cut at {reply.num_written} "
                            "tokens")
    return {"usage": Usage(sum(s.num_read for s in said), sum(s.num_written for s in said)),
            "warnings": tuple(warnings)}


def segments(spans: Sequence[Span], said: Sequence[Generated]) -> tuple[Segment, ...]:
    """Put each window's words on its span of time."""
    return tuple(Segment(span.start_seconds, span.end_seconds, reply.text, reply.confidence)
                 for span, reply in zip(spans, said, strict=True))


@dataclass(kw_only=True)
class DescribeWindows(Stage):
    """Caption every window."""

    needs: ClassVar = ("conversation", "clips", "spans", "domains")
    gives: ClassVar = ("caption",)

    max_new_tokens: int = 64

    def __call__(
        self, *, conversation: Session, clips: Clips, spans: Sequence[Span], domains: Sequence[Domain],
    ) -> dict[str, Any]:
        """Return the captions of all windows as one Caption; its confidence is that of the least sure window."""
        said = conversation.reply([embedded_prompt.CAPTION_REQUEST] * len(spans), max_new_tokens=self.max_new_tokens)
        return {"caption": self._caption(said, clips, spans, domains)}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Caption the windows of several videos, `size` windows at a time."""
        from mmvideo.vlm.window_batch import reply_together

        requests = [[embedded_prompt.CAPTION_REQUEST]] * len(items)
        replies = reply_together([fields["conversation"] for fields in items], requests, size=size,
                                 max_new_tokens=self.max_new_tokens)
        return [{"caption": self._caption(said, fields["clips"], fields["spans"], fields["domains"])}
                for fields, said in zip(items, replies, strict=True)]

    @staticmethod
    def _caption(said: Sequence[Generated], clips: Clips, spans: Sequence[Span], domains: Sequence[Domain]) -> Caption:
        return Caption(
            text=" ".join(dict.fromkeys(reply.text for reply in said)),
            confidence=min(reply.confidence for reply in said),
            seconds_looked_at=looked_at(clips), in_domain=whole_domain(domains, spans), segments=segments(spans, said),
            rule=f"{clips.rule}; one caption a window", **written(said, spans),
            finished=all(reply.finished for reply in said), looped=any(reply.repeats for reply in said),
        )


def whole_domain(domains: Sequence[Domain], spans: Sequence[Span]) -> Domain:
    """Join the verdicts of all windows: outside if one window is, inside only if every window is."""
    outside = [(d, s) for d, s in zip(domains, spans, strict=True) if d.outside]
    scores = [d.score for d in domains if d.score is not None]
    score = min(scores) if scores else None
    if not outside:
        return next((d for d in domains if not d.judged), Domain(True, score=score))
    reason = outside[0][0].reason
    if len(outside) < len(domains):
        where = ", ".join(f"{s.start_seconds:.1f}-{s.end_seconds:.1f} s" for _, s in outside[:4])
        reason += f" ({len(outside)} of {len(domains)} windows: {where}{' ...' if len(outside) > 4 else ''})"
    return Domain(False, reason, outside[0][0].suggestion, score)
