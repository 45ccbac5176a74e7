"""How far the layers of an encoder see: the exact receptive field after each, found on intervals of positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.preset import Input
from mmvideo.errors import UnsupportedModel
from mmvideo.nn.costs import shapes_only
from mmvideo.nn.receptive_field import reach

MAX_LAYERS = 24


@dataclass(frozen=True)
class LayerReach:
    """What the centre of a layer's output depends on."""

    name: str
    """Of the module, as `named_modules` has it."""
    frames: int | None
    """Frames of the clip, padding included; None where it sees the whole clip."""
    pixels: int | None
    """Pixels along the width; None where it sees the whole frame."""
    shape: tuple[int, ...]
    """Of the output: (t, h, w)."""


class _Reached(Exception):
    def __init__(self, out: Tensor):
        super().__init__()
        self.out = out


def layer_reaches(preset: str, *, max_layers: int = MAX_LAYERS) -> list[LayerReach]:
    """Return how the receptive field of a preset grows, layer by layer, in the order in which they run.

    Shapes alone are computed, so a network of any size takes a second a layer at most.

    Args:
        max_layers: about how many layers are looked at; the coarsest blocks with a map (B, D, t, h, w), one map a
            frame, or tokens of the encoder's grid are taken.

    Raises:
        UnknownName: no such preset.
        UnsupportedModel: no layer has a map.
    """
    with shapes_only():
        network = zoo.create(preset, num_classes=0).eval()
        i = network.input
        assert isinstance(network, VideoEncoder)
        assert isinstance(i, Input)
        clip = torch.empty(1, i.num_frames, len(i.mean), i.height, i.width)
    grid = network(clip).grid
    order = _layers(network, clip, grid)
    step = max(1, -(-len(order) // max_layers))
    chosen = [*order[::step], *([order[-1]] if order and (len(order) - 1) % step else [])]
    found = [LayerReach(name, *_both(network, network.get_submodule(name), clip, shape), shape)
             for name, shape in chosen]
    if not found:
        raise UnsupportedModel(f"{preset} has no layer whose output is a map over the frames.")
    return found


def _layers(network: nn.Module, clip: Tensor, grid: tuple[int, int, int]) -> list[tuple[str, tuple[int, ...]]]:
    """Return the blocks whose output is a map, none within another, in the order in which they end."""
    seen: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str, out: Any) -> None:
        shape = _map_shape(out, grid, clip.shape[1])
        if shape is not None:
            seen.append((name, shape))

    modules = [(name, module) for name, module in network.named_modules() if name]
    handles = [module.register_forward_hook(lambda _m, _i, out, name=name: note(name, out)) for name, module in modules]
    try:
        network(clip)
    finally:
        for handle in handles:
            handle.remove()
    once = {name for name, _ in seen if sum(other == name for other, _ in seen) == 1}
    blocks = [(name, shape) for name, shape in seen if name in once]
    lists = {name for name, module in modules if isinstance(module, nn.ModuleList | nn.Sequential)}

    def is_inner(name: str) -> bool:
        """Whether a module lies in another that was seen and that is more than a row of blocks."""
        parts = name.split(".")
        above = (".".join(parts[:k]) for k in range(1, len(parts)))
        return any(parent in once and parent not in lists for parent in above)

    kept = [(name, shape) for name, shape in blocks if not is_inner(name)]
    names = [name for name, _ in kept]
    return [(name, shape) for name, shape in kept
            if not (name in lists and any(other.startswith(f"{name}.") for other in names))]


def _map_shape(out: Any, grid: tuple[int, int, int], num_frames: int) -> tuple[int, ...] | None:
    if not isinstance(out, Tensor):
        return None
    if out.ndim == 5:
        return tuple(out.shape[2:])
    if out.ndim == 4 and out.shape[0] == num_frames:
        return (num_frames, *out.shape[2:])
    n = grid[0] * grid[1] * grid[2]
    return grid if out.ndim == 3 and out.shape[0] == 1 and out.shape[1] in (n, n + 1) else None


def _both(network: nn.Module, module: nn.Module, clip: Tensor, shape: tuple[int, ...]) -> tuple[int | None, int | None]:
    """Return the frames and pixels that a module's output depends on."""
    found: list[int | None] = []

    def stop(_module: nn.Module, _given: Any, out: Tensor) -> None:
        raise _Reached(out)

    def run(given: Tensor) -> Tensor:
        handle = module.register_forward_hook(stop)
        try:
            network(given)
        except _Reached as reached:
            return _tokens(reached.out, shape)
        finally:
            handle.remove()
        raise AssertionError("the layer ran when its shape was taken")

    for axis, along in ((1, 0), (4, 2)):
        seen = reach(run, clip, axis, shape, along)
        found.append(None if seen is None or seen.everything else seen.size)
    return found[0], found[1]


def _tokens(out: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Lay an output out as (1, N, D), tokens of the grid first."""
    if out.ndim == 5:
        return out.flatten(2).transpose(1, 2)
    if out.ndim == 4:
        return out.permute(0, 2, 3, 1).reshape(1, -1, out.shape[1])
    n = shape[0] * shape[1] * shape[2]
    return out.roll(-1, 1) if out.shape[1] > n else out


__all__ = ["LayerReach", "layer_reaches"]
