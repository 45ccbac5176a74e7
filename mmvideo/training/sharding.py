"""Split weights, gradients and the optimizer's memory among processes, layer by layer (torch's fully_shard, FSDP 2).

A layer is gathered when it first runs in a step and let go after the backward pass: it runs several times in a step,
and keys and values carry gradients past its output, so it cannot be let go sooner. What is no layer (embeddings, norms,
heads) stays whole in every process: losses here call such parts by themselves. Accelerate's own way wraps one model
whose forward is called, and on CPUs makes whole copies without a word; so its configuration only says that weights are
to be split.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

LISTS = ("layers", "layer", "blocks")
"""Names of the lists that hold a network's layers."""
_WANTED = "ACCELERATE_USE_FSDP"


@contextmanager
def fsdp_requested() -> Iterator[bool]:
    """Say whether `accelerate launch` was told to use FSDP, and keep Accelerate from wrapping anything itself."""
    asked = os.environ.get(_WANTED)
    os.environ[_WANTED] = "false"
    try:
        yield (asked or "").lower() == "true"
    finally:
        del os.environ[_WANTED]
        if asked is not None:
            os.environ[_WANTED] = asked


def shard(modules: nn.Module, accelerator: Accelerator) -> None:
    """Split the layers of modules among all processes, in place; every process must hold the same weights."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    modules.to(accelerator.device)
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for name, child in modules.named_modules():
        if isinstance(child, nn.ModuleList) and name.rpartition(".")[2] in LISTS:
            for layer in child:
                fully_shard(layer, mesh=mesh, reshard_after_forward=False).set_reshard_after_backward(False)


def release(modules: nn.Module) -> None:
    """Let go of the layers that were gathered, so that weights and gradients are the split ones again."""
    from torch.distributed.fsdp import FSDPModule

    for module in modules.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def local_part(tensor: Tensor) -> Tensor:
    """Return the part of a tensor that this process holds."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def gather_tree(tree: Any) -> Any:
    """Gather every split tensor in nested dictionaries and lists; all processes must call this."""
    if isinstance(tree, DTensor):
        return tree.full_tensor()
    if isinstance(tree, Mapping):
        return {key: gather_tree(value) for key, value in tree.items()}
    return [gather_tree(value) for value in tree] if isinstance(tree, list) else tree


def split_as(value: Tensor, like: Tensor) -> Tensor:
    """Return a whole tensor split as another one of its shape is."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value, like.device_mesh, like.placements)


def split_state(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the saved state of an optimizer, split as its parameters are."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    kept = {number: {name: split_as(value, params[number]) for name, value in of_one.items()}
            for number, of_one in state["state"].items()}
    return {**state, "state": kept}


def clip(parameters: Iterable[nn.Parameter], largest: float, accelerator: Accelerator) -> None:
    """Scale the gradients down to a norm over all of them, split or whole."""
    grads = [p.grad for p in parameters if p.grad is not None]
    mine = [local_part(g) for g in grads if isinstance(g, DTensor)]
    same = [g for g in grads if not isinstance(g, DTensor)]
    zero = torch.zeros((), device=accelerator.device)
    square = accelerator.reduce(sum((g.float().square().sum() for g in mine), zero), reduction="sum")
    norm = (square + sum((g.float().square().sum() for g in same), zero)).sqrt()
    for grad in (*mine, *same):
        grad.mul_((largest / (norm + 1e-6)).clamp(max=1.0))


def gather_weights(modules: nn.Module) -> None:
    """Make every split weight whole again, in place, so that the modules can be saved; they are not run after this."""
    for module in modules.modules():
        for name, p in module.named_parameters(recurse=False):
            if isinstance(p, DTensor):
                module._parameters[name] = nn.Parameter(p.detach().full_tensor(), requires_grad=p.requires_grad)


def wait_for_ranks() -> None:
    """Wait until every process of a launched training is here: the first one holds the store that the others use."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


__all__ = [
    "clip",
    "fsdp_requested",
    "gather_tree",
    "gather_weights",
    "local_part",
    "release",
    "shard",
    "split_as",
    "split_state",
    "wait_for_ranks",
]
