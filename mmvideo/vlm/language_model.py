"""A Hugging Face causal language model behind visual tokens: what was seen is the prefix, the question follows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mmvideo.deadline import check
from mmvideo.errors import WeightsError, contained
from mmvideo.vlm.context import check_room, longest_context
from mmvideo.vlm.embedded_prompt import embedded_prompt
from mmvideo.vlm.kv_cache import cache_of, with_cache
from mmvideo.vlm.repetition import repeated_text

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerFast


@dataclass(frozen=True)
class Generated:
    """One reply."""

    text: str
    confidence: float
    """Geometric mean of the probabilities of the reply's tokens, in [0, 1]."""
    unknown_words: tuple[str, ...] = ()
    """Words of the question that the model has never seen."""
    num_read: int = 0
    """Tokens that the reply follows: what was seen, the question and what stands around them."""
    num_written: int = 0
    """Tokens of the reply, with the one that ends it."""
    finished: bool = True
    """Whether the model ended the reply; False where it was cut at the longest length."""
    repeats: str = ""
    """The words that the reply repeated again and again when it was cut; empty where it did not."""


class LanguageModel(nn.Module):
    """A causal model and its tokenizer."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast):
        super().__init__()
        self.model, self.tokenizer = model, tokenizer

    @property
    def dim(self) -> int:
        """Width of a visual token."""
        return self.model.config.hidden_size

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model (config.json, safetensors) and the tokenizer in the Hugging Face format."""
        self.model.save_pretrained(str(folder))
        self.tokenizer.save_pretrained(str(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str | torch.device = "cpu") -> LanguageModel:
        """Load a Llama and its tokenizer from a folder, strictly, in float32, without the network.

        Raises:
            WeightsError: the folder is missing something, or weights and architecture disagree.
        """
        from transformers import PreTrainedTokenizerFast
        from transformers.models.llama.modeling_llama import LlamaForCausalLM

        with contained(lambda error: WeightsError(
                f"{folder} holds no language model in the Hugging Face format: {error}")):
            model, info = LlamaForCausalLM.from_pretrained(
                str(folder), local_files_only=True, dtype=torch.float32, output_loading_info=True,
                trust_remote_code=False)
            tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True,
                                                                trust_remote_code=False)
        wrong = {key: info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys") if info[key]}
        if wrong:
            raise WeightsError(f"The weights in {folder} do not fit the architecture: {wrong}")
        return cls(model.to(device).eval(), tokenizer)

    def open(self, embeddings: Tensor) -> Session:
        """Read visual tokens (B, N, D) once, for any number of questions about them."""
        return Session(self, embeddings)

    def generate(self, embeddings: Tensor, requests: Sequence[str], *, max_new_tokens: int = 24) -> list[Generated]:
        """Reply to one request per clip.

        Args:
            embeddings: (B, N, D) visual tokens.
            requests: B questions or caption requests in words.
            max_new_tokens: the longest reply.
        """
        return self.open(embeddings).reply(requests, max_new_tokens=max_new_tokens)

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Return the words of a text that are not in the tokenizer's vocabulary."""
        unknown = self.tokenizer.unk_token_id
        words = (w.strip(",.?!:;\"'()") for w in text.lower().split())
        return tuple(w for w in words if w and unknown in self.tokenizer.encode(w, add_special_tokens=False))


class Session:
    """Visual tokens that have been read: their keys and values are kept and shared by every question."""

    def __init__(self, language: LanguageModel, embeddings: Tensor):
        self.language = language
        self.num_clips, self.prefix_tokens = embeddings.shape[:2]
        with torch.no_grad():
            self._cache = cache_of(language.model(inputs_embeds=embeddings.to(language.device), use_cache=True))

    def _prefix(self, repeats: int) -> DynamicCache:
        cache = copy.deepcopy(self._cache)
        if repeats > 1:
            cache.batch_repeat_interleave(repeats)
        return cache

    @torch.no_grad()
    def reply(self, requests: Sequence[str], *, max_new_tokens: int = 24,
              num_tokens: int | None = None) -> list[Generated]:
        """Reply greedily; every clip gets len(requests) / B requests, clip by clip.

        Args:
            requests: B * R questions, R for each clip in turn.
            max_new_tokens: the longest reply.
            num_tokens: length to which the requests are padded; None for that of the longest.

        Returns:
            B * R replies in the order of the requests.

        Raises:
            ContextExceeded: a request and its reply do not fit into the model's context.
        """
        if not requests:
            return []
        assert len(requests) % self.num_clips == 0, "requests must be a multiple of the clips"
        lm, tokenizer = self.language, self.language.tokenizer
        batch = tokenizer([embedded_prompt(r) for r in requests], return_tensors="pt",
                          padding=True if num_tokens is None else "max_length", max_length=num_tokens,
                          padding_side="left", return_token_type_ids=False, add_special_tokens=False).to(lm.device)
        check_room(longest_context(lm.model.config, tokenizer),
                   self.prefix_tokens + int(batch["attention_mask"].sum(1).max()), max_new_tokens)
        prefix = torch.ones(len(requests), self.prefix_tokens, dtype=torch.long, device=lm.device)
        mask = torch.cat((prefix, batch["attention_mask"]), 1)
        given = with_cache(lm.model, self._prefix(len(requests) // self.num_clips))
        ids, replies = batch["input_ids"], []
        probability, done = [], torch.zeros(len(requests), dtype=torch.bool, device=lm.device)
        for _ in range(max_new_tokens):
            check()
            position = (mask.cumsum(1) - 1)[:, -ids.shape[1]:]
            out = lm.model(input_ids=ids, attention_mask=mask, position_ids=position, use_cache=True, logits_to_keep=1,
                           **given)
            best, ids = out.logits[:, -1].float().log_softmax(-1).max(-1, keepdim=True)
            replies.append(torch.where(done[:, None], tokenizer.pad_token_id, ids))
            probability.append(torch.where(done[:, None], torch.nan, best))
            done |= ids[:, 0] == tokenizer.eos_token_id
            if done.all():
                break
            mask = torch.cat((mask, torch.ones_like(ids)), 1)
        said = torch.cat(replies, 1)
        texts = tokenizer.batch_decode(said, skip_special_tokens=True)
        steps = torch.cat(probability, 1)
        return [Generated(_tidy(text), sure, lm.unknown_words(request), read, written, ended,
                          "" if ended else repeated_text(tokens, tokenizer))
                for text, sure, request, read, written, ended, tokens in zip(
                    texts, steps.nanmean(1).exp().tolist(), requests,
                    (self.prefix_tokens + batch["attention_mask"].sum(1)).tolist(),
                    (~steps.isnan()).sum(1).tolist(), done.tolist(), said.tolist(), strict=True)]


def _tidy(text: str) -> str:
    for mark in ",.?:":
        text = text.replace(f" {mark}", mark)
    return text.strip()
