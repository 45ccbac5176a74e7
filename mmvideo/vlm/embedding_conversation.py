"""A causal model behind visual tokens of any encoder: the video is read once as a prefix, questions follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmvideo.vlm import generate
from mmvideo.vlm.context import check_room, longest_context
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.kv_cache import cache_of, with_cache
from mmvideo.vlm.prompt import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class EmbeddingConversation(Conversation):
    """One video's visual tokens in front of a language model.

    Args:
        model: a causal model of transformers.
        prompt: how it is asked; its tokenizer is the model's.
        embeddings: (1, N, D of the language model).
    """

    def __init__(self, model: PreTrainedModel, prompt: Prompt, embeddings: Tensor):
        self.model, self.prompt, self.tokenizer = model, prompt, prompt.tokenizer
        self.ends = ends_of(model, self.tokenizer)
        before, _ = prompt.around("?")
        words = model.get_input_embeddings()
        device = words.weight.device
        lead = words(torch.tensor([before], dtype=torch.long, device=device))
        whole = torch.cat((lead, embeddings.to(device, lead.dtype)), 1)
        self._before, self.num_read = before, whole.shape[1]
        self.context = longest_context(model.config, self.tokenizer)
        check_room(self.context, self.num_read, 1)
        with torch.inference_mode():
            out = model(inputs_embeds=whole, use_cache=True)
        self._cache = cache_of(out)

    def question(self, text: str, history: tuple[tuple[str, str], ...]) -> Tensor:
        """Return the token IDs (1, L) after the video."""
        before, after = self.prompt.around(text, history)
        assert before == self._before, "what stands before the video must not depend on the question"
        return torch.tensor([after], device=self.model.get_input_embeddings().weight.device)

    def step(self) -> generate.Step:
        """Return a reader that stands just after the visual tokens."""
        given = with_cache(self.model, generate.copied(self._cache))

        def go_on(ids: Tensor) -> Tensor:
            with torch.inference_mode():
                return self.model(input_ids=ids, use_cache=True, **given).logits

        return go_on


def ends_of(model: PreTrainedModel, tokenizer: Any) -> tuple[int, ...]:
    """Return the token IDs that end a reply of a causal model."""
    given = getattr(model.generation_config, "eos_token_id", None) or tokenizer.eos_token_id
    return tuple(given) if isinstance(given, list | tuple) else (int(given),)


__all__ = ["EmbeddingConversation", "ends_of"]
