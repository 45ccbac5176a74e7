"""The server, asked by OpenAI's own client over a real socket."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput
from mmvideo.media import open_source
from mmvideo.media.joined import JoinedSource
from mmvideo.serving.request import Rules, read_request
from mmvideo.vlm.prompt import closed_prompt
from tests.tiny import make_clip

openai = pytest.importorskip("openai")
uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("starlette")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("open") / "clip.mp4", seconds=2)


@pytest.fixture(scope="module")
def pipe(checkpoint: Callable[[str], Path]) -> Pipeline:
    return Pipeline("video-qa", model=checkpoint("qwen3_vl"), device="cpu", dtype="float32", num_frames=4,
                    max_new_tokens=6)


def serve(pipe: Pipeline, rules: Rules, **options: Any) -> tuple[Any, str]:
    """Start a server on a free port; return uvicorn's server and the address."""
    from mmvideo.serving.app import make_app

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(make_app(pipe, rules=rules, **options), port=port, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    return server, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def address(pipe: Pipeline, clip: Path) -> Iterator[str]:
    server, found = serve(pipe, Rules(folders=(clip.parent,), private_addresses=True, max_bytes=2_000_000))
    yield found
    server.should_exit = True


@pytest.fixture(scope="module")
def client(address: str) -> Any:
    return openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)


def about(url: str, text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": url}},
                                         {"type": "text", "text": text}]}]


def test_health_and_models(address: str, client: Any, pipe: Pipeline) -> None:
    with urllib.request.urlopen(f"{address}/health") as answer:
        assert json.load(answer)["status"] == "ok"
    assert [model.id for model in client.models.list()] == [pipe.model]


def test_files_data_and_addresses_give_the_same_answer(client: Any, pipe: Pipeline, clip: Path) -> None:
    expected = pipe(str(clip), "what is it?").text
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(clip.parent))
    handler.log_message = lambda *_: None
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    data = "data:video/mp4;base64," + base64.b64encode(clip.read_bytes()).decode()
    try:
        for url in (str(clip), clip.as_uri(), data, f"http://127.0.0.1:{web.server_port}/{clip.name}"):
            reply = client.chat.completions.create(model=pipe.model, messages=about(url, "what is it?"))
            assert reply.choices[0].message.content == expected, url[:40]
            assert reply.choices[0].finish_reason in ("stop", "length")
            assert len(reply.mmvideo["seconds_looked_at"]) == 4
    finally:
        web.shutdown()


def test_a_chat_model_is_told_which_of_several_videos_is_shown_when(client: Any, pipe: Pipeline, clip: Path) -> None:
    data = "data:video/mp4;base64," + base64.b64encode(make_clip(clip.parent / "other.mp4", seconds=1).read_bytes()
                                                       ).decode()
    messages = about(str(clip), "which is longer?")
    messages[0]["content"].insert(1, {"type": "video_url", "video_url": {"url": data}})
    reply = client.chat.completions.create(model=pipe.model, messages=messages)
    with open_source(clip) as first, open_source(clip.parent / "other.mp4") as second:
        joined = JoinedSource([first, second], ["video 1", "video 2"])
        told = "video 1 from 0.00 to 2.00 s; video 2 from 2.00 to 3.00 s"
        expected = pipe(joined, f"One after the other are shown: {told}.\nwhich is longer?")
    assert reply.choices[0].message.content == expected.text
    assert reply.usage.prompt_tokens == expected.usage.prompt_tokens
    assert reply.mmvideo["rule"].endswith(told)


def test_streams_turns_and_options(client: Any, pipe: Pipeline, clip: Path) -> None:
    url, ask = str(clip), client.chat.completions.create
    whole = ask(model=pipe.model, messages=about(url, "what is it?")).choices[0].message.content
    chunks = list(ask(model=pipe.model, messages=about(url, "what is it?"), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert sum(bool(chunk.choices[0].delta.content) for chunk in chunks) > 1
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    more = [*about(url, "what is it?"), {"role": "assistant", "content": whole},
            {"role": "user", "content": "and then?"}]
    later = ask(model=pipe.model, messages=more).choices[0].message.content
    assert later == pipe(url, "and then?", history=[("what is it?", whole)]).text
    drawn = [ask(model=pipe.model, messages=about(url, "what?"), temperature=1.5, seed=4, max_tokens=5)
             .choices[0].message.content for _ in range(2)]
    assert drawn[0] == drawn[1]
    chosen = ask(model=pipe.model, messages=about(url, "is it?"), extra_body={"choices": ["yes", "no"]})
    assert chosen.choices[0].message.content in ("yes", "no")
    pytest.importorskip("llguidance")
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": {
        "type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"],
        "additionalProperties": False}}}
    said = ask(model=pipe.model, messages=about(url, "is it?"), response_format=form, max_tokens=40)
    assert json.loads(said.choices[0].message.content)["ok"] in (True, False)


def test_tokens_are_counted(client: Any, pipe: Pipeline, clip: Path) -> None:
    stage, ask = pipe.stages[1][1], client.chat.completions.create
    with open_source(clip) as media:
        seen = stage(media=media)["conversation"].seen
    given = {"model": pipe.model, "messages": about(str(clip), "what is it?"), "max_tokens": 3}
    said = ask(**given)
    whole = stage.reader.chat.prompt("what is it?", seen)
    assert said.usage.prompt_tokens == whole.tensors["input_ids"].shape[1] > whole.num_seen_tokens > 0
    assert said.usage.completion_tokens == 3
    assert said.usage.total_tokens == said.usage.prompt_tokens + 3
    assert said.choices[0].finish_reason == "length"
    chunks = list(ask(**given, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].usage == said.usage
    assert chunks[-1].choices == []
    assert chunks[-2].choices[0].finish_reason == "length"
    assert not any(chunk.usage for chunk in ask(**given, stream=True))
    chosen = ask(**given, extra_body={"choices": ["yes", "no"]})
    assert chosen.usage.prompt_tokens == said.usage.prompt_tokens
    assert chosen.usage.completion_tokens >= 2
    assert chosen.choices[0].finish_reason == "stop"
    pytest.importorskip("llguidance")
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": {"type": "boolean"}}}
    whole_value = ask(**{**given, "max_tokens": 20}, response_format=form)
    assert whole_value.choices[0].message.content in ("true", "false")
    assert whole_value.choices[0].finish_reason == "stop"


def test_why_a_reply_ended_whole_and_streamed(client: Any, pipe: Pipeline, clip: Path) -> None:
    ask = client.chat.completions.create
    given = {"model": pipe.model, "messages": about(str(clip), "what is it?")}

    def both(**options: Any) -> tuple[str, str, Any]:
        """Ask whole and streamed; return the text, why it ended and the whole reply, which are the same in both."""
        whole = ask(**given, **options)
        chunks = list(ask(**given, **options, stream=True, stream_options={"include_usage": True}))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
        assert text == whole.choices[0].message.content
        assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason
        assert all(chunk.choices[0].finish_reason is None for chunk in chunks[:-2])
        assert chunks[-1].usage == whole.usage
        assert chunks[-2].mmvideo == whole.mmvideo
        return text, whole.choices[0].finish_reason, whole

    text, reason, whole = both(max_tokens=12)
    assert reason == "length"
    stop = text[len(text) // 2:][:3]
    cut, reason, shorter = both(max_tokens=12, stop=["no such text", stop])
    assert (cut, reason) == (text[:text.index(stop)].strip(), "stop")
    assert shorter.usage.completion_tokens < whole.usage.completion_tokens == 12
    assert both(max_tokens=12, stop="no such text")[:2] == (text, "length")
    likeliest = both(max_tokens=12, temperature=2, top_p=0, seed=3)
    assert likeliest[0] == text
    drawn = {both(max_tokens=12, temperature=2, seed=3, top_p=top_p)[0] for top_p in (0.1, 0.999)}
    assert len(drawn) == 2
    pytest.importorskip("llguidance")
    endless = {"type": "json_schema", "json_schema": {"schema": {"type": "string", "pattern": "^a{900}$"}}}
    text, reason, looping = both(max_tokens=200, response_format=endless)
    assert text.strip('"') == "a" * len(text.strip('"'))
    assert reason == "length"
    assert looping.mmvideo["looped"]
    assert looping.mmvideo["warnings"]


def test_odd_schemas_are_the_callers_fault(client: Any, pipe: Pipeline, clip: Path) -> None:
    pytest.importorskip("llguidance")
    nested: dict[str, Any] = {"type": "string"}
    for _ in range(70):
        nested = {"type": "array", "items": nested}
    refused = [{"$ref": "#"}, {"type": "zzz"}, {"enum": []}, {"$ref": "http://127.0.0.1:1/a"}, {"pattern": "("},
               {"not": {}}, {"enum": [f"{number:06}" for number in range(10_000)]}, {"properties": 5}, nested,
               {"type": "integer", "minimum": 5, "maximum": 1},
               {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"], "additionalProperties": False}]
    for schema in refused:
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(model=pipe.model, messages=about(str(clip), "what?"), max_tokens=8,
                                           response_format={"type": "json_schema", "json_schema": {"schema": schema}})


def test_what_is_refused(client: Any, pipe: Pipeline, clip: Path, tmp_path: Path) -> None:
    def refused(kind: type[Exception], match: str, **changes: Any) -> None:
        given = {"model": pipe.model, "messages": about(str(clip), "what?"), **changes}
        with pytest.raises(kind, match=match):
            client.chat.completions.create(**given)

    bad = openai.BadRequestError
    secret = make_clip(tmp_path / "secret.mp4", seconds=1)
    (clip.parent / "link.mp4").symlink_to(secret)
    refused(bad, "reads no local file there", messages=about(str(secret), "what?"))
    refused(bad, "reads no local file there", messages=about(str(clip.parent / "link.mp4"), "what?"))
    refused(bad, "reads no local file there", messages=about(f"{clip.parent}/../{tmp_path.name}/secret.mp4", "what?"))
    refused(bad, "not at 'ftp'", messages=about("ftp://host/a.mp4", "what?"))
    refused(bad, "is not base64", messages=about("data:video/mp4;base64,@@@", "what?"))
    refused(bad, "about one or more videos", messages=[{"role": "user", "content": "what?"}])
    refused(bad, "must be a question", messages=about(str(clip), " "))
    refused(bad, "max_tokens can be 1024", max_tokens=5000)
    refused(bad, "'n' must be 1", n=2)
    refused(bad, "alternate", messages=[*about(str(clip), "a?"), {"role": "user", "content": "b?"}])
    refused(openai.NotFoundError, "There is no model 'gpt-9'", model="gpt-9")
    not_media = "data:video/mp4;base64," + base64.b64encode(b"no video at all" * 50).decode()
    refused(bad, ".", messages=about(not_media, "what?"))
    refused(openai.APIStatusError, "over the limit", messages=about("data:video/mp4;base64," + "A" * 3_000_000, "a?"))
    assert client.chat.completions.create(model=pipe.model, messages=about(str(clip), "what?")).choices


def test_addresses_of_the_own_network_are_refused_by_default() -> None:
    for url in ("http://127.0.0.1/a.mp4", "http://169.254.169.254/latest", "http://[::1]/a.mp4", "http://10.1.2.3/a"):
        with pytest.raises(InvalidInput, match="own network"):
            read_request({"messages": about(url, "what?")}, Rules())
    with pytest.raises(InvalidInput, match="fetches no addresses"):
        read_request({"messages": about("https://example.com/a.mp4", "what?")}, Rules(addresses=False))


def test_a_full_queue_says_so_and_empties(pipe: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmvideo.serving.worker import Worker

    held, answer = threading.Event(), Worker._answer

    def slow(self: Worker, job: Any) -> None:
        held.wait(20)
        answer(self, job)

    monkeypatch.setattr(Worker, "_answer", slow)
    server, found = serve(pipe, Rules(folders=(clip.parent,)), max_queue=1)
    ask = openai.OpenAI(base_url=f"{found}/v1", api_key="none", max_retries=0).chat.completions.create
    said: list[Any] = []
    waiting = [threading.Thread(target=lambda: said.append(ask(model="", messages=about(str(clip), "a?"))))
               for _ in range(2)]
    for thread in waiting:
        thread.start()
        time.sleep(0.3)
    with pytest.raises(openai.RateLimitError, match="1 requests are waiting"):
        ask(model="", messages=about(str(clip), "what?"))
    held.set()
    for thread in waiting:
        thread.join(20)
    assert len(said) == 2
    assert ask(model="", messages=about(str(clip), "what?")).choices
    server.should_exit = True


def test_a_later_question_finds_the_video_read(address: str, client: Any, pipe: Pipeline, clip: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    reader, calls = pipe.stages[1][1].reader, []
    read_video = reader.read

    def noting(*given: Any) -> Any:
        calls.append(1)
        return read_video(*given)

    monkeypatch.setattr(reader, "read", noting)
    copy = clip.parent / "again.mp4"
    copy.write_bytes(clip.read_bytes())
    for text in ("what?", "where?", "why?"):
        client.chat.completions.create(model=pipe.model, messages=about(str(copy), text))
    assert len(calls) == 1


def test_the_command_serves_the_embedded_model(clip: Path) -> None:
    import os
    import subprocess
    import sys

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mmvideo", "serve", "--port", str(port), "--allow", str(clip.parent),
               "--device", "cpu"]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE, text=True)
    try:
        ask = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0).chat.completions
        deadline = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health")
                break
            except urllib.error.URLError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.2)
        text = "what color is the ball?"
        pipe = Pipeline("video-qa", model="toybox-qa", device="cpu")
        reply, expected = ask.create(model="toybox-qa", messages=about(str(clip), text)), pipe(str(clip), text)
        assert reply.choices[0].message.content == expected.text
        language = dict(pipe.stages)["encode_video"].reader.model
        words = len(language.tokenizer.tokenize(closed_prompt(text)))
        assert reply.usage.prompt_tokens == len(expected.segments) * (63 + words)
        assert reply.usage.completion_tokens == sum(len(language.tokenizer.tokenize(s.text)) + 1
                                                    for s in expected.segments)
        chosen = ask.create(model="toybox-qa", messages=about(str(clip), text),
                            extra_body={"choices": ["red", "blue"]})
        assert chosen.choices[0].message.content in ("red", "blue")
        with pytest.raises(openai.BadRequestError, match="takes no history"):
            ask.create(model="toybox-qa", messages=[
                *about(str(clip), text), {"role": "assistant", "content": "red"}, {"role": "user", "content": text}])
    finally:
        process.terminate()
        process.wait(20)
