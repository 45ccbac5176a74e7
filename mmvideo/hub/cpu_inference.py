"""Make a model of transformers fast on this machine's processor, at the same precision.

Which way is fastest is measured for the shapes at hand and remembered (`mmvideo.nn.autotune`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mmvideo.nn import autotune, onednn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "mmvideo-onednn"
_FEWEST_SCORES = 128 * 128
"""Fewer of them go through torch's own kernel without being measured."""


def hastened(model: PreTrainedModel, *, attention: bool) -> PreTrainedModel:
    """Let a model on the CPU use the fastest kernels; models elsewhere stay as they are.

    Linear layers are packed for oneDNN where that is faster, and attention of the part that sees takes the faster of
    torch's way and ours.

    Args:
        model: of transformers, for inference.
        attention: whether that of the part that sees too; for models whose kind of attention nobody chose. Only what
            has no mask is changed.
    """
    if model.device.type != "cpu" or not onednn.precise(model.dtype):
        return model
    onednn.pack_linears(model)
    if autotune.plain_only():
        return model
    for layer in model.modules():  # patches come out in the order in which the layers after them read
        if type(layer) is nn.Conv2d and layer.kernel_size == layer.stride and layer.groups == 1:
            layer.to(memory_format=torch.channels_last)
    eyes = getattr(model.config, "vision_config", model.config)
    if attention and getattr(eyes, "_attn_implementation", None) == "sdpa":
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask

        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME if eyes is model.config else {"vision_config": NAME})
    return model


def attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None,
           dropout: float = 0.0, scaling: float | None = None, **more: Any) -> tuple[Tensor, None]:
    """Attend as transformers' attention functions do: (B, H, N, D) each -> (B, N, H, D), None."""
    causal = more.get("is_causal")
    causal = getattr(module, "is_causal", False) if causal is None else causal
    extras = any(value is not None and value is not False for name, value in more.items() if name != "is_causal")
    plain = attention_mask is None and not dropout and not causal and not extras
    few = query.shape[2] * key.shape[2] < _FEWEST_SCORES
    if not plain or few or torch.is_grad_enabled() or key.shape[1] != query.shape[1] or (
            query.device.type != "cpu" or query.dtype not in (torch.float32, torch.bfloat16)):
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling,
                                      **more)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    attention = _WAYS[_fastest(query, key, value, scale)]
    return attention(query, key, value, scale).transpose(1, 2), None


def _torch_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    return nn.functional.scaled_dot_product_attention(query, key, value, scale=scale)


_WAYS = {autotune.PLAIN: _torch_attention, "by-head": onednn.attention}
"""(query, key, value, scale) -> (B, H, N, D)."""


def _fastest(query: Tensor, key: Tensor, value: Tensor, scale: float) -> str:
    """Name the faster way for tensors of this size, measured on the first of the batch."""
    one = query[:1], key[:1], value[:1], scale
    shape = (str(query.dtype).removeprefix("torch."), *one[0].shape[1:], key.shape[2])
    return autotune.fastest("attention", shape, {name: partial(way, *one) for name, way in _WAYS.items()})


__all__ = ["NAME", "attend", "hastened"]
