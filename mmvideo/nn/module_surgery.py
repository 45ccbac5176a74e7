"""Putting a part behind a named part of a finished network, in place, without changing any other name."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from mmvideo.errors import InvalidInput, UnknownName


def insert_after(network: nn.Module, name: str, key: str, part: nn.Module) -> None:
    """Let `part` change what the part called `name` returns; it becomes that part's child `key`.

    All other names stay, so that checkpoints of the network's own parts still fit.

    Raises:
        UnknownName: the network has no part of this name (as in `named_modules`).
        InvalidInput: the part has a child `key` already.
    """
    parts = dict(network.named_modules())
    if name not in parts:
        raise UnknownName(f"part of {type(network).__name__}", name, parts)
    if hasattr(parts[name], key):
        raise InvalidInput(f"{name} has a child {key!r} already.")
    parts[name].add_module(key, part)
    if type(parts[name]).forward is not nn.Sequential.forward:  # a plain sequence runs its new last child by itself
        parts[name].register_forward_hook(partial(_then, key))


def _then(key: str, parent: nn.Module, _: tuple, output: Tensor) -> Tensor:
    return getattr(parent, key)(output)
