"""Captions: closed vocabulary, and facts that survive the way there and back."""

from __future__ import annotations

import random

import pytest

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.balance import scenes
from mmvideo.toybox.captions import caption_facts, scene_caption, scene_facts
from mmvideo.toybox.words import tokenize, vocabulary
from mmvideo.toybox.world import Scene


@pytest.fixture(scope="module", params=v.LEVELS)
def found(request) -> list[Scene]:
    return list(scenes(request.param, "validation", 100))


def test_captions_stay_in_the_vocabulary(found):
    known = set(vocabulary())
    for i, scene in enumerate(found):
        for text in (scene_caption(scene), scene_caption(scene, random.Random(i))):
            assert set(tokenize(text)) <= known, text
            assert 1 <= text.count(".") <= 2


def test_other_words_state_the_same_facts(found):
    for i, scene in enumerate(found):
        varied = scene_caption(scene, random.Random(i))
        assert caption_facts(varied) == scene_facts(scene), varied
        assert caption_facts(" ".join(tokenize(varied))) == scene_facts(scene), "tokens joined by spaces"
        assert not any(fact[0] == "unclear" for fact in scene_facts(scene))


def test_a_wrong_word_is_a_wrong_fact(found):
    wrong = 0
    for scene in found[:100]:
        text = scene_caption(scene)
        for old, new in (("red", "green"), ("left", "right"), ("metal", "wood"), ("small", "large"), ("hits", "is")):
            if f" {old} " in text:
                assert caption_facts(text.replace(f" {old} ", f" {new} ", 1)) != scene_facts(scene)
                wrong += 1
    assert wrong > 10


def test_a_caption_names_every_toy_seen_and_the_camera(found):
    for scene in found:
        stated = scene_facts(scene)
        toys = {fact[1:5] for fact in stated if fact[0] == "toy"}
        assert toys <= {(t.size, t.color, t.material, t.shape) for t in scene.toys}
        assert any(fact[0] == "camera" for fact in stated) == (scene.spec.camera_motion != "static")


def test_without_a_sound_track_nothing_is_heard(found):
    assert any(fact[0] == "heard" for scene in found for fact in scene_facts(scene))
    assert not any(fact[0] == "heard" for scene in found for fact in scene_facts(scene, has_sound=False))


def test_hits_have_no_order_of_toys():
    assert caption_facts("the red ball hits the blue box.") == caption_facts("the blue box runs into the red ball .")
