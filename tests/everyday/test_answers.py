"""Answers from made-up facts: right, with their evidence, and not leaning to yes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from video_facts import empty, film, gym, street

from mmvideo.everyday.facts import Facts
from mmvideo.everyday.questions import Told, answer_from_facts, understand

VIDEOS = {"street": street(), "gym": gym(), "empty": empty(), "film": film()}


def _told(video: str, question: str) -> Told | None:
    return answer_from_facts(understand(question), VIDEOS[video])


@pytest.mark.parametrize(("video", "question", "answer"), [
    ("street", "Is there a dog?", "yes"), ("street", "do you see a cat?", "no"), ("street", "are there no dogs?", "no"),
    ("street", "is there a dog in the first 3 seconds?", "no"), ("street", "How many people are there?", "2"),
    ("street", "are there more than two people?", "no"), ("street", "are there at least two people?", "yes"),
    ("street", "is it a dog or a cat?", "a dog"), ("street", "what colour is the car?", "red"),
    ("street", "is the car blue?", "no"), ("street", "is the car red or green?", "red"),
    ("street", "which way does the car go?", "to the right"), ("street", "is the car moving left?", "no"),
    ("street", "when does someone speak?", "from 2.0 s to 5.0 s"), ("street", "when does the dog appear?", "at 4.0 s"),
    ("street", "does the dog appear before the car?", "no"), ("street", "how does the camera move?", "it pans right"),
    ("street", "is the camera zooming out?", "no"), ("street", "is there music?", "yes"), ("street", "is it night?",
        "no"),
    ("street", "indoors or outdoors?", "outdoors"), ("street", "where does this take place?", "a street"),
    ("street", "how long is the video?", "8 seconds"), ("street", "Is it one shot?", "yes"),
    ("street", "are there any animals?", "yes"), ("street", "does the car leave?", "yes"),
    ("street", "is the person on the left?", "yes"), ("street", "does the dog come closer?", "yes"),
    ("gym", "how many squats does he do?", "8 times"), ("gym", "is there any sound?", "no"),
    ("gym", "is this indoors?", "yes"), ("gym", "how many cars are there?", "none"),
    ("gym", "what animals are there?", "no animals"), ("gym", "where is the dog?", "I see no dog"),
    ("empty", "is anyone there?", "no"), ("empty", "who is in the video?", "nobody"),
    ("film", "how many shots are there?", "3"), ("film", "how many cuts are there?", "2"),
    ("film", "when does the scene change?", "at 3.0 s and 6.0 s"), ("film", "is there snow?", "yes"),
])
def test_answers(video: str, question: str, answer: str) -> None:
    told = _told(video, question)
    assert told is not None
    assert told.text == answer
    assert .3 < told.confidence <= 1
    assert told.proof is not None
    assert told.proof.intervals or told.proof.boxes


@pytest.mark.parametrize("question", ["what is the woman wearing?", "what is the man doing?",
    "what happens in the video?",
                                      "is the man smiling?", "who is riding the bike?", "what is he holding?"])
def test_what_only_a_picture_shows_is_left_to_it(question: str) -> None:
    assert _told("street", question) is None


@pytest.mark.parametrize("question", ["what is his name?", "why does he run?", "how old is the man?",
    "what does the sign say?",
                                      "what are they talking about?", "is he happy?", "how much does the car cost?"])
def test_what_nobody_can_know_is_said_so(question: str) -> None:
    told = _told("street", question)
    assert told is not None
    assert not told.knows
    assert told.confidence < .3
    assert told.text.startswith("I cannot tell from this video: ")


def test_boxes_lie_where_the_thing_is() -> None:
    told = _told("street", "is there a dog?")
    assert told is not None
    assert told.proof is not None
    assert {box.label for box in told.proof.boxes} == {"dog"}
    assert all(4 <= box.seconds <= 8 for box in told.proof.boxes)
    assert told.proof.intervals == ((4.0, 8.0),)


def test_the_future_is_extrapolated() -> None:
    told = _told("street", "what happens next?")
    assert told is not None
    assert "dog comes closer" in told.text
    assert "panning right" in told.text
    assert told.confidence < .7
    assert "repeated again" in (_told("gym", "what happens next?") or Told("", 0)).text


def test_what_is_not_known_is_not_denied() -> None:
    """Nothing was found in the picture: that a fountain is there can only be seen."""
    assert _told("empty", "is there a fountain?") is None
    assert _told("empty", "what is the man doing?") is None


@pytest.mark.parametrize(("question", "family"), [
    ("", "empty"), ("?!", "empty"), ("was ist in dem Video zu sehen?", "language"), ("猫はいますか", "language"),
    ("word " * 2000, "long"), ("how to make a bomb", "unsafe")])
def test_what_is_no_question(question: str, family: str) -> None:
    query = understand(question)
    assert query.family == family
    told = answer_from_facts(query, street())
    assert told is not None
    assert told.confidence == 0
    assert told.text


def test_questions_need_no_torch() -> None:
    code = "import sys, mmvideo.everyday.questions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_facts_without_anything_never_fail() -> None:
    bare = Facts(0.0, 0.0, VIDEOS["empty"].shots[:1])
    for question in ("is there a dog?", "how many people?", "when does he leave?", "what next?", "which way?",
        "what first?"):
        answer_from_facts(understand(question), bare)


def test_boxes_of_a_count_are_of_times_at_which_all_are_seen():
    from mmvideo.everyday.questions.told import proven
    from mmvideo.objects.tracks import ObjectTrack

    times = tuple(n / 2 for n in range(30))
    box = (0.1, 0.1, 0.4, 0.9)
    alone = ObjectTrack(1, "person", times, (box,) * 30, (0.99,) * 30)
    late = ObjectTrack(2, "person", times[20:23], (box,) * 3, (0.6,) * 3)
    shown = [one.seconds for one in proven([alone, late]).boxes]
    for seconds in late.seconds:
        assert shown.count(seconds) == 2
