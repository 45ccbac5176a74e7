"""Questions made from captions: what captions support, a no for every yes, nothing that anybody contradicts."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from mmvideo.errors import InvalidInput
from mmvideo.everyday.training.caption_negatives import absent
from mmvideo.everyday.training.caption_parse import read_caption
from mmvideo.everyday.training.caption_questions import caption_pairs, read_caption_file
from mmvideo.everyday.training.caption_questions import test_set as questions_of

DOG = ["A brown dog runs through the snow .", "A brown dog is running in the snow .",
       "Brown dog running through snow .", "A dog with a red collar runs across the snow .",
       "The dog is running in the deep snow ."]
COUPLE = ["A man in a red shirt and a woman are riding bikes on a street .", "Two people ride bikes .",
          "A man and a woman on bikes .", "Two cyclists ride down the street .", "A man and a woman riding bicycles ."]


def _many(captions: list[str], strict: bool = False) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for seed in range(60):
        for family, question, answer in caption_pairs(captions, random.Random(seed), strict=strict):
            found[family].add((question, answer))
    return found


def test_a_caption_is_read() -> None:
    read = read_caption("A young girl in a pink dress and a hat is riding a brown horse through the woods , "
                        "while a man looks on .")
    assert read.clause is not None
    assert [phrase.text for phrase in read.clause.worn] == ["a pink dress", "a hat"]
    assert read.clause.deed == "riding a brown horse through the woods"
    assert read.clause.target is not None
    assert (read.clause.target.head, read.clause.target.colours) == ("horse", ("brown",))
    assert [phrase.head for phrase in read.phrases if phrase.person] == ["girl", "man"]


@pytest.mark.parametrize(("caption", "head", "number", "colours"), [
    ("Three black and white dogs play .", "dog", 3, ("black", "white")),
    ("A brown , black , and tan dog run in the ocean .", "dog", 1, ("brown", "black", "tan")),
    ("A group of people stand .", "person", None, ()), ("A couple of dogs sleep .", "dog", 2, ()),
    ("A dark haired woman smiles .", "woman", 1, ()), ("The tennis player serves .", "player", None, ())])
def test_phrases(caption: str, head: str, number: int | None, colours: tuple[str, ...]) -> None:
    phrase = read_caption(caption).phrases[0]
    assert (phrase.head, phrase.number, phrase.colours) == (head, number, colours)


def test_what_all_say_is_asked() -> None:
    found = _many(DOG, strict=True)
    assert {answer for question, answer in found["colour"] if "dog" in question} == {"brown"}
    assert all(answer.startswith("running") for _, answer in found["doing"])
    assert {answer for _, answer in found["animal"]} == {"a dog"}
    assert {answer for _, answer in found["inout"]} == {"outdoors"}
    assert found["doing_check"] & {("is the dog swimming?", "no"), ("is the dog sitting?", "no")}
    assert not any("dog" in question and answer == "no" for question, answer in found["exist"])
    assert {answer for _, answer in _many(COUPLE, strict=True)["count"]} >= {"two"}


def test_a_no_is_what_nobody_names_or_implies() -> None:
    assert absent("cat", {"dog", "snow"})
    assert not absent("mountain", {"snow"})  # behind the snow there may be one
    assert not absent("man", {"people"})
    assert absent("man", {"girl"})
    for captions in (DOG, COUPLE):
        found = _many(captions)
        for family in ("exist", "colour_check", "doing_check", "count_check", "inout_check"):
            assert not {q for q, a in found[family] if a == "yes"} & {q for q, a in found[family] if a == "no"}


def test_one_caption_is_enough_and_nonsense_gives_nothing() -> None:
    assert caption_pairs(["A dog runs ."], random.Random(0))
    assert caption_pairs(["", "zxqw !!", "12 34"], random.Random(0), strict=True) == []
    assert caption_pairs([], random.Random(0)) == []


def test_caption_file(tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    path.write_text("".join(f"dog\t{caption}\n" for caption in DOG))
    assert read_caption_file(path) == {"dog": DOG}
    assert questions_of(path) == questions_of(path) != []
    path.write_text("no tab\n")
    with pytest.raises(InvalidInput, match="line 1"):
        read_caption_file(path)


@pytest.mark.shared
def test_yes_and_no_are_balanced_word_by_word(shared: Path) -> None:
    """Over 1,000 photographs neither the family nor the thing that is asked for gives the answer away."""
    rng = random.Random(0)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    dogs: Counter[str] = Counter()
    for captions in list(read_caption_file(shared / "data/flickr8k/train.tsv").values())[:1000]:
        for family, question, answer in caption_pairs(captions, rng):
            if answer in {"yes", "no"}:
                answers[family][answer] += 1
                dogs[answer] += family == "exist" and "dog" in question
    assert len(answers) == 6
    assert all(.45 < count["yes"] / count.total() < .55 for count in answers.values())
    assert .4 < dogs["yes"] / dogs.total() < .6
