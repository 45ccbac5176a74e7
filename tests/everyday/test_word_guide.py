"""Captions are led to the words of the picture, and cut before a place that it makes next to impossible."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch

from mmvideo.everyday.facts import Facts, ShotFacts
from mmvideo.everyday.shot_captions import best_caption
from mmvideo.everyday.word_guide import WEIGHT, WordGuide
from mmvideo.everyday.words import WordHead
from mmvideo.types import GenerationOptions
from mmvideo.vlm.generate import Generated, generate_whole

TOKENS = ["<end>", " dog", " dogs", "dog", " snow", " the", " Dog"]


class Tokenizer:
    """As one of a language model, with seven tokens."""

    def __len__(self) -> int:
        return len(TOKENS)

    def decode(self, ids: Iterable[int], **_: Any) -> str:
        return "".join(TOKENS[i] for i in ids)


def _guide() -> WordGuide:
    head = WordHead(dim=4, words=["dog", "snow", "the"])
    head.usual.copy_(torch.tensor([0.1, 0.1, 0.9]))
    return WordGuide(head, Tokenizer())


def test_words_likelier_than_usual_are_raised_and_others_lowered() -> None:
    bias = _guide().bias([ShotFacts(0, 1, words={"dog": 0.4, "snow": 0.01, "the": 0.9}), ShotFacts(0, 1)], len(TOKENS))
    assert torch.allclose(bias[0, 1], WEIGHT * torch.tensor(0.401 / 0.101).log())
    assert bias[0, 2] == bias[0, 1], "a plural is the same word"
    assert torch.allclose(bias[0, 4], WEIGHT * torch.tensor(0.011 / 0.101).log())
    assert bias[0, [0, 3, 5, 6]].abs().max() == 0, "pieces of words, and words that say nothing, are left alone"
    assert bias[1].abs().max() == 0, "a shot without words has no bias"


def test_no_word_counts_without_bound() -> None:
    bias = _guide().bias([ShotFacts(0, 1, words={"snow": 0.0, "dog": 1.0})], len(TOKENS))
    assert float(bias.min()) == pytest.approx(-3 * WEIGHT)
    assert 0 < float(bias.max()) <= 3 * WEIGHT + 1e-6


def test_a_bias_changes_what_is_written_in_its_row_alone() -> None:
    logits = torch.tensor([0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 0.0])

    def step(ids: torch.Tensor) -> torch.Tensor:
        ended = ids[:, -1:] != 5  # after the first word comes the end
        return torch.where(ended[..., None], torch.eye(7)[0] * 9, logits)

    bias = torch.zeros(2, 7)
    bias[1, 4] = 2.0
    rows = generate_whole(step, torch.full((2, 1), 5), GenerationOptions(max_new_tokens=3), tokenizer=Tokenizer(),
                          ends=[0], num_read=[1, 1], bias=bias)
    assert [row.text for row in rows] == ["dog", "snow"]


def test_a_caption_ends_before_a_place_that_the_picture_makes_next_to_impossible() -> None:
    said, vocabulary = [Generated("a man is standing in the snow", 0.6)], frozenset(("man", "snow", "standing"))
    for chance, caption in ((0.3, "a man is standing in the snow"), (0.002, "a man is standing")):
        shot = ShotFacts(0, 2, words={"man": 0.5, "standing": 0.3, "snow": chance})
        assert best_caption(said, Facts(0, 2, (shot,)), shot, vocabulary).text == caption
