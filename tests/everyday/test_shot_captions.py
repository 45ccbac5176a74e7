"""Captions name nothing that the detector knows and did not find."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmvideo.everyday.facts import Facts, ShotFacts
from mmvideo.everyday.people_said import people_named, people_seen, with_fewer_people
from mmvideo.everyday.shot_captions import best_caption, denied, plain_caption, says_twice, without_tail
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.types import Label, Segment
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


def test_the_same_words_twice_are_not_said():
    facts, shot = _facts("person")
    loop = "a group of people are standing in front of a group of people"
    said = [Generated(loop, 0.9), Generated("a man is standing on a wall", 0.3)]
    assert best_caption(said, facts, shot, frozenset()).text == "a man is standing on a wall"
    assert best_caption(said[:1], facts, shot, frozenset()).text == loop, "nothing else was written"
    assert not says_twice("a man in a red shirt and a man in a blue shirt")


def test_one_person_is_no_crowd():
    said = [Generated("a group of people are standing on a wall", 0.5), Generated("a man is standing on a wall", 0.4)]
    for labels, expected in ((("person",), 1), (("person", "person", "person"), 0)):
        facts, shot = _facts(*labels)
        small = tuple(replace(track, boxes=((0.1, 0.1, 0.2, 0.3),) * 2) for track in facts.tracks)
        assert best_caption(said, replace(facts, tracks=small), shot, frozenset()).text == said[expected].text


@pytest.mark.parametrize(("caption", "noun", "rest"), [
    ("a woman is sitting on a wooden bench", "bench", "a woman is sitting"), ("a bench in a park", "bench", ""),
    ("a man rides a horse", "horse", ""), ("a dog is running next to a cow", "cow", "a dog is running"),
])
def test_a_tail_is_cut(caption, noun, rest):
    assert without_tail(caption, [noun]) == rest


@pytest.mark.parametrize(("caption", "people"), [
    ("a man and a woman are posing for a picture", 2), ("two young men are playing soccer", 2),
    ("a group of people are standing in the street", 3), ("a man in a clown suit is riding a bike", 1),
    ("people are sitting at tables", 2), ("a dog is running through the grass", 0)])
def test_people_that_a_caption_speaks_of_are_counted(caption: str, people: int) -> None:
    assert people_named(caption) == people


@pytest.mark.parametrize(("caption", "most", "fewer"), [
    ("a man and a woman are posing for a picture", 1, "a man is posing for a picture"),
    ("two men are posing for the camera", 1, "a man is posing for the camera"),
    ("a man is standing in front of a man", 1, "a man is standing"),
    ("a man and a woman are standing in front of a man", 2, "a man and a woman are standing"),
    ("a man and a woman are standing in front of a man", 1, "a man is standing"),
    ("a group of people are standing in the street", 2, "two people are standing in the street"),
    ("a man in a black shirt and a man in a white shirt", 1, "")])
def test_a_caption_is_said_of_fewer_people(caption: str, most: int, fewer: str) -> None:
    assert with_fewer_people(caption, most) == fewer


def test_one_person_close_by_is_not_called_two():
    facts, shot = _facts("person")
    two, one = Generated("a man and a woman are posing", 0.7), Generated("a man is reading", 0.6)
    assert best_caption([two, one], facts, shot, frozenset()).text == "a man is reading"
    assert best_caption([two, two], facts, shot, frozenset()).text == "a man is posing"
    far = tuple(ObjectTrack(1, "person", (0.5,), ((0.1, 0.1, 0.2, 0.3),), (0.9,)) for _ in range(1))
    assert people_seen(far, 0, 4) is None, "others may be too small to be found"
    assert people_seen(facts.tracks, 0, 4) == 1
    assert people_seen(facts.tracks, 2, 4) is None


@pytest.mark.parametrize(("said", "caption"), [
    ("a man is posing for a picture", "a man is talking"), ("a man is standing", "a man is talking"),
    ("a man is standing on a stage", "a man is standing on a stage"), ("a man is reading", "a man is reading")])
def test_who_poses_while_speech_is_heard_talks(said: str, caption: str) -> None:
    facts, shot = _facts("person")
    talks = replace(facts, speech=(Segment(0.5, 3.5, "speech", 0.9),))
    assert best_caption([Generated(said, 0.6)], talks, shot, frozenset()).text == caption
    assert best_caption([Generated(said, 0.6)], facts, shot, frozenset()).text == said
