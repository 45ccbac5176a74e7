"""A Llama for answering alone: one file of weights and one of tokens, read without importing transformers.

Importing transformers takes longer than everything else that a question from the shell needs, and its forward pass
spends more time between the layers of a small model than in them. The numbers are those of its Llama (Touvron et al.
2023, https://arxiv.org/abs/2302.13971) within rounding.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from mmvideo.errors import WeightsError, contained

_PLAIN = {"model_type": "llama", "hidden_act": "silu", "attention_bias": False, "mlp_bias": False,
          "tie_word_embeddings": True}
_NO_LIMIT = int(1e30)


class LayerStates:
    """Keys and values of every layer, of what was read so far: float (B, H, N, D) each."""

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]]):
        self.layers = list(layers)

    def shared_copy(self) -> LayerStates:
        """Return one that can be added to without changing this."""
        return LayerStates(self.layers)

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Add what is read now; return all."""
        if layer == len(self.layers):
            self.layers.append((keys, values))
        else:
            before = self.layers[layer]
            self.layers[layer] = torch.cat((before[0], keys), 2), torch.cat((before[1], values), 2)
        return self.layers[layer]

    def num_read(self) -> int:
        """Return N."""
        return self.layers[0][0].shape[2] if self.layers else 0

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Give every row `repeats` times."""
        self.layers = [(keys.repeat_interleave(repeats, 0), values.repeat_interleave(repeats, 0))
                       for keys, values in self.layers]

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some rows."""
        self.layers = [(keys[indices], values[indices]) for keys, values in self.layers]


class SmallLlama(nn.Module):
    """A causal model that takes and gives what those of transformers do, as far as conversations here need it.

    Args:
        config: what config.json holds.

    Raises:
        WeightsError: another architecture than a plain Llama with tied embeddings.
    """

    turns: Tensor

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        if not is_plain_llama(config):
            raise WeightsError("config.json describes no plain Llama with tied embeddings.")
        self.config, self.generation_config = SimpleNamespace(**config), SimpleNamespace(
            eos_token_id=config.get("eos_token_id"))
        self.embeddings = nn.Embedding(config["vocab_size"], config["hidden_size"])
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config["num_hidden_layers"]))
        self.norm = nn.RMSNorm(config["hidden_size"], config["rms_norm_eps"])
        half = config["head_dim"] // 2
        rates = config["rope_parameters"]["rope_theta"] ** (-torch.arange(half).float() / half)
        angles = torch.arange(config["max_position_embeddings"]).float()[:, None] * rates  # (N, D / 2)
        self.register_buffer("turns", torch.stack((angles.cos(), angles.sin())), persistent=False)

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.embeddings.weight.device

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the table of token embeddings."""
        return self.embeddings

    def forward(self, input_ids: Tensor | None = None, inputs_embeds: Tensor | None = None,
                attention_mask: Tensor | None = None, position_ids: Tensor | None = None,
                past_key_values: LayerStates | None = None, use_cache: bool = True,
                logits_to_keep: int = 0) -> _Output:
        """Read tokens, int64 (B, L) IDs or float (B, L, D), after what was read.

        Args:
            input_ids: or `inputs_embeds`.
            inputs_embeds: or `input_ids`.
            attention_mask: int64 (B, N + L), 0 for padding; None where there is none.
            position_ids: int64 (B, L); None for those that follow what was read.
            past_key_values: what was read; it is added to.
            use_cache: has no effect.
            logits_to_keep: last tokens whose logits are given; 0 for all.
        """
        assert input_ids is not None or inputs_embeds is not None
        x = self.embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        states = LayerStates([]) if past_key_values is None else past_key_values
        before, length = states.num_read(), x.shape[1]
        if position_ids is None:
            position_ids = torch.arange(before, before + length, device=x.device)[None]
        turns = self.turns[:, position_ids][:, :, None]  # (2, B, 1, L, D / 2)
        mask = _visible(attention_mask, before, length, x.device)
        for number, layer in enumerate(self.layers):
            x = layer(x, turns, mask, states, number)
        x = self.norm(x[:, -logits_to_keep:])
        return _Output(F.linear(x, self.embeddings.weight), states)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> SmallLlama:
        """Load what transformers wrote, in float32 and evaluation mode.

        Raises:
            WeightsError: a file is missing or damaged, or of another architecture.
        """
        folder = Path(folder)
        with contained(lambda error: WeightsError(f"{folder} holds no small Llama: {error or type(error).__name__}")):
            model = cls(json.loads((folder / "config.json").read_text(encoding="utf-8")))
            model.load_state_dict(_renamed(load_file(folder / "model.safetensors"), len(model.layers)))
        return model.float().eval()


class _Output(dict[str, Any]):
    """Logits float (B, L, V), and what was read."""

    def __init__(self, logits: Tensor, states: LayerStates):
        super().__init__(logits=logits, past_key_values=states)
        self.logits = logits


class _Layer(nn.Module):
    """Attention and a gated feed-forward network."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.heads, self.size = config["num_attention_heads"], config["head_dim"]
        self.first_norm = nn.RMSNorm(width, config["rms_norm_eps"])
        self.qkv = nn.Linear(width, 3 * self.heads * self.size, bias=False)
        self.out = nn.Linear(self.heads * self.size, width, bias=False)
        self.second_norm = nn.RMSNorm(width, config["rms_norm_eps"])
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, turns: Tensor, mask: Tensor | None, states: LayerStates, number: int) -> Tensor:
        """Keep (B, L, D)."""
        rows, length, _ = x.shape
        query, keys, values = self.qkv(self.first_norm(x)).view(rows, length, 3, self.heads, self.size).permute(
            2, 0, 3, 1, 4)  # (B, H, L, D / H) each
        keys, values = states.add(number, _turned(keys, turns), values)
        seen = F.scaled_dot_product_attention(_turned(query, turns), keys, values, mask)
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.second_norm(x)).chunk(2, -1)
        y: Tensor = self.down(F.silu(gate) * up)
        return x + y


def _turned(x: Tensor, turns: Tensor) -> Tensor:
    """Turn pairs of values by the angles of their places."""
    (one, other), (cos, sin) = x.chunk(2, -1), turns
    return torch.cat((one * cos - other * sin, other * cos + one * sin), -1)


def _visible(mask: Tensor | None, before: int, length: int, device: torch.device) -> Tensor | None:
    """Return which tokens each may look at, bool (B or 1, 1, L, N + L); None for all."""
    whole = mask is None or bool(mask.all())
    if length == 1 and whole:
        return None
    places = torch.arange(before + length, device=device)
    seen = (places[None] <= places[before:, None])[None, None]
    return seen if whole or mask is None else seen & (mask[:, None, None] > 0)


def _renamed(given: dict[str, Tensor], num_layers: int) -> dict[str, Tensor]:
    """Return tensors of transformers' Llama under the names here."""
    found = {"embeddings.weight": given["model.embed_tokens.weight"], "norm.weight": given["model.norm.weight"]}
    for n in range(num_layers):
        old, new = f"model.layers.{n}.", f"layers.{n}."
        attention, mlp = f"{old}self_attn.", f"{old}mlp."
        found |= {f"{new}qkv.weight": torch.cat([given[f"{attention}{name}_proj.weight"] for name in "qkv"]),
                  f"{new}out.weight": given[f"{attention}o_proj.weight"],
                  f"{new}gate_up.weight": torch.cat([given[f"{mlp}{name}_proj.weight"] for name in ("gate", "up")]),
                  f"{new}down.weight": given[f"{mlp}down_proj.weight"],
                  f"{new}first_norm.weight": given[f"{old}input_layernorm.weight"],
                  f"{new}second_norm.weight": given[f"{old}post_attention_layernorm.weight"]}
    return found


class PlainTokenizer:
    """A tokenizer of one file, tokenizer.json, with its special tokens.

    Args:
        folder: that holds it, and tokenizer_config.json.

    Raises:
        WeightsError: a file is missing or damaged.
    """

    chat_template = bos_token_id = unk_token_id = None

    def __init__(self, folder: str | Path):
        from tokenizers import Tokenizer

        folder = Path(folder)
        with contained(lambda error: WeightsError(f"{folder} holds no tokenizer: {error or type(error).__name__}")):
            config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
            self._tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self.eos_token, self.pad_token = config["eos_token"], config["pad_token"]
            self.model_max_length = int(config.get("model_max_length", _NO_LIMIT))
        self.name_or_path = str(folder)
        self.eos_token_id, self.pad_token_id = map(self._tokens.token_to_id, (self.eos_token, self.pad_token))

    def __len__(self) -> int:
        size: int = self._tokens.get_vocab_size()
        return size

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> dict[str, list[int]]:
        """Return the token IDs of a text as `input_ids`."""
        return {"input_ids": self.encode(text, add_special_tokens=add_special_tokens)}

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the token IDs of a text."""
        ids: list[int] = self._tokens.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """Return the text of token IDs."""
        text: str = self._tokens.decode(list(ids), skip_special_tokens=skip_special_tokens)
        return text


def is_plain_llama(config: dict[str, Any]) -> bool:
    """Say whether a config.json describes what `SmallLlama` computes."""
    rope = config.get("rope_parameters")
    return all(config.get(name) == value for name, value in _PLAIN.items()) and isinstance(rope, dict) and (
        rope.get("rope_type") == "default" and config.get("head_dim") is not None
        and config.get("num_key_value_heads") == config.get("num_attention_heads"))


def load_small(folder: str | Path) -> tuple[SmallLlama, PlainTokenizer] | None:
    """Load a language model and its tokenizer; None where transformers has to do it.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    folder = Path(folder)
    with contained(lambda error: WeightsError(f"{folder} holds no language model: {error or type(error).__name__}")):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tokens = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    known = isinstance(tokens, dict) and not {"chat_template", "bos_token", "unk_token"} & tokens.keys() and (
        isinstance(tokens.get("eos_token"), str) and isinstance(tokens.get("pad_token"), str))
    if not isinstance(config, dict) or not is_plain_llama(config) or not known or (
            folder / "chat_template.jinja").exists():
        return None
    return SmallLlama.from_pretrained(folder), PlainTokenizer(folder)


__all__ = ["LayerStates", "PlainTokenizer", "SmallLlama", "is_plain_llama", "load_small"]
