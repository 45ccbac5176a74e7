"""What facts add to a caption, and which of its nouns they support."""

from __future__ import annotations

import pytest
from video_facts import empty, gym, street

from mmvideo.everyday.questions import check_caption, describe


def test_a_description_tells_what_moves_and_what_is_heard() -> None:
    text = describe(street())
    assert "two people, a car and a dog" in text
    assert "The car moves right and leaves" in text
    assert "The camera pans right." in text
    assert "Music is heard and someone speaks from 2.0 s to 5.0 s." in text
    assert text.count(". ") <= 4


def test_what_the_caption_names_is_not_introduced_again() -> None:
    text = describe(street(), ["a man and a woman walk on a street while the camera pans"])
    assert "people" not in text
    assert "There are also a car and a dog." in text
    assert "camera" not in text


def test_nothing_sure_says_nothing() -> None:
    assert describe(empty()) == ""
    assert describe(gym(), ["a man does squats"]).endswith("A movement is repeated about 8 times.")


@pytest.mark.parametrize(("caption", "supported", "unsupported"), [
    ("a man walks past a red car", ("man", "car"), ()), ("a woman with a cat", (), ("woman", "cat")),
    ("two dogs play in the snow", ("dog",), ("snow",)), ("people on a street with instruments", ("person", "street"),
        ())])
def test_nouns_of_a_caption(caption: str, supported: tuple[str, ...], unsupported: tuple[str, ...]) -> None:
    assert check_caption(caption, street()) == (supported, unsupported)


def test_a_caption_is_checked_in_its_shot() -> None:
    assert check_caption("a dog", street(), span=(0, 3)) == ((), ("dog",))
    assert check_caption("a dog", street(), span=(5, 8)) == (("dog",), ())
