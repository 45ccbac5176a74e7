"""Questions made from the captions of test photographs, put to films of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmvideo.evaluation.intervals import wilson
from mmvideo.everyday.words import STOP, singular

_NUMBERS = {"no": 0, "none": 0, "nobody": 0, "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6,
            "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_WORD = re.compile(r"[a-z0-9]+")
_SAME = {"gray": "grey", "outside": "outdoors", "outdoor": "outdoors", "inside": "indoors", "indoor": "indoors",
         "people": "person", "human": "person", "guy": "man", "lady": "woman", "kid": "child", "puppy": "dog",
         "blonde": "blond", "ocean": "sea", "soccer": "football"}
_COLOURS = {"black", "white", "red", "brown", "blue", "green", "yellow", "orange", "pink", "purple", "grey", "tan",
            "beige", "golden", "silver", "blond", "gold"}


@dataclass(frozen=True)
class PutQuestion:
    """A question with what is right and what was said."""

    name: str
    family: str
    question: str
    truth: str
    said: str
    confidence: float
    inside: bool | None
    right: bool


def is_right_answer(family: str, truth: str, said: str) -> bool:
    """Say whether an answer is right: yes and no as the first word, numbers as numbers, else the word that counts.

    That word is the verb of what someone is doing, the colours of a thing, and else the last noun of the truth.
    """
    wanted, given = _words(truth), _words(said)
    if truth in ("yes", "no"):
        return given[:1] == [truth]
    if family == "count":
        return [_number(w) for w in wanted if _number(w) is not None][:1] == [
            _number(w) for w in given if _number(w) is not None][:1]
    if family == "doing":
        return bool(wanted) and any(_stem(word) == _stem(wanted[0]) for word in given if word.endswith("ing"))
    if family in ("colour", "colour_choice"):
        return {w for w in wanted if w != "and"} == {w for w in given if w not in STOP} & _colours(wanted, given)
    heads = [w for w in wanted if w not in STOP]
    return bool(heads) and heads[-1] in given


def _colours(wanted: Sequence[str], given: Sequence[str]) -> set[str]:
    return (_COLOURS | set(wanted)) & {*given}


def _words(text: str) -> list[str]:
    found = [singular(word) for word in _WORD.findall(text.lower())]
    return [_SAME.get(word, word) for word in found]


def _number(word: str) -> int | None:
    return int(word) if word.isdigit() else _NUMBERS.get(word)


def _stem(word: str) -> str:
    base = word.removesuffix("ing")
    return base[:-1] if len(base) > 2 and base[-1] == base[-2] else base.removesuffix("e")


def accuracy_of_answers(asked: Sequence[PutQuestion]) -> dict[str, Any]:
    """Return the shares right by family, of yes/no (balanced) and of open questions, with 95 % intervals."""
    def share(some: Sequence[PutQuestion]) -> dict[str, Any]:
        hits = sum(one.right for one in some)
        low, high = wilson((hits, len(some)))
        return {"right": round(hits / max(1, len(some)), 4), "of": len(some),
                "interval": [round(low, 3), round(high, 3)]}

    closed = [one for one in asked if one.truth in ("yes", "no")]
    yes, no = ([one for one in closed if one.truth == truth] for truth in ("yes", "no"))
    balanced = (share(yes)["right"] + share(no)["right"]) / 2 if yes and no else None
    families = sorted({one.family for one in asked})
    return {"yes_no_balanced": balanced, "yes": share(yes), "no": share(no),
            "open": share([one for one in asked if one.truth not in ("yes", "no")]),
            "families": {family: share([one for one in asked if one.family == family]) for family in families}}


def calibration_error(asked: Sequence[PutQuestion], bins: int = 10) -> float:
    """Return the expected calibration error of the confidences (Guo et al. 2017)."""
    total = 0.0
    for place in range(bins):
        some = [one for one in asked if min(int(one.confidence * bins), bins - 1) == place]
        if some:
            total += len(some) * abs(sum(one.confidence for one in some) / len(some)
                                     - sum(one.right for one in some) / len(some))
    return total / max(1, len(asked))


def without_video(asked: Sequence[PutQuestion], guess: Callable[[str, str], str]) -> list[PutQuestion]:
    """Return the same questions with the answers of a guess from family and question alone."""
    found = []
    for one in asked:
        said = guess(one.family, one.question)
        found.append(PutQuestion(one.name, one.family, one.question, one.truth, said, 1.0, None,
                           is_right_answer(one.family, one.truth, said)))
    return found


def commonest(told: Sequence[tuple[str, str, str]]) -> Callable[[str, str], str]:
    """Return a guess: the most frequent answer to a family in training.

    Args:
        told: family, question and answer of training.
    """
    counts: dict[str, dict[str, int]] = {}
    for family, _, answer in told:
        counts.setdefault(family, {}).setdefault(answer, 0)
        counts[family][answer] += 1
    best: Mapping[str, str] = {family: max(some, key=lambda a: some[a]) for family, some in counts.items()}
    return lambda family, question: best.get(family, "yes")


__all__ = ["PutQuestion", "accuracy_of_answers", "calibration_error", "commonest", "is_right_answer", "without_video"]
