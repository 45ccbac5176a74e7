"""What a model reads and writes fits into its context: fewer frames with a note, or one typed error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmvideo import Pipeline
from mmvideo.errors import ContextExceeded, InvalidInput
from mmvideo.stages.spans import SpanConversation
from mmvideo.vlm.context import check_room, longest_context
from mmvideo.vlm.generate import Generated
from tests.hub.test_folders import composed  # noqa: F401
from tests.hub.test_generation import in_batches
from tests.tiny import make_clip

QUESTION = "Does the red ball roll from left to right, and does it fall at 1.5 seconds?"
FAMILIES = ("smolvlm", "qwen3_vl", "llava", "qwen2_5_omni", "gemma4", "molmo2")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=4))


def limited(folder: Path, home: Path, context: int) -> Path:
    """Copy a checkpoint and set the positions of the part that reads text."""
    copy = shutil.copytree(folder, home, ignore=shutil.ignore_patterns("SHA256SUMS"))
    path = copy / "config.json"
    config = json.loads(path.read_text())
    inner = config.get("thinker_config", config)
    inner.get("text_config", inner)["max_position_embeddings"] = context
    path.write_text(json.dumps(config))
    return copy


@pytest.mark.parametrize("family", FAMILIES)
def test_fewer_frames_with_a_note(family: str, checkpoint: Callable[[str], Path], clip: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"device": "cpu", "dtype": "float32", "sound": False, "max_new_tokens": 5}
    free = Pipeline("video-qa", model=checkpoint(family), num_frames=16, **options)
    some = Pipeline("video-qa", model=checkpoint(family), num_frames=6, **options)(clip, QUESTION)
    whole = free(clip, QUESTION)
    assert not whole.warnings
    context = some.usage.prompt_tokens + 5
    small = limited(checkpoint(family), tmp_path / "small", context)
    pipe = Pipeline("video-qa", model=small, num_frames=16, **options)
    answer = pipe(clip, QUESTION)
    assert answer.usage.prompt_tokens + 5 <= context < whole.usage.prompt_tokens
    seen = len(answer.seconds_looked_at)
    assert 4 <= seen < 16
    note = f"{seen} of 16 frames: more do not fit into the model's context of {context} tokens"
    assert answer.warnings == (note,)
    ((batched, row),) = in_batches(pipe, [clip], (QUESTION,))
    assert (batched.text, batched.usage, batched.warnings) == (answer.text, answer.usage, answer.warnings)
    assert row["notes"] == [note]
    assert len(row["frame_times"]) == seen


def test_what_counts_beside_the_frames(checkpoint: Callable[[str], Path], clip: str, tmp_path: Path) -> None:
    small = limited(checkpoint("smolvlm"), tmp_path / "small", 256)
    options: dict[str, Any] = {"device": "cpu", "dtype": "float32", "num_frames": 32}
    seen = {}
    for words, reply in ((1, 8), (20, 8), (1, 120)):
        pipe = Pipeline("video-qa", model=small, max_new_tokens=reply, **options)
        answer = pipe(clip, "ball " * words)
        assert answer.usage.prompt_tokens + reply <= 256
        seen[words, reply] = len(answer.seconds_looked_at)
    assert seen[1, 8] > seen[20, 8] > 0
    assert seen[1, 8] > seen[1, 120] > 0
    pipe = Pipeline("video-qa", model=small, max_new_tokens=8, **options)
    assert len(pipe(clip, "ball ", max_new_tokens=120).seconds_looked_at) == seen[1, 120]
    told = pipe(clip, "ball ", history=[("ball " * 20, "yes")])
    assert len(told.seconds_looked_at) < seen[1, 8]
    for text, changes in (("ball " * 300, {}), ("ball", {"max_new_tokens": 240}), ("x" * 1_000_000, {})):
        with pytest.raises(ContextExceeded, match=r"do not fit into the model's context of 256.*max_new_tokens"):
            pipe(clip, text, **changes)
    assert issubclass(ContextExceeded, InvalidInput)


def test_a_session_reads_again_for_a_longer_question(checkpoint: Callable[[str], Path], clip: str,
                                                     tmp_path: Path) -> None:
    small = limited(checkpoint("smolvlm"), tmp_path / "small", 256)
    pipe = Pipeline("video-qa", model=small, device="cpu", dtype="float32", num_frames=32, max_new_tokens=8)
    with pipe.open(clip) as session:
        first = session.ask("ball")
        later = session.ask("ball " * 40)
        assert 0 < len(later.seconds_looked_at) < len(first.seconds_looked_at)
        assert later.text == pipe(clip, "ball " * 40).text
        pieces = session.ask("ball " * 44, stream=True)
        assert "".join(pieces) == pieces.result.text
        with pytest.raises(ContextExceeded):
            session.ask("ball " * 300)
        with pytest.raises(ContextExceeded):
            session.ask("ball " * 300, stream=True)
        assert session.ask("ball").text


def test_captions(checkpoint: Callable[[str], Path], clip: str, tmp_path: Path,
                  monkeypatch: pytest.MonkeyPatch) -> None:
    small = limited(checkpoint("smolvlm"), tmp_path / "small", 256)
    options: dict[str, Any] = {"model": small, "device": "cpu", "dtype": "float32", "num_frames": 32}
    whole = Pipeline("video-captioning", max_new_tokens=8, encode_video={"segments": "none"}, **options)(clip)
    assert whole.usage.prompt_tokens + 8 <= 256
    assert "more do not fit" in whole.warnings[0]
    said: list[Generated] = []
    usual = SpanConversation.replies
    monkeypatch.setattr(SpanConversation, "replies", lambda *given, **more: said.extend(usual(*given, **more)) or said)
    caption = Pipeline("video-captioning", max_new_tokens=8, **options)(clip)
    assert len(said) > 1, "spans are asked about one by one, each in a context of its own"
    assert all(reply.num_read + 8 <= 256 for reply in said)
    assert caption.usage.prompt_tokens == sum(reply.num_read for reply in said)
    assert "more do not fit" in caption.warnings[0]
    with pytest.raises(ContextExceeded):
        Pipeline("video-captioning", max_new_tokens=250, **options)(clip)


def test_composed_models(composed: Path, tmp_path: Path) -> None:  # noqa: F811
    clip = str(make_clip(tmp_path / "clip.mp4", seconds=8))
    whole = Pipeline("video-qa", model=composed, device="cpu", max_new_tokens=4)(clip, "what?")
    copy = shutil.copytree(composed, tmp_path / "model", ignore=shutil.ignore_patterns("SHA256SUMS"))
    path, context = copy / "language" / "config.json", whole.usage.prompt_tokens // 2 + 4
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_position_embeddings": context}))
    pipe = Pipeline("video-qa", model=copy, device="cpu", max_new_tokens=4)
    answer = pipe(clip, "what?")
    assert answer.usage.prompt_tokens + 4 <= context
    assert 0 < len(answer.seconds_looked_at) < len(whole.seconds_looked_at)
    assert "windows: more do not fit into the model's context" in answer.warnings[0]
    with pytest.raises(ContextExceeded):
        pipe(clip, "what?", max_new_tokens=context)
    with pytest.raises(ContextExceeded):
        pipe(clip, "what? " * context)


def test_the_embedded_model(clip: str) -> None:
    pipe = Pipeline("video-qa", model="toybox-qa", device="cpu")
    assert pipe(clip, "what color is the ball?").usage.prompt_tokens < 512
    with pytest.raises(ContextExceeded, match="context of 512"):
        pipe(clip, "ball " * 600)
    usual = Pipeline("video-captioning", model="toybox-qa", device="cpu")(clip)
    longer = Pipeline("video-captioning", model="toybox-qa", device="cpu", caption={"max_new_tokens": 500})(clip)
    assert longer.text == usual.text, "no caption of a window is longer than 64 tokens"


@pytest.mark.parametrize(("config", "told", "expected"), [
    ({"max_position_embeddings": 4096}, int(1e30), 4096), ({"max_position_embeddings": 4096}, 2048, 2048),
    ({"n_positions": 1024}, int(1e30), 1024), ({}, 512, 512), ({}, int(1e30), None), ({}, None, None),
    ({"max_position_embeddings": 100, "rope_parameters": {"rope_type": "linear", "factor": 4.0}}, None, 400),
    ({"max_position_embeddings": 100, "rope_parameters": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 100}}, None, 400),
    ({"max_position_embeddings": 800, "rope_parameters": {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 100}}, None, 800),
    ({"max_position_embeddings": 800, "rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, None, 800),
    ({"max_position_embeddings": 800, "rope_parameters": {"full_attention": {"rope_type": "dynamic", "factor": 2.0},
                                                          "sliding_attention": {"rope_type": "default"}}}, None, 1600),
    ({"max_position_embeddings": 800, "sliding_window": 64}, None, 64),
    ({"max_position_embeddings": 800, "sliding_window": 64, "use_sliding_window": False}, None, 800),
    ({"max_position_embeddings": 800, "sliding_window": 64, "layer_types": ["sliding_attention"] * 2}, None, 64),
    ({"max_position_embeddings": 800, "sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"]},
     None, 800)], ids=str)
def test_where_a_context_is_told(config: dict[str, Any], told: int | None, expected: int | None) -> None:
    inner = SimpleNamespace(**config)
    tokenizer = SimpleNamespace(model_max_length=told)
    assert longest_context(inner, tokenizer) == expected
    nested = SimpleNamespace(max_position_embeddings=7, get_text_config=lambda decoder: inner)
    assert longest_context(nested, tokenizer) == expected


def test_the_room_is_exact() -> None:
    check_room(None, 10**9, 10**9)
    check_room(20, 12, 8)
    with pytest.raises(ContextExceeded):
        check_room(20, 13, 8)
