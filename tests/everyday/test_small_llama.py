"""The language model that needs no transformers, beside transformers' own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from mmvideo import weights
from mmvideo.errors import WeightsError
from mmvideo.vlm.composed import load_language
from mmvideo.vlm.embedding_conversation import EmbeddingConversation
from mmvideo.vlm.prompt import Prompt
from mmvideo.vlm.small_llama import SmallLlama, is_plain_llama, load_small

HOME = weights.weights_root() / "everyday"
QUESTIONS = ("what is it?", "is there a dog in the picture, or is there none?", "who")


@pytest.fixture(scope="module")
def both():
    small = load_small(HOME / "language")
    assert small is not None
    return load_language(HOME / "language"), small


def test_replies_are_those_of_transformers(both):
    form = json.loads((HOME / "config.json").read_text())["form"]
    seen = torch.randn(3, 65, 384, generator=torch.Generator().manual_seed(0)) * 0.05
    said = []
    for model, tokenizer in both:
        talk = EmbeddingConversation(model, Prompt(tokenizer, form), seen, max_new_tokens=12)
        said.append([talk.replies(QUESTIONS), talk.replies([*QUESTIONS, *QUESTIONS]), talk.row(1).replies(["who?"])])
    theirs, ours = said
    for one, other in zip(theirs, ours, strict=True):
        assert [reply.text for reply in one] == [reply.text for reply in other]
        assert [reply.confidence for reply in one] == pytest.approx([reply.confidence for reply in other], abs=1e-5)


@pytest.mark.parametrize("text", ["What's that, über?  <answer> 何が", "<seen> 2 person, dog <looks> kelpie", "",
                                  "\n🙂"])
def test_tokens_are_those_of_transformers(both, text):
    (_, theirs), (_, ours) = both
    ids = theirs(text, add_special_tokens=False)["input_ids"]
    assert ours.encode(text, add_special_tokens=False) == ids
    for skip in (False, True):
        assert ours.decode(ids, skip_special_tokens=skip) == theirs.decode(ids, skip_special_tokens=skip)
    assert (ours.eos_token_id, ours.pad_token_id, len(ours)) == (theirs.eos_token_id, theirs.pad_token_id, len(theirs))


def test_others_are_left_to_transformers(tmp_path):
    config = json.loads((HOME / "language" / "config.json").read_text())
    assert is_plain_llama(config)
    for name, value in (("attention_bias", True), ("num_key_value_heads", 2), ("tie_word_embeddings", False),
                        ("model_type", "qwen2"), ("rope_parameters", {"rope_type": "yarn", "rope_theta": 1e4})):
        assert not is_plain_llama({**config, name: value})
        (tmp_path / "config.json").write_text(json.dumps({**config, name: value}))
        with pytest.raises(WeightsError):
            SmallLlama.from_pretrained(tmp_path)


def test_a_question_imports_nothing_that_is_slow():
    code = ("import sys, mmvideo; mmvideo.Pipeline('video-qa', model='everyday', device='cpu')("
            f"{str(weights.weights_root() / 'demo' / 'toybox.mp4')!r}, 'what is there?'); "
            "print([n for n in ('transformers', 'torchvision', 'scipy.optimize', 'sympy', 'torch._dynamo', "
            "'accelerate', 'matplotlib') if n in sys.modules])")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
