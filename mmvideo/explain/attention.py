"""Attention weights of any transformer encoder, caught while it runs; attention rollout over the frames.

Fused attention (`scaled_dot_product_attention`) never makes its weights. While a capture runs it is computed in its
plain form instead, which gives the same to rounding; networks that compute the softmax themselves are listened to.
Nothing in a network has to be prepared for that. Rollout: Abnar and Zuidema 2020, https://arxiv.org/abs/2005.00928.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mmvideo.encoders.base import VideoEncoder
from mmvideo.errors import UnsupportedModel
from mmvideo.types import Features

MAX_TOKENS = 4096
"""Most tokens between which attention is laid out: the matrix has their square."""
_SOFTMAX = {F.softmax, torch.softmax, Tensor.softmax}


@dataclass(frozen=True)
class Attended:
    """The attention weights of one call."""

    name: str
    """Of the module that computed it, as `named_modules` has it."""
    weights: Tensor
    """float32 (rows, heads, N queries, M keys), or (B, heads, rows, N, M); every row of keys sums to 1."""


class _Capture(TorchFunctionMode):
    """Keeps the weights of every attention that runs within it."""

    def __init__(self, where: Callable[[], str]):
        super().__init__()
        self.found: list[Attended] = []
        self._where = where

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        given = dict(kwargs or {})
        if func is F.scaled_dot_product_attention:
            return self._plain(*args, **given)
        out = func(*args, **given)
        if func in _SOFTMAX and isinstance(out, Tensor) and out.ndim >= 4 and _axis(args, given) in (-1, out.ndim - 1):
            self._keep(out)
        return out

    def _keep(self, weights: Tensor) -> None:
        self.found.append(Attended(self._where(), weights.detach().float()))

    def _plain(self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
               is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False) -> Tensor:
        if enable_gqa:
            key, value = (x.repeat_interleave(query.shape[-3] // x.shape[-3], -3) for x in (key, value))
        scores = query @ key.transpose(-1, -2) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
        weights = torch.softmax(scores, -1)  # the mode is off while it handles a call
        self._keep(weights)
        return (F.dropout(weights, dropout_p) if dropout_p else weights) @ value


def _axis(args: tuple[Any, ...], given: Mapping[str, Any]) -> Any:
    return given.get("dim", args[1] if len(args) > 1 else None)


@contextmanager
def _names_of(network: nn.Module) -> Iterator[Callable[[], str]]:
    """Follow which module runs; yield what returns the name of the innermost."""
    running: list[str] = []
    handles = []

    def left(*_: Any) -> None:
        running.pop()

    for name, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: running.append(name)))
        handles.append(module.register_forward_hook(left, always_call=True))
    try:
        yield lambda: running[-1] if running else ""
    finally:
        for handle in handles:
            handle.remove()


def captured_attention(network: nn.Module, clip: Tensor) -> tuple[Any, list[Attended]]:
    """Run a network and return what it gives, with the weights of every attention in the order in which they ran.

    Args:
        network: any module; its weights and its code stay as they are.
        clip: what it is called with.

    Raises:
        UnsupportedModel: no attention ran.
    """
    with _names_of(network) as where, torch.no_grad():
        capture = _Capture(where)
        with capture:
            given = network(clip)
    if not capture.found:
        name = getattr(network, "preset", "") or type(network).__name__
        raise UnsupportedModel(f"{name} has no attention to show; kind='saliency' shows what moves its answer.")
    return given, capture.found


@dataclass(frozen=True)
class AttentionMaps:
    """Where an encoder looks."""

    space: Tensor
    """float (t, h, w), sum 1: how much of the answer comes from each token, by rollout through all layers."""
    time: Tensor
    """float (t, t), rows sum to 1: how much step i takes from step j, by rollout, summed over places."""
    layers: Tensor
    """float (L, t, h, w), each of sum 1: what the class token (without one: the mean of all tokens) looks at in each
    layer whose attention reaches over places."""
    names: tuple[str, ...]
    """Of these layers."""


def attention_maps(encoder: VideoEncoder, frames: Tensor) -> AttentionMaps:
    """Return where an encoder looks in one clip.

    For encoders whose tokens stay on one grid: TimeSformer, ViViT, VideoMAE, V-JEPA 2. Attention along time and within
    frames is laid out as attention between all tokens, so that rollout goes through both.

    Args:
        frames: (1, T, C, H, W), as the encoder takes them.

    Raises:
        UnsupportedModel: no attention, or one whose tokens are pooled or windowed (MViT, Swin); `captured_attention`
            gives their weights layer by layer.
    """
    given, found = captured_attention(encoder, frames)
    assert isinstance(given, Features)
    t, h, w = given.grid
    name = encoder.preset or type(encoder).__name__
    if t * h * w > MAX_TOKENS:
        raise UnsupportedModel(f"{name} has {t * h * w} tokens; attention between more than {MAX_TOKENS} is not laid "
                               "out. Take a preset with fewer or smaller frames.")
    layout = _Layout(t, h * w, found, name)
    size = layout.size
    mixed, layers, names = torch.eye(size), [], []
    for one, full, over_places in layout.steps():
        mixed = (0.5 * full + 0.5 * torch.eye(size)) @ mixed
        if over_places:
            layers.append(layout.of_answer(full).view(t, h, w))
            names.append(one.name)
    within = mixed[1 + t:, 1 + t:].view(t, h * w, t, h * w).sum(3).mean(1)
    return AttentionMaps(space=layout.of_answer(mixed).view(t, h, w), time=within / within.sum(1, keepdim=True),
                         layers=torch.stack(layers), names=tuple(names))


class _Layout:
    """Lays attention over parts of the tokens out as attention between all of them.

    Rows and columns: the class token, one class token for each step (ViViT's factorised encoder, TimeSformer within
    frames), then the tokens of the grid. Tokens that take no part keep to themselves.
    """

    def __init__(self, steps: int, places: int, found: list[Attended], model: str):
        self.t, self.p, self.found = steps, places, found
        self.size = 1 + steps + steps * places
        self.rows = [_rows(one.weights) for one in found]
        self.kinds = [self._kind(one, rows) for one, rows in zip(found, self.rows, strict=True)]
        for one, kind in zip(found, self.kinds, strict=True):
            if not kind:
                raise UnsupportedModel(
                    f"{model} pools or windows its tokens in {one.name}, so its attention cannot be laid over the "
                    "frames; TimeSformer, ViViT, VideoMAE and V-JEPA 2 keep theirs.")
        widths = {kind: rows.shape[-1] for kind, rows in zip(self.kinds, self.rows, strict=True)}
        framed = widths.get("frame", self.p) > self.p
        self.one_class = widths.get("all", 0) > self.t * self.p or "steps" in widths or (framed and "time" in widths)
        """Whether the answer is read from one class token for the whole clip."""
        self.class_a_step = framed and not (framed and "time" in widths)
        """Whether every step has a class token of its own; with divided attention each frame sees a copy of one."""

    def _kind(self, one: Attended, rows: Tensor) -> str:
        """Tell which tokens attend to which: "all", "frame", "time" or "steps"; empty where it is none of these."""
        count, n, m = rows.shape
        t, p = self.t, self.p
        timed = "time" in one.name or "temporal" in one.name
        if n != m:
            return ""
        if count == 1 and n in (t * p, t * p + 1) and not timed:
            return "all"
        if count == t and n in (p, p + 1) and not (timed and n == t):
            return "frame"
        if count == p and n == t:
            return "time"
        return "steps" if count == 1 and n == t + 1 else ""

    def steps(self) -> Iterator[tuple[Attended, Tensor, bool]]:
        """Yield the attention between all tokens (rows sum to 1) of each step of the network, in order, and whether it
        reaches over places; heads of one module that look along time and within frames side by side are one step."""
        at = 0
        while at < len(self.found):
            full, over = self._full(self.kinds[at], self.rows[at]), self.kinds[at] in ("all", "frame")
            pair = at + 1 < len(self.found) and self.found[at].weights.ndim == self.found[at + 1].weights.ndim == 5
            if pair and self.found[at].name == self.found[at + 1].name:
                full = (full + self._full(self.kinds[at + 1], self.rows[at + 1])) / 2
                at += 1
            yield self.found[at], full, over or pair
            at += 1

    def _full(self, kind: str, rows: Tensor) -> Tensor:
        t, p = self.t, self.p
        whole = torch.eye(self.size)
        grid = torch.eye(t * p).view(t, p, t, p)
        extra = rows.shape[-1] - p if kind == "frame" else 0
        if kind == "all":
            extra = rows.shape[-1] - t * p
            grid = rows[0, extra:, extra:].reshape(t, p, t, p)
            if extra:
                whole[0, 0] = rows[0, 0, 0]
                whole[0, 1 + t:], whole[1 + t:, 0] = rows[0, 0, 1:], rows[0, 1:, 0]
        elif kind == "time":
            grid = torch.zeros(t, p, t, p)
            for place in range(p):
                grid[:, place, :, place] = rows[place]
        elif kind == "steps":
            whole[:1 + t, :1 + t] = rows[0]
        else:
            grid = torch.zeros(t, p, t, p)
            for step in range(t):
                grid[step, :, step] = rows[step, extra:, extra:]
            if extra:
                self._class_of_frames(whole, rows)
        whole[1 + t:, 1 + t:] = grid.reshape(t * p, t * p)
        return whole

    def _class_of_frames(self, whole: Tensor, rows: Tensor) -> None:
        """Fill in what each frame's class token takes and gives."""
        t, p = self.t, self.p
        if not self.class_a_step:
            whole[0, 0] = rows[:, 0, 0].mean()
        for step in range(t):
            own = slice(1 + t + step * p, 1 + t + (step + 1) * p)
            column = 1 + step if self.class_a_step else 0
            whole[own, column] = rows[step, 1:, 0]
            if self.class_a_step:
                whole[column, column], whole[column, own] = rows[step, 0, 0], rows[step, 0, 1:]
            else:  # every frame has a copy, and the answer takes their mean
                whole[0, own] = rows[step, 0, 1:] / t

    def of_answer(self, full: Tensor) -> Tensor:
        """Return what the pooled vector takes from each token of the grid, (N,) of sum 1."""
        t = self.t
        row = full[0] if self.one_class else full[1:1 + t].mean(0) if self.class_a_step else full[1 + t:].mean(0)
        if self.one_class and self.class_a_step and not bool(row[1 + t:].any()):
            row = full[1:1 + t].mean(0)  # a layer within frames, where the class token of the clip is not there yet
        return row[1 + t:] / row[1 + t:].sum().clamp_min(1e-12)


def _rows(weights: Tensor) -> Tensor:
    """Return weights (rows, N, M), averaged over heads, of (B, heads, N, M) or (B, heads, rows, N, M)."""
    mean = weights.mean(1)
    return mean.flatten(0, -3).cpu()


__all__ = ["Attended", "AttentionMaps", "attention_maps", "captured_attention"]
