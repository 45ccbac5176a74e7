"""Step (a): the small language model learns from true facts, before any video is rendered."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mmvideo.nn import facts as nf
from mmvideo.toybox.facts import FIELDS
from mmvideo.toybox.questions import KINDS
from mmvideo.toybox.training.batches import draw_batch, tokenize_questions
from mmvideo.toybox.training.checks import check_levels, check_scenes
from mmvideo.toybox.training.parts import (
    Sizes,
    Tally,
    answers,
    check_sizes,
    facts_identity,
    load_told,
    new_concepts,
    new_language,
)
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer

BASICS = frozenset((
    "color", "shape", "size", "material", "camera", "camera_moves", "is_there", "num_toys", "num_color", "moves",
    "spins", "direction_start", "direction_end", "across_start", "height_start", "across_end", "height_end", "hits",
    "bounces", "next_deed", "knock_heard", "hum_heard", "beep_heard", "offscreen_what", "does_beep",
))
"""Question types that a single fact, or a few, answer."""


def train_language(out: Path, *, schedule: Schedule, levels: dict[str, float], num_questions: int = 16,
                   caption_share: float = 0.5, basics_steps: int = 0, focus: list[str] | None = None,
                   focus_every: int = 3, sizes: Sizes | None = None, init: str = "", first_scene: int = 0) -> None:
    """Train the language model and the concept embedding on facts; save them under `out`.

    Args:
        basics_steps: so many steps ask only what one fact answers (BASICS): binding a word to a fact is learned
            sooner when every step holds many cases of it.
        focus: question types that every `focus_every`-th step asks alone: to compare two facts is learned all at
            once after long nothing, and sooner when whole steps are about it.
        init: a model's folder to go on from (such as mmvideo/embedded/toybox-qa), or a finished run of this trainer;
            new parts by default.
        first_scene: where the training scenes begin: past those that `init` has seen.
    """
    options = checks.begin(check_language, locals())
    sizes = sizes or Sizes()
    torch.manual_seed(schedule.seed)
    concepts, language = new_concepts(sizes), new_language(sizes)
    if init:
        concepts, language = load_told(Path(init))
    run = TrainingRun(out, nn.ModuleDict({"concepts": concepts, "language": language.model}), schedule,
                      kept={"trainer": "toybox-language", "options": options,
                            "data": facts_identity(language.tokenizer)})

    basics = {"types": BASICS, "caption_share": 0.0}
    everything = {"types": None, "caption_share": caption_share}
    focused = {"types": frozenset(focus or ()), "caption_share": 0.0}

    def make(step: int):
        asked = basics if step < basics_steps else focused if focus and step % focus_every == 0 else everything
        first = first_scene + step * schedule.batch_size
        batch = draw_batch(range(first, first + schedule.batch_size), split="train", levels=levels, rendered=False,
                           num_questions=num_questions, **asked)
        return batch, tokenize_questions(batch.questions, language.tokenizer)

    def loss(made):
        batch, dialogues = made
        probabilities = nf.blur(FIELDS, nf.as_probabilities(FIELDS, batch.facts))
        value, right = answers(language.model, concepts(nf.concepts(FIELDS, probabilities)), dialogues)
        return value, {"exact": torch.cat(right).float().mean()}

    def evaluate() -> dict[str, float]:
        tally = Tally()
        for first in range(0, 256, 64):
            batch = draw_batch(range(first, first + 64), split="validation", levels=levels, rendered=False,
                               num_questions=24, caption_share=1.0)
            dialogues = tokenize_questions(batch.questions, language.tokenizer)
            tokens = concepts(nf.concepts(FIELDS, nf.as_probabilities(FIELDS, batch.facts)))
            tally.add(dialogues, answers(language.model, tokens, dialogues)[1])
        return tally.accuracy()

    run.train(make, loss, evaluate=evaluate, evaluate_every=1000)
    concepts.save_pretrained(out / "concepts")
    language.save_pretrained(out / "language")


def check_language(levels: dict[str, float], num_questions: int, caption_share: float, basics_steps: int,
                   focus: list[str] | None, focus_every: int, sizes: Sizes | None, first_scene: int) -> None:
    """Raise on options that cannot be, before anything is drawn; they are those of `train_language`."""
    check_levels(levels)
    check_scenes(first_scene=first_scene)
    checks.at_least(1, num_questions=num_questions, focus_every=focus_every)
    checks.at_least(0, basics_steps=basics_steps)
    checks.shares(caption_share=caption_share)
    checks.check_names("question type", focus or [], KINDS)
    check_sizes(sizes)


TRAINER = Trainer(train_language, check_language, begin_with=("init", "."))

__all__ = ["TRAINER", "check_language", "train_language"]
