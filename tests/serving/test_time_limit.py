"""A request that computes for too long is answered with 504, and the next one at once."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.deadline import check
from mmvideo.errors import InvalidInput
from mmvideo.serving.address import Rules
from mmvideo.serving.app import make_app
from tests.serving.conftest import about, call, served
from tests.tiny import make_clip

LIMIT, SLACK = 3.0, 3.0


@pytest.fixture(scope="module")
def port(pipe: Pipeline, clip: Path) -> Iterator[int]:
    with served(pipe, rules=Rules(folders=(clip.parent,), timeout_seconds=LIMIT)) as found:
        yield found


@pytest.fixture
def stuck(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let the encoder compute for a minute, in small steps."""
    network = dict(pipe.stages)["encode_video"].reader.model.parts["encoder"]
    forward = network.forward

    def late(frames: torch.Tensor, **more: Any) -> Any:
        for _ in range(600):
            time.sleep(0.1)
            check()
        return forward(frames, **more)

    monkeypatch.setattr(network, "forward", late)
    return monkeypatch


def test_a_request_over_the_limit_gets_504_and_the_next_is_answered(
        port: int, clip: Path, stuck: pytest.MonkeyPatch) -> None:
    start = time.monotonic()
    status, told = call(port, about(clip))
    assert LIMIT * 0.9 < time.monotonic() - start < LIMIT + SLACK
    assert status == 504
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert (told["error"]["type"], told["error"]["code"]) == ("server_error", "TimeLimitExceeded")
    assert "3 s" in told["error"]["message"]
    assert "--timeout" in told["error"]["message"]
    stuck.undo()
    start = time.monotonic()
    assert call(port, about(clip))[0] == 200
    assert time.monotonic() - start < LIMIT
    assert call(port, path="/health")[1]["waiting"] == 0


def test_clients_are_told_not_to_send_it_again(port: int, tmp_path: Path, clip: Path,
                                               stuck: pytest.MonkeyPatch) -> None:
    """OpenAI's own client repeats what fails with 5xx twice, unless this header says otherwise."""
    other = make_clip(clip.parent / "other.mp4", seconds=1)
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request("POST", "/v1/chat/completions", json.dumps(about(other)), {"Content-Type": "application/json"})
    answer = line.getresponse()
    assert (answer.status, answer.headers["x-should-retry"]) == (504, "false")
    line.close()


def test_a_video_that_is_read_stays_so_when_a_question_takes_too_long(
        port: int, pipe: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(port, about(clip))[0] == 200
    opened: list[Any] = []
    open_ = pipe.open
    monkeypatch.setattr(pipe, "open", lambda video, **rest: opened.append(video) or open_(video, **rest))
    language = dict(pipe.stages)["encode_video"].reader.model.language
    forward = language.forward
    with monkeypatch.context() as slower:
        slower.setattr(language, "forward", lambda **given: time.sleep(LIMIT) or forward(**given))
        assert call(port, about(clip, "does it bounce?"))[0] == 504
    assert call(port, about(clip, "does it bounce?"))[0] == 200
    assert opened == []


def test_a_step_that_does_not_end_holds_neither_its_caller_nor_those_who_wait(
        pipe: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmvideo.serving.worker.GRACE_SECONDS", 0.5)
    network, over = dict(pipe.stages)["encode_video"].reader.model.parts["encoder"], threading.Event()
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda *given, **more: (over.wait(60), forward(*given, **more))[1])
    with served(pipe, rules=Rules(folders=(clip.parent,), timeout_seconds=1.0)) as port, ThreadPoolExecutor(2) as pool:
        start = time.monotonic()
        first = pool.submit(call, port, about(clip))
        time.sleep(0.3)
        second = pool.submit(call, port, about(clip, "does it bounce?"))
        assert [(answer[0], answer[1]["error"]["code"]) for answer in (first.result(), second.result())] == [
            (504, "TimeLimitExceeded"), (503, "stuck")]
        assert time.monotonic() - start < 1.5 + SLACK
        assert call(port, path="/health")[:1] == (503,)
        assert call(port, path="/health")[1]["status"] == "stuck"
        over.set()
        assert call(port, about(clip, "does it fall?"))[0] == 200
        assert call(port, path="/health")[1]["status"] == "ok"


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(pipe: Pipeline, seconds: float) -> None:
    with pytest.raises(InvalidInput, match="timeout_seconds must be"):
        make_app(pipe, rules=Rules(timeout_seconds=seconds))
