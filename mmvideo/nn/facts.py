"""Facts as tensors: a schema of named fields, each predicted by a linear read-out and fed on as probabilities.

A field has a scope (per slot, per slot and span of time, per span, per scene), a kind (one of a class, independent
yes/no, real values) and a gate: the entry of another field without which it says nothing (the colour of a toy that is
not there). Gates chain. The same arithmetic serves truth (one-hot) and prediction (softmax), so a language model that
has learned from the truth can be shown predictions instead.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SCOPES = ("slot", "slot_bin", "scene", "bin")
KINDS = ("class", "multi", "value")


@dataclass(frozen=True)
class Field:
    """One fact: its place, its kind, and when it counts."""

    name: str
    scope: str
    """slot: (B, K, size); slot_bin: (B, K, M, size); scene: (B, size); bin: (B, M, size). K slots, M spans of time."""
    kind: str
    """class: one of `size`; multi: `size` independent yes/no; value: `size` real numbers of order 1."""
    size: int
    gate: tuple[str, tuple[int, ...]] | None = None
    """(field, entries): counts where any of the entries is true. No entries: entry by entry, a field of equal size."""
    weight: float = 1.0
    """In the training loss."""
    waves: int = 0
    """A value is told to the language model with this many sines and cosines of it beside it: what is linear in them
    can compare two places or moments closely, which one number times one direction hardly can."""

    @property
    def told(self) -> int:
        """How many numbers tell an entry's `size` values."""
        return self.size * (1 + 2 * self.waves)

    def to_dict(self) -> dict:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict) -> Field:
        gate = raw.get("gate")
        return cls(**{**raw, "gate": (gate[0], tuple(gate[1])) if gate else None})


Facts = dict[str, Tensor]
"""Per field: int64 without the last axis for class fields (truth), float with it for the others."""


def as_probabilities(fields: Sequence[Field], facts: Facts) -> Facts:
    """Turn true facts into the form that predictions have: float (..., size) for every field."""
    return {f.name: F.one_hot(facts[f.name], f.size).float() if f.kind == "class" else facts[f.name] for f in fields}


def from_logits(fields: Sequence[Field], logits: Facts) -> Facts:
    """Turn read-outs into probabilities (class: softmax, multi: sigmoid, value: itself), float32."""
    act = {"class": lambda x: x.softmax(-1), "multi": torch.sigmoid, "value": lambda x: x}
    return {f.name: act[f.kind](logits[f.name].float()) for f in fields}


def gate(fields: Sequence[Field], probabilities: Facts, field: Field) -> Tensor:
    """Return how far a field counts, in [0, 1], broadcastable to its probabilities (..., size)."""
    if field.gate is None:
        return torch.ones((), device=probabilities[field.name].device)
    by_name = {f.name: f for f in fields}
    name, entries = field.gate
    source = by_name[name]
    opens = probabilities[name][..., list(entries)].amax(-1, keepdim=True) if entries else probabilities[name]
    opens = opens * gate(fields, probabilities, source)
    return opens.unsqueeze(-2) if (source.scope, field.scope) == ("slot", "slot_bin") else opens


def facts_loss(fields: Sequence[Field], logits: Facts, facts: Facts) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum of the fields' losses and each field's own (detached).

    Cross-entropy for class, binary cross-entropy for multi, smooth L1 (beta 0.1) for value; each averaged over where
    its gate is open in truth.
    """
    truth = as_probabilities(fields, facts)
    total, parts = torch.zeros((), device=next(iter(logits.values())).device), {}
    for f in fields:
        x = logits[f.name].float()
        if f.kind == "class":
            each = F.cross_entropy(x.movedim(-1, 1), facts[f.name], reduction="none")[..., None]
        elif f.kind == "multi":
            each = F.binary_cross_entropy_with_logits(x, truth[f.name], reduction="none")
        else:
            each = F.smooth_l1_loss(x, truth[f.name], reduction="none", beta=0.1)
        open_ = gate(fields, truth, f).expand_as(each)
        value = (each * open_).sum() / open_.sum().clamp_min(1.0)
        total = total + f.weight * value
        parts[f.name] = value.detach()
    return total, parts


@torch.no_grad()
def accuracy(fields: Sequence[Field], logits: Facts, facts: Facts) -> dict[str, float]:
    """Return per field: share right (class), F1 at 0.5 (multi), mean absolute error (value), where the gate is open."""
    truth = as_probabilities(fields, facts)
    out = {}
    for f in fields:
        x = logits[f.name].float()
        if f.kind == "class":
            right = (x.argmax(-1) == facts[f.name]).float()[..., None]
        elif f.kind == "multi":
            open_ = gate(fields, truth, f).expand_as(x)
            said, true = (x > 0).float() * open_, truth[f.name] * open_
            out[f.name] = (2 * (said * true).sum() / (said.sum() + true.sum()).clamp_min(1.0)).item()
            continue
        else:
            right = (x - truth[f.name]).abs()
        open_ = gate(fields, truth, f).expand_as(right)
        out[f.name] = ((right * open_).sum() / open_.sum().clamp_min(1.0)).item()
    return out


def sizes(fields: Sequence[Field]) -> dict[str, int]:
    """Return how many numbers are read out for the fields of each scope."""
    return {scope: sum(f.size for f in fields if f.scope == scope) for scope in SCOPES}


def told_sizes(fields: Sequence[Field]) -> dict[str, int]:
    """Return how many numbers `concepts` makes of each scope."""
    return {scope: sum(f.told for f in fields if f.scope == scope) for scope in SCOPES}


def concepts(fields: Sequence[Field], probabilities: Facts) -> dict[str, Tensor]:
    """Lay gated probabilities side by side, per scope: (B, K, n), (B, K, M, n), (B, n) and (B, M, n)."""
    gated = {f.name: _with_waves(f, probabilities[f.name], gate(fields, probabilities, f)) for f in fields}
    scopes = [scope for scope in SCOPES if any(f.scope == scope for f in fields)]
    return {scope: torch.cat([gated[f.name] for f in fields if f.scope == scope], -1) for scope in scopes}


def _with_waves(field: Field, x: Tensor, opened: Tensor) -> Tensor:
    """Multiply by the gate, after sin and cos of pi / 2, pi, 2 pi ... times the values where the field has waves."""
    angles = [x * (math.pi / 2 * 2**i) for i in range(field.waves)]
    return torch.cat([part * opened for part in (x, *(f(a) for a in angles for f in (torch.sin, torch.cos)))], -1)


def blur(fields: Sequence[Field], probabilities: Facts, *, share: float = 0.15, noise: float = 0.04) -> Facts:
    """Make truth look like predictions: some class and yes/no entries softened, values jittered."""
    out = {}
    for f in fields:
        p = probabilities[f.name]
        if f.kind == "value":
            out[f.name] = p + noise * torch.randn_like(p)
            continue
        some = (torch.rand(*p.shape[:-1], 1, device=p.device) < share).float()
        doubt = some * torch.rand_like(some) * 0.45
        other = torch.rand_like(p)
        other = other / other.sum(-1, keepdim=True) if f.kind == "class" else other.round()
        out[f.name] = (1 - doubt) * p + doubt * other
    return out
