"""A chat model's replies are stopped within their time limit: whole, in pieces, among choices, and in batches."""

from __future__ import annotations

import functools
import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.deadline import current, deadline
from mmvideo.errors import TimeLimitExceeded
from mmvideo.types import GenerationOptions
from mmvideo.vlm.batch import UnreadChat, reply_batched
from tests.tiny import make_clip

SLACK = 3.0


@pytest.fixture(scope="module")
def pipe(checkpoint: Callable[[str], Path]) -> Pipeline:
    return Pipeline("video-qa", model=checkpoint("smolvlm"), device="cpu", dtype="float32", num_frames=2,
                    max_new_tokens=200)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture
def calls(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let every step of the model take 0.1 s more; give a list that grows with the steps."""
    chat = dict(pipe.stages)["encode_video"].reader.chat
    forward, found = chat.model.forward, []

    @functools.wraps(forward)
    def late(*given: Any, **more: Any) -> Any:
        found.append(1)
        time.sleep(0.1)
        return forward(*given, **more)

    monkeypatch.setattr("mmvideo.nn.interruptible.check", lambda: None)  # layers have a test of their own
    monkeypatch.setattr(chat.model, "forward", late)
    yield found
    assert current() is None


@pytest.fixture
def endless(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model end no reply."""
    chat = dict(pipe.stages)["encode_video"].reader.chat
    monkeypatch.setattr(chat.model.generation_config, "eos_token_id", [999_999])


def stops(call: Callable[[], Any], seconds: float) -> str:
    """Call something that must stop at its limit; return the stage that is named."""
    start = time.monotonic()
    with pytest.raises(TimeLimitExceeded) as caught:
        call()
    assert 0.9 * seconds <= time.monotonic() - start < seconds + SLACK
    return caught.value.stage


@pytest.mark.usefixtures("endless")
def test_a_reply_is_stopped(pipe: Pipeline, clip: Path, calls: list[int]) -> None:
    assert stops(lambda: pipe(str(clip), "what is it?", timeout_seconds=1.5), 1.5) == "answer"
    assert 3 < len(calls) < 16


def test_choices_are_stopped(pipe: Pipeline, clip: Path, calls: list[int]) -> None:
    choices = [f"number {number}" for number in range(100)]
    stops(lambda: pipe(str(clip), "what is it?", choices=choices, timeout_seconds=1.5), 1.5)
    assert len(calls) < 16


@pytest.mark.usefixtures("endless")
def test_a_stream_is_stopped_where_it_is_read(pipe: Pipeline, clip: Path, calls: list[int]) -> None:
    stream = pipe(str(clip), "what is it?", stream=True, timeout_seconds=1.5)
    assert current() is None
    heard: list[str] = []

    def listen() -> None:
        for piece in stream:
            assert current() is None
            heard.append(piece)

    assert stops(listen, 1.5 - 0.6) == "answer"  # reading the video took part of it
    assert heard
    assert stream.result is None


@pytest.mark.usefixtures("endless")
def test_batched_replies_are_stopped_between_tokens(pipe: Pipeline, clip: Path, calls: list[int]) -> None:
    head, tail = pipe.stages[1][1].partition()
    head.load(torch.device("cpu"))
    from mmvideo.media import open_source

    with open_source(clip) as media:
        prepared = head(media=media)["prepared"]
    assert prepared.bucket is not None

    def generate() -> None:
        with deadline(1.0):
            reply_batched([UnreadChat(tail.reader.chat, prepared)] * 2, [["what is it?"]] * 2,
                          GenerationOptions(max_new_tokens=100), size=2)

    stops(generate, 1.0)
    assert 3 < len(calls) < 12


def test_one_pass_is_stopped_between_layers(pipe: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = dict(pipe.stages)["encode_video"].reader.chat.model.model.text_model.layers
    passed: list[int] = []
    for layer in layers:
        monkeypatch.setattr(layer, "forward", lambda *given, _whole=layer.forward, **more: (
            passed.append(1), time.sleep(1.0), _whole(*given, **more))[2])
    assert len(layers) > 1
    assert stops(lambda: pipe(str(clip), "what is it?", timeout_seconds=0.8), 0.8) == "encode_video"
    assert len(passed) == 1


@pytest.mark.usefixtures("endless")
def test_a_served_stream_ends_with_the_error(pipe: Pipeline, clip: Path, calls: list[int]) -> None:
    pytest.importorskip("uvicorn")
    from mmvideo.serving.address import Rules
    from tests.serving.conftest import about, served

    with served(pipe, rules=Rules(folders=(clip.parent,), timeout_seconds=2.5)) as port:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        start = time.monotonic()
        line.request("POST", "/v1/chat/completions", json.dumps(about(clip, "what is it?", stream=True)),
                     {"Content-Type": "application/json"})
        answer = line.getresponse()
        events = [event.removeprefix("data: ") for event in answer.read().decode().split("\n\n") if event]
        line.close()
        assert time.monotonic() - start < 2.5 + SLACK
    assert answer.status == 200
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["error"]["code"] == "TimeLimitExceeded"
    assert any(json.loads(event)["choices"][0]["delta"].get("content") for event in events[:-2])
