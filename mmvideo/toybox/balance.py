"""How the answers are kept in balance: keep probabilities measured over many scenes, and the blind score they leave.

A blind model sees the question and neither picture nor sound. It scores near chance when, within each type and each
wording that could matter (a group), every answer is asked for equally often.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mmvideo.toybox.physics import simulate
from mmvideo.toybox.questions import KINDS, MANNERS_OF_ASKING, Question, draw
from mmvideo.toybox.spec import sample_scene, split_seed
from mmvideo.toybox.summary import summarize
from mmvideo.toybox.world import Scene

_RARE = 0.04
"""Answers rarer than this within their group do not hold the others down."""
_ONE_SIDED = 0.04
"""A group of yes-no or either-or questions whose second answer is rarer than this is never asked."""
_TWO_SIDED = frozenset(("order_two", "when_half", "when_third", "sound_order", "camera_direction"))
_Facts = dict[str, list[tuple[str, str]]]
"""Of one scene: type -> (group, key) of each fact."""


def scenes(level: str, split: str, num: int, *, first: int = 0, batch: int = 256) -> Iterator[Scene]:
    """Yield `num` simulated scenes of a split."""
    for start in range(first, first + num, batch):
        count = min(batch, first + num - start)
        world = simulate([sample_scene(split_seed(split, start + i), level) for i in range(count)])
        yield from (world.scene(i) for i in range(count))


def calibrate(found: Iterable[Scene], *, rounds: int = 8, seed: int = 0) -> dict:
    """Return one level's part of the table: {"keep": {type: {group: {key: p}}}, "common": {type: share of scenes}}.

    Draws one fact a type and scene again and again, and each time lowers the keep probability of the answers that
    come too often.
    """
    table, two_sided = _collect(found)
    rng = random.Random(seed)
    keep = {n: {g: dict.fromkeys(c, 1.0) for g, c in _count(rows).items()} for n, rows in table.items()}
    for name, groups in keep.items():
        for group, counts in _count(table[name]).items():
            if name in two_sided and max(counts.values()) > (1 - _ONE_SIDED) * sum(counts.values()):
                groups[group] = dict.fromkeys(counts, 0.0)
        for _ in range(rounds):
            _adjust(groups, _draw(table[name], groups, rng))
    total = max(len(rows) for rows in table.values())
    common = {n: max(sum(_draw(rows, keep[n], rng).values()), 1) / total for n, rows in table.items()}
    rounded = {n: {g: {k: round(p, 3) for k, p in sorted(c.items())} for g, c in sorted(groups.items())}
               for n, groups in keep.items()}
    return {"keep": {n: g for n, g in rounded.items() if any(p != 1 for c in g.values() for p in c.values())},
            "common": {n: round(share, 4) for n, share in common.items()}}


def _collect(found: Iterable[Scene]) -> tuple[dict[str, list[list[tuple[str, str]]]], set[str]]:
    table: dict[str, list[list[tuple[str, str]]]] = {n: [] for n in KINDS}
    two_sided = set(_TWO_SIDED)
    for scene in found:
        summary = summarize(scene)
        for name, kind in KINDS.items():
            facts = list(kind.facts(summary))
            table[name].append([(f.group, f.key or f.answer) for f in facts])
            if facts and facts[0].answer in ("yes", "no"):
                two_sided.add(name)
    return table, two_sided


def _count(rows) -> dict[str, Counter]:
    counts: dict[str, Counter] = defaultdict(Counter)
    for row in rows:
        for group, key in row:
            counts[group][key] += 1
    return counts


def _draw(rows, groups, rng: random.Random) -> Counter:
    """Return how often each (group, key) is asked, one fact a scene."""
    asked: Counter = Counter()
    for row in rows:
        kept = [fact for fact in row if (p := groups[fact[0]][fact[1]]) >= 1.0 or rng.random() < p]
        if kept:
            asked[kept[int(rng.random() * len(kept))]] += 1
    return asked


def _adjust(groups: dict[str, dict[str, float]], asked: Counter) -> None:
    for group, probabilities in groups.items():
        counts = {key: asked[group, key] for key in probabilities}
        total = sum(counts.values())
        if not total:
            continue
        common = {key: n for key, n in counts.items() if n >= _RARE * total}
        least = min(common.values())
        for key, n in common.items():
            probabilities[key] *= least / n
        top = max(probabilities[key] for key in common)
        for key in probabilities:
            probabilities[key] = min(probabilities[key] / top, 1.0) if key in common else 1.0


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
    """Accuracy of the commonest answer to the same text, else the same wording with the toys left out; held-out half."""


def blind_scores(found: Iterable[Scene], *, num: int = 20, seed: int = 0) -> list[BlindScore]:
    """Measure how far questions give away their answers: counts on every second scene, scores on the others."""
    counts: dict[str, dict[str, Counter]] = defaultdict(lambda: defaultdict(Counter))
    asked: dict[str, list[Question]] = defaultdict(list)
    for index, scene in enumerate(found):
        for question, fact in draw(scene, random.Random(f"{seed}/{index}"), num=num, types=None, has_sound=True):
            if index % 2:
                asked[question.type].append(question)
            else:
                for view in _views(question):
                    counts[question.type][view][question.answer] += 1
            del fact
    return [_score(name, asked[name], counts[name]) for name in KINDS if asked[name]]


def _views(question: Question) -> tuple[str, str, str]:
    """Return what a blind model may go by: the text, its wording without the toys, and the type."""
    text = question.text
    for manner in MANNERS_OF_ASKING:
        text = text.removeprefix(manner)
    words = [w for w in text.replace(",", " ,").replace("?", " ?").split() if w not in _TOY_WORDS]
    return text, "without toys: " + " ".join(words), "type"


_TOY_WORDS = frozenset(
    "small large red green blue yellow purple cyan rubber metal wood ball box triangle star ring cross toy".split()
)


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
