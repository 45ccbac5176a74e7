"""Which words people would use of a picture: a probability for each of some hundred, from the encoder's features.

After the visual concept detectors of Fang et al. 2015, "From captions to visual concepts and back": a word may be
earned by the picture as a whole or by one place in it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmvideo.nn.pretrained import Pretrained
from mmvideo.types import Features

_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "people", "feet": "foot", "teeth": "tooth",
    "geese": "goose", "mice": "mouse", "knives": "knife", "leaves": "leaf", "wolves": "wolf", "shelves": "shelf",
    "scarves": "scarf", "calves": "calf", "firemen": "fireman", "policemen": "policeman", "grass": "grass",
    "glass": "glass", "glasses": "glasses", "dress": "dress", "bus": "bus", "tennis": "tennis",
    "sunglasses": "sunglasses", "shorts": "shorts", "jeans": "jeans", "pants": "pants", "stairs": "stairs",
    "skis": "skis", "clothes": "clothes", "bikes": "bike", "goggles": "goggles", "across": "across"}
STOP = frozenset((
    "a", "an", "the", "is", "are", "be", "being", "been", "was", "were", "of", "in", "on", "at", "to", "with",
    "and", "or", "as", "it", "its", "his", "her", "their", "he", "she", "they", "them", "him", "that", "this",
    "there", "while", "by", "for", "from", "into", "onto", "out", "up", "down", "over", "under", "off", "another",
    "other", "one", "who", "which", "what", "has", "have", "having", "does", "do", "doing", "about", "through",
    "near", "next", "very", "some", "each", "all", "both", "together", "just", "so", "no", "not", "'s", "then",
    "than", "but", "if", "look", "like", "around", "behind", "between", "across", "along", "after", "before",
    "against", "during", "above", "below", "inside", "outside", "beside", "toward", "towards", "because", "back",
    "top", "side", "end", "different", "looking", "several", "get", "go", "going"))
"""Words that say nothing of a picture by themselves."""


def singular(word: str) -> str:
    """Return a noun in the singular: "dogs" -> "dog"; other words as they are."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word


class WordHead(Pretrained):
    """Features -> probability of every word, float (B, W).

    Args:
        dim: D of the features.
        words: the W words.
    """

    usual: Tensor
    """float (W,): the probability of every word before a picture is seen, its share of the captions of training."""

    def __init__(self, *, dim: int, words: list[str]):
        super().__init__()
        self.config = {"dim": dim, "words": list(words)}
        self.words = tuple(words)
        self.register_buffer("usual", torch.full((len(words),), 0.01))
        self.whole = nn.Linear(dim, len(words))
        self.places = nn.Linear(dim, len(words), bias=False)

    def logits(self, features: Features) -> Tensor:
        """Return logits (B, W)."""
        tokens = features.tokens
        by_place = self.places(tokens).logsumexp(1) - math.log(tokens.shape[1])
        return self.whole(tokens.mean(1)) + by_place

    def forward(self, features: Features) -> Tensor:
        """Return probabilities (B, W)."""
        return self.logits(features).sigmoid()

    def named(self, features: Features, least: float = 0.02) -> list[dict[str, float]]:
        """Return the words of each picture with their probabilities, those below `least` left out."""
        return [{word: share for word, share in zip(self.words, row, strict=True) if share >= least}
                for row in self(features).tolist()]


__all__ = ["STOP", "WordHead", "singular"]
