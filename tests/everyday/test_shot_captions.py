"""Captions name nothing that the detector knows and did not find."""

from __future__ import annotations

import pytest

from mmvideo.everyday.facts import Facts, ShotFacts
from mmvideo.everyday.shot_captions import best_caption, denied, plain_caption, without_tail
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.types import Label
from mmvideo.vlm.generate import Generated

BOX = (0.1, 0.1, 0.5, 0.9)


def _facts(*labels: str, words: dict[str, float] | None = None) -> tuple[Facts, ShotFacts]:
    shot = ShotFacts(0, 4, words=words or {"man": 0.8, "sit": 0.5}, places=(Label("street", 0.8),))
    tracks = tuple(ObjectTrack(n, label, (0.5, 1.0), (BOX, BOX), (0.9, 0.9)) for n, label in enumerate(labels, 1))
    return Facts(0, 4, (shot,), tracks=tracks), shot


def test_what_was_not_found_is_left_out():
    facts, shot = _facts("person")
    assert denied("a man is sitting on a horse", facts, shot) == ("horse",)
    found = best_caption([Generated("a man is sitting on a horse", 0.5)], facts, shot, frozenset())
    assert found.text == "a man is sitting"


def test_a_caption_of_nothing_real_gives_way_to_what_was_found():
    facts, shot = _facts("person", "person", "car")
    found = best_caption([Generated("a horse jumps", 0.9)], facts, shot, frozenset())
    assert found.text == "two people and a car on a street"
    assert found.confidence == pytest.approx(0.9)


def test_a_confirmed_caption_wins_over_a_likelier_invention():
    facts, shot = _facts("person", "bicycle")
    said = [Generated("a man is riding a horse", 0.6), Generated("a man is riding a bicycle", 0.5)]
    assert best_caption(said, facts, shot, frozenset()).text == "a man is riding a bicycle"


def test_without_objects_there_is_no_plain_caption():
    facts, shot = _facts()
    assert plain_caption(facts, shot) is None
    assert best_caption([Generated("a horse", 0.8)], facts, shot, frozenset()).confidence == pytest.approx(0.4)


@pytest.mark.parametrize(("caption", "noun", "rest"), [
    ("a woman is sitting on a wooden bench", "bench", "a woman is sitting"), ("a bench in a park", "bench", ""),
    ("a man rides a horse", "horse", ""), ("a dog is running next to a cow", "cow", "a dog is running"),
])
def test_a_tail_is_cut(caption, noun, rest):
    assert without_tail(caption, [noun]) == rest
