"""Questions: closed vocabulary, right answers, balance, determinism."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.balance import scenes
from mmvideo.toybox.physics import simulate
from mmvideo.toybox.questions import FAMILIES, KINDS, TYPES, Question, ask_questions
from mmvideo.toybox.spec import NEVER, SceneSpec, ToySpec
from mmvideo.toybox.words import tokenize, vocabulary
from mmvideo.toybox.world import Scene

NUM = 160


@pytest.fixture(scope="module", params=v.LEVELS)
def asked(request) -> list[tuple[Scene, list[Question]]]:
    found = scenes(request.param, "validation", NUM)
    return [(scene, ask_questions(scene, random.Random(i))) for i, scene in enumerate(found)]


def toy(shape: str, color: str, at: tuple[float, float], go: tuple[float, float] = (0.0, 0.0), **more) -> ToySpec:
    known = {"size": "large", "material": "wood", "radius": 0.1, "spin": 0.0, "start_seconds": 0.0, "voice": "none",
             "beep_seconds": ()}
    return ToySpec(shape=shape, color=color, position=at, velocity=go, **(known | more))


def stage(*toys: ToySpec, **more) -> Scene:
    """Make a scene by hand: seen from above, a wall on the right, open elsewhere, no friction."""
    known = {"seed": 1, "level": "standard", "view": "top", "walls": (False, True, False, False), "occluder": None,
             "camera_motion": "static", "camera_speed": 0.0, "offscreen": (), "friction": 0.0}
    return simulate([SceneSpec(toys=toys, **(known | more))]).scene(0)


def answers(scene: Scene, kind: str, *, tries: int = 80, **more) -> set[tuple[str, str]]:
    """Every (text, answer) of a type that can be drawn."""
    return {(q.text, q.answer) for i in range(tries)
            for q in ask_questions(scene, random.Random(i), types={kind}, **more)}


def said(scene: Scene, kind: str, **more) -> set[str]:
    return {answer for _, answer in answers(scene, kind, **more)}


@pytest.fixture(scope="module")
def collision() -> Scene:
    """A red ball rolls right, hits a blue box at about 0.45 s, which goes on and leaves on the right at 1.3 s."""
    toys = toy("ball", "red", (0.15, 0.5), (0.7, 0.0)), toy("box", "blue", (0.65, 0.5), size="small")
    return stage(*toys, walls=(False, False, False, False))


def test_every_word_is_in_the_vocabulary(asked):
    known = set(vocabulary())
    for _, questions in asked:
        for q in questions:
            assert set(tokenize(q.text)) | set(tokenize(q.answer)) <= known, q
            assert q.text == q.text.lower()
            assert q.text.endswith("?")
            assert not q.answer.endswith(".")


def test_the_vocabulary_is_small_sorted_and_what_tokenize_makes():
    words = vocabulary()
    assert words == sorted(set(words))
    assert len(words) < 300
    assert all(tokenize(word) == [word] for word in words)


def test_most_scenes_get_all_the_questions_they_are_asked_for(asked):
    counts = [len(questions) for _, questions in asked]
    assert max(counts) == 20
    assert sum(counts) / len(counts) > 18


def test_a_question_offers_the_right_answer_among_its_choices(asked):
    offered = [q for _, questions in asked for q in questions if q.choices]
    assert offered
    assert all(q.answer in q.choices for q in offered)


def test_the_same_random_state_asks_the_same(asked):
    for i, (scene, questions) in enumerate(asked[:30]):
        assert ask_questions(scene, random.Random(i)) == questions


def test_yes_and_no_come_equally_often(asked):
    counts: dict[str, Counter] = {}
    for _, questions in asked:
        for q in questions:
            if q.answer in ("yes", "no"):
                counts.setdefault(q.type, Counter())[q.answer] += 1
    total = sum((c for c in counts.values()), Counter())
    assert 0.45 < total["yes"] / total.total() < 0.55
    for name, found in counts.items():
        if found.total() > 60:
            assert max(found.values()) / found.total() < 0.72, (name, found)


def test_no_answer_leads_its_type(asked):
    for name in ("direction_start", "direction_end", "color", "camera", "hits_first", "across_end"):
        found = Counter(q.answer for _, questions in asked for q in questions if q.type == name)
        assert max(found.values()) < 0.55 * found.total(), (name, found)


def test_families_cover_every_type_once():
    assert sorted(name for types in FAMILIES.values() for name in types) == sorted(TYPES)
    assert all(FAMILIES.values())
    assert all(len(kind.templates) >= 3 for kind in KINDS.values())


def test_a_collision_is_told_rightly(collision):
    assert said(collision, "first_event") == {"the red ball hits the blue box"}
    assert said(collision, "event_after") == {"the blue box leaves on the right"}
    assert said(collision, "larger") == {"the red ball"}
    assert said(collision, "num_toys", tries=200) <= {"two"}
    start = answers(collision, "direction_start")
    assert {a for text, a in start if "blue" in text or "box" in text} <= {"it does not move"}
    assert {a for text, a in start if "red" in text or "ball" in text} <= {"right"}
    hits = answers(collision, "hits_first")
    assert {a for text, a in hits if "red" in text or "ball" in text} <= {"the blue box"}


def test_what_happens_next_is_what_physics_does_next():
    leaves = stage(toy("ball", "red", (0.7, 0.5), (-0.3, 0.0)), toy("box", "blue", (0.8, 0.15)))
    assert said(leaves, "next") == {"the red ball leaves on the left"}
    assert said(leaves, "next_leave_side") == {"on the left"}
    bounces = stage(toy("ball", "red", (0.3, 0.5), (0.25, 0.0)), toy("box", "blue", (0.8, 0.15)))
    assert said(bounces, "next") == {"the red ball bounces off the right wall"}
    rests = stage(toy("ball", "red", (0.3, 0.5)), toy("box", "blue", (0.8, 0.15)))
    assert said(rests, "next", tries=1500) == {"nothing"}


def test_sounds_are_heard_only_with_a_sound_track():
    beeper = toy("ball", "red", (0.3, 0.5), voice="beep", beep_seconds=(0.4, 1.2))
    scene = stage(beeper, toy("box", "blue", (0.8, 0.15)))
    assert said(scene, "num_beeps") == {"two"}
    assert said(scene, "beeper") == {"the red ball"}
    assert said(scene, "num_beeps", has_sound=False) == {"there is no sound track"}
    silent = ask_questions(scene, random.Random(0), has_sound=False)
    assert {q.answer for q in silent if q.family == "sound"} == {"there is no sound track"}
    assert 1 <= sum(q.family == "sound" for q in silent) <= 4


def test_references_fit_one_toy_and_do_not_give_the_answer(asked):
    for scene, questions in asked:
        for q in questions:
            if q.type in ("color", "shape", "material"):
                target = [t for t in scene.toys if getattr(t, q.type) == q.answer]
                assert target
                assert q.answer not in tokenize(q.text) or q.type == "material", q


def test_held_out_pairs_are_not_asked_for_in_train():
    held = {f"{color} {shape}" for color, shape in v.HELD_OUT_PAIRS}
    for i, scene in enumerate(scenes("easy", "train", 100)):
        for q in ask_questions(scene, random.Random(i), types={"is_there"}):
            assert not any(pair in q.text for pair in held), q


def test_an_unknown_type_is_refused_with_a_guess(collision):
    with pytest.raises(UnknownName, match="direction_start"):
        ask_questions(collision, random.Random(0), types={"direction_stat"})
    with pytest.raises(InvalidInput, match="num"):
        ask_questions(collision, random.Random(0), num=-1)


def test_a_scene_that_nobody_sees_has_no_questions():
    assert ask_questions(stage(toy("ball", "red", (-3.0, 0.5))), random.Random(0)) == []
    assert NEVER > v.CLIP_SECONDS


def test_asking_is_fast():
    found = list(scenes("easy", "validation", 200))
    start = time.process_time()
    for i, scene in enumerate(found):
        ask_questions(scene, random.Random(i))
    assert len(found) / (time.process_time() - start) > 60
