"""Which of several captions of a shot is kept: of those that facts do not deny the one nearest to the others.

The consensus of captions beside their likelihood, as in minimum Bayes risk decoding (Kumar and Byrne 2004).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mmvideo.everyday.facts import Facts, ShotFacts
from mmvideo.everyday.people_said import most_at_once, people_named, people_seen, with_fewer_people
from mmvideo.everyday.questions import check_caption
from mmvideo.everyday.questions.nouns import a_noun, noun_of
from mmvideo.everyday.questions.seen import counted, join_with_and
from mmvideo.everyday.words import STOP, singular
from mmvideo.vlm.generate import Generated

FIRST = 0.1
"""What the caption of all frames is worth more than those of single ones."""
UNSEEN, SEEN, DOUBTED = 1.0, 0.15, 0.3
"""What an unconfirmed thing costs a caption, a confirmed one is worth, and a word costs that the picture makes next to
impossible; in logarithms of likelihood."""
ON_FILM = 0.6
"""How much of the language model's confidence, which photographs taught it, holds for films."""
CROWD = 3
"""Fewest people that are not said where fewer were found, however small: it costs as much as what is unconfirmed."""
IMPOSSIBLE = 0.01
"""Probability of a word below which it is doubted: of such words in captions of validation photographs one in ten is
right."""
LIKELIHOOD = 0.4
"""What a logarithm of likelihood counts beside the agreement with the other captions, 0 to 1; chosen on validation
photographs."""
MANY_DOUBTS = 2
"""Doubted words from which what was found is said in place of a caption."""
_NGRAMS, _LENGTHS = 4, 6.0
"""Longest sequences of words that are compared, and the difference of lengths in words that still counts as near."""
_SURE = 0.5
_MOST_NAMED = 4
_NOT_JUDGED = frozenset({"person", "sports ball", "frisbee"})
"""Classes that say nothing against a caption where they were not found: people are named in many ways, and small
things in the air are mostly missed."""
_SPOKEN = 0.5
"""Share of a shot from which speech is taken to come from who is seen close by."""
_POSES = re.compile(r"\b(is|are) (?:posing\b.*|standing)$")
"""What photographs taught the language model to say of people who face the camera."""
_BEFORE = "on|in|at|with|near|by|over|through|under|behind|beside|along|next to|in front of|on top of"
_BETWEEN = {"grass": "on grass", "snow": "in the snow", "street": "on a street", "beach": "on a beach",
            "room": "in a room",
            "stage": "on a stage", "forest": "in a forest", "swimming pool": "in a swimming pool",
            "lake or river": "at a lake or river", "sports field": "on a sports field"}


@dataclass(frozen=True)
class ShotCaption:
    """A caption of one shot."""

    text: str
    confidence: float
    num_written: int


def best_caption(candidates: Sequence[Generated], facts: Facts, shot: ShotFacts, vocabulary: Collection[str]
                 ) -> ShotCaption:
    """Return the caption that others agree with, likely and confirmed, of no more people than are seen close by; where
    each names what is not there, what was found.

    Args:
        candidates: captions of the shot.
        facts: of the video.
        shot: that is captioned.
        vocabulary: words of which `shot.words` would tell the probability, had it been above its least.
    """
    ranked = sorted(candidates, reverse=True, key=lambda one: consensus_of(one, candidates) + LIKELIHOOD * (
        _worth(one, facts, shot, vocabulary) + FIRST * (one is candidates[0])))
    seen = people_seen(facts.tracks, *_span(shot))
    said = [one for one in ranked if not says_twice(one.text)]
    good = [one for one in said if one.finished and one.text and not denied(one.text, facts, shot)]
    fits = [one for one in good if seen is None or people_named(one.text) <= seen]
    best = (fits or good or said or ranked)[0]
    if good and not fits and seen and (fewer := with_fewer_people(best.text, seen)):
        best = replace(best, text=fewer)
    if seen and _share_spoken(facts, shot) >= _SPOKEN:
        best = replace(best, text=_POSES.sub(r"\1 talking", best.text))
    wrong = denied(best.text, facts, shot)
    if wrong:
        shorter = without_tail(best.text, wrong)
        if shorter and not denied(shorter, facts, shot):
            return ShotCaption(shorter, best.confidence * ON_FILM, best.num_written)
        plain = plain_caption(facts, shot)
        if plain is not None:
            return ShotCaption(plain.text, plain.confidence, best.num_written)
        return ShotCaption(best.text, best.confidence / 2, best.num_written)
    doubts = doubted(best.text, shot, vocabulary)
    if (shorter := without_tail(best.text, sorted(doubts))) and not denied(shorter, facts, shot):
        best, doubts = replace(best, text=shorter), doubted(shorter, shot, vocabulary)
    many = len(doubts) >= MANY_DOUBTS
    plain = plain_caption(facts, shot) if many else None
    if plain is not None:
        return ShotCaption(plain.text, plain.confidence, best.num_written)
    return ShotCaption(best.text, best.confidence * ON_FILM, best.num_written)


def says_twice(text: str) -> bool:
    """Say whether a text has the same three words in a row twice, two of which have a meaning of their own: "a group of
    people in front of a group of people"."""
    words = text.lower().split()
    rows = [row for row in zip(words, words[1:], words[2:], strict=False)
            if sum(singular(word) not in STOP for word in row) >= 2]
    return len(set(rows)) < len(rows)


def consensus_of(one: Generated, others: Sequence[Generated]) -> float:
    """Return how near a caption is to others on average, itself included: 0 to 1."""
    words = [other.text.lower().split() for other in others]
    return sum(_likeness(one.text.lower().split(), some) for some in words) / max(1, len(words))


def _likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the mean cosine of the counts of sequences of 1 to 4 words, less where lengths differ, as in CIDEr-D."""
    total = 0.0
    for size in range(1, _NGRAMS + 1):
        first, second = (Counter(tuple(words[k:k + size]) for k in range(len(words) - size + 1))
                         for words in (one, other))
        norms = math.sqrt(sum(n * n for n in first.values()) * sum(n * n for n in second.values()))
        total += sum(min(n, second[gram]) * second[gram] for gram, n in first.items()) / norms if norms else 0.0
    return math.exp(-(len(one) - len(other)) ** 2 / (2 * _LENGTHS ** 2)) * total / _NGRAMS


def doubted(caption: str, shot: ShotFacts, vocabulary: Collection[str]) -> set[str]:
    """Return the words of a caption that the picture makes next to impossible."""
    words = {singular(word) for word in re.findall(r"[a-z]+", caption.lower())}
    return {word for word in words if word in vocabulary and shot.words.get(word, 0.0) < IMPOSSIBLE} if (
        shot.words) else set()


def denied(caption: str, facts: Facts, shot: ShotFacts) -> tuple[str, ...]:
    """Return the objects that a caption names, the detector knows, and neither detector nor picture confirms."""
    nouns = [(word, noun_of(word)) for word in check_caption(caption, facts, span=_span(shot)).unsupported]
    return tuple(word for word, noun in nouns if noun is not None and noun.labels - _NOT_JUDGED and not noun.kind)


def without_tail(caption: str, nouns: Sequence[str]) -> str:
    """Cut a caption before the place or thing at its end that one of these nouns names; empty where it is elsewhere."""
    for noun in nouns:
        tail = rf"(?:{_BEFORE}) (?:an?|the|his|her|their|its) (?:\w+ )?{re.escape(noun)}"
        found = re.search(rf"^(.*\w(?:ing|ed|s)) {tail}$", caption)
        if found:
            return found[1]
    return ""


def plain_caption(facts: Facts, shot: ShotFacts) -> ShotCaption | None:
    """Say which objects are surely in a shot, as many as were seen at once, and what place it looks like.

    Returns:
        None where no object is sure.
    """
    most: dict[str, int] = {}
    confidence = 1.0
    tracks = [track for track in facts.tracks if track.confidence >= _SURE]
    for at in sorted({at for track in tracks for at in track.seconds if shot.start_seconds <= at < shot.end_seconds}):
        labels = [track.label for track in tracks if at in track.seconds]
        for label in set(labels):
            most[label] = max(most.get(label, 0), labels.count(label))
    if not most:
        return None
    named = sorted(most, key=lambda label: (-most[label], label))[:_MOST_NAMED]
    for label in named:
        confidence = min(confidence, max(track.confidence for track in tracks if track.label == label))
    text = join_with_and([counted(label, most[label]) for label in named])
    place = next((place.name for place in shot.places if place.confidence >= _SURE), "")
    if place:
        text += f" {_BETWEEN[place]}" if place in _BETWEEN else f", in what looks like {a_noun(place)}"
    return ShotCaption(text, confidence, 0)


def _share_spoken(facts: Facts, shot: ShotFacts) -> float:
    start, end = _span(shot)
    spoken = sum(max(0.0, min(end, part.end_seconds) - max(start, part.start_seconds)) for part in facts.speech)
    return spoken / max(1e-6, end - start)


def _worth(reply: Generated, facts: Facts, shot: ShotFacts, vocabulary: Collection[str]) -> float:
    """Return how likely a caption is and how well it is confirmed."""
    if not reply.text or not reply.finished:
        return -math.inf
    found = check_caption(reply.text, facts, span=_span(shot))
    crowd = people_named(reply.text) >= CROWD and most_at_once(facts.tracks, *_span(shot)) < CROWD
    return (math.log(max(reply.confidence, 1e-9)) + SEEN * len(found.supported)
            - UNSEEN * (len(found.unsupported) + crowd) - DOUBTED * len(doubted(reply.text, shot, vocabulary)))


def _span(shot: ShotFacts) -> tuple[float, float]:
    return shot.start_seconds, shot.end_seconds


__all__ = ["ShotCaption", "best_caption", "consensus_of", "denied", "doubted", "plain_caption", "says_twice",
           "without_tail"]
