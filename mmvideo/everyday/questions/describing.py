"""What facts add to a caption, and which words of a caption they support."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mmvideo.everyday.questions.answer_moves import clock, extrapolated_way, is_leaving, join_spans, size_change
from mmvideo.everyday.questions.answer_places import place_in_words
from mmvideo.everyday.questions.answer_whole import CAMERA_SAID, SOUNDS_SAID
from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import NOUNS, Noun, plural_of
from mmvideo.everyday.questions.phrases import noun_phrases
from mmvideo.everyday.questions.query import NamedTime
from mmvideo.everyday.questions.seen import SpanFacts, area, counted, join_with_and, noun_for

if TYPE_CHECKING:
    from mmvideo.everyday.facts import Facts
    from mmvideo.objects.tracks import ObjectTrack

_TOLD = 0.6
"""Confidence from which a thing, a sound or a movement is told."""
_MOST_THINGS = 3
_NOT_NOUNS = word_set("front back side top middle group couple pair bunch number lot air background distance")


class CheckedCaption(NamedTuple):
    """What facts say to the nouns of a caption; nouns on which they say nothing are in neither."""

    supported: tuple[str, ...]
    """Nouns that something else than the caption speaks for."""
    unsupported: tuple[str, ...]
    """Nouns that the detector or the likely words would show, and do not."""


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z][a-z-]*", text.lower())


def check_caption(caption: str, facts: Facts, *, span: tuple[float, float] | None = None,
    least: float = 0.3) -> CheckedCaption:
    """Check the nouns of a caption against tracks, likely words and classes of the picture.

    Args:
        caption: one sentence.
        facts: of the video.
        span: start and end in seconds of what the caption describes; the whole video if None.
        least: probability from which a noun counts as supported.

    Returns:
        Nouns by what the facts say: a COCO class or a person without evidence is unsupported, other nouns are so only
        where people would use the word and are not likely to.
    """
    seen = SpanFacts(facts, None) if span is None else SpanFacts(facts, NamedTime(
        "seconds", span[0] - facts.start_seconds, span[1] - facts.start_seconds))
    found: dict[str, list[str]] = {"yes": [], "no": [], "open": []}
    for phrase in noun_phrases(_words(caption)):
        noun = phrase.noun.with_(colour="", side="", number=None)
        if noun.text in _NOT_NOUNS or not noun.known:
            continue
        chance = seen.chance(noun)
        if chance is None:
            kind = "yes" if noun.person and seen.tracks(NOUNS["person"]) else "open"
        else:
            kind = "yes" if chance.probability >= least else "no"
        if noun.text not in found[kind]:
            found[kind].append(noun.text)
    return CheckedCaption(tuple(found["yes"]), tuple(found["no"]))


def _mentioned(captions: Iterable[str]) -> set[str]:
    """Return the classes that captions name."""
    labels: set[str] = set()
    for caption in captions:
        for phrase in noun_phrases(_words(caption)):
            if not phrase.noun.kind:
                labels |= phrase.noun.labels
    return labels


def describe(facts: Facts, captions: Sequence[str] = ()) -> str:
    """Say what facts add to captions: where things are, how they move, what is heard, how the camera moves.

    Args:
        facts: of the video.
        captions: what was said already; things that they name are not introduced again.

    Returns:
        Up to five short sentences; empty where there is nothing sure to add.
    """
    seen = SpanFacts(facts, None)
    said = " ".join(captions).lower()
    sentences = [*_things(seen, _mentioned(captions), said), _repeated(facts, said), _camera(facts, said),
        _sounds(facts, said)]
    return " ".join(sentence[0].upper() + sentence[1:] + "." for sentence in sentences if sentence)


def _things(seen: SpanFacts, mentioned: set[str], said: str) -> list[str]:
    """Introduce what no caption names, then say where the main things are and how they move."""
    tracks = [track for track in seen.tracks(None, _TOLD) if len(track.seconds) > 1 or seen.facts.duration_seconds < 1]
    new = [label for label in dict.fromkeys(track.label for track in tracks) if label not in mentioned][:_MOST_THINGS]
    sentences: list[str] = []
    if new:
        names = [counted(label, max(1, seen.persons_at_once(noun_for(label))[0])) for label in new]
        several = len(names) > 1 or not names[0].startswith(("a ", "an "))
        sentences.append(f"there {'are' if several else 'is'} {'also ' if said else ''}{join_with_and(names)}")
    many = Counter(track.label for track in tracks)
    notes: list[tuple[bool, ObjectTrack, str]] = []
    for track in tracks[:2 * _MOST_THINGS]:
        note = _note(track, seen, said)
        if note:
            notes.append((note.startswith("is "), track, note))
    chosen = sorted(notes, key=lambda one: one[0])[:2]  # what moves before what rests
    if len(new) == len(chosen) == 1 and chosen[0][0] and many[new[0]] == 1:
        return [f"{sentences[0]} {chosen[0][2].removeprefix('is ')}"]
    told = [f"{_named(track, many, k > 0)} {note}" for k, (_, track, note) in enumerate(chosen)]
    return [*sentences, join_with_and(told)]


def _named(track: ObjectTrack, many: Counter[str], further: bool) -> str:
    if many[track.label] == 1:
        return f"the {track.label}"
    if track.colours and track.label != "person":
        return f"the {track.colours[0]} {track.label}"
    return f"{'another' if further else 'one'} {track.label}"


def _note(track: ObjectTrack, seen: SpanFacts, said: str) -> str:
    """Say how a track moves, or else where it is."""
    way, change = extrapolated_way(track, seen), size_change(track, seen)
    if way:
        tail = " and leaves" if is_leaving(track, seen) else ""
        return f"moves {way}{tail}"
    if change:
        return {"closer": "comes closer", "away": "goes farther away"}[change]
    if seen.facts.duration_seconds > 3 and track.start_seconds - seen.facts.start_seconds > 1:
        return f"appears after {clock(track.start_seconds - seen.facts.start_seconds)}"
    if re.search(r"\b(?:left|right|middle)\b", said) or area(seen.box(track)) > .5:
        return ""
    return f"is {place_in_words(seen.box(track))}"


def _repeated(facts: Facts, said: str) -> str:
    best = max(facts.repeated, key=lambda one: one.confidence, default=None)
    if best is None or best.confidence < _TOLD or best.count < 2 or "repeat" in said:
        return ""
    return f"a movement is repeated about {best.count} times"


def _camera(facts: Facts, said: str) -> str:
    """Say how the camera moves, where it does for a good part of the time."""
    if "camera" in said:
        return ""
    moving = [part for part in facts.camera if part.text != "static" and (part.confidence or 1) >= _TOLD
              and part.end_seconds - part.start_seconds >= min(1.0, .3 * facts.duration_seconds)]
    names = list(dict.fromkeys(part.text for part in moving))[:2]
    if not names:
        return ""
    return "the camera " + " and then ".join(CAMERA_SAID.get(name, name).removeprefix("it ") for name in names)


def _sounds(facts: Facts, said: str) -> str:
    names = [name for name in dict.fromkeys(part.text for part in facts.sounds if (part.confidence or 1) >= _TOLD)
             if name != "speech" and name.split()[0] not in said][:2]
    heard = [SOUNDS_SAID.get(name, name) for name in names]
    spans = join_spans([(part.start_seconds, part.end_seconds) for part in facts.speech if (part.confidence
        or 1) >= _TOLD])
    spoken = sum(end - start for start, end in spans) if not re.search(r"speak|talk", said) else 0
    parts = []
    if heard:
        several = len(heard) > 1 or heard[0].endswith("waves") or heard[0].startswith("children")
        parts.append(f"{join_with_and(heard)} {'are' if several else 'is'} heard")
    if spoken > .5:
        whole = spoken > .8 * facts.duration_seconds
        parts.append("someone speaks throughout" if whole else f"someone speaks from "
            f"{clock(spans[0][0] - facts.start_seconds)} to "
                     f"{clock(spans[-1][1] - facts.start_seconds)}")
    return join_with_and(parts)


def supported_name(noun: Noun, facts: Facts) -> str:
    """Return how a thing may be called: man or woman only where the likely words say so, else person."""
    if not noun.finer:
        return noun.text
    found = SpanFacts(facts, None).chance(noun)
    word = noun.text if found is not None and found.probability >= .5 else "person"
    return plural_of(word) if noun.plural else word


__all__ = ["CheckedCaption", "check_caption", "describe", "supported_name"]
