"""A causal language model with a closed vocabulary and its tokenizer, as the toybox trainers make it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mmvideo.errors import WeightsError, contained
from mmvideo.vlm.embedding_conversation import EmbeddingConversation
from mmvideo.vlm.prompt import WORDS, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast


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

    def open(self, embeddings: Tensor) -> EmbeddingConversation:
        """Read visual tokens (B, N, D) once, for any number of questions about each row."""
        return EmbeddingConversation(self.model, Prompt(self.tokenizer, WORDS), embeddings)


__all__ = ["LanguageModel"]
