"""The open vocabulary: byte-level pieces of words, so that no word of a question is unknown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mmvideo.everyday.evidence_line import LOOKS, SEEN
from mmvideo.vlm.prompt import ANSWER, QUESTION

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, END = "<pad>", "<eos>"


def train_vocabulary(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """Learn byte-pair pieces (Sennrich et al. 2016) of lower-case text.

    Args:
        texts: whatever the model will read and write.
        size: number of tokens, the 256 bytes and the marks among them.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, special_tokens=[PAD, END, QUESTION, ANSWER, SEEN, LOOKS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token=PAD, eos_token=END,
                                   additional_special_tokens=[QUESTION, ANSWER, SEEN, LOOKS])


__all__ = ["END", "PAD", "train_vocabulary"]
