"""Whether clips fit into a device's memory beside a chat model, reckoned before the model runs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mmvideo.errors import OutOfMemory

_LONGEST_REPLY = 256
"""Tokens of a reply where neither recipe nor caller sets its length."""
_ACTIVATIONS = 6
"""Tensors of the width of the language model that live at once in a layer, beside those of its MLP."""


@dataclass(frozen=True)
class MemoryNeed:
    """What one batch takes beside the weights."""

    tokens: int
    """Of the longest row, prompt and reply."""
    rows: int
    cache_bytes: int
    """Keys and values of all layers."""
    activation_bytes: int
    """What one layer and the last logits hold at once."""

    @property
    def num_bytes(self) -> int:
        """All of it."""
        return self.cache_bytes + self.activation_bytes

    def __str__(self) -> str:
        return (f"{self.rows} x {self.tokens} tokens need {_size(self.num_bytes)} (keys and values "
                f"{_size(self.cache_bytes)}, activations {_size(self.activation_bytes)})")


def memory_need(config: Any, tokens: int, rows: int, item_bytes: int) -> MemoryNeed | None:
    """Return what a language model of transformers needs for a batch; None where its configuration does not tell.

    Args:
        config: of the model, or of its language model.
        tokens: of a row, prompt and reply.
        rows: of the batch.
        item_bytes: of a number.
    """
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    layers, width = getattr(text, "num_hidden_layers", None), getattr(text, "hidden_size", None)
    heads = getattr(text, "num_attention_heads", None)
    if not (isinstance(layers, int) and isinstance(width, int) and isinstance(heads, int)) or not layers or not heads:
        return None
    kept = getattr(text, "num_key_value_heads", None) or heads
    size = getattr(text, "head_dim", None) or width // heads
    inner = getattr(text, "intermediate_size", None) or 4 * width
    inner = inner if isinstance(inner, int) else max(inner)
    cache = 2 * layers * kept * size * tokens * rows * item_bytes
    activations = rows * tokens * (_ACTIVATIONS * width + 3 * inner) * item_bytes
    logits = rows * (getattr(text, "vocab_size", 0) or 0) * 4
    return MemoryNeed(tokens, rows, cache, activations + logits)


def check_batch_fits(tail: Sequence[tuple[str, Any]], fields: Sequence[Mapping[str, Any]], size: int,
              device: torch.device) -> None:
    """Refuse a batch that cannot fit, before anything is computed.

    Args:
        tail: the stages that will run; only chat models of the hub are judged.
        fields: of each clip, with what was prepared for the model.
        size: rows in one forward pass.

    Raises:
        OutOfMemory: with the numbers.
    """
    chat = next((chat for _, stage in tail if (chat := getattr(getattr(stage, "reader", None), "chat", None))), None)
    prompts = [one["prepared"].first for one in fields if hasattr(one.get("prepared"), "first")]
    free = free_memory(device)
    if chat is None or free is None or not prompts or not hasattr(chat.model, "config"):
        return
    replies = max((vars(stage)["max_new_tokens"] or _LONGEST_REPLY for _, stage in tail
                   if "max_new_tokens" in vars(stage)), default=0)
    tokens = max(prompt.tensors["input_ids"].shape[1] for prompt in prompts) + replies
    dtype = getattr(chat.model, "dtype", torch.float32)
    need = memory_need(chat.model.config, tokens, min(size, max(1, len(prompts))), dtype.itemsize)
    if need is not None and need.num_bytes > free:
        raise OutOfMemory(f"{need}, and {_size(free)} of {device} are free.")


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that are free on a device; None where the system does not tell."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    if device.type != "cpu":
        return None
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            found = next((line for line in file if line.startswith("MemAvailable:")), "")
    except OSError:
        return None
    return int(found.split()[1]) * 1024 if found else None


def _size(num_bytes: float) -> str:
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"


__all__ = ["MemoryNeed", "check_batch_fits", "free_memory", "memory_need"]
