"""Networks that a time limit can stop between their blocks: one pass of a large model may take minutes on a CPU."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import nn

from mmvideo.deadline import check

Network = TypeVar("Network", bound=nn.Module)


def interruptible(network: Network) -> Network:
    """Look at the time limit (`mmvideo.deadline`) before every block; return the network itself.

    Blocks are the members of every `ModuleList` and `Sequential` that have parts of their own, so that single layers
    cost nothing. Weights and names stay as they are.
    """
    rows = [part for part in network.modules() if isinstance(part, nn.ModuleList | nn.Sequential)]
    for block in (block for row in rows for block in row):
        if next(block.children(), None) is not None and _stop not in block._forward_pre_hooks.values():
            block.register_forward_pre_hook(_stop)
    return network


def _stop(block: nn.Module, given: Any) -> None:
    check()


__all__ = ["interruptible"]
