"""ActionFormer: a transformer over a pyramid of time that says at every step what happens, and from when to when.

Zhang, Wu & Li 2022, "ActionFormer: localizing moments of actions with transformers",
https://arxiv.org/abs/2202.07925. The names of weights are those of the authors' release (MIT), so its checkpoints load.

Legend: B films, T steps, C channels, L levels, P points of all levels, N segments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.nn.pretrained import Pretrained

RANGES = ((0, 4), (4, 8), (8, 16), (16, 32), (32, 64), (64, 10_000))
"""Of each level of the pyramid: the farthest end of a segment, in steps, that its points learn to reach."""
PRIOR = 0.01
"""Probability that a point gives to every label before it has learnt."""


class MaskedConv(nn.Module):
    """A convolution over time whose output is zero where the film has ended; a stride thins the mask too."""

    def __init__(self, width_in: int, width_out: int, kernel: int, *, stride: int = 1, groups: int = 1,
                 bias: bool = True):
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(width_in, width_out, kernel, stride, kernel // 2, groups=groups, bias=bias)
        if bias:
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, T) and bool (B, 1, T) to those of the output."""
        mask = mask[..., ::self.stride]
        return self.conv(x) * mask, mask


class TemporalNorm(nn.Module):
    """Layer normalisation over the channels of (B, C, T)."""

    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, width, 1))
        self.bias = nn.Parameter(torch.zeros(1, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        x = x - x.mean(1, keepdim=True)
        return x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt() * self.weight + self.bias


class LocalAttention(nn.Module):
    """Attention of each step to those within half a window, after depthwise convolutions that may thin time.

    Args:
        width: C.
        heads: of attention.
        window: odd number of steps that a step attends to.
        stride: of the convolutions.
    """

    def __init__(self, width: int, heads: int, window: int, stride: int):
        super().__init__()
        self.heads, self.reach = heads, window // 2
        for name in ("query", "key", "value"):
            self.add_module(f"{name}_conv", MaskedConv(width, width, 3, stride=stride, groups=width, bias=False))
            self.add_module(f"{name}_norm", TemporalNorm(width))
            self.add_module(name, nn.Conv1d(width, width, 1))
        self.proj = nn.Conv1d(width, width, 1)

    def _split(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        """Return (B, heads, T, C / heads)."""
        convolved, _ = self.get_submodule(f"{name}_conv")(x, mask)
        made = self.get_submodule(name)(self.get_submodule(f"{name}_norm")(convolved))
        return made.unflatten(1, (self.heads, -1)).transpose(2, 3)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, T) and bool (B, 1, T)."""
        stride = self.get_submodule("query_conv").stride
        query, key, value = (self._split(name, x, mask) for name in ("query", "key", "value"))
        mask = mask[..., ::stride]
        reach = self.reach
        # (B, heads, T, C', window): what stands around each step
        around_keys, around_values = (F.pad(part, (0, 0, reach, reach)).unfold(2, 2 * reach + 1, 1)
                                      for part in (key, value))
        inside = F.pad(mask.float(), (reach, reach)).unfold(2, 2 * reach + 1, 1).bool()  # (B, 1, T, window)
        scores = (query[..., None, :] @ around_keys).squeeze(-2) / math.sqrt(query.shape[-1])
        scores = scores.masked_fill(~inside, -1e4)
        shares = scores.softmax(-1) * inside
        out = (around_values @ shares[..., None]).squeeze(-1)  # (B, heads, T, C')
        return self.proj(out.transpose(2, 3).flatten(1, 2)) * mask, mask


class DropPath(nn.Module):
    """Scale each channel, and in training leave the branch out for some of the films (Huang et al. 2016)."""

    def __init__(self, width: int, drop: float):
        super().__init__()
        self.scale = nn.Parameter(torch.full((1, width, 1), 1e-4))
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        x = x * self.scale
        if not self.training or self.drop == 0:
            return x
        kept = torch.rand(len(x), 1, 1, device=x.device) >= self.drop
        return x * kept / (1 - self.drop)


class Block(nn.Module):
    """A transformer layer with normalisation first; a stride halves time and takes the larger of neighbours beside."""

    def __init__(self, width: int, heads: int, window: int, stride: int, hidden: int, drop_path: float):
        super().__init__()
        self.ln1, self.ln2 = TemporalNorm(width), TemporalNorm(width)
        self.attn = LocalAttention(width, heads, window, stride)
        self.pool_skip = nn.MaxPool1d(stride + 1, stride, (stride + 1) // 2) if stride > 1 else nn.Identity()
        self.mlp = nn.Sequential(nn.Conv1d(width, hidden, 1), nn.GELU(), nn.Identity(), nn.Conv1d(hidden, width, 1))
        self.drop_path_attn = DropPath(width, drop_path) if drop_path > 0 else nn.Identity()
        self.drop_path_mlp = DropPath(width, drop_path) if drop_path > 0 else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, T) and bool (B, 1, T)."""
        seen, mask_out = self.attn(self.ln1(x), mask)
        x = self.pool_skip(x) * mask_out + self.drop_path_attn(seen)
        return x + self.drop_path_mlp(self.mlp(self.ln2(x)) * mask_out), mask_out


class Backbone(nn.Module):
    """Convolutions, layers at full rate, then layers that halve it: a pyramid of features."""

    def __init__(self, width_in: int, width: int, heads: int, arch: Sequence[int], window: int, hidden: int,
                 drop_path: float):
        super().__init__()
        convs, stem, branch = arch
        self.embd = nn.ModuleList(MaskedConv(width if i else width_in, width, 3, bias=False) for i in range(convs))
        self.embd_norm = nn.ModuleList(TemporalNorm(width) for _ in range(convs))
        self.stem = nn.ModuleList(Block(width, heads, window, 1, hidden, drop_path) for _ in range(stem))
        self.branch = nn.ModuleList(Block(width, heads, window, 2, hidden, drop_path) for _ in range(branch))
        for module in self.modules():
            if isinstance(module, nn.Conv1d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, mask: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Map (B, C', T) and bool (B, 1, T) to the (features, mask) of every level."""
        for conv, norm in zip(self.embd, self.embd_norm, strict=True):
            x, mask = conv(x, mask)
            x = F.relu(norm(x))
        for block in self.stem:
            x, mask = block(x, mask)
        found = [(x, mask)]
        for block in self.branch:
            x, mask = block(x, mask)
            found.append((x, mask))
        return found


class _Head(nn.Module):
    """Convolutions shared by all levels."""

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.head = nn.ModuleList(MaskedConv(width, width, 3, bias=False) for _ in range(layers - 1))
        self.norm = nn.ModuleList(TemporalNorm(width) for _ in range(layers - 1))

    def lead(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return what the last convolution sees."""
        for conv, norm in zip(self.head, self.norm, strict=True):
            x = F.relu(norm(conv(x, mask)[0]))
        return x


class _ClassHead(_Head):
    def __init__(self, width: int, layers: int, num_classes: int):
        super().__init__(width, layers)
        self.cls_head = MaskedConv(width, num_classes, 3)
        nn.init.constant_(self.cls_head.conv.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]

    def forward(self, levels: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        return [self.cls_head(self.lead(x, mask), mask)[0] for x, mask in levels]


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))


class _OffsetHead(_Head):
    def __init__(self, width: int, layers: int, levels: int):
        super().__init__(width, layers)
        self.scale = nn.ModuleList(_Scale() for _ in range(levels))
        self.offset_head = MaskedConv(width, 2, 3)

    def forward(self, levels: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        return [F.relu(self.offset_head(self.lead(x, mask), mask)[0] * scale.scale)
                for (x, mask), scale in zip(levels, self.scale, strict=True)]


class _Neck(nn.Module):
    def __init__(self, width: int, levels: int):
        super().__init__()
        self.fpn_norms = nn.ModuleList(TemporalNorm(width) for _ in range(levels))

    def forward(self, levels: Sequence[tuple[Tensor, Tensor]]) -> list[tuple[Tensor, Tensor]]:
        return [(norm(x), mask) for norm, (x, mask) in zip(self.fpn_norms, levels, strict=True)]


@dataclass(frozen=True)
class FormerSize:
    """Arguments of `ActionFormer` that say how large it is; the release's for THUMOS14 by default."""

    width: int = 512
    heads: int = 4
    arch: list[int] = field(default_factory=lambda: [2, 2, 5])
    window: int = 19
    hidden: int | None = None
    head_layers: int = 3
    drop_path: float = 0.1
    narrow: list[list[int]] = field(default_factory=list)
    finer: int = 1

    def __post_init__(self) -> None:
        checks.whole("heads", self.heads, low=1, high=256)
        checks.whole("width", self.width, low=1, high=16_384)
        if len(self.arch) != 3 or self.width % self.heads or self.window % 2 == 0:
            raise InvalidInput(f"The network needs arch of three numbers, a width that heads divide and an odd window, "
                               f"not {self.arch}, {self.width}, {self.heads} and {self.window}.")
        for name, value, low, high in (("arch[0]", self.arch[0], 1, 16), ("arch[1]", self.arch[1], 0, 64),
                                       ("arch[2]", self.arch[2], 0, len(RANGES) - 1), ("window", self.window, 3, 1023),
                                       ("head_layers", self.head_layers, 1, 16), ("finer", self.finer, 1, 64),
                                       ("hidden", self.hidden or 1, 1, 65_536)):
            checks.whole(name, value, low=low, high=high)
        checks.number("drop_path", self.drop_path, low=0, high=0.9)
        for part in self.narrow:
            if len(part) != 3 or min(part) < 1 or max(part) > 65_536:
                raise InvalidInput(f"narrow must be rows of places, numbers of a place and width, not {part}.")


class ActionFormer(Pretrained):
    """Features (B, T, D) to scores and offsets of points at every level.

    Args:
        dim: D.
        num_classes: labels.
        width: C.
        heads: of attention.
        arch: convolutions, layers at full rate, layers that halve it.
        window: odd number of steps that a step attends to.
        hidden: width inside a layer; None for 4 C.
        head_layers: convolutions of each head.
        drop_path: share of films for which a branch is left out in training.
        narrow: (places, D', width) of the parts of a vector, each place of which is narrowed by one shared matrix;
            empty to take vectors as they are. Their places times D' add up to D.
        finer: into how many steps a narrowed vector is divided.
    """

    def __init__(self, *, dim: int, num_classes: int, width: int = 512, heads: int = 4,
                 arch: Sequence[int] = (2, 2, 5), window: int = 19, hidden: int | None = None, head_layers: int = 3,
                 drop_path: float = 0.1, narrow: Sequence[Sequence[int]] = (), finer: int = 1):
        super().__init__()
        checks.whole("num_classes", num_classes, low=1)
        self.config = {"dim": dim, "num_classes": num_classes, "width": width, "heads": heads, "arch": list(arch),
                       "window": window, "hidden": hidden, "head_layers": head_layers, "drop_path": drop_path,
                       "narrow": [list(part) for part in narrow], "finer": finer}
        self.num_classes, self.finer, levels = num_classes, finer, 1 + arch[2]
        self.parts = [(part[0], part[1]) for part in narrow]
        self.narrow = nn.ModuleList(nn.Linear(part[1], part[2]) for part in narrow)
        seen = sum(part[0] * part[2] for part in narrow) or dim
        self.divide = nn.Linear(seen, finer * width) if narrow else None
        self.backbone = Backbone(width if narrow else dim, width, heads, arch, window, hidden or 4 * width, drop_path)
        self.neck = _Neck(width, levels)
        self.cls_head = _ClassHead(width, head_layers, num_classes)
        self.reg_head = _OffsetHead(width, head_layers, levels)
        self.ranges = [*RANGES[:levels - 1], (RANGES[levels - 1][0], 10_000)]

    def _stem(self, features: Tensor) -> Tensor:
        """Return (B, T * finer, C') of features (B, T, D)."""
        if self.divide is None:
            return features
        parts, at = [], 0
        for (places, dim), narrow in zip(self.parts, self.narrow, strict=True):
            part = features[..., at:at + places * dim].unflatten(-1, (places, dim))
            parts.append(F.gelu(narrow(part)).flatten(-2))
            at += places * dim
        return self.divide(torch.cat(parts, -1)).unflatten(-1, (self.finer, -1)).flatten(1, 2)

    def forward(self, features: Tensor, valid: Tensor | None = None) -> dict[str, list[Tensor]]:
        """Score every point.

        Args:
            features: float (B, T, D).
            valid: bool (B, T): which steps the film has; None for all.

        Returns:
            For each level: "logits" (B, T', classes); "offsets" (B, T', 2), to the start and the end, in strides of the
            level; "masks" bool (B, T').
        """
        if valid is None:
            valid = torch.ones(features.shape[:2], dtype=torch.bool, device=features.device)
        x, mask = self._stem(features).transpose(1, 2), valid.repeat_interleave(self.finer, 1)
        multiple = 2 ** (len(self.ranges) - 1)
        missing = -x.shape[2] % multiple
        x, mask = F.pad(x, (0, missing)), F.pad(mask, (0, missing))
        levels = self.neck(self.backbone(x * mask[:, None] if missing else x, mask[:, None]))
        return {"logits": [one.transpose(1, 2) for one in self.cls_head(levels)],
                "offsets": [one.transpose(1, 2) for one in self.reg_head(levels)],
                "masks": [mask[:, 0] for _, mask in levels]}

    def points(self, scored: dict[str, list[Tensor]]) -> Tensor:
        """Return float (P, 4) of the points of all levels: step, least and most reach, stride."""
        rows = []
        for level, logits in enumerate(scored["logits"]):
            stride = 2 ** level
            at = torch.arange(logits.shape[1], device=logits.device) * stride
            rest = torch.tensor([*self.ranges[level], stride], device=logits.device, dtype=torch.float32)
            rows.append(torch.cat((at[:, None].float(), rest.expand(len(at), 3)), 1))
        return torch.cat(rows)

    def decoded(self, scored: dict[str, list[Tensor]], *, least: float = 0.001, most: int = 2000
                ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return for each film the surest segments before suppression.

        Args:
            scored: what `forward` gave.
            least: lowest score.
            most: how many are kept of each level.

        Returns:
            Segments (N, 2) in steps of `finer` parts a vector, scores (N,), labels (N,).
        """
        found: list[Any] = []
        for film in range(len(scored["logits"][0])):
            kept = []
            for level in range(len(scored["logits"])):
                scores = (scored["logits"][level][film].sigmoid() * scored["masks"][level][film][:, None]).flatten()
                values, order = scores.sort(descending=True, stable=True)
                order = order[:most][values[:most] > least]
                point, label = order // self.num_classes, order % self.num_classes
                offsets, stride = scored["offsets"][level][film][point], 2 ** level
                segments = torch.stack((point - offsets[:, 0], point + offsets[:, 1]), 1) * stride
                long = (segments[:, 1] - segments[:, 0]) > 0.05
                kept.append((segments[long], scores[order][long], label[long]))
            found.append(tuple(torch.cat(parts) for parts in zip(*kept, strict=True)))
        return found


__all__ = [
    "PRIOR",
    "RANGES",
    "ActionFormer",
    "Backbone",
    "Block",
    "FormerSize",
    "LocalAttention",
    "MaskedConv",
    "TemporalNorm",
]
