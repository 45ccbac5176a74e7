"""Stages `answer` and `caption`: a model that has read a video answers questions about it, or describes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from mmvideo.errors import ContextExceeded, InvalidInput
from mmvideo.results import Answer, Caption, Citation, Evidence, Usage
from mmvideo.sampling.gather import TimeSpan
from mmvideo.stages.base import Stage, looked_at
from mmvideo.stages.citations import citations, doubts
from mmvideo.stages.readers import open_conversation
from mmvideo.stages.spans import SpanConversation
from mmvideo.stages.suggestion import suggestion
from mmvideo.stages.timed_captions import SummedUp, merged_captions, short_title, summed_up
from mmvideo.types import NOT_JUDGED, Clips, Domain, GenerationOptions, Segment
from mmvideo.vlm.batch import Unread, reply_batched
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.generate import Generated

_ABOUT_WHAT_COMES = re.compile(
    r"\b(next|will|going to|about to|afterwards?|after (this|that|the (clip|video|end)))\b", re.IGNORECASE)

RULE_NEXT = "each window was asked; the last one answers what happens next"
RULE_SURE = "each window was asked; the surest one within the domain answers"
RULE_ONE = "one window, one answer"
RULE_WHOLE = "one reading of all frames"
RULE_CAPTION = "one caption a span"
SUM_TOKENS = 64
"""The longest title or summary."""


@dataclass(kw_only=True)
class ReplyStage(Stage):
    """Base of the stages that generate text: the longest reply, and the batches of several videos."""

    max_new_tokens: int | None = None
    """The longest reply where the caller sets none; null for the model's own number."""
    num_beams: int = 1
    """Replies that are tried side by side, of which the likeliest is given."""

    def options(self, given: GenerationOptions, conversation: Any) -> GenerationOptions:
        """Set the longest reply where the caller has not; replies about single windows are short by themselves."""
        longest = given.max_new_tokens or self.max_new_tokens or conversation.max_new_tokens
        if not given.choices and not given.stream and (choices := getattr(self, "choices", None)):
            given = replace(given, choices=tuple(choices))
        if conversation.short:
            longest = min(longest, conversation.max_new_tokens)
        beams = given.num_beams if given.choices or given.num_beams > 1 else self.num_beams
        return replace(given, max_new_tokens=longest, num_beams=beams)

    def replies(self, items: Sequence[tuple[Mapping[str, Any], Sequence[str], GenerationOptions]], size: int
                ) -> list[list[list[Generated]]]:
        """Reply to questions about several videos, those together that can go through the model so.

        Args:
            items: for each video its fields, its questions and the options of their replies.

        Returns:
            For each video and question the replies of all its windows, or the only one.
        """
        found: dict[int, list[list[Generated]]] = {}
        groups: dict[GenerationOptions, list[int]] = {}
        for number, (fields, questions, options) in enumerate(items):
            plain = GenerationOptions(max_new_tokens=options.max_new_tokens, seed=options.seed,
                                      num_beams=options.num_beams)
            if isinstance(fields["conversation"], Unread) and options == plain:
                groups.setdefault(replace(options, seed=None), []).append(number)
            else:
                conversation, spans = open_conversation(fields["conversation"]), fields["spans"]
                found[number] = [_replies(conversation, spans, question, options) for question in questions]
        for options, numbers in groups.items():
            told = reply_batched([items[n][0]["conversation"] for n in numbers], [items[n][1] for n in numbers],
                                 options, size=size)
            for number, said in zip(numbers, told, strict=True):
                count = len(items[number][1])
                found[number] = [said[place::count] for place in range(count)]
        return [found[number] for number in range(len(items))]


def _replies(conversation: Conversation, spans: Sequence[TimeSpan], question: str, options: GenerationOptions
             ) -> list[Generated]:
    """Ask every window one question, or the one conversation about all of them."""
    if not spans:
        return [conversation.reply(question, options)]
    if options.choices:
        return [conversation.row(number).choose(question, options)[0] for number in range(len(spans))]
    return conversation.replies([question] * len(spans), options)


@dataclass(kw_only=True)
class AnswerQuestions(ReplyStage):
    """Answer every question about the video.

    Where a model is asked about each window alone, one of the answers is kept by a stated rule (`pick`).
    """

    needs: ClassVar[tuple[str, ...]] = ("conversation", "clips", "spans", "domains", "text", "generation")
    gives: ClassVar[tuple[str, ...]] = ("answers",)

    choices: list[str] | None = None
    """Answer with one of these, the likeliest, where the caller gives no choices."""
    without_prior: bool = False
    """Divide the likelihood of each choice by the one that it has after the bare question, without video and hints
    (domain-conditional PMI, Holtzman et al. 2021): a choice does not win for its words. For composed models."""

    def check(self, texts: Sequence[str], generation: GenerationOptions) -> None:
        """Refuse several questions at once in a stream."""
        if generation.stream and len(texts) > 1:
            raise InvalidInput("stream=True takes one question at a time.")

    def __call__(self, *, conversation: Conversation, clips: Clips, spans: Sequence[TimeSpan],
                 domains: Sequence[Domain], text: Sequence[str], generation: GenerationOptions) -> dict[str, Any]:
        """Return one Answer a question; for `stream`, an iterator that gives the pieces and then the Answer.

        Args:
            text: the R questions; each of the B windows of `spans` is asked all of them in one batch.

        Raises:
            OutOfMemory: the reply does not fit into memory.
        """
        fields = {"conversation": conversation, "clips": clips, "spans": spans, "domains": domains}
        options = self.options(generation, conversation)
        if options.stream:
            if not spans:
                conversation.check_room(clips.context + text[0], options)
            return {"answers": _pieces(fields, text[0], options, self.without_prior)}
        if spans and not options.choices:
            said = conversation.replies([clips.context + words for words in text] * len(spans), options)
            told = [said[number::len(text)] for number in range(len(text))]
            return {"answers": tuple(_answer(question, replies, fields)
                                     for question, replies in zip(text, told, strict=True))}
        return {"answers": tuple(_asked(fields, question, options, self.without_prior) for question in text)}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Ask several videos their questions, `size` rows of the model in one pass."""
        if self.without_prior:
            return [self(**{name: fields[name] for name in self.needs} | {
                "conversation": open_conversation(fields["conversation"])}) for fields in items]
        asked = [(fields, [fields["clips"].context + words for words in fields["text"]],
                  self.options(fields["generation"], fields["conversation"])) for fields in items]
        return [{"answers": tuple(_answer(question, replies, fields)
                                  for question, replies in zip(fields["text"], said, strict=True))}
                for (fields, _, _), said in zip(asked, self.replies(asked, size), strict=True)]


def _asked(fields: Mapping[str, Any], question: str, options: GenerationOptions,
           without_prior: bool = False) -> Answer:
    """Ask one question; of the choices of a whole video, name the likelihood of each."""
    conversation, spans, words = fields["conversation"], fields["spans"], fields["clips"].context + question
    if without_prior and (spans or not options.choices):
        raise InvalidInput("without_prior is for choices, and for models that read a video as a whole; leave it out.")
    if not options.choices or spans:
        return _answer(question, _replies(conversation, spans, words, options), fields)
    ranked = conversation.choose(words, options)
    if without_prior:
        ranked = over_prior(ranked, conversation.blind().choose(question, options))
    others = "; choices by likelihood: " + ", ".join(
        f"{r.text} {r.confidence:.0%}" for r in ranked if r.confidence is not None) if len(ranked) > 1 else ""
    return _answer(question, ranked[:1], fields, others)


def over_prior(ranked: Sequence[Generated], blind: Sequence[Generated]) -> list[Generated]:
    """Rank choices by their likelihood over the one that they have without the video; confidences sum to 1."""
    prior = {one.text: one.confidence or 0.0 for one in blind}
    ratios = [(one.confidence or 0.0) / max(prior[one.text], 1e-30) for one in ranked]
    told = [replace(one, confidence=ratio / max(sum(ratios), 1e-30)) for one, ratio in zip(ranked, ratios, strict=True)]
    return sorted(told, key=lambda one: -(one.confidence or 0.0))


def _answer(question: str, said: Sequence[Generated], fields: Mapping[str, Any], others: str = "") -> Answer:
    """Keep one of the replies of all windows to a question."""
    clips, spans, domains = fields["clips"], fields["spans"], fields["domains"]
    sure = [s.confidence or 0.0 for s in said]
    kept, rule = pick(question, sure, [bool(d) for d in domains]) if spans else (0, RULE_WHOLE)
    reply = said[kept]
    cited = _cited(reply.text, clips)
    domain = domains[kept] if domains else NOT_JUDGED if reply.domain is None else reply.domain
    if reply.unknown_words:
        domain = _outside(domain, question, reply.unknown_words)
    if domain.outside:
        domain = replace(domain, suggestion=suggestion("video-qa", question))
    return Answer(
        question=question, text=reply.text, confidence=reply.confidence, in_domain=domain,
        seconds_looked_at=looked_at(clips), rule=f"{clips.rule}; {reply.rule or rule}{others}",
        segments=segments_of(spans, said) or reply.segments, evidence=_proven(reply),
        **written(said, spans, notes=(*clips.notes, *_doubts(cited))), citations=cited,
        finished=reply.finished, looped=bool(reply.repeats))


def _proven(reply: Generated) -> Evidence | None:
    """Return what a reply rests on; the pipeline adds what it can be drawn from."""
    return None if reply.proof is None else Evidence(proof=reply.proof)


def _outside(domain: Domain, question: str, unknown_words: Sequence[str]) -> Domain:
    words = ", ".join(repr(word) for word in unknown_words)
    unknown = f"the question has words that the model never saw: {words}"
    return Domain(False, f"{domain.reason}; {unknown}" if domain.outside else unknown, score=domain.score)


def _pieces(fields: Mapping[str, Any], question: str, options: GenerationOptions,
            without_prior: bool) -> Iterator[str | Answer]:
    """Yield what each token adds, whole characters only, and last the Answer.

    Among choices, and where each window is asked alone, the answer is known only when all is done: one piece.
    """
    conversation = fields["conversation"]
    if options.choices or fields["spans"]:
        answer = _asked(fields, question, options, without_prior)
        yield answer.text
        yield answer
        return
    told, reply = "", None
    for reply in conversation.write(fields["clips"].context + question, options):
        if reply.text.startswith(told) and len(reply.text) > len(told) and not reply.text.endswith("�"):
            yield reply.text[len(told):]
            told = reply.text
    assert reply is not None, "a reply has at least one step"
    if reply.text != told and reply.text.startswith(told):
        yield reply.text[len(told):]
    yield _answer(question, [reply], fields)


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


def written(said: Sequence[Generated], spans: Sequence[TimeSpan] = (), *, notes: Sequence[str] = ()) -> dict[str, Any]:
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
    return {"usage": tokens_of(said), "warnings": tuple(warnings)}


def tokens_of(said: Sequence[Generated]) -> Usage:
    """Return the tokens that were read and written for all of several replies."""
    return Usage(sum(one.num_read for one in said), sum(one.num_written for one in said))


def segments_of(spans: Sequence[TimeSpan], said: Sequence[Generated]) -> tuple[Segment, ...]:
    """Put each window's words on its span of time; nothing where one reply is about the whole video."""
    return tuple(Segment(span.start_seconds, span.end_seconds, reply.text, reply.confidence)
                 for span, reply in zip(spans, said, strict=True)) if spans else ()


@dataclass(kw_only=True)
class DescribeVideo(ReplyStage):
    """Describe the video in words: window by window, or all of it at once, as the model reads it."""

    needs: ClassVar[tuple[str, ...]] = ("conversation", "clips", "spans", "domains")
    gives: ClassVar[tuple[str, ...]] = ("caption",)

    request: str | None = None
    """What the model is asked; null for what suits it."""

    def __call__(self, *, conversation: Conversation, clips: Clips, spans: Sequence[TimeSpan],
                 domains: Sequence[Domain]) -> dict[str, Any]:
        """Return one Caption; its confidence is that of the least sure window."""
        fields = {"conversation": conversation, "clips": clips, "spans": spans, "domains": domains}
        return self.batch([fields], size=1)[0]

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Describe several videos together; `request` among the fields of one takes the place of the usual one."""
        asked = [(fields, [fields["clips"].context + (
            fields.get("request") or self.request or fields["conversation"].caption_request)],
                  self.options(GenerationOptions(), fields["conversation"])) for fields in items]
        return [{"caption": _caption(said[0], fields, questions[0])}
                for (fields, questions, _), said in zip(asked, self.replies(asked, size), strict=True)]


def _caption(said: Sequence[Generated], fields: Mapping[str, Any], request: str) -> Caption:
    clips, spans, domains = fields["clips"], fields["spans"], fields["domains"]
    domain = whole_domain(domains, spans) if domains else NOT_JUDGED if said[0].domain is None else said[0].domain
    if said[0].unknown_words:
        domain = _outside(domain, request, said[0].unknown_words)
    if domain.outside:
        domain = replace(domain, suggestion=suggestion("video-captioning"))
    segments = merged_captions(segments_of(spans, said) or said[0].segments)
    summing: list[Generated] = []
    whole = summed_up(segments, _asker(fields, segments, summing)) if segments else SummedUp(
        short_title(said[0].text), "", ())
    cited = _cited(" ".join(reply.text for reply in said), clips)
    told = written(said, spans, notes=(*clips.notes, *_doubts(cited)))
    told["usage"] = tokens_of([*said, *summing])
    return Caption(
        text=" ".join(dict.fromkeys(reply.text for reply in said)), citations=cited,
        title=whole.title, summary=whole.summary, chapters=whole.chapters,
        confidence=_least_sure(said),
        seconds_looked_at=looked_at(clips), in_domain=domain, segments=segments,
        evidence=_proven(said[0]),
        rule=f"{clips.rule}; {said[0].rule or (RULE_CAPTION if spans else RULE_WHOLE)}",
        **told,
        finished=all(reply.finished for reply in said), looped=any(reply.repeats for reply in said))


def _least_sure(said: Sequence[Generated]) -> Any:
    """Return the lowest confidence; None where no reply has one, as of a model behind a server."""
    return min((reply.confidence for reply in said if reply.confidence is not None), default=None)


def _cited(text: str, clips: Clips) -> tuple[Citation, ...]:
    """Return the times that a text names, checked against what was looked at."""
    return citations(text, looked_at(clips)) if any(map(str.isdigit, text)) else ()


def _doubts(cited: Sequence[Citation]) -> tuple[str, ...]:
    return doubts(cited) if cited else ()


def _asker(fields: Mapping[str, Any], segments: Sequence[Segment], said: list[Generated]
           ) -> Callable[[str], str] | None:
    """Return what puts questions about all captions to a chat model; None for a model that takes no such question.

    Args:
        said: takes up the replies, whose tokens count.
    """
    conversation = fields["conversation"]
    if not isinstance(conversation, SpanConversation) or conversation.short or len(segments) < 2:
        return None
    row = conversation.row(len(fields["spans"]) - 1)  # the one that is still in memory

    def ask(question: str) -> str:
        try:
            said.append(row.reply(question, GenerationOptions(max_new_tokens=SUM_TOKENS)))
            return said[-1].text
        except ContextExceeded:  # a short context holds no list of captions: what rules say stays
            return ""

    return ask


def whole_domain(domains: Sequence[Domain], spans: Sequence[TimeSpan]) -> Domain:
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


__all__ = ["AnswerQuestions", "DescribeVideo", "pick", "segments_of", "tokens_of", "whole_domain",
           "written"]
