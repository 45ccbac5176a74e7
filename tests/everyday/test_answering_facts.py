"""Answers from colours of parts, from moments of movement and from the words of a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmvideo.everyday.facts import Facts, ShotFacts
from mmvideo.everyday.look import Frames
from mmvideo.everyday.part_colours import colourfulness, part_colours
from mmvideo.everyday.questions import answer_from_facts, understand
from mmvideo.everyday.questions.checks import Signs, exists, judged, named_probability, signs_of
from mmvideo.everyday.questions.rewording import reworded
from mmvideo.everyday.stirs import stir_spans
from mmvideo.types import Label, Segment
from tests.everyday.video_facts import followed


def _film(*, grey: bool = False) -> tuple[Frames, tuple]:
    """Return four frames with a person in a dim orange shirt and blue trousers before grey, and the person's track."""
    picture = np.full((100, 160, 3), 120, np.uint8)
    picture[:5] = 150
    picture[10:45, 60:90] = (150, 85, 12)
    picture[45:95, 60:90] = (20, 40, 110)
    if grey:
        picture[:] = picture.mean(-1, keepdims=True).astype(np.uint8)
    pictures = torch.from_numpy(picture).permute(2, 0, 1)[None].repeat(4, 1, 1, 1)
    box = (60 / 160, .02, 90 / 160, .98)
    return (Frames(pictures, torch.tensor([0., .25, .5, .75], dtype=torch.float64)),
            (followed(1, "person", 0, .75, box, box),))


def _facts(**more: object) -> Facts:
    return Facts(0., 5., (ShotFacts(0., 5., words={"man": .5, "woman": .05, "stand": .3, "guitar": .001}),), **more)


def test_clothes_have_the_colours_of_their_part_of_the_box() -> None:
    frames, tracks = _film()
    facts = _facts(tracks=tracks, part_colours=part_colours(frames, tracks), colourfulness=colourfulness(frames))
    said = {question: answer_from_facts(understand(question), facts).text for question in (
        "What colour is the man's shirt?", "What colour are his trousers?", "What colour is the background?",
        "Is his shirt blue?", "Is the film in colour or in black and white?")}
    assert said == {"What colour is the man's shirt?": "orange", "What colour are his trousers?": "blue",
                    "What colour is the background?": "grey", "Is his shirt blue?": "no",
                    "Is the film in colour or in black and white?": "in colour"}


def test_a_film_without_colours_is_black_and_white() -> None:
    frames, tracks = _film(grey=True)
    facts = _facts(tracks=tracks, colourfulness=colourfulness(frames))
    told = answer_from_facts(understand("Is the film in colour or in black and white?"), facts)
    assert told.text == "black and white"


def test_the_right_mans_shirt_is_that_of_the_man_on_the_right() -> None:
    tracks = (followed(1, "person", 0, 5, (.1, .2, .3, .9), (.1, .2, .3, .9), sure=.95),
              followed(2, "person", 0, 5, (.7, .2, .9, .9), (.7, .2, .9, .9), sure=.8))
    facts = _facts(tracks=tracks, part_colours={(1, "upper"): {"black": 1.}, (2, "upper"): {"white": 1.}})
    assert answer_from_facts(understand("What is the colour of the right man's shirt?"), facts).text == "white"


def test_the_man_in_red_is_the_one_who_has_most_of_it() -> None:
    tracks = (followed(1, "person", 0, 5, (.1, .2, .3, .9), (.1, .2, .3, .9), colours=("white",)),
              followed(2, "person", 0, 5, (.7, .2, .9, .9), (.7, .2, .9, .9), colours=("brown",)))
    facts = _facts(tracks=tracks, part_colours={(1, "upper"): {"white": 1.}, (2, "upper"): {"brown": .7, "red": .3}})
    assert answer_from_facts(understand("Where is the man in the red shirt?"), facts).text == "on the right"


def test_a_deed_is_guessed_while_two_people_are_together_else_when_most_moves() -> None:
    tracks = (followed(1, "person", 0, 5, (.1, .2, .2, .9), (.1, .2, .2, .9)),
              followed(2, "person", 0, 2, (.8, .2, .9, .9), (.2, .2, .3, .9)),
              followed(3, "person", 3, 5, (.25, .2, .35, .9), (.8, .2, .9, .9)))
    facts = _facts(tracks=tracks, stirs=((4., 4.5, 2.),))
    hug = answer_from_facts(understand("When do they hug?"), facts)
    kick = answer_from_facts(understand("When does he raise his arm?"), facts)
    assert 1.5 < hug.proof.intervals[0][0] < hug.proof.intervals[0][1] < 3.5
    assert kick.text == "probably from 4.0 s to 4.5 s"
    assert max(hug.confidence, kick.confidence) < .5
    assert not answer_from_facts(understand("When does he raise his arm?"), _facts(tracks=tracks)).knows


def test_most_moves_when_pictures_change_most() -> None:
    rng = torch.Generator().manual_seed(1)
    pictures = torch.full((40, 3, 64, 64), 100, dtype=torch.uint8)
    for k in range(20, 26):
        pictures[k, :, :32] = torch.randint(0, 255, (3, 1, 1), generator=rng, dtype=torch.uint8)
    frames = Frames(pictures, torch.arange(40, dtype=torch.float64) / 8)
    (start, end, _), = stir_spans(frames, [(0., 5.)])
    assert 2.2 < start < 2.7
    assert 3. < end < 3.6
    assert stir_spans(Frames(pictures[:20], frames.seconds[:20]), [(0., 2.5)]) == ()


def test_one_person_close_by_while_speech_is_heard_talks() -> None:
    near = (followed(1, "person", 0, 5, (.1, .05, .9, 1.), (.1, .05, .9, 1.)),)
    speech = (Segment(0., 4., "speech", .9),)
    facts = _facts(tracks=near, speech=speech, has_audio=True)
    assert answer_from_facts(understand("What is he doing?"), facts).text == "talking"
    far = (followed(1, "person", 0, 5, (.4, .4, .5, .8), (.4, .4, .5, .8)),)
    assert answer_from_facts(understand("What is he doing?"), _facts(tracks=far, speech=speech, has_audio=True)) is None


def test_faces_and_men_are_counted_as_people_where_words_agree() -> None:
    tracks = (followed(1, "person", 0, 5, (.1, .2, .3, .9), (.1, .2, .3, .9)),
              followed(2, "person", 0, 5, (.7, .2, .9, .9), (.7, .2, .9, .9)))
    assert answer_from_facts(understand("How many faces are there?"), _facts(tracks=tracks)).text == "2"
    assert answer_from_facts(understand("How many men are there?"), _facts(tracks=tracks)).text == "2"
    assert answer_from_facts(understand("How many women are there?"), _facts(tracks=tracks)) is None


def test_before_a_camera_that_stays_still_boxes_tell_the_way() -> None:
    track = followed(1, "person", 0, 5, (.4, .2, .6, .8), (.4, .5, .6, .9), shift=(.0, -.1))
    still, moved = (Segment(0., 5., name, .9) for name in ("static", "tilt up"))
    question = understand("Which way does the person move?")
    assert answer_from_facts(question, _facts(tracks=(track,), camera=(still,))).text.startswith("down")
    assert answer_from_facts(question, _facts(tracks=(track,), camera=(moved,))).text.startswith("up")


def test_where_somebody_is_says_the_place_too() -> None:
    track = followed(1, "person", 0, 5, (.1, .2, .3, .9), (.1, .2, .3, .9))
    for shot, place in ((ShotFacts(0., 5., places=(Label("street", .8),)), "in a street"),
                        (ShotFacts(0., 5., indoors=.95), "indoors")):
        told = answer_from_facts(understand("Where is the person?"), Facts(0., 5., (shot,), tracks=(track,)))
        assert told.text == f"{place}, on the left"


def test_after_they_were_together_two_people_go_apart() -> None:
    tracks = (followed(1, "person", 0, 5, (.1, .2, .2, .9), (.1, .2, .2, .9)),
              followed(2, "person", 0, 2, (.8, .2, .9, .9), (.2, .2, .3, .9)),
              followed(3, "person", 3, 5, (.25, .2, .35, .9), (.8, .2, .9, .9)))
    question = understand("What do they do after the greeting?")
    assert "apart" in answer_from_facts(question, _facts(tracks=tracks)).text
    assert answer_from_facts(question, _facts(tracks=tracks[:1])) is None


def test_what_is_worn_is_what_the_picture_looks_like() -> None:
    things = (Label("suit", .4), Label("Windsor tie", .2), Label("jean", .01))
    facts = Facts(0., 5., (ShotFacts(0., 5., things=things),))
    assert answer_from_facts(understand("What is the man wearing?"), facts).text == "a suit and a tie"


@pytest.mark.parametrize(("question", "named"), [
    ("Is he standing?", .3), ("Is the man holding a guitar?", .001), ("Does he raise his hand?", None)])
def test_words_judge_what_a_question_names(question: str, named: float | None) -> None:
    assert named_probability(understand(question), _facts()) == named


def test_a_likely_word_is_a_yes_whatever_the_language_model_says() -> None:
    assert judged(.3, .45) > .5 > judged(.001, .6)
    assert judged(.01, .5, worn=True) > .5 > judged(.01, .5)


@pytest.mark.parametrize(("question", "wording"), [
    ("What does he do?", "what is the man doing?"), ("What are the two men up to?", "what are the men doing?"),
    ("What happens between the two women?", "what are the women doing?"),
    ("Is she running?", "Is she running?"), ("What is the man lifting?", "what is the man lifting?")])
def test_open_questions_are_put_in_the_words_of_training(question: str, wording: str) -> None:
    assert reworded(question, understand(question)) == wording


def _whether(question: str, facts: Facts) -> Signs | None:
    return signs_of(understand(question), facts, {"guitar", "ball", "man", "water"})


def test_what_speaks_for_a_thing_is_gathered_where_no_detection_settles_it() -> None:
    box = (.4, .4, .5, .5)
    hazy = _facts(tracks=(followed(1, "sports ball", 0, 5, box, box, sure=.3),))
    assert _whether("is there a ball?", hazy) == Signs(.3, 0.0, 0.0)
    assert _whether("is there a guitar?", hazy) == Signs(0.0, .001, 0.0)
    assert _whether("is there a guitar at the end?", hazy) == Signs(0.0, .001, 0.0)
    sure = _facts(tracks=(followed(1, "sports ball", 0, 5, box, box, sure=.8),))
    assert _whether("is there a ball?", sure) is None


@pytest.mark.parametrize("question", [
    "is there a man?", "is there a red ball?", "is there a ball on the left?", "are there two balls?", "what is there?",
    "is there a xylophone?", "is there a ball after the man falls?"])
def test_other_questions_are_not_settled_by_signs(question: str) -> None:
    assert _whether(question, _facts()) is None


def test_each_sign_makes_a_thing_likelier() -> None:
    least = exists(Signs(0.0, .001, 0.0), .4, known=True)
    assert least < .1
    for more in (Signs(.45, .001, 0.0), Signs(0.0, .3, 0.0), Signs(0.0, .001, .9)):
        assert exists(more, .4, known=True) > least
    assert exists(Signs(0.0, .001, 0.0), .6, known=True) > least
    assert exists(Signs(.4, .1, 0.0), .5, known=True) > .5
    assert exists(Signs(0.0, .1, 0.0), .5, known=False) > .5 > exists(Signs(0.0, .001, 0.0), .5, known=False)


@pytest.mark.parametrize("question", [
    "When does someone speak?", "When does the dog bark?", "When does the man appear?", "When do they hug?",
    "When does the camera pan?", "When does the scene change?"])
def test_intervals_of_a_when_question_lie_within_the_film(question: str) -> None:
    facts = Facts(0., 5., (ShotFacts(0., 2.), ShotFacts(2., 5.)), has_audio=True,
                  speech=(Segment(3., 6.5, "speech", .9),), sounds=(Segment(-.4, 1., "dog bark", .9),),
                  camera=(Segment(0., 3., "static", .9), Segment(3., 5.6, "pan left", .9)), stirs=((4., 5.2, 2.),),
                  tracks=(followed(1, "person", 0, 5, (.1, .2, .3, .9), (.1, .2, .3, .9)),
                          followed(2, "person", 0, 5, (.8, .2, .9, .9), (.32, .2, .5, .9))))
    told = answer_from_facts(understand(question), facts)
    assert told is not None
    assert told.proof is not None
    assert told.proof.intervals
    assert all(0 <= start <= end <= 5 for start, end in told.proof.intervals)
    assert "6." not in told.text
