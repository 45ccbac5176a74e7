"""Beam search beside that of transformers: the same replies, in the same order."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from mmvideo.errors import InvalidInput
from mmvideo.types import GenerationOptions
from mmvideo.vlm.beams import Row
from mmvideo.vlm.embedding_conversation import EmbeddingConversation
from mmvideo.vlm.generate import generate
from mmvideo.vlm.kv_cache import cache_of

END, VOCABULARY = 2, 40


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.manual_seed(3)
    config = LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
                         vocab_size=VOCABULARY, eos_token_id=END, pad_token_id=0, bos_token_id=1)
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight.mul_(8.0)  # replies differ
        model.lm_head.weight[END] *= 2.5  # and some end early
    return model


def written(model: LlamaForCausalLM, ids: torch.Tensor, options: GenerationOptions, num_best: int,
            bias: torch.Tensor | None = None) -> list[Row]:
    """Reply with the project's loop after the first tokens of each row, which stand for the video."""
    seen = model.get_input_embeddings()(ids[:, :2])
    conversation = EmbeddingConversation.__new__(EmbeddingConversation)
    conversation.model = model
    with torch.inference_mode():
        conversation._cache = cache_of(model(inputs_embeds=seen, use_cache=True))
        return list(generate(conversation.step(), ids[:, 2:], options, tokenizer=None, ends=(END,), bias=bias,
                             num_best=num_best))[-1]


@pytest.mark.parametrize("num_beams", [2, 4, 7])
@pytest.mark.parametrize("length", [1, 6, 25])
def test_the_replies_of_transformers_in_its_order(model: LlamaForCausalLM, num_beams: int, length: int) -> None:
    ids = torch.randint(3, VOCABULARY, (5, 6), generator=torch.Generator().manual_seed(length))
    told = model.generate(ids, attention_mask=torch.ones_like(ids), num_beams=num_beams, max_new_tokens=length,
                          num_return_sequences=num_beams, do_sample=False, output_scores=True,
                          return_dict_in_generate=True)
    rows = written(model, ids, GenerationOptions(num_beams=num_beams, max_new_tokens=length), num_beams)
    assert len(rows) == 5 * num_beams
    for row, expected, score in zip(rows, told.sequences[:, 6:].tolist(), told.sequences_scores, strict=True):
        over = expected.index(END) if END in expected else len(expected)
        assert row.ids == expected[:over]
        assert row.finished == (END in expected) != row.cut
        assert sum(row.log_probabilities) / len(row.log_probabilities) == pytest.approx(float(score), abs=1e-5)
    assert length < 6 or any(row.finished for row in rows)


def test_a_bias_counts_in_every_beam(model: LlamaForCausalLM) -> None:
    ids = torch.randint(3, VOCABULARY, (2, 6), generator=torch.Generator().manual_seed(0))
    bias = torch.zeros(2, VOCABULARY)
    bias[1, 7] = 1e4
    options = GenerationOptions(num_beams=3, max_new_tokens=4)
    rows = written(model, ids, options, 1, bias)
    assert rows[1].ids == [7] * 4
    assert rows[0].ids == written(model, ids, options, 1)[0].ids != [7] * 4


@pytest.mark.parametrize("other", [{"temperature": 1.0}, {"stop": ("a",)}, {"choices": ("a", "b")},
                                   {"schema": {"type": "string"}}, {"stream": True}])
def test_beams_refuse_what_they_cannot_compare(other: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(other))):
        GenerationOptions(num_beams=2, **other)


@pytest.mark.parametrize("wrong", [0, 65, 1.5, True])
def test_a_number_of_beams_that_is_none(wrong: object) -> None:
    with pytest.raises(InvalidInput, match="num_beams"):
        GenerationOptions(num_beams=wrong)
