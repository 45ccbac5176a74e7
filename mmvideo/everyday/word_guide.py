"""Captions are led to the words that the picture speaks for: a bias on the logits of the language model.

Shallow fusion (Gulcehre et al. 2015, "On Using Monolingual Corpora in Neural Machine Translation") of the language
model with the words that people would use of the picture: what these say beyond how common a word is anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmvideo.everyday.facts import ShotFacts
from mmvideo.everyday.words import STOP, WordHead, singular

WEIGHT = 0.8
"""How much the words count beside the language model; chosen on validation photographs shown as films."""
_MOST = 3.0
"""Bound of the logarithm of how many times more or less likely than usual a word is."""
_LEAST = 1e-3
"""Added to probabilities, of which smaller ones differ by chance."""


class WordGuide:
    """Turns the words of shots into a bias on tokens.

    Args:
        head: whose words the shots have.
        tokenizer: of the language model; only words of one token are led to, which the common ones are.
    """

    def __init__(self, head: WordHead, tokenizer: Any):
        places = {word: place for place, word in enumerate(head.words) if word not in STOP}
        self.words = head.words
        self.usual = head.usual.float().cpu()  # (W,)
        texts = (tokenizer.decode([token]) for token in range(len(tokenizer)))
        known = [(token, places[word]) for token, text in enumerate(texts)
                 if text.startswith(" ") and (word := singular(text[1:])) in places]
        self.tokens = torch.tensor([token for token, _ in known], dtype=torch.long)
        self.places = torch.tensor([place for _, place in known], dtype=torch.long)

    def bias(self, shots: Sequence[ShotFacts], size: int) -> Tensor:
        """Return the bias on the logits of each shot's captions, float32 (B, V).

        Args:
            shots: B; one without words gets no bias.
            size: V.
        """
        found = torch.zeros(len(shots), size)
        for row, shot in zip(found, shots, strict=True):
            if shot.words:
                shares = torch.tensor([shot.words.get(word, 0.0) for word in self.words])  # (W,)
                more = ((shares + _LEAST) / (self.usual + _LEAST)).log().clamp(-_MOST, _MOST)
                row[self.tokens] = WEIGHT * more[self.places]
        return found


__all__ = ["WEIGHT", "WordGuide"]
