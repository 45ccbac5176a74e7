"""How the answers are kept in balance: keep probabilities measured over many scenes, and the blind score they leave.

A blind model sees the question and neither picture nor sound. It scores near chance when, within each type and each
wording that could matter (a group), every answer is asked for equally often.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.questions import KINDS, MANNERS_OF_ASKING, Question, ask_questions
from mmvideo.toybox.spec import sample_scene, split_seed
from mmvideo.toybox.summary import summarize
from mmvideo.toybox.world import Scene

_RARE, _RARE_COUNT = 0.025, 0.08
"""Answers rarer than this within their group do not hold the others down; the second is for numbers."""
_ONE_SIDED = 0.006
"""A group of yes-no or either-or questions whose second answer is rarer than this is never asked."""
_NOTHING_SHARE = 0.25
"""How often "nothing" comes, relative to all the answers that name an event, each of which is rare by itself."""
_TWO_SIDED = frozenset(("order_two", "when_half", "when_third", "sound_order", "camera_direction"))
_Facts = dict[str, list[tuple[str, str]]]
"""Of one scene: type -> (group, key) of each fact."""


def scenes(level: str, split: str, num: int, *, first: int = 0, batch: int = 256) -> Iterator[Scene]:
    """Yield `num` simulated scenes of a split."""
    for start in range(first, first + num, batch):
        count = min(batch, first + num - start)
        world = simulate([sample_scene(split_seed(split, start + i), level) for i in range(count)])
        yield from (world.scene(i) for i in range(count))


def calibrate_balance(found: Iterable[Scene], *, num: int = 20, rounds: int = 10, seed: int = 0) -> dict:
    """Return one level's part of the table: {"keep": {type: {group: {key: p}}}, "common": {type: share of scenes}}.

    Draws questions as `ask_questions` does again and again, and each time lowers the keep probability of the answers
    that come too often. Holds for `num` questions a scene, about: scenes with few facts get relatively more of each.
    """
    table, two_sided = _collect(found)
    rng = random.Random(seed)
    keep: dict[str, dict] = {}
    for name, groups in _count(table).items():
        keep[name] = {g: dict.fromkeys(c, 1.0) for g, c in groups.items()}
        for group, counts in groups.items():
            if name in two_sided and max(counts.values()) > (1 - _ONE_SIDED) * sum(counts.values()):
                keep[name][group] = dict.fromkeys(counts, 0.0)
    common = dict.fromkeys(keep, 1.0)
    for _ in range(rounds):
        asked, common = _draw(table, keep, common, num, rng)
        for name, groups in keep.items():
            rare = 0.0 if name in two_sided else _RARE_COUNT if name.startswith("num_") else _RARE
            _adjust(groups, asked, name, rare)
    rounded = {n: {g: {k: round(p, 4) for k, p in sorted(c.items())} for g, c in sorted(groups.items())}
               for n, groups in keep.items()}
    return {"keep": {n: g for n, g in rounded.items() if any(p != 1 for c in g.values() for p in c.values())},
            "common": {n: round(share, 4) for n, share in common.items()}}


def _collect(found: Iterable[Scene]) -> tuple[list[_Facts], set[str]]:
    table: list[_Facts] = []
    two_sided = set(_TWO_SIDED)
    for scene in found:
        summary, row = summarize(scene), {}
        for name, kind in KINDS.items() if summary.seen else ():
            facts = list(kind.facts(summary))
            if facts:
                row[name] = [(sys.intern(f.group), sys.intern(f.key or f.answer)) for f in facts]
                if facts[0].answer in ("yes", "no"):
                    two_sided.add(name)
        table.append(row)
    return table, two_sided


def _count(table: list[_Facts]) -> dict[str, dict[str, Counter]]:
    counts: dict[str, dict[str, Counter]] = {}
    for row in table:
        for name, facts in row.items():
            for group, key in facts:
                counts.setdefault(name, {}).setdefault(group, Counter())[key] += 1
    return counts


def _draw(table: list[_Facts], keep, common, num: int, rng: random.Random) -> tuple[Counter, dict[str, float]]:
    """Return how often each (type, group, key) is asked, and in which share of scenes each type could be."""
    asked: Counter = Counter()
    possible: Counter = Counter()
    for row in table:
        order, left = sorted(row, key=lambda n: rng.expovariate(1.0) * common[n]), num
        for name in order:
            groups = keep[name]
            kept = [fact for fact in row[name] if (p := groups[fact[0]][fact[1]]) >= 1.0 or rng.random() < p]
            if not kept:
                continue
            possible[name] += 1
            if left > 0:
                asked[name, *kept[int(rng.random() * len(kept))]] += 1
                left -= 1
    return asked, {name: max(possible[name], 1) / len(table) for name in keep}


def _adjust(groups: dict[str, dict[str, float]], asked: Counter, name: str, rare: float) -> None:
    for group, probabilities in groups.items():
        counts = {key: asked[name, group, key] for key in probabilities if probabilities[key] > 0}
        common = {key: n for key, n in counts.items() if n > rare * sum(counts.values())}
        if len(common) < 2:
            continue
        weight = {key: _NOTHING_SHARE if key == "nothing" and "event" in common else 1.0 for key in common}
        least = min(n / weight[key] for key, n in common.items())
        for key, n in common.items():
            probabilities[key] *= least / (n / weight[key])
        top = max(probabilities[key] for key in common)
        for key in counts:
            probabilities[key] = max(probabilities[key] / top, 1e-4) if key in common else 1.0


@dataclass(frozen=True)
class BlindScore:
    """What a model that sees only the question can reach on one type."""

    type: str
    num: int
    num_answers: float
    """Effective: 2 to the entropy of the answers, bits."""
    by_type: float
    """Accuracy of the commonest answer of the type."""
    by_text: float
    """Accuracy of the commonest answer to the same text, else to the same wording without toys; on a held-out half."""


def blind_scores(found: Iterable[Scene], *, num: int = 20, seed: int = 0) -> list[BlindScore]:
    """Measure how far questions give away their answers: counts on every second scene, scores on the others."""
    counts: dict[str, dict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    asked: dict[str, list[Question]] = defaultdict(list)
    for index, scene in enumerate(found):
        for question in ask_questions(scene, random.Random(f"{seed}/{index}"), num=num):
            if index % 2:
                asked[question.type].append(question)
            else:
                for view in _views(question):
                    counts[question.type][view][question.answer] += 1
    return [_score(name, asked[name], counts[name]) for name in KINDS if asked[name]]


def _views(question: Question) -> tuple[str, str, str]:
    """Return what a blind model may go by: the text, its wording without the toys, and the type."""
    text = question.text
    for manner in MANNERS_OF_ASKING:
        text = text.removeprefix(manner)
    words = [w for w in text.replace(",", " ,").replace("?", " ?").split() if w not in _TOY_WORDS]
    return text, "without toys: " + " ".join(words), "type"


_TOY_WORDS = frozenset((*v.SIZES, *v.COLORS, *v.MATERIALS, *v.SHAPES, "toy"))


def _score(name: str, questions: list[Question], counts: dict[str, Counter]) -> BlindScore:
    right_type = right_text = 0
    answers: Counter = Counter()
    best = counts["type"].most_common(1)[0][0] if counts["type"] else ""
    for question in questions:
        answers[question.answer] += 1
        right_type += question.answer == best
        known = [counts[view] for view in _views(question) if view in counts]
        known = next((c for c in known if sum(c.values()) >= 20), counts["type"])
        right_text += bool(known) and question.answer == known.most_common(1)[0][0]
    total = len(questions)
    entropy = 1.0
    for n in answers.values():
        entropy *= (total / n) ** (n / total)
    return BlindScore(name, total, entropy, right_type / total, right_text / total)
