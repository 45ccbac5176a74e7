"""Captions are trained on by what they are worth: CIDEr-D against what people wrote, less for what nobody saw.

Self-critical training (Rennie et al. 2017, "Self-critical sequence training for image captioning") with the mean
reward of the other draws of the same picture as the baseline (Luo 2020, "A better variant
of self-critical sequence training"). Questions are trained beside it as before, so that they are not forgotten.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.evaluation.caption_metrics import Cider, bleu, words_of
from mmvideo.everyday.evidence_line import evidence_ids
from mmvideo.everyday.training.caption_questions import caption_pairs
from mmvideo.everyday.training.language import GridReader, load_everyday_parts
from mmvideo.everyday.training.photographs import MIRRORED, Photographs, mirrored
from mmvideo.everyday.words import STOP, singular
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.resume import digest
from mmvideo.training.sequence_packing import Asked, lay_out, packed_likelihoods, packed_loss
from mmvideo.training.trainer import Trainer
from mmvideo.types import GenerationOptions
from mmvideo.vlm.embedding_conversation import EmbeddingConversation
from mmvideo.vlm.prompt import CAPTION_REQUEST

_NOT_AT_THE_END = re.compile(r"\b(a|an|the|of|in|on|at|with|and|to|is|are|while|for|by|from|his|her|their|its)$")


def train_reward(out: Path, *, schedule: Schedule, photographs: str, cache: str, init: str, num_draws: int = 5,
                 num_questions: int = 4, questions_weight: float = 0.5, unseen_weight: float = 0.02,
                 feature_dropout: float = 0.1) -> None:
    """Train a finished run of `everyday-language` on; save it under `out` alike.

    Args:
        photographs: folder of train.tsv and val.tsv.
        cache: folder of the features.
        init: the run to go on from.
        num_draws: captions that are drawn of each photograph.
        num_questions: of each photograph, trained by cross-entropy.
        questions_weight: of that loss.
        unseen_weight: what is taken off the reward for every word that no caption of the photograph has and that no
            detector confirms; articles, prepositions and the like are free. At .15 captions
            shrank to two words.
        feature_dropout: share of the image features that is set to zero.
    """
    options = checks.begin(check_reward, locals())
    train = Photographs.read(Path(photographs), Path(cache), "train")
    held_out = Photographs.read(Path(photographs), Path(cache), "val")
    projector, language = load_everyday_parts(Path(init))
    run = TrainingRun(out, nn.ModuleDict({"projector": projector, "language": language.model}), schedule,
                      kept={"trainer": "everyday-reward", "options": options,
                            "data": {"photographs": digest(train.names)}})
    reader, reward = GridReader(projector, language), Reward(train, unseen_weight)

    def make(step: int) -> tuple[list[int], list[int]]:
        first = step * schedule.batch_size
        rng = random.Random(schedule.seed * 1_000_003 + step)
        chosen = [train.order((first + i) // len(train), schedule.seed + 7)[(first + i) % len(train)]
                  for i in range(schedule.batch_size)]
        return chosen, [rng.randrange(train.grids.shape[1]) for _ in chosen]

    def loss(made: tuple[list[int], list[int]]) -> tuple[Tensor, dict[str, Any]]:
        chosen, views = made
        rng = random.Random(chosen[0])
        grids = torch.stack([torch.from_numpy(train.grids[n, v].copy()).float()  # autocast stacks no float16 on a CPU
                             for n, v in zip(chosen, views, strict=True)])
        grids = F.dropout(grids, feature_dropout)
        lines = torch.tensor([evidence_ids(language.tokenizer, train.line(n)) for n in chosen])
        prefix = reader.prefix(grids, lines)
        drawn = _drawn(reader, prefix.detach(), num_draws, seed=rng.randrange(2**31))
        worth = torch.tensor([[reward(n, text, mirror=v in MIRRORED) for text in some]
                              for n, v, some in zip(chosen, views, drawn, strict=True)])  # (B, K)
        gain = worth - (worth.sum(1, keepdim=True) - worth) / (num_draws - 1)
        rows = lay_out([[Asked(CAPTION_REQUEST, text, kind=f"{place} {number}") for number, text in enumerate(some)]
                        for place, some in enumerate(drawn)], reader.prompt, buckets=6)
        value = prefix.new_zeros(())
        for row, told in zip(rows, packed_likelihoods(language.model, prefix, (), rows), strict=True):
            places = [tuple(map(int, one.kind.split())) for one in row.asked]
            value = value - (torch.tensor([float(gain[p]) for p in places]) * told).sum()
        value = value / worth.numel() / 10
        told_pairs = [caption_pairs(_captions(train, n, v), rng, strict=False)
                      for n, v in zip(chosen, views, strict=True)]
        asked = lay_out([[Asked(q.lower(), a) for _, q, a in rng.sample(some, min(num_questions, len(some)))]
                         for some in told_pairs], reader.prompt, buckets=4)
        answered = packed_loss(language.model, prefix, (), asked, label_smoothing=0.05)[0]
        return value + questions_weight * answered, {"reward": float(worth.mean()), "questions": answered.detach()}

    run.train(make, loss, evaluate=lambda: caption_figures(reader, held_out), evaluate_every=50)
    projector.save_pretrained(out / "projector", half=True)
    language.save_pretrained(out / "language")


def _captions(photographs: Photographs, number: int, view: int) -> list[str]:
    told = photographs.captions[number]
    return [mirrored(one) for one in told] if view in MIRRORED else told


class Reward:
    """What a caption of a training photograph is worth.

    Args:
        photographs: with their captions.
        unseen_weight: what every unconfirmed thing costs.
    """

    def __init__(self, photographs: Photographs, unseen_weight: float):
        self.photographs, self.unseen_weight = photographs, unseen_weight
        self.cider = Cider({str(n): told for n, told in enumerate(photographs.captions)})
        self.known = [{singular(word) for one in told for word in words_of(one)}
                      | {part for label, score, _ in known["objects"] if score >= 0.4 for part in label.split()}
                      for told, known in zip(photographs.captions, photographs.known, strict=True)]

    def __call__(self, number: int, text: str, *, mirror: bool = False) -> float:
        """Return CIDEr-D, with what is unconfirmed or left unfinished taken off."""
        text = mirrored(text) if mirror else text
        words = words_of(text)
        if not words:
            return -1.0
        unseen = {singular(word) for word in words} - self.known[number] - STOP
        worth = self.cider.score(str(number), text) - self.unseen_weight * len(unseen)
        return worth - (1.0 if _NOT_AT_THE_END.search(text) else 0.0)


@torch.no_grad()
def _drawn(reader: GridReader, prefix: Tensor, num_draws: int, *, seed: int) -> list[list[str]]:
    """Draw captions of each row of (B, N, D), in evaluation mode."""
    model = reader.language.model
    was = model.training
    model.eval()
    options = GenerationOptions(max_new_tokens=24, temperature=1.0, seed=seed)
    said = EmbeddingConversation(model, reader.prompt, prefix).replies(
        [CAPTION_REQUEST] * (len(prefix) * num_draws), options)
    model.train(was)
    return [[one.text for one in said[n * num_draws:(n + 1) * num_draws]] for n in range(len(prefix))]


@torch.no_grad()
def caption_figures(reader: GridReader, photographs: Photographs, most: int = 250, view: int = 0) -> dict[str, float]:
    """Return BLEU-4 and CIDEr-D of greedy captions of held-out photographs."""
    made: dict[str, str] = {}
    for first in range(0, min(most, len(photographs)), 32):
        chosen = range(first, min(first + 32, most, len(photographs)))
        grids = torch.stack([torch.from_numpy(photographs.grids[n, view].copy()) for n in chosen]).float()
        lines = torch.tensor([evidence_ids(reader.prompt.tokenizer, photographs.line(n)) for n in chosen])
        said = EmbeddingConversation(reader.language.model, reader.prompt, reader.prefix(grids, lines)).replies(
            [CAPTION_REQUEST] * len(chosen), GenerationOptions(max_new_tokens=30))
        made.update((photographs.names[n], one.text) for n, one in zip(chosen, said, strict=True))
    told = {photographs.names[n]: photographs.captions[n] for n in range(len(made))}
    scores = bleu(list(made.values()), [told[name] for name in made])
    words = [len(words_of(text)) for text in made.values()]
    return {"bleu4": scores[3], "bleu1": scores[0], "cider": Cider(told).mean(made),
            "words": sum(words) / max(1, len(words))}


def check_reward(num_draws: int, num_questions: int, questions_weight: float, unseen_weight: float,
                 feature_dropout: float) -> None:
    """Raise on options that cannot be, before anything is read."""
    checks.at_least(2, num_draws=num_draws)
    checks.at_least(1, num_questions=num_questions)
    checks.shares(feature_dropout=feature_dropout)


TRAINER = Trainer(train_reward, check_reward, begin_with=("init", "."))

__all__ = ["TRAINER", "Reward", "caption_figures", "train_reward"]
