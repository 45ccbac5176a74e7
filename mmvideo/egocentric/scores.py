"""Verb, noun and action: scores of actions from those of both, and the top-1 and top-5 accuracy of EPIC-KITCHENS."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, WeightsError

UNKNOWN = -1
"""The number of a verb or noun that a classifier does not know."""
VERB, NOUN = "verb:", "noun:"
"""What the labels of a classifier of both begin with."""


def action_scores(verbs: Tensor, nouns: Tensor) -> Tensor:
    """Return the probability of every pair, (..., V, N), of probabilities (..., V) and (..., N).

    EPIC-KITCHENS takes an action's score to be the product of its verb's and its noun's (Damen et al. 2022, section 4).
    """
    return verbs[..., :, None] * nouns[..., None, :]


def verb_noun_split(labels: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the numbers of the verbs and of the nouns among the labels of a classifier of both.

    Raises:
        WeightsError: a label is neither, or one kind is missing.
    """
    verbs = [number for number, label in enumerate(labels) if label.startswith(VERB)]
    nouns = [number for number, label in enumerate(labels) if label.startswith(NOUN)]
    if not verbs or not nouns or len(verbs) + len(nouns) != len(labels):
        raise WeightsError(f"A model of egocentric actions has labels that begin with {VERB!r} or {NOUN!r}, and both; "
                           "train one with the trainer egocentric.")
    return verbs, nouns


def top_accuracy(scores: Tensor, truth: Tensor, k: int) -> float:
    """Return the share of rows whose true class is among the k highest scores.

    Args:
        scores: (B, C).
        truth: int64 (B,).
    """
    if not len(truth):
        raise InvalidInput("There is nothing to measure: no segment is known.")
    best = scores.topk(min(k, scores.shape[1]), 1).indices
    return float((best == truth[:, None]).any(1).float().mean())


def verb_noun_metrics(verbs: Tensor, nouns: Tensor, verb_truth: Tensor, noun_truth: Tensor) -> dict[str, float]:
    """Return top-1 and top-5 of verb, noun and action, as shares.

    An action is right where verb and noun both are; its five best are pairs by the product of probabilities.

    Args:
        verbs: logits (B, V).
        nouns: logits (B, N).
        verb_truth, noun_truth: int64 (B,); `UNKNOWN` counts as wrong.
    """
    pairs = action_scores(verbs.softmax(-1), nouns.softmax(-1)).flatten(1)
    pair_truth = verb_truth * nouns.shape[1] + noun_truth
    pair_truth[(verb_truth < 0) | (noun_truth < 0)] = UNKNOWN
    return {f"{name}_top{k}": top_accuracy(scores, truth, k)
            for name, scores, truth in (("verb", verbs, verb_truth), ("noun", nouns, noun_truth),
                                        ("action", pairs, pair_truth)) for k in (1, 5)}


def split_logits(logits: Tensor, labels: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Return the logits of the verbs and of the nouns, (..., V) and (..., N)."""
    verbs, nouns = verb_noun_split(labels)
    return logits[..., torch.tensor(verbs)], logits[..., torch.tensor(nouns)]


__all__ = ["NOUN", "UNKNOWN", "VERB", "action_scores", "split_logits", "top_accuracy", "verb_noun_metrics",
           "verb_noun_split"]
