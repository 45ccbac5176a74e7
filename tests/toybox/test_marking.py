"""Marking captions: the reference is right, a falsehood or a gap is wrong, and doubt counts neither way."""

from __future__ import annotations

import pytest

from mmvideo.toybox.balance import scenes
from mmvideo.toybox.captions import MAX_EVENTS, caption_facts, event_clause, scene_caption, scene_facts, told_events
from mmvideo.toybox.marking import FRAME_SECONDS, is_right
from mmvideo.toybox.summary import Summary, summarize
from mmvideo.toybox.world import Scene

DIRECTIONS = ("left", "right", "up", "down")


@pytest.fixture(scope="module")
def found() -> list[Scene]:
    return list(scenes("easy", "validation", 150))


def told(scene: Scene) -> list[str]:
    s = summarize(scene)
    return [event_clause(s, e) for e in told_events(s)]


def with_events(scene: Scene, clauses: list[str]) -> str:
    """Return the reference caption with other events."""
    toys, _, rest = scene_caption(scene).partition(".")
    others = [x for x in rest.strip(" .").split(", ") if x][len(told(scene)):]
    second = ", ".join([f"{'then ' if i else ''}{clause}" for i, clause in enumerate(clauses)] + others)
    return f"{toys}. {second}." if second else f"{toys}."


def test_the_reference_is_right(found) -> None:
    assert all(is_right(scene_caption(scene), scene) for scene in found)
    assert all(is_right(scene_caption(scene, has_sound=False), scene, has_sound=False) for scene in found)


def test_a_wrong_word_is_wrong(found) -> None:
    tried = 0
    for scene in found:
        for old, new in (("red", "green"), ("metal", "wood"), ("small", "large"), ("pans left", "pans right")):
            if f" {old}" in scene_caption(scene):
                assert not is_right(scene_caption(scene).replace(f" {old}", f" {new}", 1), scene)
                tried += 1
    assert tried > 50


def test_a_clear_event_may_not_be_left_out_doubled_or_moved(found) -> None:
    short = swapped = 0
    for scene in found:
        events, clauses = told_events(summarize(scene)), told(scene)
        if not clauses:
            continue
        assert with_events(scene, clauses) == scene_caption(scene)
        assert not is_right(with_events(scene, clauses[:-1]), scene)
        short += 1
        apart = len(events) == 2 and events[1].seconds - events[0].seconds > 2 * FRAME_SECONDS
        if apart and clauses[0] != clauses[1]:
            assert not is_right(with_events(scene, clauses[::-1]), scene), scene_caption(scene)
            swapped += 1
        if len(clauses) == 1 and len(list(same(summarize(scene), clauses[0]))) == 1:
            assert not is_right(with_events(scene, clauses * 2), scene)
    assert short > 50
    assert swapped > 5


def same(s: Summary, clause: str):
    return (e for e in (*s.events, *s.unclear) if e.kind != "enter" and event_clause(s, e) == clause)


def test_a_doubtful_event_may_be_told_but_no_other(found) -> None:
    allowed = refused = 0
    for scene in found:
        s, clauses = summarize(scene), told(scene)
        weak = [e for e in s.unclear if e.kind == "bounce" and e.toy in s.seen]
        if not clauses and len(weak) == 1 and not s.events:
            assert is_right(with_events(scene, [event_clause(s, weak[0])]), scene)
            allowed += 1
        if not clauses and not s.unclear and s.seen:
            name = f"the {s.toys[s.seen[0]].color} {s.toys[s.seen[0]].shape}"
            made_up = with_events(scene, [f"{name} bounces off the left wall"])
            assert caption_facts(made_up) != scene_facts(scene)
            assert not is_right(made_up, scene)
            refused += 1
    assert allowed > 0
    assert refused > 5
    assert MAX_EVENTS == 3


def test_a_slant_may_go_by_either_side_and_a_straight_way_by_one(found) -> None:
    straight = slant = 0
    for scene in found:
        s = summarize(scene)
        for toy in s.seen:
            way = s.caption_direction[toy]
            clause = f"a {s.toys[toy].name} moves {way}"
            if way == "still" or clause not in scene_caption(scene):
                continue
            for other in DIRECTIONS:
                said = scene_caption(scene).replace(clause, clause.removesuffix(way) + other)
                assert is_right(said, scene) == (other in s.possible_directions[toy])
            clear = s.start_direction[toy] is not None
            assert clear <= (s.possible_directions[toy] == {way})
            straight, slant = straight + clear, slant + (len(s.possible_directions[toy]) > 1)
    assert straight > 20
    assert slant > 5
