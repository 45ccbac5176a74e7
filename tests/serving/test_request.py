"""Fields of a request: which are obeyed, which pass, which are refused by name; bodies that no client would send."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mmvideo.errors import InvalidInput
from mmvideo.serving.address import Rules
from mmvideo.serving.body import parse
from mmvideo.serving.problems import Refused, json_bytes, problem_of
from mmvideo.serving.request import read_request
from tests.serving.conftest import about

DATA = "data:video/mp4;base64," + base64.b64encode(b"some bytes").decode()


def generation(**fields: Any) -> Any:
    return read_request(about(DATA, **fields), Rules()).generation


def refused(**fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        generation(**fields)
    return caught.value


def test_what_is_obeyed() -> None:
    given = generation(temperature=0.5, top_p=0.9, seed=3, stop=["a", "b"], max_completion_tokens=7, stream=True)
    assert (given.temperature, given.top_p, given.seed, given.stop, given.max_new_tokens, given.stream) == (
        0.5, 0.9, 3, ("a", "b"), 7, True)
    assert generation(stop="end").stop == ("end",)
    assert generation(max_tokens=5, max_completion_tokens=5).max_new_tokens == 5
    assert generation(response_format={"type": "json_object"}).schema == {"type": "object"}
    assert generation(response_format={"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {
        "type": "boolean"}}}).schema == {"type": "boolean"}
    assert generation(choices=["yes", "no"]).choices == ("yes", "no")


@pytest.mark.parametrize("fields", [
    {"user": "me"}, {"metadata": {"a": "b"}}, {"n": 1}, {"frequency_penalty": 0}, {"presence_penalty": 0.0},
    {"logit_bias": {}}, {"logprobs": False}, {"tools": []}, {"tool_choice": "auto"}, {"store": False},
    {"service_tier": "auto"}, {"modalities": ["text"]}, {"parallel_tool_calls": True}, {"stop": None}, {"stop": []},
    {"response_format": {"type": "text"}}, {"top_k": -1}, {"mm_processor_kwargs": {}}, {"anything": None},
    {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
    {"prompt_cache_key": "x"}, {"safety_identifier": "y"}, {"top_p": 1, "temperature": 0},
])
def test_what_changes_nothing_passes(fields: dict[str, Any]) -> None:
    assert generation(**fields) == generation(**({"stream": True} if fields.get("stream") else {}))


@pytest.mark.parametrize(("field", "value"), [
    ("n", 2), ("n", True), ("n", "1"), ("frequency_penalty", 0.1), ("presence_penalty", -1), ("logit_bias", {"5": 1}),
    ("logprobs", True), ("top_logprobs", 3), ("tools", [{"type": "function"}]), ("tool_choice", "required"),
    ("functions", [{}]), ("function_call", {"name": "f"}), ("modalities", ["audio"]), ("audio", {"voice": "x"}),
    ("store", True), ("prediction", {"type": "content"}), ("reasoning_effort", "high"), ("web_search_options", {}),
    ("service_tier", "flex"), ("mm_processor_kwargs", {"size": 2}), ("top_k", 40), ("min_p", 0.1), ("best_of", 2),
    ("repetition_penalty", 1.1), ("guided_json", {"type": "object"}), ("verbosity", "low"), ("no_such_field", 1),
    ("temperature", "hot"), ("temperature", -0.1), ("temperature", 2.5), ("temperature", True), ("top_p", 1.5),
    ("temperature", float("inf")), ("top_p", -1), ("seed", 1.5), ("seed", 1 << 63), ("seed", "7"), ("stop", 5),
    ("stop", ["a", 5]), ("stop", ""), ("stop", list("abcde")), ("max_tokens", 0), ("max_tokens", 5000),
    ("max_tokens", 2.5), ("max_completion_tokens", -1), ("max_tokens", True), ("stream", "yes"), ("stream", 1),
    ("choices", "yes"), ("choices", [1, 2]), ("choices", ["", "a"]), ("schema", []), ("model", 5), ("messages", "hi"),
    ("messages", []), ("messages", {}), ("response_format", "json"), ("response_format", {"type": "grammar"}),
    ("response_format", {"type": "json_schema"}), ("response_format", {"type": "json_schema", "json_schema": []}),
    ("response_format", {"type": "json_schema", "json_schema": {"schema": 5}}),
    ("response_format", {"type": "json_schema", "json_schema": {"schema": {"enum": ["x" * 70_000]}}}),
    ("response_format", {"type": ["json_schema"]}), ("stream_options", [1]), ("stream_options", {"include_usage": 1}),
    ("stream_options", {"include_usage": True}), ("stream_options", {"other": True}),
])
def test_what_is_refused_names_the_field(field: str, value: Any) -> None:
    error = refused(**{field: value})
    assert error.field.startswith(field), error
    assert error.status == 400
    said = problem_of(error)["error"]
    assert said["param"] == error.field
    assert said["type"] == "invalid_request_error"
    assert field in said["message"]


def test_options_that_do_not_go_together() -> None:
    assert refused(max_tokens=4, max_completion_tokens=5).field == "max_tokens"
    assert refused(choices=["a", "b"], temperature=1).field == "temperature"
    assert refused(choices=["a", "b"], stop="a").field == "stop"
    with pytest.raises(InvalidInput, match="choices or a schema"):
        generation(choices=["a", "b"], response_format={"type": "json_object"})


@pytest.mark.parametrize("message", [
    {"role": "user", "content": None}, {"role": "user", "content": 5}, {"role": "user", "content": {"type": "text"}},
    {"role": "user", "content": ["what?"]}, {"role": "user", "content": [{"type": "text", "text": None}]},
    {"role": "user", "content": [{"type": ["text"], "text": "x"}]}, {"role": ["user"], "content": "what?"},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": DATA}}]},
    {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]},
    {"role": "user", "content": [{"type": "video_url", "video_url": {"url": None}}]},
    {"role": "user", "content": [{"type": "video_url", "video_url": {"url": DATA, "detail": "high"}}]},
    {"role": "user", "content": [{"type": "video_url", "video_url": {"url": DATA}, "fps": 2}]},
    {"role": "user", "content": "what?", "tool_calls": [{"id": "x"}]}, {"role": "tool", "content": "4"}, "what?", None,
    {"role": "assistant", "content": [{"type": "video_url", "video_url": {"url": DATA}}]},
])
def test_messages_that_are_refused(message: Any) -> None:
    with pytest.raises(Refused) as caught:
        read_request({"messages": [message]}, Rules())
    assert caught.value.field.startswith("messages")


def test_a_message_may_hold_what_is_empty() -> None:
    body = about(DATA, "what?")
    body["messages"][0] |= {"name": "me", "tool_calls": None, "function_call": None}
    assert read_request(body, Rules()).question == "what?"


def test_too_many_characters() -> None:
    assert read_request(about(DATA, "a" * 65_536), Rules()).question == "a" * 65_536
    with pytest.raises(Refused, match="1000000 characters together; they can have 65536"):
        read_request(about(DATA, "a" * 1_000_000), Rules())
    messages = [{"role": "system", "content": "b" * 65_536}, *about(DATA, "a" * 10)["messages"]]
    with pytest.raises(Refused, match="65546 characters"):
        read_request({"messages": messages}, Rules())


@pytest.mark.parametrize("text", [
    b"", b"{", b"[" * 100_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, b"nan", b'{"temperature": NaN}',
    b'{"a": Infinity}', b"\xff\xfe", b'"\\ud800"', b'{"\\udfff": 1}', b'{"a": [{"b": "\\ud83d"}]}', b"1" * 5000,
    json.dumps([[]] * 60_000).encode(), b"[" * 80 + b"]" * 80, b"\xed\xa0\x80", b'{"a": "\x00"}',
])
def test_bodies_that_are_refused(text: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse(bytearray(text))
    assert caught.value.status == 400


def test_a_body_is_let_go_when_it_has_been_read() -> None:
    content = bytearray(json.dumps({"a": ["é", "😀", None, 1.5]}).encode())
    assert parse(content) == {"a": ["é", "😀", None, 1.5]}
    assert not content


@pytest.mark.parametrize("url", [
    "", "http://[", "http://[::1", "http://", "http:///a.mp4", "https://host:99999/a", "http://host:port/a",
    "http://a b/c", "http://host/\x00", "\x00", "file:///a\x00b", "/a\x00b", "/" + "a" * 300, "a" * 10_000, "/a" * 5000,
    "file://" + "/a" * 3000, "http://host/" + "a" * 9000, "ftp://host/a", "rtsp://host/a", "concat:/etc/passwd",
    "file://host/a.mp4", "file:/%00", "FILE:///etc/passwd", "http://host/a\r\nHost: b", "data:", "data:video/mp4,x",
    "data:video/mp4;base64", "data:;base64,###", "data:;base64,é", "data:video/mp4;base64,QQ=", "~/a.mp4", ".", "/",
])
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_request(about(url), Rules(folders=(Path("/nowhere"),)))
    assert len(str(caught.value)) < 500


def test_local_files_outside_the_allowed_folders_are_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "open", tmp_path / "secret.mp4"
    (inside / "deep").mkdir(parents=True)
    outside.write_bytes(b"secret")
    good = inside / "good.mp4"
    good.write_bytes(b"good")
    (inside / "link.mp4").symlink_to(outside)
    (inside / "folder").symlink_to(tmp_path)
    (inside / "loop.mp4").symlink_to(inside / "loop.mp4")
    os.mkfifo(inside / "pipe.mp4")
    (tmp_path / "open-too").mkdir()
    (tmp_path / "open-too" / "c.mp4").write_bytes(b"c")
    rules = Rules(folders=(inside,))
    forms = [
        f"{outside}", f"file://{outside}", f"file:{outside}", f"file://localhost{outside}", f"FILE://{outside}",
        f"{inside}/../secret.mp4", f"{inside}/deep/../../secret.mp4", f"{inside}/./../secret.mp4",
        f"file://{inside}/../secret.mp4", f"file://{inside}/%2e%2e/secret.mp4", f"file://{inside}/..%2fsecret.mp4",
        f"{inside}/link.mp4", f"{inside}/folder/secret.mp4", f"{inside}//..//secret.mp4", f"{inside}/loop.mp4",
        f"{inside}/pipe.mp4", f"{inside}", f"{inside}/", f"{tmp_path}/open-too/c.mp4", f"/proc/self/root{outside}",
        f"/proc/self/cwd/{os.path.relpath(outside)}", os.path.relpath(outside), "/etc/passwd", "/dev/zero",
        f"{inside}/good.mp4/../../secret.mp4", f"{inside}/none.mp4", f"//{outside}", f"file:///%2e%2e{outside}"]
    for form in forms:
        with pytest.raises(InvalidInput):
            read_request(about(form), rules)
    for form in (f"{good}", f"file://{good}", f"{inside}/deep/../good.mp4", os.path.relpath(good)):
        assert read_request(about(form), rules).place.source == str(good.resolve())


def test_replies_are_json_whatever_they_hold() -> None:
    assert json.loads(json_bytes({"a": float("nan"), "b": [float("inf"), 1.5], "c": "\ud800", "d": (None, "é")})) == {
        "a": None, "b": [None, 1.5], "c": "?", "d": [None, "é"]}
    assert len(problem_of(InvalidInput("x" * 100_000))["error"]["message"]) < 1100
    assert problem_of(KeyError("secret"))["error"] == {
        "message": "The server failed; its log says why.", "type": "server_error", "param": None, "code": "internal"}
