"""Make a classifier of transformers fast on this machine, at the same precision."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmvideo.nn import onednn

NAME = "mmvideo-onednn"


def hastened(model: nn.Module, *, attention: bool) -> nn.Module:
    """Send the float32 products of a model on the CPU through oneDNN; others stay as they are.

    Args:
        model: of transformers, for inference.
        attention: whether its attention too; for models without masks whose kind of attention nobody chose.
    """
    if model.dtype != torch.float32 or model.device.type != "cpu" or not onednn.available():
        return model
    onednn.pack(model)
    if attention and getattr(model.config, "_attn_implementation", None) == "sdpa":
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask

        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)
    return model


def attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None,
           dropout: float = 0.0, scaling: float | None = None, **more: Any) -> tuple[Tensor, None]:
    """Attend as transformers' attention functions do: (B, H, N, D) each -> (B, N, H, D), None."""
    causal = more.get("is_causal")
    causal = getattr(module, "is_causal", False) if causal is None else causal
    extras = any(value is not None and value is not False for name, value in more.items() if name != "is_causal")
    plain = attention_mask is None and not dropout and not causal and not extras
    if not plain or query.dtype != torch.float32 or torch.is_grad_enabled() or key.shape[1] != query.shape[1]:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling,
                                      **more)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return onednn.attention(query, key, value, scale).transpose(1, 2), None


__all__ = ["NAME", "attend", "hastened"]
