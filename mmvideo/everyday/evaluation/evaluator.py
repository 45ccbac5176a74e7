"""Evaluator `everyday`: captions and questions on photographs shown as films, beside baselines and other views."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.everyday.conversation import EverydayConversation
from mmvideo.everyday.evaluation.captions import baselines, scores
from mmvideo.everyday.evaluation.questions import (
    PutQuestion,
    accuracy_of_answers,
    calibration_error,
    commonest,
    is_right_answer,
    without_video,
)
from mmvideo.everyday.evaluation.views import VIEWS, Subject, films
from mmvideo.everyday.training.caption_questions import caption_pairs, test_set
from mmvideo.everyday.training.photographs import Photographs, read_captions
from mmvideo.recipes import options_from
from mmvideo.training import checks
from mmvideo.types import GenerationOptions


@dataclass(frozen=True)
class EverydaySettings:
    """The options of a config."""

    photographs: str
    """Folder of test.zip, test.tsv and train.tsv."""
    cache: str = ""
    """Features of the training photographs (train/everyday-features), for the baseline of the nearest; none without."""
    model: str = "everyday"
    most: int = 500
    """Test photographs."""
    films: tuple[str, ...] = ("moving", "still")
    views: tuple[str, ...] = VIEWS


def check_everyday(raw: dict[str, Any], where: str) -> EverydaySettings:
    """Return the options of a config, checked; neither data nor weights are read.

    Raises:
        RecipeError: an unknown key, or a value of another type.
        UnknownName: an unknown view or film.
        InvalidInput: a number out of range.
    """
    found = options_from(EverydaySettings, raw, where)
    with checks.locating(where):
        checks.check_names("view", found.views, VIEWS)
        checks.check_names("film", found.films, ("moving", "still"))
        checks.at_least(1, most=found.most)
    return found


def evaluate_everyday(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Measure the everyday model as a config says; write everyday.json, captions and answers into `out`.

    Yields:
        A report for each kind of film and view, then the baselines.

    Raises:
        RecipeError, UnknownName, InvalidInput: as `check_everyday`.
        MediaNotFound: the photographs are absent.
    """
    asked = check_everyday(raw, where)
    photographs, subject = Path(asked.photographs).expanduser(), Subject(asked.model)
    told = read_captions(photographs / "test.tsv")
    questions: dict[str, list[tuple[str, str, str]]] = {}
    for name, family, question, truth in test_set(photographs / "test.tsv"):
        questions.setdefault(name, []).append((family, question, truth))
    out.mkdir(parents=True, exist_ok=True)
    reports: list[dict[str, Any]] = []
    answers: list[PutQuestion] = []
    pooled: dict[str, torch.Tensor] = {}
    for film in asked.films:
        captions: dict[str, dict[str, str]] = {view: {} for view in asked.views}
        said: dict[str, list[PutQuestion]] = {view: [] for view in asked.views}
        seen: dict[str, set[str]] = {}
        for name, path in films(photographs, out / "films", still=film == "still", most=asked.most):
            for view, talk in subject.views(subject.look(path), asked.views):
                captions[view][name] = " ".join(dict.fromkeys(one.text for one in talk.captions))
                said[view] += asked_of(talk, name, questions.get(name, []))
                if view == "all":
                    seen[name] = {track.label for track in talk.observation.facts.tracks}
                    pooled[name] = talk.observation.grids.mean((0, 1))
        for view in asked.views:
            report = {"film": film, "view": view, "captions": scores(captions[view], told, seen),
                      "questions": accuracy_of_answers(said[view]),
                      "calibration_error": round(calibration_error(said[view]), 4)}
            reports.append(report)
            yield report
        answers = said[asked.views[0]]
        (out / f"captions-{film}.json").write_text(json.dumps(captions, indent=1), encoding="utf-8")
        (out / f"answers-{film}.json").write_text(
            json.dumps({view: [asdict(one) for one in some] for view, some in said.items()}), encoding="utf-8")
    for report in _baselines(asked, photographs, told, pooled, answers):
        reports.append(report)
        yield report
    (out / "everyday.json").write_text(json.dumps(reports, indent=1), encoding="utf-8")


def asked_of(talk: EverydayConversation, name: str, questions: Sequence[tuple[str, str, str]]) -> list[PutQuestion]:
    """Put questions with known answers to a conversation."""
    replies = talk.replies([question for _, question, _ in questions], GenerationOptions())
    return [PutQuestion(name, family, question, truth, reply.text, reply.confidence,
                  reply.domain.inside if reply.domain else None, is_right_answer(family, truth, reply.text))
            for (family, question, truth), reply in zip(questions, replies, strict=True)]


def _baselines(asked: EverydaySettings, photographs: Path, told: dict[str, list[str]],
               pooled: dict[str, torch.Tensor], answers: Sequence[PutQuestion]) -> Iterator[dict[str, Any]]:
    if asked.cache:
        train = Photographs.read(photographs, Path(asked.cache), "train")
        learned = {name: torch.from_numpy(train.grids[n, 0].copy()).float().mean(0)
                   for n, name in enumerate(train.names)}
        for kind, captions in baselines(photographs, pooled, learned).items():
            yield {"baseline": kind, "captions": scores(captions, told)}
    rng, learned_pairs = random.Random(0), []
    for known in list(read_captions(photographs / "train.tsv").values())[:2000]:
        learned_pairs += caption_pairs(known, rng, strict=False)
    guessed = without_video(answers, commonest([(family, q, a) for family, q, a in learned_pairs]))
    yield {"baseline": "most frequent answer of the family", "questions": accuracy_of_answers(guessed)}


EVALUATOR = Evaluator(evaluate_everyday, check_everyday)

__all__ = ["EVALUATOR", "EverydaySettings", "check_everyday", "evaluate_everyday"]
