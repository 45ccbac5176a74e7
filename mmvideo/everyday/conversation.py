"""Questions about a video whose facts are known: what they tell is said with its evidence, the rest by the model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.everyday.evidence_line import NUM_SLOTS, evidence_ids
from mmvideo.everyday.facts import ShotFacts
from mmvideo.everyday.parts import observation_within
from mmvideo.everyday.questions import answer_from_facts, describe, understand
from mmvideo.everyday.questions.checks import UNKNOWN, Signs, exists, judged, named_probability, signs_of
from mmvideo.everyday.questions.nouns import HYPERNYMS, a_noun, noun_of
from mmvideo.everyday.questions.query import NamedTime
from mmvideo.everyday.questions.rewording import reworded
from mmvideo.everyday.questions.seen import basic_colour, join_with_and
from mmvideo.everyday.questions.told import Told, cannot_tell
from mmvideo.everyday.shot_captions import ShotCaption, best_caption, denied, doubted
from mmvideo.types import Features, GenerationOptions, Proof, Segment
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.embedding_conversation import EmbeddingConversation, ends_of
from mmvideo.vlm.generate import Generated
from mmvideo.vlm.prompt import CAPTION_REQUEST

if TYPE_CHECKING:
    from mmvideo.everyday.observation import Observation
    from mmvideo.vlm.composed import Composed

BEAMS = 8
"""Captions of a shot, of which one is kept."""
COLOURS = ("black", "white", "red", "blue", "green", "yellow", "orange", "pink", "purple", "brown", "grey",
           "black and white")
SEEN_BY_THE_MODEL = frozenset((
    "exist", "count", "what", "who", "doer", "doing", "colour", "wearing", "holding", "where", "relation", "scene",
    "indoors", "weather", "daytime", "moves", "other"))
"""Families of questions that a picture may answer; the others need time or sound, of which the language model knows
nothing."""
_WHETHER = re.compile(r"\s*(?:is|are|does|do|did|was|has)\s+(?:any|some)(?:body|one)\b", re.IGNORECASE)
"""Begins questions that want yes or no, whatever they offer."""
YES_OR_NO = GenerationOptions(choices=("yes", "no"))
_LEAST_COLOUR = 0.01
_WHOLE = 0.9
"""Share of a video from which a time that is named is the whole of it."""
_AROUND = {"after": NamedTime("share", 0.5, 1.0), "before": NamedTime("share", 0.0, 0.5)}
"""Where what comes after or before an event is looked for, whose moment is not found."""
_ON_FILM = 0.6
"""How much of the language model's confidence, which photographs taught it, holds for open questions about films."""
RULE_FACTS = "answered from what was found in the video"
RULE_PICTURE = "answered by the language model from the shot of which it is surest"
RULE_WORDS = "judged by the words that people would use of the picture, and a little by the language model"
RULE_NEXT = "a guess: what is seen last goes on"
RULE_CAPTION = "of the likeliest captions of each shot the one that facts confirm best; then what was found"


class EverydayConversation(Conversation):
    """A video that was observed, in front of the language model.

    Args:
        model: the composed model.
        observation: what was found.
        with_facts: whether facts answer what they can; without, the language model answers all.
        group: the captions of the videos that were observed together; None for this one alone.
    """

    caption_request = CAPTION_REQUEST
    short = True

    def __init__(self, model: Composed, observation: Observation, *, with_facts: bool = True,
                 group: CaptionGroup | None = None):
        self.model, self.observation, self.with_facts = model, observation, with_facts
        self.group = group or CaptionGroup(model, [observation])
        self.tokenizer = model.tokenizer
        self.ends = ends_of(model.language, model.tokenizer)
        self.max_new_tokens = model.max_new_tokens
        self.num_read = len(observation.grids) * (observation.grids.shape[1] + NUM_SLOTS)

    @cached_property
    def pictures(self) -> EmbeddingConversation:
        """The shots, one row each, as the language model reads them, and last a picture of nothing."""
        found = self.observation
        grids = torch.cat((found.grids, torch.zeros_like(found.grids[:1])))
        return EmbeddingConversation(self.model.language, self.model.prompt,
                                     prefix_of(self.model, grids, (*found.lines, "")),
                                     max_new_tokens=self.max_new_tokens, short=True)

    @cached_property
    def captions(self) -> list[ShotCaption]:
        """A caption of every shot."""
        return self.group.of(self.observation)

    def check_room(self, question: str, options: GenerationOptions) -> Tensor:
        """Return the token IDs of a question that fits into the context, with its reply."""
        return self.pictures.row(0).check_room(question, options)

    def write(self, question: str, options: GenerationOptions) -> Iterator[Generated]:
        """Yield the reply, whole: facts are known at once."""
        yield self.choose(question, options)[0] if options.choices else self._reply(question, options)

    def replies(self, questions: Sequence[str], options: GenerationOptions | None = None, *,
                num_tokens: int | None = None) -> list[Generated]:
        """Reply to several questions."""
        return [self._reply(question, options or GenerationOptions()) for question in questions]

    def choose(self, question: str, options: GenerationOptions) -> list[Generated]:
        """Score every choice: as the facts tell, else by its likelihood in the shot of which the model is surest."""
        ranked: list[Generated] = []
        for row in range(self.pictures.num_rows - 1):
            found = self.pictures.row(row).choose(question, options)
            if not ranked or found[0].confidence > ranked[0].confidence:
                ranked = found
        told = answer_from_facts(understand(question), self.observation.facts)
        known = [one for one in ranked if told is not None and _same(one.text, told.text)]
        if told is not None and known:
            rest = [replace(one, confidence=one.confidence * (1 - told.confidence)) for one in ranked
                    if one is not known[0]]
            ranked = [replace(known[0], confidence=told.confidence, proof=told.proof, rule=RULE_FACTS), *rest]
        return [replace(one, domain=self.observation.domain) for one in ranked]

    def _reply(self, question: str, options: GenerationOptions) -> Generated:
        if question.strip().lower() == CAPTION_REQUEST:
            return self._described()
        query = understand(question)
        part = self._part(query)
        if query.family == "describe":
            return (part or self)._described()
        told = answer_from_facts(query, self.observation.facts) if self.with_facts else None
        signs = signs_of(query, self.observation.facts, self.vocabulary) if self.with_facts else None
        if signs is not None:
            return self._exists(question, query, signs, told)
        if told is not None and query.family == "count" and told.text == "none" and self._may_be_there(question, query):
            told = None
        if told is not None:
            return self._named(question, query, told, options) if query.family == "what" else self._told(told)
        if query.family not in SEEN_BY_THE_MODEL:
            return self._unseen(query)
        return part._seen(question, query.with_(time=None), options) if part else self._seen(question, query, options)

    def _part(self, query: Any) -> EverydayConversation | None:
        """Return a conversation about the time that a question names; None where that is the whole video."""
        found, facts, time = self.observation, self.observation.facts, query.time
        if time is None or not found.frame_seconds:
            return None
        if time.kind == "event":
            time = _AROUND.get(time.relation)
        span = time.of(facts) if time is not None else (facts.start_seconds, facts.end_seconds)
        if span[1] - span[0] >= _WHOLE * facts.duration_seconds:
            return None
        return EverydayConversation(self.model, observation_within(found, *span), with_facts=self.with_facts)

    def _exists(self, question: str, query: Any, signs: Signs, told: Told | None) -> Generated:
        """Say whether a thing is there, by all that speaks for it; with the proof of what was found."""
        rows = self._rows(query)
        said = {row: share_of_yes(self.pictures.row(row).choose(question, YES_OR_NO)) for row in rows}
        row = max(rows, key=lambda row: said[row])
        chance = exists(signs, said[row], known=bool(query.subject.labels))
        holds, shot = chance >= 0.5, self.observation.facts.shots[row]
        text = "yes" if holds != query.negated else "no"
        proof = told.proof if told is not None and told.text == text else None
        proof = proof or Proof((_span(shot),), (), "the pictures of this shot")
        return Generated(text, max(chance, 1 - chance), num_read=self.num_read,
                         proof=proof, domain=self.observation.domain,
                         rule=RULE_FACTS if signs.detected else RULE_WORDS)

    def _may_be_there(self, question: str, query: Any) -> bool:
        """Whether a thing that the detector did not find is likelier there than not."""
        asked = query.with_(family="exist", yes_no=True, number=None)
        signs = signs_of(asked, self.observation.facts, self.vocabulary)
        if signs is None:
            return False
        whether = f"is there {a_noun(query.subject.text)}?"
        return self._exists(whether, asked, signs, None).text == ("no" if asked.negated else "yes")

    def _rows(self, query: Any) -> list[int]:
        """Return the numbers of the shots that a question is about."""
        shots, span = self.observation.facts.shots, query.span(self.observation.facts)
        return [row for row, shot in enumerate(shots)
                if span is None or (shot.start_seconds < span[1] and shot.end_seconds > span[0])] or [0]

    def _named(self, question: str, query: Any, told: Told, options: GenerationOptions) -> Generated:
        """Say what is there in the model's finer words, a man for a person, where facts do not deny them."""
        seen, facts = self._seen(question, query, options), self.observation.facts
        if not told.knows or query.yes_no or query.choices or not told.proof:
            return self._told(told)
        shot = next((one for one in facts.shots if seen.proof and _span(one) in seen.proof.intervals), facts.shots[0])
        if query.subject is not None and query.subject.kind and not _labels(seen.text) & query.subject.labels:
            return self._told(told)
        if (seen.text in ("yes", "no", "") or denied(seen.text, facts, shot)
                or doubted(seen.text, shot, self.vocabulary)):
            return self._told(told)
        named = _labels(seen.text)
        beasts = HYPERNYMS["animal"]
        others = [label for label in dict.fromkeys(box.label for box in told.proof.boxes)
                  if label != "person" and label not in named and not (label in beasts and named & set(beasts))]
        text = join_with_and([seen.text, *map(a_noun, others)]) if query.subject is None and others else seen.text
        return replace(seen, text=text, confidence=max(seen.confidence, told.confidence / 2), proof=told.proof)

    @property
    def vocabulary(self) -> frozenset[str]:
        """Words of which the shots tell the probability."""
        return frozenset(cast("Any", self.model.parts["observer"]).words.words)

    def _told(self, told: Told) -> Generated:
        return Generated(told.text, told.confidence, num_read=self.num_read, proof=told.proof,
                         domain=self.observation.domain, rule=RULE_FACTS)

    def _seen(self, question: str, query: Any, options: GenerationOptions) -> Generated:
        """Ask the language model about every shot that the question is about, and keep the surest answer."""
        shots = self.observation.facts.shots
        span, rows = query.span(self.observation.facts), self._rows(query)
        if query.yes_no or _WHETHER.match(question):
            return self._checked(question, query, rows)
        choices = query.choices or (COLOURS if query.family == "colour" else ())
        if choices:
            shares = self.observation.facts.part_colours.get((0, "all"), {}) if query.family == "colour" else {}
            said = self._chosen(question, choices, rows, shares)
        else:
            told = self.pictures.replies([reworded(question, query)] * self.pictures.num_rows,
                                         replace(options, history=(), stop=(), stream=False))
            said = {row: replace(told[row], confidence=_ON_FILM * told[row].confidence) for row in rows}
        if query.family == "doing" and not query.verb and self._exercised(span):
            said = {row: replace(one, text=f"{one.text}, again and again, as an exercise") for row, one in said.items()}
        best = max(rows, key=lambda row: said[row].confidence)
        kept, shot = said[best], shots[best]
        proof = Proof((_span(shot),), (), "the pictures of this shot")
        segments = tuple(Segment(shots[row].start_seconds, shots[row].end_seconds, said[row].text,
                                 said[row].confidence) for row in rows) if len(rows) > 1 else ()
        return replace(kept, proof=proof, segments=segments, domain=self.observation.domain, rule=RULE_PICTURE)

    def _exercised(self, span: tuple[float, float] | None) -> bool:
        """Whether a movement of someone is repeated in the span."""
        facts = self.observation.facts
        start, end = span or (facts.start_seconds, facts.end_seconds)
        return any(track.label == "person" for track in facts.tracks) and any(
            one.confidence >= 0.5 and one.end_seconds > start and one.start_seconds < end for one in facts.repeated)

    def _checked(self, question: str, query: Any, rows: Sequence[int]) -> Generated:
        """Answer yes or no: by the words that people would use of the picture, and a little by the language model."""
        ranked = {row: self.pictures.row(row).choose(question, YES_OR_NO) for row in rows}
        said = {row: share_of_yes(some) for row, some in ranked.items()}
        row = max(rows, key=lambda row: said[row])
        by_words = self.with_facts and query.family != "count"
        named = named_probability(query, self.observation.facts) if by_words else None
        chance = said[row] if named is None else judged(named, said[row], worn=query.family == "wearing")
        if query.negated:
            chance = 1 - chance if named is not None else chance
        confidence = max(chance, 1 - chance)
        if named is None and query.family != "count":
            confidence = min(confidence, UNKNOWN)
        shot = self.observation.facts.shots[row]
        return replace(ranked[row][0], text="yes" if chance >= 0.5 else "no", confidence=confidence,
                       proof=Proof((_span(shot),), (), "the pictures of this shot"), domain=self.observation.domain,
                       rule=RULE_PICTURE if named is None else RULE_WORDS)

    def _chosen(self, question: str, choices: Sequence[str], rows: Sequence[int],
                shares: Mapping[str, float]) -> dict[int, Generated]:
        """Return the choice for each shot that its pictures make likelier than a picture of nothing does.

        What a language model prefers whatever it sees is divided out (Zhao et al. 2021, "Calibrate before use"). Of
        colours, those that the picture hardly has are less likely.
        """
        options = GenerationOptions(choices=tuple(choices))
        usual = {one.text: one.confidence for one in self.pictures.row(len(self.observation.grids)).choose(
            question, options)}
        found = {}
        for row in rows:
            ranked = self.pictures.row(row).choose(question, options)
            weights = [one.confidence / max(usual[one.text], 1e-6) * _presence(one.text, shares) for one in ranked]
            best = max(range(len(ranked)), key=lambda n: weights[n])
            found[row] = replace(ranked[best], confidence=weights[best] / max(sum(weights), 1e-9))
        return found

    def _unseen(self, query: Any) -> Generated:
        """Answer what neither facts nor pictures tell."""
        if query.family == "next" and self.captions:
            last = self.captions[-1]
            return Generated(f"probably it goes on: {last.text}", min(0.4, last.confidence), num_read=self.num_read,
                             num_written=last.num_written, domain=self.observation.domain,
                             proof=Proof((_span(self.observation.facts.shots[-1]),), (), "the last shot"),
                             rule=RULE_NEXT)
        told = cannot_tell(query.family, "what was found in it does not answer this")
        return self._told(told)

    def _described(self) -> Generated:
        facts, captions = self.observation.facts, self.captions
        sentences = [sentence(one.text) for one in captions]
        whole = " ".join(dict.fromkeys(sentences))
        more = describe(facts, [one.text for one in captions]) if self.with_facts else ""
        segments = tuple(Segment(shot.start_seconds, shot.end_seconds, text, one.confidence)
                         for shot, text, one in zip(facts.shots, sentences, captions, strict=True))
        confidence = math.exp(sum(math.log(max(one.confidence, 1e-6)) for one in captions) / len(captions))
        proof = Proof(tuple((shot.start_seconds, shot.end_seconds) for shot in facts.shots), (), "every shot")
        return Generated(f"{whole} {more}".strip(), confidence, num_read=self.num_read,
                         num_written=sum(one.num_written for one in captions), proof=proof, segments=segments,
                         domain=self.observation.domain, rule=RULE_CAPTION)


def share_of_yes(ranked: Sequence[Generated]) -> float:
    """Return the probability of yes against no."""
    return next(one.confidence for one in ranked if one.text == "yes") / sum(one.confidence for one in ranked)


class CaptionGroup:
    """The captions of videos that were observed together, written when the first is asked for.

    Args:
        model: the composed model.
        observations: of the videos.
        size: shots in every pass of the language model, so that no caption depends on the others.
    """

    def __init__(self, model: Composed, observations: Sequence[Observation], size: int = 1):
        self.model, self.observations, self.size = model, list(observations), size

    def of(self, observation: Observation) -> list[ShotCaption]:
        """Return a caption of every shot of a video."""
        return self._written[next(n for n, one in enumerate(self.observations) if one is observation)]

    @cached_property
    def _written(self) -> list[list[ShotCaption]]:
        observer = cast("Any", self.model.parts["observer"])
        shots = [shot for one in self.observations for shot in one.facts.shots]
        grids = torch.cat([one.grids for one in self.observations])
        lines = [line for one in self.observations for line in one.lines]
        bias = observer.guide(self.model.tokenizer).bias(shots, self.model.language.config.vocab_size)
        options = GenerationOptions(max_new_tokens=self.model.max_new_tokens, num_beams=BEAMS)
        said: list[Generated] = []
        for first in range(0, len(shots), self.size):
            check()
            chosen = [*range(first, min(first + self.size, len(shots)))]
            filled = chosen + [first] * (self.size - len(chosen))
            rows = EmbeddingConversation(self.model.language, self.model.prompt,
                                         prefix_of(self.model, grids[filled], [lines[place] for place in filled]),
                                         max_new_tokens=self.model.max_new_tokens, short=True)
            said += rows.replies([CAPTION_REQUEST] * self.size, options, bias=bias[filled],
                                 num_best=BEAMS)[:len(chosen) * BEAMS]
        replies = iter(said)
        words = frozenset(observer.words.words)
        return [[best_caption(list(islice(replies, BEAMS)), one.facts, shot, words) for shot in one.facts.shots]
                for one in self.observations]


def prefix_of(model: Composed, grids: Tensor, lines: Sequence[str]) -> Tensor:
    """Return what the language model reads, float (B, 49 + NUM_SLOTS, D).

    Args:
        grids: float (B, 49, 1280).
        lines: what detectors found in each.
    """
    grids = grids.to(model.device)
    with torch.inference_mode():
        seen = model.parts["projector"](Features(grids, (1, 7, 7), grids.mean(1)))
        ids = torch.tensor([evidence_ids(model.tokenizer, line) for line in lines], device=model.device)
        return torch.cat((seen, model.language.get_input_embeddings()(ids)), 1)


def _span(shot: ShotFacts) -> tuple[float, float]:
    return shot.start_seconds, shot.end_seconds


def sentence(text: str) -> str:
    """Return a caption as a sentence."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _presence(colour: str, shares: Mapping[str, float]) -> float:
    """Return how much a colour is weighted up for its share of the picture; 1 where that was not measured."""
    if not shares:
        return 1.0
    return (min(shares.get(basic_colour(name), 0.0) for name in colour.split(" and ")) + _LEAST_COLOUR) ** 0.3


def _labels(text: str) -> set[str]:
    """Return the classes of the detector that a text names."""
    return {label for noun in map(noun_of, text.split()) if noun is not None for label in noun.labels}


def _same(choice: str, told: str) -> bool:
    first, second = (one.strip(" .,!?").lower() for one in (choice, told))
    return first == second or second.startswith((f"{first},", f"{first}.", f"{first}:"))


__all__ = ["CaptionGroup", "EverydayConversation", "prefix_of", "sentence"]
