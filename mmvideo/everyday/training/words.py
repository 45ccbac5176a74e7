"""The word head learns which words people use of a photograph."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.evaluation.caption_metrics import words_of
from mmvideo.everyday.training.language import DIM_SEEN, GRID
from mmvideo.everyday.training.photographs import Photographs
from mmvideo.everyday.words import STOP, WordHead, singular
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.resume import digest
from mmvideo.training.trainer import Trainer
from mmvideo.types import Features


def train_words(out: Path, *, schedule: Schedule, photographs: str, cache: str, min_photographs: int = 40,
                feature_dropout: float = 0.5) -> None:
    """Train the head on the share of a photograph's captions that use each word, and save it as `out`/words.

    Args:
        photographs: folder of train.tsv and val.tsv.
        cache: folder of the features, see `mmvideo.everyday.training.photographs`.
        min_photographs: photographs whose captions must use a word.
        feature_dropout: share of the features that is set to zero.
    """
    options = checks.begin(check_words, locals())
    torch.manual_seed(schedule.seed)
    train = Photographs.read(Path(photographs), Path(cache), "train")
    held_out = Photographs.read(Path(photographs), Path(cache), "val")
    words = frequent_words(train.captions, min_photographs)
    truth, held_truth = targets(train.captions, words), targets(held_out.captions, words)
    head = WordHead(dim=DIM_SEEN, words=words)
    nn.init.zeros_(head.whole.weight)
    nn.init.zeros_(head.places.weight)
    with torch.no_grad():
        head.whole.bias.copy_(truth.mean(0).clamp(1e-4, 0.99).logit())
        head.usual.copy_(truth.mean(0))
    run = TrainingRun(out, nn.ModuleDict({"words": head}), schedule,
                      kept={"trainer": "everyday-words", "options": options,
                            "data": {"photographs": digest(train.names), "words": digest(words)}})

    def make(step: int) -> tuple[Tensor, Tensor]:
        rng = random.Random(schedule.seed * 1_000_003 + step)
        chosen = rng.sample(range(len(train)), schedule.batch_size)
        grids = torch.stack([torch.from_numpy(train.grids[n, rng.randrange(train.grids.shape[1])].copy())
                             for n in chosen])
        return grids, truth[chosen]

    def loss(made: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, Any]]:
        grids, wanted = made
        grids = F.dropout(grids.float(), feature_dropout)
        return F.binary_cross_entropy_with_logits(head.logits(Features(grids, GRID, grids.mean(1))), wanted), {}

    run.train(make, loss, evaluate=lambda: figures(head, held_out, held_truth), evaluate_every=250)
    head.save_pretrained(out / "words", half=True)


def frequent_words(captions: Sequence[Sequence[str]], least: int) -> list[str]:
    """Return the words that the captions of at least so many photographs use, in the singular, most frequent first."""
    counts: Counter[str] = Counter()
    for told in captions:
        counts.update({singular(word) for one in told for word in words_of(one)})
    return [word for word, count in counts.most_common() if count >= least and word not in STOP and len(word) > 1]


def targets(captions: Sequence[Sequence[str]], words: Sequence[str]) -> Tensor:
    """Return which share of the captions of each photograph use each word, float32 (N, W)."""
    places = {word: place for place, word in enumerate(words)}
    found = torch.zeros(len(captions), len(words))
    for row, told in zip(found, captions, strict=True):
        for one in told:
            for word in {singular(word) for word in words_of(one)} & places.keys():
                row[places[word]] += 1 / len(told)
    return found


@torch.no_grad()
def figures(head: WordHead, photographs: Photographs, truth: Tensor) -> dict[str, float]:
    """Return the loss, the mean average precision over words that two captions use, and the calibration error."""
    rows = []
    for first in range(0, len(photographs), 64):
        grids = torch.from_numpy(photographs.grids[first:first + 64, 0].copy()).float()
        rows.append(head.logits(Features(grids, GRID, grids.mean(1))))
    logits = torch.cat(rows)
    shares, used = logits.sigmoid(), truth >= 0.4
    precisions = []
    for word in range(truth.shape[1]):
        if used[:, word].sum() >= 5:
            ranked = used[:, word][shares[:, word].argsort(descending=True)].float()
            precisions.append(float(((ranked.cumsum(0) / torch.arange(1, len(ranked) + 1)) * ranked).sum()
                                    / ranked.sum()))
    error = 0.0
    for low in torch.arange(0, 1, 0.1):
        inside = (shares >= low) & (shares < low + 0.1)
        if inside.any():
            error += float((shares[inside].mean() - truth[inside].mean()).abs() * inside.float().mean())
    return {"loss": float(F.binary_cross_entropy_with_logits(logits, truth)),
            "mean_average_precision": sum(precisions) / max(1, len(precisions)), "words_judged": len(precisions),
            "calibration_error": error}


def check_words(min_photographs: int, feature_dropout: float) -> None:
    """Raise on options that cannot be, before anything is read."""
    checks.at_least(1, min_photographs=min_photographs)
    checks.shares(feature_dropout=feature_dropout)


TRAINER = Trainer(train_words, check_words)

__all__ = ["TRAINER", "frequent_words", "targets", "train_words"]
