"""Many questions about one video: the prefix is read once, replies come in pieces, among choices, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.sampling.budget import Budget
from mmvideo.types import GenerationOptions
from mmvideo.vlm import kv_cache
from tests.tiny import make_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=4))


@pytest.fixture(scope="module")
def pipe(checkpoint: Callable[[str], Path]) -> Pipeline:
    return Pipeline("video-qa", model=checkpoint("qwen3_vl"), device="cpu", dtype="float32", num_frames=4,
                    max_new_tokens=8)


@pytest.fixture
def reads(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of tokens of every reading by the language model."""
    lengths: list[int] = []
    text = pipe.stages[1][1].reader.chat.model.model.language_model
    forward = text.forward

    def noting(*arguments: object, **named: object) -> object:
        lengths.append(named["inputs_embeds"].shape[1])
        return forward(*arguments, **named)

    monkeypatch.setattr(text, "forward", noting)
    return lengths


def test_the_video_is_read_once_for_all_questions(pipe: Pipeline, clip: str, reads: list[int]) -> None:
    with pipe.open(clip) as session:
        prefix = reads[0]
        first, second = session.ask("what is it?"), session.ask("where?")
        again = session.ask("what is it?")
    assert sum(length >= prefix for length in reads) == 1
    assert first.text == again.text
    alone = pipe(clip, "where?")
    assert second.text == alone.text
    assert [a.text for a in pipe(clip, ["what is it?", "where?"])] == [first.text, second.text]


@pytest.mark.parametrize("family", ["qwen3_5", "gemma4", "smolvlm", "qwen2_5_vl"])
def test_questions_do_not_leave_traces_in_any_kind_of_cache(family: str, checkpoint: Callable[[str], Path],
                                                            clip: str) -> None:
    pipe = Pipeline("video-qa", model=checkpoint(family), device="cpu", dtype="float32", num_frames=4)
    with pipe.open(clip) as session:
        talk = session._fields["conversation"]
        before = talk.logits("where?")
        session.ask("a rather long question about everything that can be seen here?", max_new_tokens=12)
        torch.testing.assert_close(talk.logits("where?"), before, atol=1e-5, rtol=1e-5)


def test_a_stream_gives_the_same_words_in_pieces(pipe: Pipeline, clip: str) -> None:
    whole = pipe(clip, "what is it?")
    stream = pipe(clip, "what is it?", stream=True)
    pieces = list(stream)
    assert len(pieces) > 1
    assert "".join(pieces) == whole.text
    assert stream.result.text == whole.text
    assert stream.result.source == clip
    with pytest.raises(InvalidInput, match="one question at a time"):
        pipe(clip, ["a?", "b?"], stream=True)


def test_earlier_turns_are_told(pipe: Pipeline, clip: str) -> None:
    with pipe.open(clip) as session:
        first = session.ask("what is it?")
        apart = session.ask("and then?")
        session.turns[:] = [("what is it?", first.text)]
        later = session.ask("and then?", history=True)
        told = session.ask("and then?", history=[("what is it?", first.text)])
        talk = session._fields["conversation"]
        text = talk.chat.text("and then?", talk.seen, (("what is it?", first.text),))
    assert text.count("<|im_start|>user") == 2
    assert first.text in text
    assert later.text == told.text
    assert not torch.equal(talk.logits("and then?"), talk.logits("and then?", (("what is it?", first.text),)))
    assert apart.question == "and then?"


def test_temperature_and_seed(pipe: Pipeline, clip: str) -> None:
    with pipe.open(clip) as session:
        drawn = [session.ask("what?", temperature=1.5, seed=seed, max_new_tokens=8).text for seed in (1, 1, 2, 3)]
        assert session.ask("what?", max_new_tokens=2).text != session.ask("what?", max_new_tokens=8).text
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    with pytest.raises(InvalidInput, match="temperature must be 0 or more"):
        pipe(clip, "what?", temperature=-1)
    with pytest.raises(UnknownName, match=r"Did you mean 'temperature'"), pipe.open(clip) as session:
        session.ask("what?", temprature=1)


def test_stop_texts(pipe: Pipeline, clip: str) -> None:
    with pipe.open(clip) as session:
        whole = session.ask("what?", max_new_tokens=12)
        stop = whole.text[len(whole.text) // 2:][:3]
        cut = session.ask("what?", max_new_tokens=12, stop=stop)
        told = session.finish("what?", GenerationOptions(max_new_tokens=12, stop=(stop,), stream=True))
        pieces = "".join(told)
        assert cut.text == whole.text[:whole.text.index(stop)].strip() == pieces == told.result.text
        assert cut.finished
        assert cut.usage.completion_tokens < whole.usage.completion_tokens
        assert session.ask("what?", max_new_tokens=12, stop=["no such text", "nor this"]).text == whole.text


def test_choices_are_ranked_by_their_likelihood(pipe: Pipeline, clip: str) -> None:
    choices = ["a red ball", "a dog", "nothing"]
    with pipe.open(clip) as session:
        answer = session.ask("what is it?", choices=choices)
        talk = session._fields["conversation"]
    chat, scores = talk.chat, []
    for choice in choices:  # transformers' own reading of the whole, without any prefix
        inputs = chat.prompt("what is it?", talk.seen).tensors
        reply = torch.tensor([[*chat.tokenizer(choice)["input_ids"], chat.ends[0]]])
        whole = {**inputs, "input_ids": torch.cat((inputs["input_ids"], reply), 1),
                 "attention_mask": torch.ones(1, inputs["input_ids"].shape[1] + reply.shape[1], dtype=torch.long),
                 "mm_token_type_ids": torch.cat((inputs["mm_token_type_ids"], torch.zeros_like(reply)), 1)}
        with torch.inference_mode():
            logits = chat.model(**whole).logits[0, -reply.shape[1] - 1:-1]
        scores.append(float(logits.log_softmax(-1).gather(1, reply[0, :, None]).sum()))
    shares = torch.tensor(scores).softmax(0)
    assert answer.text == choices[int(shares.argmax())]
    assert answer.confidence == pytest.approx(float(shares.max()), abs=1e-4)
    assert "a dog" in answer.rule
    with pytest.raises(InvalidInput, match="two or more"):
        pipe(clip, "what?", choices=["one"])


@pytest.mark.parametrize(("family", "more"), [("qwen3_5", {}), ("gemma4", {}), ("smolvlm", {}), ("qwen2_5_vl", {}),
                                              ("qwen2_5_vl", {"drop_below": 0.05}), ("smolvlm", {"merge_to": 0.5})])
def test_choices_share_one_reading_of_the_question(family: str, more: dict, checkpoint: Callable[[str], Path],
                                                   clip: str) -> None:
    choices = ("a red ball", "a dog", "no")
    pipe = Pipeline("video-qa", model=checkpoint(family), device="cpu", dtype="float32", num_frames=4, **more)
    with pipe.open(clip) as session:
        session.ask("what?", max_new_tokens=1)
        talk = session._fields["conversation"]
        found = {one.text: one.confidence for one in talk.choose("what is it?", GenerationOptions(choices=choices))}
        ids, scores = talk.question("what is it?", ()), []
        for choice in choices:  # question and choice in one piece
            reply = torch.tensor([[*chat_ids(talk, choice), talk.ends[0]]])
            logits = talk.step()(torch.cat((ids, reply[:, :-1]), 1))[0, -reply.shape[1]:].float()
            scores.append(float(logits.log_softmax(-1).gather(1, reply[0, :, None]).sum()))
    for choice, share in zip(choices, torch.tensor(scores).softmax(0).tolist(), strict=True):
        assert found[choice] == pytest.approx(share, abs=1e-4)


def chat_ids(talk: object, text: str) -> list[int]:
    return talk.tokenizer(text, add_special_tokens=False)["input_ids"]


def test_a_question_with_choices_is_read_once(pipe: Pipeline, clip: str, reads: list[int]) -> None:
    with pipe.open(clip) as session:
        session.ask("what is it?", choices=["a red ball", "a dog", "a cat"])
        length = session._fields["conversation"].question("what is it?", ()).shape[1]
    assert sum(read >= length for read in reads) == 2  # the video, the question; choices are shorter


def test_a_schema_is_kept_even_by_a_model_that_knows_nothing(pipe: Pipeline, clip: str) -> None:
    pytest.importorskip("llguidance")
    schema = {"type": "object", "properties": {"color": {"enum": ["red", "blue"]}, "count": {"type": "integer",
              "minimum": 0, "maximum": 9}}, "required": ["color", "count"], "additionalProperties": False}
    answer = pipe(clip, "what is it?", schema=schema, max_new_tokens=64)
    said = json.loads(answer.text)
    assert said["color"] in ("red", "blue")
    assert 0 <= said["count"] <= 9
    for wrong in ({"type": "no such type"}, {"$ref": "#"}, {"enum": []}, {"$ref": "#/definitions/none"},
                  {"type": "string", "pattern": "("}, {"minimum": 10**400}, {"const": "\ud800"}, {"not": {}}):
        with pytest.raises(InvalidInput, match="JSON schema cannot be used"):
            pipe(clip, "what?", schema=wrong)


def test_budgets_hold_together(checkpoint: Callable[[str], Path], clip: str) -> None:
    assert Budget(num_frames=8).frames(100) == 8
    assert Budget(fps=2.0).frames(10) == 20
    assert Budget(fps=2.0, num_frames=8).frames(10) == 8
    assert Budget(fps=2.0, num_frames=8).frames(2) == 4
    assert Budget(fps=2.0, num_frames=50, max_frames=6).frames(10) == 6
    assert Budget(max_tokens=100).fewer(10, 250) == 4
    assert Budget(max_tokens=100).fewer(4, 100) is None
    with pytest.raises(InvalidInput, match="One frame takes up 250 tokens"):
        Budget(max_tokens=100).fewer(1, 250)
    folder = checkpoint("smolvlm")
    for options, expected in (({"fps": 2}, 8), ({"fps": 2, "max_frames": 5}, 5), ({"num_frames": 7}, 7), ({}, 4),
                              ({"num_frames": 7, "max_tokens": 13}, 3), ({"fps": 50, "max_frames": 100}, 40)):
        pipe = Pipeline("video-qa", model=folder, device="cpu", **options)
        with pipe.open(clip) as session:
            seen = session._fields["conversation"]
            assert len(seen.seen.frames) == expected, options
            assert seen.first.num_seen_tokens == 4 * expected


@pytest.mark.parametrize("bits", ["int8", "int4"])
def test_weights_in_fewer_bits_say_almost_the_same(bits: str, checkpoint: Callable[[str], Path], clip: str) -> None:
    pytest.importorskip("torchao")
    folder, logits = checkpoint("qwen3_vl"), []
    for options in ({}, {"quantize": bits}):
        pipe = Pipeline("video-qa", model=folder, device="cpu", dtype="float32", num_frames=4, **options)
        with pipe.open(clip) as session:
            logits.append(session._fields["conversation"].logits("what is it?"))
    whole, coarse = logits
    error = float((whole - coarse).std() / whole.std())
    assert 0 < error < (0.1 if bits == "int8" else 0.6)


def test_an_adapter_changes_the_words_as_peft_does(checkpoint: Callable[[str], Path], clip: str,
                                                   tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForMultimodalLM

    folder = checkpoint("llava_onevision")
    torch.manual_seed(0)
    base = AutoModelForMultimodalLM.from_pretrained(folder)
    tuned = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"],
                                                      init_lora_weights=False))
    tuned.save_pretrained(tmp_path)
    found = []
    for adapter in (None, str(tmp_path)):
        pipe = Pipeline("video-qa", model=folder, device="cpu", dtype="float32", num_frames=4, adapter=adapter)
        with pipe.open(clip) as session:
            talk = session._fields["conversation"]
            found.append(talk.logits("what is it?"))
            inputs = talk.chat.prompt("what is it?", talk.seen).tensors
    with torch.inference_mode():
        expected = tuned.eval()(**inputs).logits[0, -1]
    torch.testing.assert_close(found[1], expected, atol=1e-4, rtol=1e-3)
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_copies_of_a_cache_are_apart() -> None:
    from transformers import DynamicCache

    cache = DynamicCache()
    cache.update(torch.ones(1, 1, 3, 2), torch.ones(1, 1, 3, 2), 0)
    other = kv_cache.copied(cache)
    other.update(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), 0)
    assert (cache.get_seq_length(), other.get_seq_length()) == (3, 5)
