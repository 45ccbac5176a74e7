"""Questions and answers about a scene, by template, balanced so that the words alone do not give the answer away.

A type asks for one kind of fact. Which facts of a scene are asked for is drawn with probabilities that were measured
over many scenes (balance.json, made by `mmvideo.toybox.balance.calibrate_balance`): within a type the answers come
equally often, and rare types come before common ones.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.toybox.families import describe, motion, order, place, predict, sound, yesno
from mmvideo.toybox.families.fact import Clause, Deed, Fact, Kind
from mmvideo.toybox.names import deed, refer
from mmvideo.toybox.summary import Summary, summarize
from mmvideo.toybox.world import Scene

KINDS: dict[str, Kind] = {
    name: kind
    for module in (describe, motion, order, place, sound, yesno, predict)
    for name, kind in module.KINDS.items()
}
TYPES = tuple(KINDS)
_ORDER = ("description", "count", "comparison", "motion", "order", "where", "when", "camera", "sound", "yesno", "next")
FAMILIES: dict[str, tuple[str, ...]] = {f: tuple(n for n, k in KINDS.items() if k.family == f) for f in _ORDER}
MANNERS_OF_ASKING = ("in this clip, ", "in the video, ", "please tell me: ", "look at the clip: ", "can you tell me: ")
_MANNER_PROBABILITY = 0.2
_MAX_PER_TYPE = 3
_SILENT_SHARE = 0.15
"""Of the questions about a clip without a sound track, how many ask for sounds."""


@dataclass(frozen=True)
class Question:
    """A question about a clip and its answer."""

    text: str
    answer: str
    type: str
    family: str
    needs: frozenset[str]
    """Of video, time (more than one frame) and sound: what cannot be done without."""
    choices: tuple[str, ...] | None
    """The answers that the question itself offers."""


@lru_cache(maxsize=1)
def balance_table() -> dict[str, dict]:
    """Return, by level, keep probabilities {type: {group: {key: p}}} and how often each type can be asked."""
    return json.loads((resources.files("mmvideo.toybox") / "balance.json").read_text())


def ask_questions(
    scene: Scene, rng: random.Random, *, num: int = 20, types: set[str] | None = None, has_sound: bool = True,
) -> list[Question]:
    """Draw up to `num` questions whose answers the clip shows clearly.

    Args:
        scene: one scene of a simulated world.
        rng: decides which questions, and their wording.
        num: how many questions at most.
        types: the types to draw from, of TYPES; all by default.
        has_sound: whether the clip is given with its sound track; otherwise sound cannot be told.

    Raises:
        InvalidInput: num is negative.
        UnknownName: no such type.
    """
    if num < 0:
        raise InvalidInput(f"num={num}; 0 or more questions can be asked.")
    for name in types or ():
        if name not in KINDS:
            raise UnknownName("question type", name, TYPES)
    return [question for question, _ in draw_questions(scene, rng, num=num, types=types, has_sound=has_sound)]


def draw_questions(scene: Scene, rng: random.Random, *, num, types, has_sound,
                   table=None) -> list[tuple[Question, Fact]]:
    """As `ask`, with the fact behind each question, and any table of balance."""
    summary = summarize(scene)
    if not summary.seen:
        return []
    table = (table or balance_table()).get(summary.spec.level, {})
    keep, common = table.get("keep", {}), table.get("common", {})
    names = [n for n in (types or TYPES) if has_sound or KINDS[n].family != "sound"]
    silent = [] if has_sound else [n for n in (types or TYPES) if KINDS[n].family == "sound"]
    names.sort()  # sets have no order of their own
    names.sort(key=lambda n: rng.expovariate(1.0) * common.get(n, 1.0))
    asked: dict[str, tuple[Question, Fact]] = {}
    if silent:
        _ask_in_silence(summary, rng, sorted(silent), asked, num if not names else max(1, round(num * _SILENT_SHARE)))
    waiting: list[tuple[str, list[Fact]]] = []
    for name in names:
        if len(asked) >= num:
            break
        facts = _kept(KINDS[name].facts(summary), keep.get(name), rng)
        if facts:
            rng.shuffle(facts)
            _put(summary, name, facts.pop(), rng, asked)
            waiting.append((name, facts))
    for _ in range(_MAX_PER_TYPE - 1):
        for name, facts in waiting:
            if facts and len(asked) < num:
                _put(summary, name, facts.pop(), rng, asked)
    drawn = list(asked.values())
    rng.shuffle(drawn)
    return drawn[:num]


def _kept(facts, keep: dict | None, rng: random.Random) -> list[Fact]:
    if keep is None:
        return list(facts)
    kept = []
    for fact in facts:
        probability = keep.get(fact.group, {}).get(fact.key or fact.answer, 1.0)
        if probability >= 1.0 or rng.random() < probability:
            kept.append(fact)
    return kept


def _put(s: Summary, name: str, fact: Fact, rng: random.Random, asked: dict) -> None:
    kind = KINDS[name]
    text = _word(s, kind, fact, rng)
    if text is not None and text not in asked:
        asked[text] = Question(text, fact.answer, name, kind.family, kind.needs, fact.choices), fact


def _ask_in_silence(s: Summary, rng, names: list[str], asked: dict, num: int) -> None:
    """Ask for sounds where there is no sound track: with any wording that fits the toys."""
    rng.shuffle(names)
    for name in names:
        if len(asked) >= num:
            return
        facts = list(KINDS[name].facts(s))
        if facts:
            _put(s, name, rng.choice(facts)._replace(answer=sound.NO_SOUND, choices=None), rng, asked)


def _word(s: Summary, kind: Kind, fact: Fact, rng: random.Random) -> str | None:
    """Put a fact's question into words; None where a toy cannot be referred to without giving the answer."""
    words = []
    for slot in fact.slots:
        if isinstance(slot, str):
            words.append(slot)
            continue
        word = refer(s, slot, rng, kind.hide) if isinstance(slot, int) else _told(s, slot, rng)
        if word is None:
            return None
        words.append(word)
    text = kind.templates[int(rng.random() * len(kind.templates))].format(*words)
    if rng.random() < _MANNER_PROBABILITY:
        text = MANNERS_OF_ASKING[int(rng.random() * len(MANNERS_OF_ASKING))] + text
    return text


def _told(s: Summary, slot: Deed | Clause, rng: random.Random) -> str:
    event = slot.event
    other = None if event.other is None else refer(s, event.other, rng)
    done = deed(s, event, other, base=isinstance(slot, Deed))
    return done if isinstance(slot, Deed) else f"{refer(s, event.toy, rng)} {done}"
