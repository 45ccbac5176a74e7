"""What a pipeline cannot serve is refused before a video is opened: none of these clips exists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput, MediaNotFound, MissingExtra, MmvideoError, UnknownName

CLIP = "no such file.mp4"


@pytest.fixture(scope="module")
def embedded() -> Pipeline:
    return Pipeline("video-qa", model="toybox-qa", device="cpu")


@pytest.fixture(scope="module")
def chat(checkpoint: Callable[[str], Path]) -> Pipeline:
    return Pipeline("video-qa", model=checkpoint("smolvlm"), device="cpu")


@pytest.fixture(scope="module")
def captions(checkpoint: Callable[[str], Path]) -> Pipeline:
    return Pipeline("video-captioning", model=checkpoint("smolvlm"), device="cpu")


@pytest.mark.parametrize(("name", "options"), [
    *[("captions", options) for options in (
        {"stream": True}, {"choices": ["a", "b"]}, {"schema": {"type": "object"}}, {"temperature": 1.0})],
    *[(name, {"history": [("a?", "b")]}) for name in ("embedded", "captions")]], ids=str)
def test_pipelines_without_options_of_replies(name: str, options: dict[str, Any],
                                              request: pytest.FixtureRequest) -> None:
    pipe: Pipeline = request.getfixturevalue(name)
    text = ("what?",) if name == "embedded" else ()
    with pytest.raises(InvalidInput, match=rf"takes no {next(iter(options))}.*Pipeline\('video-qa', model="):
        pipe(CLIP, *text, **options)
    with pytest.raises(InvalidInput, match=rf"takes no {next(iter(options))}|call the pipeline itself"):
        pipe.map([CLIP], *text, **options)
    with pytest.raises(InvalidInput, match=rf"A job \(out=\) takes no {next(iter(options))}"):
        pipe.map([CLIP], *text, out="no such folder", **options)


@pytest.mark.parametrize(("text", "options", "kind", "match"), [
    (["a?", "b?"], {"stream": True}, InvalidInput, "one question at a time"),
    ("what is <image>?", {}, InvalidInput, "holds '<image>'"),
    ("what is \ud800?", {}, InvalidInput, "half a surrogate pair"),
    (["a?", "\udfff"], {}, InvalidInput, "half a surrogate pair"),
    ("what?", {"choices": ["yes", "\ud800"]}, InvalidInput, "choices must hold texts"),
    ("what?", {"choices": ["yes", ""]}, InvalidInput, "choices must hold texts"),
    ("what?", {"choices": ["yes", 7]}, InvalidInput, "choices must hold texts"),
    ("what?", {"stop": ["\ud800"]}, InvalidInput, "stop must hold texts"),
    ("what?", {"history": [("a?", "\ud800")]}, InvalidInput, "history must hold pairs"),
    ("what?", {"history": [("a?",)]}, InvalidInput, "history must hold pairs"),
    ("what?", {"temperature": -1}, InvalidInput, "temperature"),
    ("what?", {"schema": {"type": "no such type"}}, InvalidInput, "JSON schema cannot be used"),
    ("what?", {"schema": {"enum": []}}, InvalidInput, "JSON schema cannot be used"),
], ids=str)
def test_questions_to_a_chat_model(text: Any, options: dict[str, Any], kind: type[MmvideoError], match: str,
                                   chat: Pipeline) -> None:
    if "schema" in options:
        pytest.importorskip("llguidance")
    with pytest.raises(kind, match=match):
        chat(CLIP, text, **options)
    with pytest.raises(MediaNotFound):
        chat(CLIP, "what?")


def test_half_characters_for_the_embedded_model(embedded: Pipeline) -> None:
    with pytest.raises(InvalidInput, match="half a surrogate pair"):
        embedded(CLIP, "what is \ud800?")


def test_a_schema_without_the_package(chat: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "llguidance", None)
    with pytest.raises(MissingExtra, match="llguidance"):
        chat(CLIP, "what?", schema={"type": "boolean"})


def test_map_and_jobs(chat: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="call the pipeline itself"):
        chat.map([CLIP], "what?", stream=True)
    with pytest.raises(InvalidInput, match="choices must hold texts"):
        chat.map([CLIP], "what?", choices=["a", ""])
    with pytest.raises(InvalidInput, match=r"A job \(out=\) takes no temperature, seed.*option of the pipeline"):
        chat.map([CLIP], "what?", out=tmp_path / "job", temperature=1.0, seed=2)
    assert not (tmp_path / "job").exists()
    with pytest.raises(UnknownName, match="batch_sice"):
        chat.map([CLIP], "what?", out=tmp_path / "job", batch_sice=2)
