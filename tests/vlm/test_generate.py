"""How tokens are chosen, beside transformers' own; where a reply stops."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from transformers import TopPLogitsWarper

from mmvideo.errors import InvalidInput
from mmvideo.types import GenerationOptions
from mmvideo.vlm.conversation import Conversation
from mmvideo.vlm.generate import generate, until

VOCABULARY = 12
LOGITS = torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(5)) * 2


def drawn(**generation: object) -> list[int]:
    """Write tokens that all follow from the same logits; return them."""
    steps = generate(lambda ids: LOGITS.expand(1, ids.shape[1], VOCABULARY), torch.zeros(1, 1, dtype=torch.long),
                  GenerationOptions(**generation), tokenizer=None, ends=())
    return list(steps)[-1][0].ids


@pytest.mark.parametrize("top_p", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("temperature", [0.7, 2.0])
def test_top_p_draws_from_what_transformers_would(top_p: float, temperature: float) -> None:
    kept = TopPLogitsWarper(top_p)(None, LOGITS[None] / temperature)[0]
    ids = drawn(temperature=temperature, top_p=top_p, seed=1, max_new_tokens=4000)
    assert set(ids) == set(kept.isfinite().nonzero()[:, 0].tolist())
    shares = torch.bincount(torch.tensor(ids), minlength=VOCABULARY) / len(ids)
    assert torch.allclose(shares, kept.softmax(-1), atol=0.04)


def test_borders_of_temperature_and_top_p() -> None:
    likeliest = [int(LOGITS.argmax())] * 20
    for generation in ({}, {"temperature": 1.0, "top_p": 0.0}, {"temperature": 1e-300}, {"temperature": 5e-5},
                   {"top_p": 0.1}):
        assert drawn(**generation, max_new_tokens=20, seed=2) == likeliest, generation
    every = drawn(temperature=1e30, top_p=1.0, seed=2, max_new_tokens=500)
    assert set(every) == set(range(VOCABULARY))
    for wrong in ({"top_p": 1.1}, {"top_p": -0.1}, {"top_p": float("nan")}, {"temperature": float("nan")},
                  {"temperature": float("inf")}, {"seed": 1 << 64}, {"stop": ("",)}, {"stop": (5,)},
                  {"stop": ("a",), "choices": ("a", "b")}):
        with pytest.raises(InvalidInput):
            GenerationOptions(**wrong)
    assert GenerationOptions.of({"stop": "end"}).stop == ("end",)


def test_a_text_that_may_become_a_stop_text_is_held_back() -> None:
    assert until("a red ball", ()) == ("a red ball", False)
    assert until("a red ball", ("red", "ball")) == ("a ", True)
    assert until("a red b", ("ball",)) == ("a red ", False)
    assert until("aab", ("abc", "aabd")) == ("", False)


class Reciter(Conversation):
    """A conversation that says one text, a letter a token, and stops after it."""

    ends, num_read = (0,), 3

    def __init__(self, text: str):
        self.text, self.at = text, 0
        self.tokenizer = self

    def decode(self, ids: list[int], **_: object) -> str:
        return "".join(map(chr, ids))

    def question(self, text: str, history: object) -> Tensor:
        return torch.zeros(1, 2, dtype=torch.long)

    def step(self) -> object:
        letters: Iterator[str] = iter(self.text)
        return lambda ids: torch.nn.functional.one_hot(
            torch.tensor([[ord(next(letters, "\0"))] * ids.shape[1]]), 128) * 50.0


@pytest.mark.parametrize(("stop", "text", "written", "finished"), [
    (("red",), "one", 7, True), (("zzz",), "one red ball", 13, True), (("llama",), "one red ball", 13, True),
    (("one",), "", 3, True), (("ball", "d b"), "one re", 9, True),
])
def test_a_reply_ends_before_the_first_stop_text(stop: tuple[str, ...], text: str, written: int,
                                                 finished: bool) -> None:
    replies = list(Reciter("one red ball").write("?", GenerationOptions(stop=stop)))
    assert (replies[-1].text, replies[-1].num_written, replies[-1].finished) == (text, written, finished)
    for reply in replies:  # no piece goes beyond what is kept in the end
        assert text.startswith(reply.text)


def test_a_reply_cut_at_its_length_keeps_what_was_held_back() -> None:
    replies = list(Reciter("one red ball").write("?", GenerationOptions(stop=("red ballast",), max_new_tokens=9)))
    assert (replies[-1].text, replies[-1].finished) == ("one red b", False)
    assert replies[-2].text == "one"
