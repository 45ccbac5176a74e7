"""What agrees with an answer written by hand, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from mmvideo.errors import InvalidInput
from mmvideo.everyday.evaluation.matching import matches, normalised


def _entry(kind: str, *answers: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "answers": list(answers), **more}


@pytest.mark.parametrize(("answer", "entry", "right"), [
    ("Yes, a dog.", _entry("yes/no", "yes"), True),
    ("No. I see no dog.", _entry("yes/no", "yes"), False),
    ("There is a dog, yes.", _entry("yes/no", "yes"), False),
    ("Two people.", _entry("count", "2"), True),
    ("2 people, from 0 to 3.5 s", _entry("count", "2"), True),
    ("From 2 s to 3 s three people", _entry("count", "2"), False),
    ("A man.", _entry("count", "1"), True),
    ("No one", _entry("count", "0"), True),
    ("people", _entry("count", "2"), False),
    ("a red-brown jacket", _entry("colour", "brown"), True),
    ("a brownish jacket", _entry("colour", "brown"), False),
    ("She is doing push-ups.", _entry("open", "push-ups"), True),
    ("The camera does not move.", _entry("camera", "no", "not move"), True),
    ("No, it is static.", _entry("camera", "no"), True),
    ("It pans; there is no cut.", _entry("camera", "no"), False),
    ("I cannot tell from this video.", _entry("unknowable", "i cannot tell"), True),
    ("I can't tell.", _entry("unknowable", "i cannot tell"), True),
    ("Anna", _entry("unknowable", "i cannot tell"), False),
    ("I cannot tell whether the shirt is red.", _entry("colour", "red"), False),
    ("", _entry("open", "dog"), False),
])
def test_words_yes_no_counts_and_what_cannot_be_known(answer: str, entry: dict[str, Any], right: bool) -> None:
    assert matches(answer, entry) is right


@pytest.mark.parametrize(("answer", "right"), [
    ("At 2.6 s.", True), ("from 2 to 3 seconds", True), ("2.0–3.1 s", True), ("at 0:03", True), ("at 1.45 s", False),
    ("after 3.55 s", False), ("from 0 to 3.2 s", False), ("between 0 s and 10 s", False), ("at the beginning", False),
])
def test_times_within_half_a_second(answer: str, right: bool) -> None:
    assert matches(answer, _entry("time", "from 2 to 3 seconds", spans=[[2.0, 3.0]], tolerance_seconds=0.5)) is right


def test_normalised_keeps_points_in_numbers_only() -> None:
    assert normalised("Twelve men, at 3.5 s. Don't!") == "12 men at 3.5 s don t"


def test_an_entry_must_say_what_is_right() -> None:
    with pytest.raises(InvalidInput, match="no accepted answers"):
        matches("yes", {"kind": "yes/no", "answers": []})
    with pytest.raises(InvalidInput, match="needs spans"):
        matches("at 1 s", _entry("time", "at 1 s"))
