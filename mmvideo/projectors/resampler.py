"""A resampler with named queries: video and sound tokens -> facts -> a few soft tokens for the language model.

Features:
- learned queries attend to the encoder's tokens (Q-Former, Li et al. 2023; Perceiver, Jaegle et al. 2021): one query
  per slot and span of time, one per slot, and the same for the scene as a whole.
- linear read-outs turn the queries into facts (mmvideo.nn.facts), which can be supervised densely.
- the language model is given the facts as probabilities through an MLP, so it can learn from true facts alone before
  any video is rendered; what the facts do not say may pass beside them through a second path that starts at zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmvideo.nn import facts as nf
from mmvideo.nn.attention import CrossBlock, small_init
from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Features


@dataclass(frozen=True)
class Seen:
    """What the queries found."""

    logits: nf.Facts
    """Per field, float (..., size): see mmvideo.nn.facts."""
    hidden: Tensor
    """float (B, K + 1, D): one vector per slot, the scene's last."""


class ConceptEmbedding(Pretrained):
    """Concept vectors -> soft tokens (B, (K + 1) * tokens_per_slot, D_llm)."""

    def __init__(self, *, slot_size: int, scene_size: int, num_slots: int, dim_out: int, tokens_per_slot: int = 2,
                 width: int = 384):
        super().__init__()
        self.config = {"slot_size": slot_size, "scene_size": scene_size, "num_slots": num_slots, "dim_out": dim_out,
                       "tokens_per_slot": tokens_per_slot, "width": width}
        self.tokens, self.dim_out = tokens_per_slot, dim_out
        out = tokens_per_slot * dim_out
        self.slot = nn.Sequential(nn.Linear(slot_size, width), nn.GELU(), nn.Linear(width, out))
        self.scene = nn.Sequential(nn.Linear(scene_size, width), nn.GELU(), nn.Linear(width, out))
        self.place = nn.Parameter(0.02 * torch.randn(num_slots + 1, out))

    def forward(self, slots: Tensor, scene: Tensor) -> Tensor:
        """Map (B, K, slot_size) and (B, scene_size) to (B, (K + 1) * tokens_per_slot, D_llm)."""
        x = torch.cat((self.slot(slots), self.scene(scene)[:, None]), 1) + self.place
        return x.view(x.shape[0], -1, self.dim_out)


class Resampler(Pretrained):
    """Features -> facts -> soft tokens."""

    def __init__(self, *, dim_in: int, dim: int, depth: int, heads: int, num_slots: int, num_bins: int,
                 fields: list[dict], dim_out: int, tokens_per_slot: int = 2):
        super().__init__()
        self.config = {"dim_in": dim_in, "dim": dim, "depth": depth, "heads": heads, "num_slots": num_slots,
                       "num_bins": num_bins, "fields": fields, "dim_out": dim_out, "tokens_per_slot": tokens_per_slot}
        self.fields = tuple(nf.Field.from_dict(f) for f in fields)
        self.num_slots, self.num_bins = num_slots, num_bins
        self.slot_query = nn.Parameter(torch.randn(num_slots + 1, 1, dim) * 0.5)
        self.time_query = nn.Parameter(torch.randn(1, num_bins + 1, dim) * 0.5)
        self.context_norm = nn.LayerNorm(dim_in)
        self.blocks = nn.ModuleList(CrossBlock(dim, heads, dim_in) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        sizes = {scope: sum(f.size for f in self.fields if f.scope == scope) for scope in nf.SCOPES}
        self.read = nn.ModuleDict({scope: nn.Linear(dim, size) for scope, size in sizes.items()})
        slot_size, scene_size = nf.concept_sizes(self.fields, num_bins)
        self.apply(small_init)
        self.concepts = ConceptEmbedding(slot_size=slot_size, scene_size=scene_size, num_slots=num_slots,
                                         dim_out=dim_out, tokens_per_slot=tokens_per_slot)
        self.beside = nn.Linear(dim, tokens_per_slot * dim_out)
        nn.init.zeros_(self.beside.weight)
        nn.init.zeros_(self.beside.bias)

    def look(self, features: Features) -> Seen:
        """Let the queries look at the tokens (B, N, D_in) and read the facts off them."""
        context = self.context_norm(features.tokens)
        b, k, m = context.shape[0], self.num_slots, self.num_bins
        x = (self.slot_query + self.time_query).flatten(0, 1).expand(b, -1, -1)
        for block in self.blocks:
            x = block(x, context)
        x = self.norm(x).view(b, k + 1, m + 1, -1)
        rows = {"slot": x[:, :k, m], "slot_bin": x[:, :k, :m], "scene": x[:, k, m], "bin": x[:, k, :m]}
        logits = {}
        for scope, row in rows.items():
            fields = [f for f in self.fields if f.scope == scope]
            parts = self.read[scope](row).split([f.size for f in fields], -1)
            logits.update({f.name: part for f, part in zip(fields, parts, strict=True)})
        return Seen(logits, x[:, :, m])

    def embed(self, probabilities: nf.Facts, hidden: Tensor | None = None) -> Tensor:
        """Turn facts, and what else was seen, into soft tokens (B, (K + 1) * tokens_per_slot, D_llm)."""
        tokens = self.concepts(*nf.concepts(self.fields, probabilities))
        if hidden is not None:
            tokens = tokens + self.beside(hidden).view_as(tokens)
        return tokens

    def forward(self, features: Features) -> Tensor:
        """Map Features to the language model's soft tokens (B, (K + 1) * tokens_per_slot, D_llm)."""
        seen = self.look(features)
        return self.embed(nf.from_logits(self.fields, seen.logits), seen.hidden)
