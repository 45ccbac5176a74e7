"""A resampler with named queries: video and sound tokens -> facts -> a few visual tokens for the language model.

Features:
- learned queries attend to the encoder's tokens (Q-Former, Li et al. 2023; Perceiver, Jaegle et al. 2021): one query
  per slot and span of time, one per slot, and the same for the scene as a whole.
- a query of a slot and a span starts where the slot's toy is: a linear heat map per slot over the grid says where, and
  its softmax pools the tokens there. Supervised, it is learned within minutes; attention alone takes hours to find out.
- linear read-outs turn the queries into facts (mmvideo.nn.facts), which can be supervised densely.
- each query becomes one visual token: a linear map of its facts as probabilities, so that the language model can learn
  from true facts alone before any video is rendered; what the facts do not say may pass beside them, through a second
  linear map that starts at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.nn import facts as nf
from mmvideo.nn.attention import CrossBlock, unit_init
from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Features


@dataclass(frozen=True)
class Seen:
    """What the queries found."""

    logits: nf.Facts
    """Per field, float (..., size): see mmvideo.nn.facts."""
    hidden: Tensor
    """float (B, K + 1, M + 1, D): a row per slot and one for the scene; a column per span of time and one for all."""
    heat: Tensor
    """float (B, K, M, h * w): log-odds that the slot's toy is in the cell."""


class ConceptEmbedding(Pretrained):
    """Facts -> visual tokens, one for each slot and span of time and so on: (B, (K + 1) * (M + 1), D_llm)."""

    def __init__(self, *, sizes: dict[str, int], num_slots: int, num_bins: int, dim_out: int):
        super().__init__()
        self.config = {"sizes": sizes, "num_slots": num_slots, "num_bins": num_bins, "dim_out": dim_out}
        self.scopes = nn.ModuleDict({scope: nn.Linear(size, dim_out) for scope, size in sizes.items()})
        for linear in self.scopes.values():  # a fact is one number of many: it must stand out from the start
            assert isinstance(linear, nn.Linear)
            nn.init.normal_(linear.weight, std=0.4)
        self.row = nn.Parameter(0.5 * torch.randn(num_slots + 1, 1, dim_out))
        self.column = nn.Parameter(0.5 * torch.randn(1, num_bins + 1, dim_out))

    def forward(self, concepts: dict[str, Tensor]) -> Tensor:
        """Map the concepts of each scope (see mmvideo.nn.facts.concepts) to visual tokens."""
        x = {scope: linear(concepts[scope]) for scope, linear in self.scopes.items()}
        slots = torch.cat((x["slot_bin"], x["slot"][:, :, None]), 2)
        scene = torch.cat((x["bin"], x["scene"][:, None]), 1)
        tokens = torch.cat((slots, scene[:, None]), 1) + self.row + self.column
        return tokens.flatten(1, 2)


class Resampler(Pretrained):
    """Features -> facts -> visual tokens."""

    def __init__(self, *, dim_in: int, dim: int, depth: int, heads: int, num_slots: int, num_bins: int,
                 fields: list[dict], dim_out: int):
        super().__init__()
        self.config = {"dim_in": dim_in, "dim": dim, "depth": depth, "heads": heads, "num_slots": num_slots,
                       "num_bins": num_bins, "fields": fields, "dim_out": dim_out}
        self.fields = tuple(nf.Field.from_dict(f) for f in fields)
        self.num_slots, self.num_bins = num_slots, num_bins
        self.slot_query = nn.Parameter(torch.randn(num_slots + 1, 1, dim) * 0.5)
        self.time_query = nn.Parameter(torch.randn(1, num_bins + 1, dim) * 0.5)
        self.context_norm = nn.LayerNorm(dim_in)
        self.heat = nn.Linear(dim_in, num_slots)
        self.found = nn.Linear(dim_in + 2, dim)
        self.blocks = nn.ModuleList(CrossBlock(dim, heads, dim_in) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        sizes = nf.sizes(self.fields)
        self.read = nn.ModuleDict({scope: nn.Linear(dim, size) for scope, size in sizes.items()})
        self.apply(unit_init)
        nn.init.constant_(self.heat.bias, -3.0)
        self.concepts = ConceptEmbedding(sizes=nf.told_sizes(self.fields), num_slots=num_slots,
                                         num_bins=num_bins, dim_out=dim_out)
        self.beside = nn.Linear(dim, dim_out)
        nn.init.zeros_(self.beside.weight)
        nn.init.zeros_(self.beside.bias)

    def look(self, features: Features) -> Seen:
        """Let the queries look at the tokens (B, N, D_in) and read the facts off them.

        The grid must have as many steps of time as there are spans, M.
        """
        context = self.context_norm(features.tokens)
        b, k, m = context.shape[0], self.num_slots, self.num_bins
        heat, found = self._find(context, features.grid)
        x = self.slot_query + self.time_query + F.pad(found, (0, 0, 0, 1))
        x = x.flatten(1, 2)
        for block in self.blocks:
            x = block(x, context)
        x = self.norm(x).view(b, k + 1, m + 1, -1)
        rows = {"slot": x[:, :k, m], "slot_bin": x[:, :k, :m], "scene": x[:, k, m], "bin": x[:, k, :m]}
        logits = {}
        for scope, row in rows.items():
            fields = [f for f in self.fields if f.scope == scope]
            parts = self.read[scope](row).split([f.size for f in fields], -1)
            logits.update({f.name: part for f, part in zip(fields, parts, strict=True)})
        return Seen(logits, x, heat)

    def _find(self, context: Tensor, grid: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
        """Return the heat maps (B, K, M, h * w) and what lies under them (B, K + 1, M, D), last the mean."""
        m, h, w = grid
        tokens = context[:, : m * h * w].unflatten(1, (m, h * w))
        heat = self.heat(tokens).permute(0, 3, 1, 2).float()
        weights = torch.cat((heat.softmax(-1), torch.full_like(heat[:, :1], 1 / (h * w))), 1).to(tokens.dtype)
        pooled = torch.einsum("bkmc,bmcd->bkmd", weights, tokens)
        row, column = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
        place = weights @ torch.stack((column.flatten(), row.flatten()), -1).to(weights)
        return heat, self.found(torch.cat((pooled, place), -1))

    def embed(self, probabilities: nf.Facts, hidden: Tensor | None = None) -> Tensor:
        """Turn facts, and what else was seen, into visual tokens (B, (K + 1) * (M + 1), D_llm)."""
        tokens = self.concepts(nf.concepts(self.fields, probabilities))
        return tokens if hidden is None else tokens + self.beside(hidden).flatten(1, 2)

    def forward(self, features: Features) -> Tensor:
        """Map Features to the language model's visual tokens (B, (K + 1) * (M + 1), D_llm)."""
        seen = self.look(features)
        return self.embed(nf.from_logits(self.fields, seen.logits), seen.hidden)
