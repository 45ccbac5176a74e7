"""The language model behind visual tokens: batching, sessions and teacher forcing agree."""

from __future__ import annotations

import pytest
import torch

from mmvideo.errors import WeightsError
from mmvideo.toybox.training.batches import Dialogue
from mmvideo.toybox.training.parts import Sizes, answers, new_language
from mmvideo.types import GenerationOptions
from mmvideo.vlm.kv_cache import cache_of, with_cache
from mmvideo.vlm.language_model import LanguageModel
from mmvideo.vlm.prompt import WORDS, Prompt, closed_prompt

QUESTIONS = ("what color is the ball?", "what happens next?", "how many toys are there?")


@pytest.fixture(scope="module")
def language() -> LanguageModel:
    torch.manual_seed(0)
    lm = new_language(Sizes(dim_llm=48, depth_llm=2))
    for p in lm.model.parameters():  # larger weights: replies that differ from question to question
        p.data.mul_(6) if p.ndim > 1 else None
    lm.model.eval()
    return lm


@torch.no_grad()
def greedy_without_cache(language: LanguageModel, embeddings: torch.Tensor, question: str, longest: int) -> str:
    """The slow way: the whole sequence again for every token."""
    ids = language.tokenizer(closed_prompt(question), add_special_tokens=False, return_tensors="pt")["input_ids"]
    embed = language.model.get_input_embeddings()
    said: list[int] = []
    for _ in range(longest):
        x = torch.cat((embeddings, embed(torch.cat((ids, torch.tensor([said], dtype=torch.long)), 1))), 1)
        token = language.model(inputs_embeds=x).logits[0, -1].argmax().item()
        if token == language.tokenizer.eos_token_id:
            break
        said.append(token)
    return language.tokenizer.decode(said, skip_special_tokens=True)


def test_a_batched_session_says_what_the_slow_way_says(language: LanguageModel) -> None:
    embeddings = torch.randn(2, 5, language.dim, generator=torch.Generator().manual_seed(2))
    replies = language.open(embeddings).replies([q for _ in range(2) for q in QUESTIONS],
                                                GenerationOptions(max_new_tokens=6))
    expected = [greedy_without_cache(language, embeddings[b: b + 1], q, 6) for b in range(2) for q in QUESTIONS]
    squeezed = [" ".join(r.text.split()) for r in replies]
    for said, slow in zip(squeezed, expected, strict=True):
        for mark in ",.?:":
            slow = slow.replace(f" {mark}", mark)
        assert said == " ".join(slow.split())
    assert len(set(squeezed)) > 1
    assert all(0 <= r.confidence <= 1 for r in replies)


def test_a_session_can_be_asked_again(language: LanguageModel) -> None:
    session = language.open(torch.randn(1, 5, language.dim, generator=torch.Generator().manual_seed(3)))
    first = session.replies(QUESTIONS[:1], GenerationOptions(max_new_tokens=5))
    session.replies(QUESTIONS, GenerationOptions(max_new_tokens=5))
    assert session.replies(QUESTIONS[:1], GenerationOptions(max_new_tokens=5)) == first
    assert session.replies([]) == []


def test_unknown_words_are_named(language: LanguageModel) -> None:
    prompt = Prompt(language.tokenizer, WORDS)
    assert prompt.unknown_words("What color is the giraffe, please?") == ("giraffe",)
    assert prompt.unknown_words("what happens next?") == ()
    assert Prompt(language.tokenizer).unknown_words("giraffe") == (), "an open vocabulary"


def test_saving_and_strict_loading(language: LanguageModel, tmp_path) -> None:
    language.save_pretrained(tmp_path)
    again = LanguageModel.from_pretrained(tmp_path)
    embeddings = torch.randn(1, 5, language.dim)
    (said,), (expected,) = (lm.open(embeddings).replies(QUESTIONS[:1]) for lm in (again, language))
    assert said.text == expected.text
    assert said.confidence == pytest.approx(expected.confidence, rel=1e-4)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="no language model"):
        LanguageModel.from_pretrained(tmp_path)


def test_keys_and_values_go_in_under_the_name_of_the_installed_transformers(
        language: LanguageModel, caplog: pytest.LogCaptureFixture) -> None:
    from transformers.utils import logging

    class Older(torch.nn.Module):
        def forward(self, input_ids=None, past_key_values=None):
            return {"past_key_values": past_key_values}

    class Wrapped(torch.nn.Module):
        def get_base_model(self):
            return Older()

    assert with_cache(Older(), 1) == with_cache(Wrapped(), 1) == {"past_key_values": 1}
    assert cache_of({"past_key_values": 2}) == cache_of({"cache": 2}) == 2
    logging.warning_once.cache_clear()
    logging.get_logger("transformers").addHandler(caplog.handler)
    try:
        language.open(torch.randn(1, 3, language.dim)).replies(["what color is the ball?"])
        embeddings, ids = torch.randn(2, 3, language.dim), torch.ones(2, 4, dtype=torch.long)
        answers(language.model, embeddings, [Dialogue(torch.tensor([0, 1]), ids, torch.ones_like(ids), ids, [])])
    finally:
        logging.get_logger("transformers").removeHandler(caplog.handler)
    assert not [r.message for r in caplog.records if "deprecated" in r.message]
