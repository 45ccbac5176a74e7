"""How much of a clip a token can depend on, found by running the network on intervals instead of values.

Beside every tensor goes, for one axis of the input, the interval of input positions that each of its values depends on:
a convolution or a pooling joins the intervals under its kernel, a sum joins those of its terms, attention those of all
its keys. Padding goes on in step with the values inside, so that the answer does not depend on the clip's size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

INF = float("inf")
MOVES = {"view", "_unsafe_view", "reshape", "permute", "transpose", "t", "unsqueeze", "squeeze", "expand", "select",
         "slice", "split", "split_with_sizes", "unbind", "cat", "stack", "clone", "detach", "alias", "repeat", "flip",
         "roll", "copy_", "index_select", "_reshape_alias"}
"""Operations that move values without mixing them: they are done to the intervals as they are."""
FACTORIES = {"zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones", "new_empty", "new_full"}
POOLS = {"max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d", "avg_pool3d"}
REDUCES = {"mean", "sum", "amax", "amin", "_softmax", "_log_softmax", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d"}
ATTENDS = ("_scaled_dot_product", "scaled_dot_product")
Pair = tuple[Tensor, Tensor]
"""The first position, and minus the last one, of every value's interval: both are joined by the minimum."""


@dataclass(frozen=True)
class Reach:
    """The interval of one input axis that the centre token depends on."""

    first: float
    last: float
    everything: bool
    """Whether every token sees the whole axis."""

    @property
    def size(self) -> int:
        """Positions in the interval; it may be longer than the clip."""
        return round(self.last - self.first) + 1


def reach(run: Callable[[Tensor], Tensor], clip: Tensor, axis: int, grid: tuple[int, ...], along: int) -> Reach | None:
    """Return what the centre token depends on along one axis of a clip; None where that is not defined.

    Args:
        run: clip -> tokens (1, N, D), N the product of the grid (further tokens are left out); on the meta device.
        clip: on the meta device.
        axis: of the clip.
        grid: of the tokens.
        along: which side of the grid lies along the axis.
    """
    length = clip.shape[axis]
    shape = [1] * clip.ndim
    shape[axis] = length
    position = torch.arange(length, dtype=torch.float32, device="cpu").view(shape).expand(clip.shape)
    tracker = _Tracker()
    tracker.known[clip] = (position, -position)
    try:
        with torch.no_grad(), tracker:
            tokens = run(clip)
    except _UntrackedError:
        return None
    if tokens not in tracker.known:
        return None
    num = 1
    for n in grid:
        num *= n
    firsts, lasts = (part[0, :num].amin(-1).view(grid) for part in tracker.known[tokens])
    centre = tuple(n // 2 for n in grid)
    first, last = float(firsts[centre]), -float(lasts[centre])
    if first == INF:
        return None
    # Padding lets intervals go beyond the clip; what sees everything sees the same from every token.
    alike = bool((firsts == first).all() and (lasts == -last).all())
    covers = first <= 0 and last >= length - 1
    everything = alike and (covers if grid[along] > 1 else (first, last) == (0, length - 1))
    return Reach(first, last, everything)


class _UntrackedError(Exception):
    """An operation that no rule covers."""


class _Tracker(TorchDispatchMode):
    """Computes the intervals of every result."""

    def __init__(self) -> None:
        super().__init__()
        self.known: Any = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        held = [x for x in _tensors(args) if x in self.known]
        if name in MOVES and (held or name == "slice" or name == "select"):
            self._move(func, args, kwargs or {}, out, name)
        elif held and name not in FACTORIES:
            first = out[0] if isinstance(out, tuple | list) else out
            if isinstance(first, Tensor):
                # Above, `args` of rules are as in the ATen schemas.
                self.known[first] = self._rule(name, args, first, held)
        return out

    def _move(self, func: Any, args: tuple, kwargs: dict, out: Any, name: str) -> None:
        """Do to the intervals what is done to the values; views stay views, so that writing into them is seen."""
        if name == "copy_":
            for side in (0, 1):
                _write(self._of(args[0], side), self._of(args[1], side))
            return
        moved = []
        for side in (0, 1):
            own = [self._of(x, side) for x in _tensors(args)]
            # Expanded intervals cannot always be viewed in another shape, only copied into it.
            moved.append(own[0].reshape(out.shape) if "view" in name else func(*_replaced(args, iter(own)), **kwargs))
        outs = out if isinstance(out, tuple | list) else [out]
        lows, highs = (m if isinstance(m, tuple | list) else [m] for m in moved)
        for tensor, low, high in zip(outs, lows, highs, strict=True):
            self.known[tensor] = (low, high)

    def _of(self, x: Tensor, side: int) -> Tensor:
        if x not in self.known:
            self.known[x] = tuple(torch.full(x.shape, INF, device="cpu") for _ in range(2))
        return self.known[x][side]

    def _rule(self, name: str, args: tuple, out: Tensor, held: list[Tensor]) -> Pair:
        pairs = [self.known[x] for x in held]
        return tuple(_joined(name, args, out, held, [pair[side] for pair in pairs]) for side in (0, 1))


def _joined(name: str, args: tuple, out: Tensor, held: list[Tensor], parts: list[Tensor]) -> Tensor:
    """Return one side of the intervals of a result from those of its tracked arguments."""
    x = parts[0]
    if name == "convolution" or name in POOLS:
        return _window(name, args, out, x)
    if name == "constant_pad_nd":
        for i, before in enumerate(args[1][::2]):
            dim = x.ndim - 1 - i
            x = _at(x, dim, torch.arange(out.shape[dim], device="cpu") - before)
        return x
    if name in {"mm", "addmm", "bmm", "baddbmm"}:
        left, right = args[-2:]
        found = [p.amin(-1, keepdim=True) for t, p in zip(held, parts, strict=True) if t is left]
        # Of two activations: attention, which a softmax over all keys follows.
        dims = (-2, -1) if found else (-2,)
        found += [p.amin(dims, keepdim=True) for t, p in zip(held, parts, strict=True) if t is right]
        return _minimum(found or [x.amin()], out.shape)
    if name.startswith(ATTENDS):
        found = [p.amin(-1, keepdim=True) if t is args[0] else p.amin((-2, -1), keepdim=True)
                 for t, p in zip(held, parts, strict=True)]
        return _minimum(found, out.shape)
    if name in REDUCES:
        return _reduced(name, args, out, x)
    if name == "native_layer_norm":
        return _minimum([x.amin(tuple(range(-len(args[1]), 0)), keepdim=True)], out.shape)
    if name == "cumsum":
        return torch.cummin(x, args[1])[0]
    if name in {"native_group_norm", "index", "gather"}:
        return x.amin().expand(out.shape)
    return _minimum(parts, out.shape)


def _minimum(parts: list[Tensor], shape: torch.Size) -> Tensor:
    """Join intervals value by value; dimensions along which none changes take no memory."""
    try:
        small = [_compact(p) for p in parts]
        found = small[0]
        for p in small[1:]:
            found = torch.minimum(found, p)
        return found.expand(shape)
    except RuntimeError as error:
        raise _UntrackedError from error


def _write(target: Tensor, source: Tensor) -> None:
    """Write into intervals in place; where many values share one, it is widened."""
    small, source = _compact(target), source.expand(target.shape)
    shared = tuple(d for d in range(target.ndim) if small.shape[d] != target.shape[d])
    small.copy_(torch.minimum(small, source.amin(shared, keepdim=True)) if shared else source)


def _compact(x: Tensor) -> Tensor:
    for dim in range(x.ndim):
        if x.stride(dim) == 0 and x.shape[dim] > 1:
            x = x.narrow(dim, 0, 1)
    return x


def _reduced(name: str, args: tuple, out: Tensor, x: Tensor) -> Tensor:
    if "softmax" in name:
        return _minimum([x.amin(args[1], keepdim=True)], out.shape)
    if "adaptive" in name:
        if any(n != 1 for n in args[1]):
            raise _UntrackedError
        return _minimum([x.amin(tuple(range(-len(args[1]), 0)), keepdim=True)], out.shape)
    dims = args[1] if len(args) > 1 and args[1] not in (None, []) else list(range(x.ndim))
    dims = [dims] if isinstance(dims, int) else dims
    keep = bool(args[2]) if len(args) > 2 else False
    return x.amin(tuple(dims), keepdim=keep)


def _window(name: str, args: tuple, out: Tensor, x: Tensor) -> Tensor:
    """Join the intervals under the kernel of a convolution or pooling."""
    if name == "convolution":
        if args[6]:  # transposed
            raise _UntrackedError
        size, strides, paddings, dilations = args[1].shape[2:], args[3], args[4], args[5]
        x = _minimum([_compact(x).amin(1, keepdim=True)], (x.shape[0], 1, *x.shape[2:]))
    else:
        size = args[1]
        strides = args[2] if len(args) > 2 and len(args[2]) else size
        paddings = args[3] if len(args) > 3 else [0]
        dilations = args[4] if len(args) > 4 and name.startswith("max") else [1]
    rank = out.ndim - 2 if name == "convolution" else len(size)

    def of(values: Any, i: int) -> int:
        return values[i] if len(values) > 1 else values[0]

    for i in range(rank):
        dim = out.ndim - rank + i
        start = torch.arange(out.shape[dim], device="cpu") * of(strides, i) - of(paddings, i)
        taps = [_at(x, dim, start + k * of(dilations, i)) for k in range(of(size, i))]
        shape = list(x.shape)
        shape[dim] = out.shape[dim]
        x = _minimum(taps, torch.Size(shape))
    return _minimum([x], out.shape)


def _at(x: Tensor, dim: int, where: Tensor) -> Tensor:
    """Take positions along a dimension; those outside go on in equal steps."""
    length = x.shape[dim]
    shape = list(x.shape)
    shape[dim] = len(where)
    if length == 1 or x.stride(dim) == 0:
        return x.narrow(dim, 0, 1).expand(shape)
    inside = where.clamp(0, length - 1)
    x = _compact(x)
    taken = x.index_select(dim, inside)
    before = (x.narrow(dim, 1, 1) - x.narrow(dim, 0, 1)).nan_to_num(0.0, 0.0, 0.0)
    after = (x.narrow(dim, length - 1, 1) - x.narrow(dim, length - 2, 1)).nan_to_num(0.0, 0.0, 0.0)
    line = [1] * x.ndim
    line[dim] = len(where)
    beyond = (where - inside).view(line)
    return (taken + beyond.clamp(max=0) * before + beyond.clamp(min=0) * after).expand(shape)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [x for item in value for x in _tensors(item)] if isinstance(value, tuple | list) else []


def _replaced(value: Any, new: Any) -> Any:
    """Put other tensors in the places of the tensors of nested arguments."""
    if isinstance(value, Tensor):
        return next(new)
    return type(value)(_replaced(item, new) for item in value) if isinstance(value, tuple | list) else value
