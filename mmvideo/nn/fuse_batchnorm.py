"""Batch normalisation folded into the convolution before it: the same function, fewer passes over memory."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mmvideo.errors import InvalidInput
from mmvideo.nn.flat_conv import FlatConv3d

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, FlatConv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@torch.no_grad()
def fuse(network: nn.Module, *inputs: torch.Tensor) -> int:
    """Fold every batch normalisation into the convolution that alone feeds it, in place; in evaluation mode.

    What feeds what is not guessed from names: the network runs once, and a normalisation is folded only if what it
    reads is what a plain convolution has just given and no other module reads that.

    Args:
        network: any network; a normalisation without such a convolution stays.
        inputs: of a run of it. Those on the meta device are for a copy that runs on shapes alone: right for a network
            whose run is long, while for others it costs more, as torch then imports its compiler.

    Returns:
        How many were folded.

    Raises:
        InvalidInput: the network is in training mode.
    """
    if network.training:
        raise InvalidInput("fuse needs evaluation mode; call eval() of the network first.")
    shapes_alone = any(x.device.type == "meta" for x in inputs)
    pairs = _pairs(copy.deepcopy(network).to("meta") if shapes_alone else network, list(inputs))
    for conv_name, norm_name in pairs:
        conv = fuse_conv_bn_eval(network.get_submodule(conv_name), network.get_submodule(norm_name))
        network.set_submodule(conv_name, conv)
        network.set_submodule(norm_name, nn.Identity())
    return len(pairs)


def _pairs(network: nn.Module, inputs: list[torch.Tensor]) -> list[tuple[str, str]]:
    """Return the names of convolutions and of the normalisations that alone read them."""
    names = {module: name for name, module in network.named_modules()}
    made: dict[int, nn.Module] = {}
    readers: dict[nn.Module, set[nn.Module]] = {}
    sources: dict[nn.Module, set[nn.Module | None]] = {}
    kept: list[torch.Tensor] = []  # so that no address is given twice

    def note(module: nn.Module, args: tuple, output: object) -> None:
        source = made.get(id(args[0])) if args else None
        if source is not None:
            readers.setdefault(source, set()).add(module)
        if isinstance(module, NORMS):
            sources.setdefault(module, set()).add(source)
        if type(module) in CONVOLUTIONS:
            made[id(output)] = module
            kept.append(output)

    hooks = [m.register_forward_hook(note) for m in network.modules() if not list(m.children())]
    network(*inputs)
    for hook in hooks:
        hook.remove()
    return [(names[conv], names[norm]) for norm, found in sources.items()
            for conv in found if len(found) == 1 and conv is not None and readers[conv] == {norm}]
