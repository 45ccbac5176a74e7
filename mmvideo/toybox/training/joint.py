"""Steps (c) and (d): encoder, resampler and language model together, on rendered clips and questions about them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from mmvideo.errors import InvalidInput
from mmvideo.nn import facts as nf
from mmvideo.toybox.training import domain
from mmvideo.toybox.training.batches import draw_batch, tokenize_questions
from mmvideo.toybox.training.checks import check_levels, check_scenes
from mmvideo.toybox.training.parts import Tally, answers, compose, facts_identity, load_parts, save_parts
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.trainer import Trainer

JOINT_OFFSET = 10**9
"""Training scenes of the joint step start here: none was seen in the steps before."""


def train_joint(out: Path, *, schedule: Schedule, levels: dict[str, float], perception: str, language: str,
                num_questions: int = 10, caption_share: float = 0.3, fact_weight: float = 0.05,
                encoder_rate: float = 0.3, first_scene: int = 0, deaf: bool = False, single_frame: bool = False,
                domain_scenes: int = 3000) -> None:
    """Train all parts from two earlier runs; save them, with the border of their domain, under `out`/model.

    Args:
        perception: folder of the run that trained encoder and resampler.
        language: folder of the run that trained the language model; or "" to continue a whole model in `perception`.
        fact_weight: weight of the dense loss beside the answers' cross-entropy.
        encoder_rate: the encoder's learning rate as a multiple of the others'.
        first_scene: where the training scenes begin, after JOINT_OFFSET: past those that the parts have seen together.
        deaf, single_frame: train a baseline that does not hear, or sees the middle frame only.
        domain_scenes: training scenes that the border of the domain is fitted to.
    """
    options = checks.begin(check_joint, locals())
    encoder, resampler, lm = compose(Path(perception), Path(language)) if language else load_parts(Path(perception))
    parts = nn.ModuleDict({"encoder": encoder, "resampler": resampler, "language": lm.model})
    run = TrainingRun(out, parts, schedule, slow={"encoder": encoder_rate},
                      kept={"trainer": "toybox-joint", "options": options, "data": facts_identity(lm.tokenizer)})
    degraded = {"deaf": deaf, "single_frame": single_frame}

    def make(step: int):
        first = JOINT_OFFSET + first_scene + step * schedule.batch_size
        batch = draw_batch(range(first, first + schedule.batch_size), split="train", levels=levels, **degraded,
                           num_questions=num_questions, caption_share=caption_share)
        return batch, tokenize_questions(batch.questions, lm.tokenizer)

    def loss(made):
        batch, dialogues = made
        seen = resampler.look(encoder(batch.frames, batch.audio, batch.has_sound))
        tokens = resampler.embed(nf.from_logits(resampler.fields, seen.logits), seen.hidden)
        spoken, right = answers(lm.model, tokens, dialogues)
        dense, _ = nf.facts_loss(resampler.fields, seen.logits, batch.facts)
        return spoken + fact_weight * dense, {"answers": spoken.detach(), "facts": dense.detach(),
                                              "exact": torch.cat(right).float().mean()}

    def evaluate() -> dict[str, float]:
        tally = Tally()
        for first in range(0, 256, 64):
            batch = draw_batch(range(first, first + 64), split="validation", levels=levels, **degraded,
                               num_questions=24, caption_share=1.0)
            dialogues = tokenize_questions(batch.questions, lm.tokenizer)
            tokens = resampler(encoder(batch.frames, batch.audio, batch.has_sound))
            tally.add(dialogues, answers(lm.model, tokens, dialogues)[1])
        return tally.accuracy()

    run.train(make, loss, evaluate=evaluate, evaluate_every=250)
    save_parts(out / "model", encoder, resampler, lm)
    domain.fit_domain(out / "model", num=domain_scenes)


def check_joint(levels: dict[str, float], perception: str, num_questions: int, caption_share: float, fact_weight: float,
                encoder_rate: float, first_scene: int, domain_scenes: int) -> None:
    """Raise on options that cannot be, before anything is read or drawn; they are those of `train_joint`."""
    if not perception:
        raise InvalidInput("'perception' must name the folder of the run that trained encoder and resampler.")
    check_levels(levels)
    check_scenes(first_scene=first_scene)
    checks.at_least(1, num_questions=num_questions)
    checks.at_least(3, domain_scenes=domain_scenes)
    checks.at_least(0, fact_weight=fact_weight)
    checks.over_zero(encoder_rate=encoder_rate)
    checks.shares(caption_share=caption_share)


TRAINER = Trainer(train_joint, check_joint, begin_with=("perception", "model"))

__all__ = ["TRAINER", "check_joint", "train_joint"]
