"""What facts say about the things of a question: tracks in a span of time, words, and how likely a thing is there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmvideo.everyday.questions.lists import word_set
from mmvideo.everyday.questions.nouns import NOUNS, Noun, a_noun, plural_of

if TYPE_CHECKING:
    from mmvideo.everyday.facts import Facts, ShotFacts
    from mmvideo.everyday.questions.query import NamedTime
    from mmvideo.objects.tracks import ObjectTrack

SURE = 0.5
"""Confidence from which a track counts."""
HAZY = 0.25
"""Confidence below which it is ignored."""
MENTION_POWER = 1.5
"""A thing is there oftener than people name it: probability that it is there = 1 - (1 - p of the word) ** this."""
COMMON_WORDS = word_set("""
dog water ball grass snow beach street field bike rock mountain pool boat tree toy hill car ocean wall stick path
sand bench skateboard wave bird swing track frisbee sidewalk ramp motorcycle fence sign road park horse slide table
lake river playground guitar surfboard flag bed couch fountain man woman boy girl child baby shirt hat jacket helmet
dress sunglasses
""")
"""Words that people use so often of photographs that their absence from the likely words means something."""
PERSON_WORDS = ("man", "woman", "boy", "girl", "child", "baby", "person", "people", "guy", "lady", "player", "kid",
    "group", "crowd")
ALIKE = {"man": ("man", "guy"), "woman": ("woman", "lady"), "boy": ("boy",), "girl": ("girl",), "child": ("child",
    "kid", "toddler", "boy", "girl"),
         "baby": ("baby", "infant", "toddler")}
_SIMILAR_COLOURS = {"golden": "yellow", "silver": "grey", "beige": "brown", "tan": "brown", "blond": "yellow",
    "gold": "yellow"}


def basic_colour(name: str) -> str:
    """Return the basic colour that a name belongs to."""
    return _SIMILAR_COLOURS.get(name, name)


@dataclass(frozen=True)
class Chance:
    """How likely a thing is there, and what says so."""

    probability: float
    tracks: tuple[ObjectTrack, ...] = ()
    why: str = ""


class SpanFacts:
    """Facts between two times.

    Args:
        facts: of the whole video.
        span: what the question names; the whole video if None.
    """

    def __init__(self, facts: Facts, span: NamedTime | None):
        self.facts = facts
        self.start, self.end = (facts.start_seconds, facts.end_seconds) if span is None else span.of(facts)
        self.whole = span is None or span.kind == "event"
        margin = 0.0 if self.whole else 0.26  # frames are looked at twice a second and more
        self._from, self._to = self.start - margin, self.end + margin

    @property
    def shots(self) -> list[ShotFacts]:
        """Shots that overlap the span."""
        found = [shot for shot in self.facts.shots if shot.start_seconds < self._to and shot.end_seconds > self._from]
        return found or list(self.facts.shots)

    @property
    def window(self) -> tuple[float, float]:
        """From when to when things are looked at."""
        return self._from, self._to

    def clip(self, track: ObjectTrack) -> list[int]:
        """Return the numbers of the times of a track that lie in the span."""
        return [k for k, seconds in enumerate(track.seconds) if self._from <= seconds <= self._to]

    def sureness(self, track: ObjectTrack) -> float:
        """Return how sure it is that a track is there within the span: the mean of the three surest times."""
        best = sorted(track.confidences[k] for k in self.clip(track))[-3:]
        return sum(best) / len(best) if best else 0.0

    def box(self, track: ObjectTrack) -> tuple[float, float, float, float]:
        """Return the mean box of a track in the span."""
        inside = self.clip(track) or list(range(len(track.seconds)))
        left, top, right, bottom = (sum(track.boxes[k][side] for k in inside) / len(inside) for side in range(4))
        return left, top, right, bottom

    def tracks(self, noun: Noun | None, least: float = HAZY) -> list[ObjectTrack]:
        """Return the tracks of a noun, the most prominent first; all for None."""
        found = []
        for track in self.facts.tracks:
            if self.sureness(track) < least or (noun is not None and track.label not in noun.labels):
                continue
            if noun is not None and noun.side and not _far(self.box(track), noun.side):
                continue
            if noun is not None and noun.colour and track.colours and basic_colour(noun.colour) not in track.colours:
                continue
            found.append(track)
        if not found and noun is not None and noun.colour and noun.person:
            return self._nearest_in_colour(noun, least)
        return sorted(found, key=lambda one: -self.sureness(one) * (0.3 + math.sqrt(area(self.box(one)))))

    def _nearest_in_colour(self, noun: Noun, least: float) -> list[ObjectTrack]:
        """Return the person whose clothes have most of a colour that nobody mainly wears; none where nobody has it."""
        colour, parts = basic_colour(noun.colour), self.facts.part_colours
        share = {track: max(parts.get((track.number, part), {}).get(colour, 0.0) for part in ("upper", "lower"))
                 for track in self.tracks(noun.with_(colour=""), least)}
        best = max(share, key=lambda track: share[track], default=None)
        return [best] if best is not None and share[best] >= .1 else []

    def word(self, words: Iterable[str]) -> float:
        """Return the highest probability in any shot of any of some words."""
        listed = list(words)
        return max((shot.words.get(word, 0.0) for shot in self.shots for word in listed), default=0.0)

    def has_words(self) -> bool:
        """Whether the likely words of any shot are known."""
        return any(shot.words for shot in self.shots)

    def thing(self, words: Iterable[str]) -> float:
        """Return the probability of ImageNet classes whose name has one of some words as its last."""
        listed = set(words)
        return max((sum(label.confidence for label in shot.things if label.name.lower().split()[-1] in listed
                        or label.name.lower() in listed) for shot in self.shots), default=0.0)

    def chance(self, noun: Noun) -> Chance | None:
        """Return how likely a thing is there; None where nothing tells."""
        tracks = self.tracks(noun)
        best = max((self.sureness(track) for track in tracks), default=0.0)
        if noun.finer:
            return self._chance_of_kind(noun, tracks, best)
        words = set(noun.words) if not noun.kind else set(noun.words) - {noun.text}
        mentioned = self.word(PERSON_WORDS if noun.person and noun.text == "person" else words)
        looks = 0.0 if noun.person else self.thing(words)
        if noun.person and noun.text != "person":
            if best < HAZY and mentioned < .05:
                return Chance(max(0.05, present(mentioned)), why=f"no {noun.text} is seen")
            if mentioned < .3:
                return None
            return Chance(present(mentioned), tuple(tracks), f"the picture suggests {a_noun(noun.text)}")
        if noun.labels:
            together = 1 - math.prod(1 - self.sureness(track) for track in tracks[:4]) if noun.kind else best
            probability = 1 - (1 - together) * (1 - .9 * present(mentioned)) * (1 - .8 * looks)
            seen = f"{a_noun(tracks[0].label)} is seen" if tracks and best >= SURE else (
                f"the picture suggests {noun.text}" if max(mentioned, looks) >= .3 else f"no {noun.text} is seen")
            return Chance(max(0.04, probability), tuple(tracks[:6]), seen)
        if not self.has_words() and not looks:
            return None
        if mentioned >= .02 or looks >= .1:
            probability = 1 - (1 - present(mentioned)) * (1 - .8 * looks)
            suggests = "suggests" if probability >= SURE else "hardly suggests"
            return Chance(probability, why=f"the picture {suggests} {noun.text}")
        return Chance(0.1, why=f"nothing looks like {noun.text}") if words & COMMON_WORDS else None

    def _chance_of_kind(self, noun: Noun, tracks: Sequence[ObjectTrack], best: float) -> Chance | None:
        """Man, woman, child: people are seen by the detector, which of them by words."""
        said = self.word({*ALIKE[noun.finer], *noun.words})
        people = max(best, self.word(PERSON_WORDS))
        if people < HAZY:
            return Chance(max(0.05, present(people)), why="nobody is seen")
        if said >= .3 or (best >= SURE and said >= .2 and said == self.word(PERSON_WORDS)):
            return Chance(min(present(said), .97), tuple(tracks), f"the picture suggests {a_noun(noun.text)}")
        if not self.has_words() or said >= .04:
            return None
        return Chance(0.15, why=f"people are seen, but hardly {a_noun(noun.text)}")

    def persons_at_once(self, noun: Noun) -> tuple[int, list[ObjectTrack], float]:
        """Count the tracks of a noun that are seen at the same time: the most, those, and how sure the count is."""
        tracks = self.tracks(noun, SURE)
        hazy = [track for track in self.tracks(noun) if track not in tracks]
        times = sorted({track.seconds[k] for track in tracks for k in self.clip(track)})
        most: list[ObjectTrack] = []
        for seconds in times:
            now = [track for track in tracks if track.start_seconds <= seconds <= track.end_seconds]
            if len(now) > len(most):
                most = now
        sure = math.prod(min(.98, .5 + self.sureness(track) / 2) for track in most) if most else .85
        sure *= math.prod(1 - self.sureness(track) / 2 for track in hazy[:3])
        return len(most), most, max(.2, sure)


def present(mentioned: float) -> float:
    """Return how likely a thing is there that people name with some probability."""
    return 1 - (1 - min(1.0, mentioned)) ** MENTION_POWER


def area(box: tuple[float, float, float, float]) -> float:
    """Return a box's share of the picture."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def centre(box: tuple[float, float, float, float]) -> tuple[float, float]:
    """Return the middle of a box."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def side_of(box: tuple[float, float, float, float]) -> str:
    """Return left, middle or right."""
    x = centre(box)[0]
    return "left" if x < .4 else "right" if x > .6 else "middle"


def _far(box: tuple[float, float, float, float], side: str) -> bool:
    """Whether a box lies on a side of the picture's middle: how "the man on the left" is meant."""
    x, y = centre(box)
    return {"left": x < .48, "right": x > .52, "top": y < .45, "bottom": y > .55, "middle": .3 < x < .7,
            "foreground": box[3] > .75, "background": box[3] < .75}.get(side, True)


def join_with_and(names: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names)


NUMBER_NAMES = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def counted(label: str, number: int) -> str:
    """Return "a dog", "two dogs", "many people" from ten on."""
    if number == 1:
        return label if label in {"skis", "scissors"} else a_noun(label)
    name = NUMBER_NAMES[number] if number < len(NUMBER_NAMES) else "many"
    return f"{name} {plural_of(label)}"


def noun_for(label: str) -> Noun:
    """Return the noun of a detector's class."""
    return NOUNS.get(label) or Noun(label, frozenset({label}), frozenset({label}))


__all__ = ["ALIKE", "COMMON_WORDS", "HAZY", "NUMBER_NAMES", "SURE", "Chance", "SpanFacts", "area", "basic_colour",
    "centre", "counted",
           "join_with_and", "noun_for", "present", "side_of"]
