"""The client of servers: addresses, keys, retries on a clock that does not run, and fields that servers refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mmvideo import deadline
from mmvideo.errors import (
    InvalidInput,
    ModelUnavailable,
    RequestRefused,
    ServerUnavailable,
    TimeLimitExceeded,
    UnknownName,
)
from mmvideo.remote import client as clients
from mmvideo.remote.address import server_address
from mmvideo.remote.client import Client, retry_after
from mmvideo.remote.concurrency import Concurrency, Pace
from mmvideo.weights import is_server_name

HERE = "openai://127.0.0.1:8000/org/model"


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now, self.waits = 0.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def completion(text: str = "a ball", **choice: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop", **choice}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2}}


def client(answer: Callable[[httpx.Request], httpx.Response], clock: Clock, address: str = HERE,
           **pace: Any) -> Client:
    return Client(server_address(address), pace=Pace(clock=clock, sleep=clock.sleep, **pace),
                  transport=httpx.MockTransport(answer))


def in_turn(*answers: httpx.Response | Exception) -> tuple[Callable[[httpx.Request], httpx.Response], list[Any]]:
    left, seen = list(answers), []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content) if request.content else None)
        found = left.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return answer, seen


@pytest.mark.parametrize(("given", "url", "name", "private"), [
    ("openai://localhost:8000/Qwen/Qwen2.5-VL-7B", "http://localhost:8000/v1", "Qwen/Qwen2.5-VL-7B", True),
    ("openai+http://10.0.0.7:1/m", "http://10.0.0.7:1/v1", "m", False),
    ("openai+https://api.example.com/v1/gpt", "https://api.example.com/v1", "gpt", True),
    ("openai+https://example.com/openai/v2/a/b", "https://example.com/openai/v2", "a/b", True),
    ("openai://[::1]:80/m", "http://[::1]:80/v1", "m", True)])
def test_addresses(given: str, url: str, name: str, private: bool) -> None:
    found = server_address(given)
    assert (found.url, found.name, found.is_private) == (url, name, private)
    assert is_server_name(given)
    assert not is_server_name(f"./{given}")


@pytest.mark.parametrize(("given", "said"), [
    ("openai://localhost:8000", "names no model"), ("openai:///m", "names no host"),
    ("openai://h:port/m", "is no address"), ("openai://me:hunter2@h/m", "MMVIDEO_SERVER_KEY"),
    ("openai://h/m?key=hunter2", "MMVIDEO_SERVER_KEY")])
def test_addresses_that_cannot_be(given: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        server_address(given)
    assert "hunter2" not in str(caught.value)


def test_failures_are_tried_again_after_growing_random_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients.random, "uniform", lambda low, high: high)
    clock = Clock()
    answer, seen = in_turn(httpx.Response(500), httpx.ConnectError("refused"), httpx.Response(200, text="<html>"),
                           httpx.Response(502), httpx.Response(200, json=completion()))
    reply = client(answer, clock).chat({"messages": []}, {})
    assert (reply.text, reply.prompt_tokens, reply.completion_tokens, reply.confidence) == ("a ball", 7, 2, None)
    assert clock.waits == [0.5, 1.0, 2.0, 4.0]
    assert len(seen) == 5


def test_a_server_names_the_time_of_the_next_request() -> None:
    clock = Clock()
    answer, _ = in_turn(httpx.Response(429, headers={"Retry-After": "17"}), httpx.Response(200, json=completion()))
    asking = client(answer, clock)
    asking.chat({"messages": []}, {})
    assert clock.now >= 17
    assert retry_after({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}) == 0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({"retry-after": "1e9"}) == clients.LONGEST_RETRY_AFTER


def test_a_server_that_never_answers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMVIDEO_SERVER_KEY", "hunter2-key")
    clock = Clock()
    answer, seen = in_turn(*[httpx.Response(503, json={"error": {"message": "no room, hunter2-key"}})] * 6)
    with pytest.raises(ServerUnavailable, match="in 6 tries; the last time status 503: no room") as told:
        client(answer, clock).chat({"messages": []}, {})
    assert "hunter2" not in str(told.value)
    assert len(seen) == 6


def test_no_wait_is_longer_than_the_time_limit() -> None:
    clock = Clock()
    answer, _ = in_turn(httpx.Response(429, headers={"Retry-After": "100"}), httpx.Response(200, json=completion()))
    with pytest.raises(TimeLimitExceeded, match="model's server"), deadline.deadline(50.0):
        client(answer, clock).chat({"messages": []}, {})
    assert clock.now < 50


def test_so_many_requests_a_minute() -> None:
    clock = Clock()
    answer, _ = in_turn(*[httpx.Response(200, json=completion())] * 5)
    asking = client(answer, clock, per_minute=30)
    for _ in range(5):
        asking.chat({"messages": []}, {})
    assert clock.now == pytest.approx(8.0)


def test_what_a_server_does_not_take_is_left_out_from_then_on() -> None:
    optional = {"logprobs": {"logprobs": True}, "audio": {"sound": 1}, "response_format": {"response_format": {}}}
    answer, seen = in_turn(
        httpx.Response(400, json={"error": {"message": "this model hears no audio"}}),
        httpx.Response(422, json={"detail": "something else"}), httpx.Response(200, json=completion()),
        httpx.Response(200, json=completion()))
    asking = client(answer, Clock())
    assert asking.chat({"messages": []}, optional).without == ("logprobs", "audio")
    assert asking.chat({"messages": []}, optional).without == ("logprobs", "audio")
    assert [sorted(body) for body in seen] == [
        ["logprobs", "messages", "model", "response_format", "sound"],
        ["logprobs", "messages", "model", "response_format"],
        *[["messages", "model", "response_format"]] * 2]


@pytest.mark.parametrize(("answer", "kind", "said"), [
    (httpx.Response(400, json={"error": "too long"}), RequestRefused, "status 400.*too long"),
    (httpx.Response(401, json={}), ModelUnavailable, "key is missing"),
    (httpx.Response(404, json={"message": "gone"}), ModelUnavailable, "has no model 'org/model'.*gone"),
    (httpx.Response(200, json=completion(finish_reason="content_filter")), RequestRefused, "would not answer")])
def test_what_another_try_would_not_change(answer: httpx.Response, kind: type[Exception], said: str,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    for name in clients.KEYS:
        monkeypatch.delenv(name, raising=False)
    clock = Clock()
    with pytest.raises(kind, match=said):
        client(in_turn(answer)[0], clock).chat({"messages": []}, {})
    assert clock.waits == []


def test_keys_come_from_the_environment_and_go_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization"))
        return httpx.Response(200, json=completion())

    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    monkeypatch.delenv("MMVIDEO_SERVER_KEY", raising=False)
    for address in (HERE, "openai+https://api.example.com/v1/m", "openai://10.0.0.7:8000/m"):
        client(answer, Clock(), address).chat({"messages": []}, {})
    monkeypatch.setenv("MMVIDEO_SERVER_KEY", "ours")
    client(answer, Clock(), "openai://10.0.0.7:8000/m").chat({"messages": []}, {})
    assert sent == ["Bearer theirs", "Bearer theirs", None, "Bearer ours"]


def test_a_model_that_the_server_does_not_list() -> None:
    answer, _ = in_turn(httpx.Response(200, json={"data": [{"id": "org/modell"}]}))
    with pytest.raises(UnknownName, match="Did you mean 'org/modell'"):
        client(answer, Clock()).check()
    client(in_turn(httpx.Response(404))[0], Clock()).check()
    with pytest.raises(ModelUnavailable, match="Is the server of --model running"):
        client(in_turn(*[httpx.ConnectError("refused")] * 3)[0], Clock()).check()


def test_replies_are_read_as_servers_write_them() -> None:
    thinking = completion("<think>hm</think>\n yes ", finish_reason="length",
                          logprobs={"content": [{"logprob": -0.5}, {"logprob": -0.1}]})
    reply = client(in_turn(httpx.Response(200, json=thinking))[0], Clock()).chat({"messages": []}, {})
    assert (reply.text, reply.finished) == ("yes", False)
    assert reply.confidence == pytest.approx(0.7408, abs=1e-4)


def test_concurrency_grows_until_the_latency_bends() -> None:
    """A server with eight slots: beyond them, requests wait for each other."""
    found, limits = Concurrency(), []
    for _ in range(600):
        found.answered(max(1.0, found.limit / 8))
        limits.append(found.limit)
    assert limits[0] == 4
    assert all(7 <= limit <= 14 for limit in limits[-300:]), limits[-300:]
    before = found.limit
    for _ in range(before):  # all that are under way say so: it is halved once
        found.overloaded()
    assert found.limit == before // 2
    fixed = Concurrency(3)
    for _ in range(50):
        fixed.answered(1.0)
        fixed.overloaded()
    assert fixed.limit == 3
    alone = Concurrency()
    for _ in range(20):
        alone.overloaded()
        alone.answered(1.0)
    assert alone.limit >= 1
