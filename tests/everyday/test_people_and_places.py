"""Answers about people as such, weather, what is behind, what things tell of deeds; and parts of a video."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mmvideo.everyday.facts import Facts, ShotFacts
from mmvideo.everyday.kinds_of_animals import animals_of
from mmvideo.everyday.observation import Observation
from mmvideo.everyday.parts import observation_within
from mmvideo.everyday.questions import answer_from_facts, understand
from mmvideo.everyday.questions.rewording import reworded
from mmvideo.types import Domain, Label
from tests.everyday.video_facts import followed

BOX = (.1, .2, .4, .9)


def _facts(words: dict[str, float], *, things: tuple[Label, ...] = (), indoors: float = .1,
           people: bool = True, **more: object) -> Facts:
    shot = ShotFacts(0., 6., words=words, things=things, indoors=indoors, brightness=.6)
    return Facts(0., 6., (replace(shot, animals=more.pop("animals", ())),),
                 tracks=(followed(1, "person", 0, 6, BOX, BOX),) if people else (), **more)


def _said(question: str, facts: Facts) -> str:
    told = answer_from_facts(understand(question), facts)
    return told.text if told is not None else ""


def test_man_or_woman_is_told_by_words() -> None:
    facts = _facts({"woman": .5, "girl": .1, "man": .05})
    assert _said("Is it a man or a woman?", facts) == "a woman"
    assert _said("What is the gender of the person in the video?", facts) == "female"
    assert _said("Is the person in the video male?", facts) == "no"
    assert _said("Is the person young?", facts) == "yes"
    assert _said("Is the woman old?", facts) == "no"


def test_weather_and_season() -> None:
    sunny = _facts({"grass": .6}, part_colours={(0, "top"): {"blue": .8, "white": .2}})
    assert (_said("What is the weather like?", sunny), _said("What season is it?", sunny)) == ("sunny", "summer")
    assert _said("What season is it in the video?", _facts({"snow": .8})) == "winter"
    assert _said("Is it winter?", sunny) == "no"
    assert _said("How is the weather?", _facts({}, indoors=.95)).startswith("I cannot tell")


def test_what_is_behind_is_no_person() -> None:
    facts = _facts({"tree": .4, "building": .1, "man": .9})
    assert _said("What is in the background?", facts) == "trees"
    assert _said("What is behind him?", facts) == "trees"


def test_things_tell_what_is_done() -> None:
    facts = _facts({"man": .5}, things=(Label("acoustic guitar", .7),))
    assert _said("What is the man doing?", facts) == "playing the guitar"
    assert _said("What is the man playing?", facts) == "the guitar"
    assert _said("What sport is this?", _facts({"skateboard": .6, "ramp": .3})) == "skateboarding"


def test_an_animal_is_named_by_the_classes_of_the_picture() -> None:
    shares = torch.zeros(1000)
    shares[373], shares[372], shares[388] = .4, .2, .1
    animals = animals_of(shares)
    assert [(one.name, round(one.confidence, 1)) for one in animals] == [("monkey", .6), ("panda", .1)]
    assert _said("Who is eating?", _facts({}, people=False, animals=animals)) == "a monkey"
    assert _said("What animal is running there?", _facts({}, people=False, animals=animals)) == "a monkey"


def test_sides_are_answered_with_a_side() -> None:
    facts = _facts({"man": .5}, part_colours={(0, "left"): {"grey": 1.}, (0, "right"): {"blue": .4, "grey": .6}})
    assert _said("On which side is the blue board?", facts) == "on the right"
    assert _said("On which side is his face?", facts).startswith("on the left")
    assert _said("What colour is the panel on the right-hand wall?", facts) == "blue"


@pytest.mark.parametrize(("asked", "put"), [
    ("What does a man pour into a bowl?", "what is the man pouring?"),
    ("What is being cut?", "what is the person cutting?"),
    ("Who are dancing?", "who is dancing?"),
    ("What sports are in the video?", "what sport is this?"),
    ("What does the man do first?", "what is the man doing?"),
    ("What does the woman do before jumping?", "what is the woman doing?"),
    ("What is the boy riding?", "what is the boy riding?")])
def test_questions_are_put_as_the_language_model_learned_them(asked: str, put: str) -> None:
    assert reworded(asked, understand(asked)) == put


@pytest.mark.parametrize("question", ["Who is the pilot?", "Who is this?", "Who is the man?"])
def test_who_somebody_is_cannot_be_told(question: str) -> None:
    assert understand(question).family == "unanswerable"


@pytest.mark.parametrize("question", ["Who is in the video?", "Who is playing the guitar?"])
def test_who_is_there_can_be_told(question: str) -> None:
    assert understand(question).family == "who"


def test_what_happens_after_an_event_is_looked_for_in_the_second_half() -> None:
    query = understand("What happens after the man falls?")
    assert query.time is not None
    assert (query.time.kind, query.time.relation) == ("event", "after")


def test_a_knife_makes_no_cut_between_shots() -> None:
    assert understand("What is the person using to cut?").family != "cuts"


def test_what_is_worn_on_a_part_of_the_body() -> None:
    facts = _facts({"man": .5, "helmet": .4, "hat": .1})
    assert _said("What does the man wear on his head?", facts) == "a helmet"
    assert _said("Is he wearing a jacket or suit?", facts) in ("", "yes", "no")


def test_a_part_of_a_video_has_its_frames_alone() -> None:
    facts = Facts(0., 8., (ShotFacts(0., 4.), ShotFacts(4., 8.)))
    frames = tuple(torch.full((2, 49, 4), float(k)) + torch.tensor([0., .5])[:, None, None] for k in range(2))
    found = Observation(None, facts, torch.stack([one.mean(0) for one in frames]), frames, ("a", "b"),
                        Domain(True), ((1., 3.), (5., 7.)))
    last = observation_within(found, 6.4, 8.)
    assert (last.lines, last.frame_seconds, last.facts.start_seconds) == (("b",), ((7.,),), 6.4)
    assert float(last.grids.mean()) == 1.5
    assert observation_within(found, 3.5, 3.9).frame_seconds == ((3.,),)
