"""Replies while they are written; beam search: the K likeliest that go on, and the K best of those that ended."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Row:
    """The tokens of one reply, while it is generated."""

    ids: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    finished: bool = False
    """Whether the model ended it."""
    cut: bool = False
    """Whether it ended at max_new_tokens."""


class Beams:
    """The replies to B questions, of which each has K that go on and up to K that ended.

    The same search as `num_beams` of transformers (with `length_penalty` 1 and without `early_stopping`): replies that
    ended are ranked by the mean log-probability of their tokens, and a question is done when the K best of them are
    better than what the likeliest of those that go on has so far.

    Args:
        num_rows: B.
        num_beams: K, at least 2.
        ends: token IDs that end a reply.
    """

    def __init__(self, num_rows: int, num_beams: int, ends: Collection[int]):
        self.num_beams, self.ends = num_beams, frozenset(ends)
        self.running = [[Row()] for _ in range(num_rows)]
        self.ended: list[list[Row]] = [[] for _ in range(num_rows)]
        self.done = [False] * num_rows

    def grow(self, log_p: Tensor, *, last: bool) -> tuple[Tensor, Tensor]:
        """Write one token more.

        Args:
            log_p: log-probabilities of the next token, float (B, V) for the first and (B * K, V) for later ones.
            last: whether no token may follow this one.

        Returns:
            Which rows of `log_p` go on and with which token, int64 (B * K,) each.
        """
        parents: list[int] = []
        tokens: list[int] = []
        of_each = log_p.unflatten(0, (len(self.running), -1))  # (B, 1 or K, V)
        for number, scores in enumerate(of_each):
            before = self.running[number]
            sums = torch.tensor([sum(row.log_probabilities) for row in before], device=scores.device)
            most = min(max(2, 1 + len(self.ends)) * self.num_beams, scores.numel())
            ranked = (scores + sums[:, None]).flatten().topk(most).indices  # (M,)
            beams, words = (ranked // scores.shape[1]).tolist(), (ranked % scores.shape[1]).tolist()
            taken = scores.flatten()[ranked].tolist()
            going: list[Row] = []
            coming: list[int] = []
            for rank, (beam, word, probability) in enumerate(zip(beams, words, taken, strict=True)):
                old, over = before[beam], word in self.ends
                row = Row([*old.ids] if over else [*old.ids, word], [*old.log_probabilities, probability],
                          finished=over, cut=last and not over)
                if (over or last) and rank < self.num_beams and not self.done[number]:
                    self.ended[number].append(row)
                if not over and len(going) < self.num_beams:
                    going.append(row)
                    coming.append(beam)
            self.running[number] = going
            self.ended[number] = sorted(self.ended[number], key=_mean, reverse=True)[:self.num_beams]
            self.done[number] |= len(self.ended[number]) == self.num_beams and _mean(going[0]) <= _mean(
                self.ended[number][-1])
            parents += [number * len(before) + beam for beam in coming]
            tokens += [row.ids[-1] for row in going]
        return torch.tensor(parents, device=log_p.device), torch.tensor(tokens, device=log_p.device)

    def best(self, count: int) -> list[Row]:
        """Return the `count` best replies to each question so far, those that ended first; B * count, best first."""
        return [row for ended, running in zip(self.ended, self.running, strict=True)
                for row in [*ended, *running][:count]]


def _mean(row: Row) -> float:
    return math.fsum(row.log_probabilities) / len(row.log_probabilities)


__all__ = ["Beams", "Row"]
