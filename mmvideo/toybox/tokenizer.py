"""A word-level tokenizer for a closed vocabulary, in the Hugging Face format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mmvideo.vlm.prompt import ANSWER, QUESTION

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, END = "<pad>", "<unk>", "<eos>"


def build_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """Make a tokenizer that knows exactly these words (lower case; punctuation marks are words of their own)."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = [PAD, UNKNOWN, END, QUESTION, ANSWER]
    vocabulary = {word: i for i, word in enumerate([*special, *sorted(set(words) - set(special))])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(r",", "isolated"),
        pre_tokenizers.Split("?", "isolated"), pre_tokenizers.Split(".", "isolated"),
        pre_tokenizers.Split(":", "isolated")])
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token=PAD, unk_token=UNKNOWN, eos_token=END,
                                   additional_special_tokens=[QUESTION, ANSWER], clean_up_tokenization_spaces=False)
