"""Sequence packing: many questions after the visual tokens of a clip, which pass through the language model once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.vlm.kv_cache import cache_of, with_cache
from mmvideo.vlm.prompt import Prompt

IGNORED = -100


@dataclass(frozen=True)
class Asked:
    """One question with its answer, in a conversation."""

    question: str
    answer: str
    history: tuple[tuple[str, str], ...] = ()
    kind: str = "all"
    """Under which name its accuracy is counted."""


@dataclass(frozen=True)
class Rows:
    """Questions of similar length as token IDs, right padded."""

    clip: Tensor
    """int64 (R,): which clip of the batch each row is about."""
    ids: Tensor
    """int64 (R, L): what stands after the video, with the answer and its end."""
    mask: Tensor
    """int64 (R, L): 1 where there is a token."""
    targets: Tensor
    """int64 (R, L): the next token where it belongs to the answer or its end, IGNORED elsewhere."""
    asked: list[Asked]
    """Those of the first rows; rows beyond them are padding, with no targets."""


def lay_out(batch: Sequence[Sequence[Asked]], prompt: Prompt, *, buckets: int = 4) -> list[Rows]:
    """Turn the questions about each clip into rows, bucketed by length to save padding."""
    rows = []
    for clip, asked in enumerate(batch):
        for one in asked:
            _, after = prompt.around(one.question, one.history)
            answer = prompt.tokenizer(one.answer, add_special_tokens=False)["input_ids"]
            rows.append((clip, one, len(after), [*after, *answer, prompt.tokenizer.eos_token_id]))
    rows.sort(key=lambda row: len(row[3]))
    size = max(8, -(-len(rows) // buckets))  # fewer rows are padded to eight
    return [_rows(rows[i:i + size], prompt.tokenizer.pad_token_id) for i in range(0, len(rows), size)]


def _rows(rows: list, pad: int) -> Rows:
    """Shapes are rounded up: every new shape costs a CPU's matrix library a new kernel."""
    height, longest = -(-len(rows) // 8) * 8, -(-max(len(r[3]) for r in rows) // 4) * 4
    ids, targets = torch.full((height, longest), pad), torch.full((height, longest), IGNORED)
    clip, lengths = torch.zeros(height, dtype=torch.long), torch.ones(height, 1, dtype=torch.long)
    for i, (where, _, start, tokens) in enumerate(rows):
        clip[i], lengths[i] = where, len(tokens)
        ids[i, :len(tokens)] = torch.tensor(tokens)
        targets[i, start - 1:len(tokens) - 1] = ids[i, start:len(tokens)]
    return Rows(clip, ids, (torch.arange(longest) < lengths).long(), targets, [r[1] for r in rows])


def packed_loss(language: nn.Module, embeddings: Tensor, before: Sequence[int],
                batch: Sequence[Rows], *, label_smoothing: float = 0.0) -> tuple[Tensor, list[Tensor]]:
    """Read each clip's visual tokens once and answer all questions about it, teacher-forced.

    Args:
        language: a causal model of transformers.
        embeddings: (B, N, D) visual tokens.
        before: token IDs that stand before the video.
        batch: the questions.
        label_smoothing: share of the target that is spread over the whole vocabulary.

    Returns:
        The mean cross-entropy per token of an answer, and per bucket which answers are right to the last token, bool
        (R,): what greedy decoding would get right.
    """
    prefix, layers = _read(language, embeddings, before)
    device = embeddings.device
    total, count, right = prefix.new_zeros((), dtype=torch.float32), 0, []
    for rows in batch:
        targets = rows.targets.to(device)
        kept = targets != IGNORED
        logits = _continued(language, layers, prefix.shape[1], rows, kept)
        total = total + F.cross_entropy(logits, targets[kept], reduction="sum", label_smoothing=label_smoothing)
        count += len(logits)
        wrong = torch.zeros_like(kept)
        wrong[kept] = logits.detach().argmax(-1) != targets[kept]
        right.append(~wrong.any(-1)[:len(rows.asked)])
    return total / max(count, 1), right


def packed_likelihoods(language: nn.Module, embeddings: Tensor, before: Sequence[int],
                       batch: Sequence[Rows]) -> list[Tensor]:
    """Return per bucket the log-probability of each row's answer with its end, float32 (R,); arguments as above."""
    prefix, layers = _read(language, embeddings, before)
    found = []
    for rows in batch:
        targets = rows.targets.to(embeddings.device)
        kept = targets != IGNORED
        logits = _continued(language, layers, prefix.shape[1], rows, kept)
        by_token = -F.cross_entropy(logits, targets[kept], reduction="none")
        place = kept.nonzero()[:, 0]
        found.append(by_token.new_zeros(len(targets)).index_add(0, place, by_token)[:len(rows.asked)])
    return found


def _read(language: nn.Module, embeddings: Tensor, before: Sequence[int]) -> tuple[Tensor, list]:
    """Let the model read the prefix of every clip; return it, and keys and values of every layer."""
    words, device = cast("Any", language).get_input_embeddings(), embeddings.device
    lead = words(torch.tensor(list(before), dtype=torch.long, device=device))[None].expand(len(embeddings), -1, -1)
    prefix = torch.cat((lead, embeddings.to(lead.dtype)), 1)
    read = cache_of(language(inputs_embeds=prefix, use_cache=True, logits_to_keep=1))
    return prefix, [(layer.keys, layer.values) for layer in read.layers]


def _continued(language: nn.Module, layers: list, length: int, rows: Rows, kept: Tensor) -> Tensor:
    """Return logits, float32 (K, V), of the K places kept, bool (R, L), in rows after clips that were read."""
    from transformers import DynamicCache
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    device = kept.device
    cache, clip = DynamicCache(), rows.clip.to(device)
    for i, (keys, values) in enumerate(layers):
        cache.update(keys[clip], values[clip], i)
    seen = torch.ones(len(clip), length, dtype=torch.long, device=device)
    mask = torch.cat((seen, rows.mask.to(device)), 1)
    given = {"input_ids": rows.ids.to(device), "attention_mask": mask, "use_cache": True, **with_cache(language, cache)}
    plain = cast("Any", language).get_base_model() if hasattr(language, "get_base_model") else language  # behind LoRA
    if type(plain) is LlamaForCausalLM:  # questions need no logits, which are a quarter of a small model's work
        return plain.lm_head(plain.model(**given).last_hidden_state[kept]).float()
    return language(**given).logits[kept].float()


__all__ = ["IGNORED", "Asked", "Rows", "lay_out", "packed_likelihoods", "packed_loss"]
