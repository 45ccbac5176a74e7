"""How a reply ended: alike for a call, `map`, a stream and a batched job, in every field, for every family."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput
from mmvideo.jobs import partition
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.rows import make_row
from mmvideo.results import Answer, Caption, Generation
from mmvideo.subtitles import cue_spans
from mmvideo.types import GenerationOptions
from mmvideo.vlm.repetition import repeated_ngram
from tests.hub.checkpoints import FAMILIES
from tests.tiny import make_clip

QUESTIONS = ("What happens?", "Does the red ball roll from left to right, and does it fall at 1.5 seconds?")
FROM_THE_SESSION = {"timings", "evidence", "source", "model", "duration_seconds"}
"""Fields that a session adds; a job's row holds them beside the result."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    home = tmp_path_factory.mktemp("clips")
    return [str(make_clip(home / f"{seconds}.mp4", seconds=seconds)) for seconds in (2, 3)]


def in_batches(pipe: Pipeline, clips: list[str], texts: tuple[str, ...], **generation: Any
               ) -> list[tuple[Any, dict[str, Any]]]:
    """Return each clip's result of a job that reads them together, and its row; in this process."""
    head, tail = partition.split_stages(pipe.stages)
    assert tail, "this pipeline is not divided"
    for _, stage in head:
        stage.load(torch.device("cpu"))
    needed, given, told = partition.needs(tail, pipe.recipe.gives), [], []
    for number, clip in enumerate(clips):
        item = Item(f"{number}", clip, text=texts[number:number + 1])
        decoded = partition.decode(item, clip, head, needed, JobOptions(), tail=tail)
        given.append({"text": item.text, "prompt": None, **partition.unpack_tensors(decoded.fields),
                      "generation": GenerationOptions(**generation)})
        told.append((item, decoded.about))
    results, _ = partition.compute(given, tail, pipe.recipe.gives, size=len(clips))
    return [(result[0] if isinstance(result, tuple) else result, make_row(item, result, about, {}))
            for result, (item, about) in zip(results, told, strict=True)]


def assert_same(found: Generation, expected: Generation) -> None:
    assert type(found) is type(expected)
    for one in fields(expected):
        if one.name == "confidence":
            assert found.confidence == pytest.approx(expected.confidence, abs=1e-4)
        elif one.name not in FROM_THE_SESSION:
            assert getattr(found, one.name) == getattr(expected, one.name), one.name


def say_for_ever(pipe: Pipeline, token: int) -> None:
    """Let the model say one token for ever."""
    def always(module: Any, given: Any, out: Any) -> Any:
        out.logits[..., token] = 1e4
        return out

    pipe.stages[1][1].reader.chat.model.register_forward_hook(always)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_way_of_asking_gives_every_field_alike(family: str, checkpoint: Callable[[str], Path],
                                                     clips: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipeline("video-qa", model=checkpoint(family), device="cpu", dtype="float32", num_frames=2, sound=False,
                    max_new_tokens=4)
    with pipe.open(clips[0]) as one, pipe.open(clips[1]) as two:
        asked = tuple(zip((one, two), QUESTIONS, strict=True))
        cut = [session.ask(question) for session, question in asked]
        first = [int(session._fields["conversation"].logits(question).argmax()) for session, question in asked]
        model, ends = pipe.stages[1][1].reader.chat.model, pipe.stages[1][1].reader.chat.ends
        assert not set(first) & set(ends)
        with monkeypatch.context() as patch:
            patch.setattr(model.generation_config, "eos_token_id", [*ends, *first])
            for session, _ in asked:
                session._fields["conversation"].ends = (*ends, *first)
            ended = [session.ask(question) for session, question in asked]
            batched = in_batches(pipe, clips, QUESTIONS)
        for answer, (found, row) in zip(ended, batched, strict=True):
            assert (answer.finish_reason, answer.usage.completion_tokens) == ("stop", 1)
            assert_same(found, answer)
            assert row["finish_reason"] == row["answers"][0]["finish_reason"] == "stop"
    for answer, mapped, (found, row) in zip(cut, pipe.map(clips, QUESTIONS, per_video=True),
                                            in_batches(pipe, clips, QUESTIONS),
                                            strict=True):
        assert (answer.finish_reason, answer.usage.completion_tokens) == ("length", 4)
        assert answer.usage.prompt_tokens > 4
        assert_same(mapped, answer)
        assert_same(found, answer)
        assert row["finish_reason"] == row["answers"][0]["finish_reason"] == "length"
    stream = pipe(clips[0], QUESTIONS[0], stream=True)
    pieces = "".join(stream).strip()
    assert pieces == cut[0].text or "\ufffd" in cut[0].text  # bytes that later ones make invalid are not unsaid
    assert_same(stream.result, cut[0])


@pytest.mark.parametrize("family", ["smolvlm", "qwen2_5_vl", "qwen3_5"])
def test_beams_give_every_field_alike(family: str, checkpoint: Callable[[str], Path], clips: list[str]) -> None:
    pipe = Pipeline("video-qa", model=checkpoint(family), device="cpu", dtype="float32", num_frames=2, max_new_tokens=4)
    alone = [pipe(clip, question, num_beams=3) for clip, question in zip(clips, QUESTIONS, strict=True)]
    for answer, (found, _) in zip(alone, in_batches(pipe, clips, QUESTIONS, num_beams=3), strict=True):
        assert answer.usage.completion_tokens == 4
        assert_same(found, answer)
    greedy = [pipe(clip, question) for clip, question in zip(clips, QUESTIONS, strict=True)]
    assert [one.text for one in alone] != [one.text for one in greedy]


def test_a_recipe_may_ask_for_beams(checkpoint: Callable[[str], Path], clips: list[str]) -> None:
    given: dict[str, Any] = {"model": checkpoint("qwen2_5_vl"), "device": "cpu", "dtype": "float32", "num_frames": 2,
                             "max_new_tokens": 4}
    plain, beams = Pipeline("video-qa", **given), Pipeline("video-qa", **given, num_beams=3)
    assert beams(clips[0], QUESTIONS[0]).text == plain(clips[0], QUESTIONS[0], num_beams=3).text
    assert beams(clips[0], QUESTIONS[0], choices=["a", "b"]).text in ("a", "b")
    with pytest.raises(InvalidInput, match="num_beams or temperature"):
        beams(clips[0], QUESTIONS[0], temperature=1.0)


@pytest.mark.parametrize("recipe", ["video-qa", "video-captioning"])
def test_a_loop_is_marked(recipe: str, checkpoint: Callable[[str], Path], clips: list[str]) -> None:
    pipe = Pipeline(recipe, model=checkpoint("smolvlm"), device="cpu", dtype="float32", num_frames=2,
                    max_new_tokens=8)
    tokenizer = pipe.stages[1][1].reader.chat.tokenizer
    say_for_ever(pipe, tokenizer("ball")["input_ids"][-1])
    texts = QUESTIONS if recipe == "video-qa" else ()
    alone = [pipe(clip, *texts[number:number + 1]) for number, clip in enumerate(clips)]
    for result, (batched, row) in zip(alone, in_batches(pipe, clips, texts), strict=True):
        assert (result.finished, result.looped, result.finish_reason) == (False, True, "length")
        assert "repeated" in result.warnings[0]
        assert "cut at 8 tokens" in result.warnings[0]
        assert result.to_dict()["finish_reason"] == "length"
        assert "cut at max_new_tokens" in str(result)
        if recipe == "video-captioning":  # one thing said of the whole clip: a call has it as a segment, a row as a cue
            assert (batched.segments, row["spans"]) == ((), [])
            (cue,), (segment,) = cue_spans(row), result.segments
            assert cue == {"start_seconds": segment.start_seconds, "end_seconds": segment.end_seconds,
                           "text": segment.text}
            batched = replace(batched, segments=result.segments)
        assert_same(batched, result)
        assert row["finish_reason"] == "length"
        assert row["warnings"] == list(result.warnings)


def test_habits_of_the_checkpoint_do_not_part_batches_from_calls(checkpoint: Callable[[str], Path], clips: list[str],
                                                                 tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint("smolvlm"), tmp_path / "model")
    pipe = Pipeline("video-qa", model=folder, device="cpu", dtype="float32", num_frames=2, max_new_tokens=6)
    with pipe.open(clips[0]) as session:
        likely = session._fields["conversation"].logits(QUESTIONS[0]).topk(2).indices.tolist()
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "suppress_tokens": likely, "min_new_tokens": 3,
                                "repetition_penalty": 1.5, "no_repeat_ngram_size": 1}))
    again = Pipeline("video-qa", model=folder, device="cpu", dtype="float32", num_frames=2, max_new_tokens=6)
    for clip, question, (found, _) in zip(clips, QUESTIONS, in_batches(again, clips, QUESTIONS), strict=True):
        assert_same(found, pipe(clip, question))


def test_what_counts_as_a_loop() -> None:
    assert repeated_ngram([1, 2, 3, 4, 4, 4, 4, 4, 4]) == 1
    assert repeated_ngram([9, 1, 2, 1, 2, 1, 2]) == 2
    assert repeated_ngram([9, *[1, 2, 3, 4] * 3]) == 4
    assert repeated_ngram([1, 2, *range(100, 120), *range(100, 120)]) == 20
    for plain in ([], [1], [1, 1, 1], [5, 1, 2, 3, 1, 2, 3], list(range(50)), [*[1] * 20, 2]):
        assert repeated_ngram(plain) == 0, plain


def test_the_embedded_model_marks_what_was_cut(tmp_path: Path) -> None:
    clip = str(make_clip(tmp_path / "clip.mp4", seconds=3))
    whole = Pipeline("video-captioning", model="toybox-qa", device="cpu")(clip)
    assert isinstance(whole, Caption)
    assert whole.finished
    cut = Pipeline("video-captioning", model="toybox-qa", device="cpu", caption={"max_new_tokens": 2})(clip)
    assert (cut.finished, cut.finish_reason) == (False, "length")
    assert [(one.start_seconds, one.end_seconds) for one in cut.segments] == [(0.0, 3.0)], "both windows say the same"
    assert cut.usage.completion_tokens == 2 * 2
    assert whole.usage.completion_tokens > cut.usage.completion_tokens
    answer = Pipeline("video-qa", model="toybox-qa", device="cpu", answer={"max_new_tokens": 1})(
        clip, "describe the video")
    assert isinstance(answer, Answer)
    assert answer.finish_reason == "length"
