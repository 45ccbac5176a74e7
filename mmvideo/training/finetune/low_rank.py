"""Low-rank adaptation (LoRA, https://arxiv.org/abs/2106.09685) of an encoder's linear layers, by PEFT."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.errors import InvalidInput, MissingExtra

ALPHA = 2
"""LoRA's alpha as a multiple of the rank: the change is scaled by alpha over rank."""


def add_low_rank(encoder: Any, rank: int, filled: set[str], clips: Tensor) -> list[str]:
    """Freeze what pretrained weights fill and add low-rank changes to its linear layers; the rest goes on learning.

    Args:
        encoder: of the zoo; changed in place.
        rank: of the changes.
        filled: names of the parameters that pretrained weights filled.
        clips: uint8 (B, T, 3, H, W), to see which layers are called.

    Returns:
        Names of the layers that were changed.

    Raises:
        InvalidInput: nothing was filled, or no linear layer was.
        MissingExtra: PEFT is absent.
    """
    if not filled:
        raise InvalidInput("--lora changes pretrained weights, and there are none: give --pretrained a run, a model of "
                           "the hub or a checkpoint file.")
    layers = linear_layers(encoder, filled, clips)
    if not layers:
        raise InvalidInput(f"--lora changes linear layers, and pretrained weights fill none of "
                           f"{type(encoder).__name__}; choose a transformer, or use --freeze.")
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtra("peft", "hub", "--lora") from error
    learning = [name for name, parameter in encoder.named_parameters()
                if name not in filled and parameter.requires_grad]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=ALPHA * rank, target_modules=layers), encoder)
    own = dict(encoder.named_parameters())
    for name in learning:
        own[name].requires_grad_(True)
    return layers


@torch.no_grad()
def linear_layers(encoder: Any, filled: set[str], clips: Tensor) -> list[str]:
    """Return the names of the linear layers that pretrained weights fill and that are called.

    Some attention layers (`nn.MultiheadAttention`, torchvision's Swin) read the weights of a layer without calling it;
    a change of it would have no effect.
    """
    called: set[str] = set()
    layers = {name: part for name, part in encoder.named_modules()
              if isinstance(part, nn.Linear) and f"{name}.weight" in filled}
    hooks = [part.register_forward_pre_hook(lambda _, __, name=name: called.add(name)) for name, part in layers.items()]
    training = encoder.training
    encoder.eval()
    encoder.logits(clips)
    encoder.train(training)
    for hook in hooks:
        hook.remove()
    return [name for name in layers if name in called]


def merge_low_rank(encoder: nn.Module) -> None:
    """Add low-rank changes to the weights that they change; the encoder then has the layers that it had before."""
    from peft.tuners.lora import LoraLayer

    changed = [(name, part) for name, part in encoder.named_modules() if isinstance(part, LoraLayer)]
    for name, part in changed:
        part.merge()
        parent, _, last = name.rpartition(".")
        setattr(encoder.get_submodule(parent), last, part.get_base_layer())


__all__ = ["add_low_rank", "linear_layers", "merge_low_rank"]
