"""Caption measures, the evidence line, the vocabulary and the word head."""

from __future__ import annotations

import random

import pytest
import torch

from mmvideo.evaluation.caption_metrics import Cider, bleu
from mmvideo.everyday.evidence_line import NUM_SLOTS, evidence_ids, evidence_line
from mmvideo.everyday.training.photographs import mirrored, swapped_object, tidy_caption
from mmvideo.everyday.training.vocabulary import train_vocabulary
from mmvideo.everyday.words import WordHead, singular
from mmvideo.types import Features

TOLD = {
    "a": ["a black dog runs through the snow", "a dog running in deep snow", "the dog is running"],
    "b": ["two men play football on a field", "men playing soccer", "two players on a green field"],
    "c": ["a girl in a red dress", "a little girl wears red", "the girl is smiling"],
}
SAID = {"a": "a dog runs through snow", "b": "two men playing football on a green field", "c": "a boy in a blue shirt"}

EXPECTED_BLEU = (0.8421053, 0.7254763, 0.5450726, 0.3567309)
EXPECTED_CIDER = 1.7737886


def test_bleu_and_cider_equal_the_reference_code():
    """The numbers are those of pycocoevalcap 1.2 (BleuScorer with closest lengths, CiderScorer with sigma 6)."""
    found = bleu(list(SAID.values()), list(TOLD.values()))
    assert found == pytest.approx(EXPECTED_BLEU, abs=1e-6)
    assert Cider(TOLD).mean(SAID) == pytest.approx(EXPECTED_CIDER, abs=1e-6)


def test_a_caption_of_nothing_scores_nothing():
    assert Cider(TOLD).score("a", "") == 0
    assert bleu([""], [TOLD["a"]]) == (0, 0, 0, 0)


def test_the_line_counts_what_is_sure_and_has_one_length():
    line = evidence_line([("person", 0.9), ("dog", 0.5), ("person", 0.6), ("cat", 0.2)],
                         [("kelpie", 0.6), ("frisbee", 0.1)])
    assert line == "<seen> 2 person, dog <looks> kelpie"
    tokenizer = train_vocabulary([line, "a zebra crosses the street"] * 3, 300)
    for text in (line, "", line * 9):
        assert len(evidence_ids(tokenizer, text)) == NUM_SLOTS


def test_no_word_is_unknown_to_the_vocabulary():
    tokenizer = train_vocabulary(["a dog runs"] * 3, 280)
    for text in ("what is a xylophone?", "日本語", "naïve café 🐕"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids).strip() == text.lower()


def test_a_mirrored_caption_swaps_its_sides():
    assert mirrored("a man on the left looks right") == "a man on the right looks left"
    assert tidy_caption("A man 's dog , running .") == "a man's dog, running"


def test_an_object_is_swapped_in_the_line_and_in_the_captions_that_name_it():
    line, captions = swapped_object(random.Random(1), "<seen> dog <looks> kelpie",
                                    ["a dog runs", "an animal runs"], ["dog", "umbrella", "person"])
    assert (line, captions) in (("<seen> umbrella <looks> kelpie", ["an umbrella runs"]),
                                ("<seen> dog <looks> kelpie", ["a dog runs"]))


@pytest.mark.parametrize(("word", "one"), [("dogs", "dog"), ("men", "man"), ("bushes", "bush"), ("grass", "grass"),
                                           ("puppies", "puppy"), ("bus", "bus"), ("is", "is")])
def test_singular(word: str, one: str):
    assert singular(word) == one


def test_the_word_head_earns_a_word_by_one_place():
    head = WordHead(dim=4, words=["dog", "snow"])
    for p in head.parameters():
        torch.nn.init.zeros_(p)
    with torch.no_grad():
        head.places.weight[0, 2] = 8.0
        head.whole.bias.fill_(-3.0)
    tokens = torch.zeros(1, 49, 4)
    tokens[0, 17, 2] = 1.5
    found = head.named(Features(tokens, (1, 7, 7), tokens.mean(1)))[0]
    assert found["dog"] > 0.9
    assert found["snow"] < 0.1
