"""Toybox accuracy by level, family and question type, beside what can be had without looking, hearing or time."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.errors import UnknownName
from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.recipes import options_from
from mmvideo.toybox import marking
from mmvideo.toybox.captions import caption_facts, scene_facts
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.questions import FAMILIES, KINDS, Question, ask_questions
from mmvideo.toybox.render import render_world
from mmvideo.toybox.sound import synthesise
from mmvideo.toybox.spec import sample_scene, split_seed
from mmvideo.toybox.vocabulary import LEVELS, SPLITS
from mmvideo.toybox.world import World
from mmvideo.training import checks
from mmvideo.types import GenerationOptions
from mmvideo.vlm.language_model import LanguageModel
from mmvideo.vlm.projectors.resampler import Resampler
from mmvideo.vlm.prompt import CAPTION_REQUEST

VIEWS = ("full", "single-frame", "deaf", "blind")
"""full: as a user has it; single-frame: the middle frame repeated; deaf: no sound track; blind: the question only."""
_CAPTIONS = ("caption", "caption_clear")
"""Every fact that of the reference; every clear fact told and nothing false (`mmvideo.toybox.marking`)."""
_BATCH = 32


@dataclass
class Score:
    """Exact matches by question type, and captions with every fact right."""

    right: Counter = field(default_factory=Counter)
    asked: Counter = field(default_factory=Counter)

    def add(self, kind: str, right: bool) -> None:
        self.right[kind] += right
        self.asked[kind] += 1

    def by_type(self) -> dict[str, float]:
        """Return the share right of every type that was asked."""
        return {kind: self.right[kind] / self.asked[kind] for kind in sorted(self.asked)}

    def by_need(self) -> dict[str, float]:
        """Return the share right of the questions that cannot be answered without more than one frame, or sound."""
        out = {}
        for need in ("time", "sound"):
            types = [t for t in self.asked if t in KINDS and need in KINDS[t].needs]
            if types:
                out[f"needs_{need}"] = sum(self.right[t] for t in types) / sum(self.asked[t] for t in types)
        return out

    def by_family(self) -> dict[str, float]:
        """Return the share right of every family, over all its questions."""
        out = {}
        for family, types in {**FAMILIES, **{name: (name,) for name in _CAPTIONS}}.items():
            asked = sum(self.asked[t] for t in types)
            if asked:
                out[family] = sum(self.right[t] for t in types) / asked
        return out


@dataclass(frozen=True)
class AccuracySettings:
    """The options of a config."""

    about: str = ""
    weights: str = "toybox-qa"
    """An embedded model's name, or a folder."""
    levels: tuple[str, ...] = ("easy", "standard")
    split: str = "test"
    num: int = 1000
    """Scenes a level."""
    num_questions: int = 20
    """Questions a scene."""
    views: tuple[str, ...] = VIEWS


def check_accuracy(raw: dict[str, Any], where: str) -> AccuracySettings:
    """Return the options of a config, checked; neither data nor weights are read.

    Raises:
        RecipeError: an unknown key, or a value of another type.
        UnknownName: an unknown level, split or view.
        InvalidInput: a number out of range, or nothing to measure.
    """
    found = options_from(AccuracySettings, raw, where)
    with checks.locating(where):
        checks.check_names("toybox level", found.levels, LEVELS)
        checks.check_names("split", [found.split], SPLITS)
        checks.check_names("view", found.views, VIEWS)
        checks.at_least(1, num=found.num, num_questions=found.num_questions, levels=len(found.levels),
                        views=len(found.views))
    return found


def evaluate_accuracy(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Measure a toybox model as a config says, and write toybox.json into `out`.

    The config's keys are the fields of `AccuracySettings`.

    Yields:
        One report per level and view: accuracy by family, and over the questions that need time or sound.

    Raises:
        RecipeError, UnknownName, InvalidInput: as `check_accuracy`.
    """
    asked = check_accuracy(raw, where)
    model, split, num = Model.load(asked.weights), asked.split, asked.num
    details = {}
    for level in asked.levels:
        for view in asked.views:
            score = measure_accuracy(model, level=level, split=split, num=num, view=view,
                                     num_questions=asked.num_questions)
            details[f"{level}/{view}"] = {"by_type": score.by_type(), "asked": dict(score.asked)}
            out.mkdir(parents=True, exist_ok=True)
            (out / "toybox.json").write_text(json.dumps(details, indent=1) + "\n")
            yield {"level": level, "split": split, "view": view, "scenes": num,
                   **{name: round(share, 4) for name, share in {**score.by_family(), **score.by_need()}.items()}}


@dataclass(frozen=True)
class Model:
    """The three parts of a video QA model."""

    encoder: ToyboxAV
    projector: Resampler
    language: LanguageModel

    @classmethod
    def load(cls, name: str) -> Model:
        """Load an embedded model by name, or a folder."""
        return cls(ToyboxAV.from_pretrained(weights.part(name, "encoder")),
                   Resampler.from_pretrained(weights.part(name, "projector")),
                   LanguageModel.from_pretrained(weights.part(name, "language")))

    @torch.no_grad()
    def reply(self, frames: Tensor, audio: Tensor | None, questions: list[list[str]], *,
              longest: int) -> list[list[str]]:
        """Answer the questions about each clip, by greedy decoding."""
        tokens = self.projector(self.encoder(frames, audio))
        most = max(map(len, questions))
        padded = [q for row in questions for q in (row + row[-1:] * (most - len(row)))]
        said = self.language.open(tokens).replies(padded, GenerationOptions(max_new_tokens=longest))
        return [[said[b * most + i].text for i in range(len(row))] for b, row in enumerate(questions)]


def measure_accuracy(model: Model, *, level: str, split: str, num: int, view: str = "full",
                     num_questions: int = 20) -> Score:
    """Ask a model about `num` scenes of a level and split, seen in one of VIEWS.

    Raises:
        UnknownName: no such view.
    """
    if view not in VIEWS:
        raise UnknownName("view", view, VIEWS)
    score, blind = Score(), _majority(level, num_questions) if view == "blind" else None
    for first in range(0, num, _BATCH):
        world = simulate([sample_scene(split_seed(split, i), level) for i in range(first, min(first + _BATCH, num))])
        asked = _ask(world, num_questions)
        if blind is not None:
            for question in (q for row in asked for q in row):
                score.add(question.type, blind(question) == question.answer)
            continue
        frames, audio = render_world(world), synthesise(world)
        if view == "single-frame":
            frames = frames[:, 8:9].expand_as(frames)
        audio = None if view == "deaf" else audio
        texts = [[q.text for q in row] or ["what happens next?"] for row in asked]
        for row, replies in zip(asked, model.reply(frames, audio, texts, longest=16), strict=True):
            for question, reply in zip(row, replies, strict=False):
                score.add(question.type, reply == question.answer)
        captions = model.reply(frames, audio, [[CAPTION_REQUEST]] * len(world), longest=96)
        for b, (said,) in enumerate(captions):
            score.add("caption", caption_facts(said) == scene_facts(world.scene(b)))
            score.add("caption_clear", marking.is_right(said, world.scene(b)))
    return score


def _ask(world: World, num: int) -> list[list[Question]]:
    return [ask_questions(world.scene(b), random.Random(f"evaluate/{spec.seed}"), num=num)
            for b, spec in enumerate(world.specs)]


def _majority(level: str, num_questions: int, num: int = 2000):
    """Learn the commonest answer to each question text, and to each type, from training scenes."""
    texts: dict[str, Counter] = defaultdict(Counter)
    types: dict[str, Counter] = defaultdict(Counter)
    for first in range(0, num, 250):
        world = simulate([sample_scene(split_seed("train", i), level) for i in range(first, first + 250)])
        for question in (q for row in _ask(world, num_questions) for q in row):
            texts[question.text][question.answer] += 1
            types[question.type][question.answer] += 1

    def guess(question: Question) -> str:
        seen = texts.get(question.text)
        commonest = (seen if seen and seen.total() >= 5 else types[question.type]).most_common(1)
        return commonest[0][0] if commonest else ""

    return guess


EVALUATOR = Evaluator(evaluate_accuracy, check_accuracy)

__all__ = ["EVALUATOR", "check_accuracy", "evaluate_accuracy"]
