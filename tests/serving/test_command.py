"""The command in its own process: it ends when it is told to, and holds under many and slow connections."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmvideo import Pipeline
from mmvideo.serving.connections import Connection, RateLimitFilter, limited_connection
from tests.hub.conftest import checkpoint  # noqa: F401
from tests.serving.conftest import Command, about, call, served
from tests.serving.test_app import address_of

Start = Callable[..., Command]


def ask_beside(server: Command, body: dict[str, Any]) -> tuple[threading.Thread, list[Any]]:
    """Ask in a thread; return it, and a list that will hold the answer."""
    said: list[Any] = []

    def ask() -> None:
        try:
            said.append(call(server.port, body))
        except (OSError, json.JSONDecodeError) as error:
            said.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread, said


def left_behind(server: Command) -> list[str]:
    files = [path.name for path in server.log.parent.iterdir() if path != server.log]
    return [name for name in files if "torchinductor" not in name]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_a_hostile_server_is_downloaded_from(command: Start, number: int) -> None:
    server = command("--private-addresses")
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + bytes(1000)
    with address_of(body) as (url, lines), address_of(b"H", byte_by_byte=True) as (other, more):
        asked = [ask_beside(server, about(address)) for address in (url, other)]
        while not (lines and more):
            time.sleep(0.05)
        time.sleep(0.5)
        assert server.ends(number) < 5
    for thread, said in asked:
        thread.join(10)
        assert said[0][0] == 503
        assert said[0][1]["error"]["code"] == "shutting_down"
    assert server.process.returncode == -number
    assert not left_behind(server)
    assert "Traceback" not in server.said()


def wait_until(server: Any, state: str, *asked: Any) -> None:
    """Wait until one request is in a state that the server tells."""
    until = time.monotonic() + 30
    while call(server.port, path="/health")[1][state] != 1:
        assert time.monotonic() < until, [said for _, said in asked]
        time.sleep(0.2)


def test_it_ends_while_a_reply_is_written(
        command: Start, checkpoint: Any, clip: Path, tmp_path: Path) -> None:  # noqa: F811
    model = tmp_path / "patient"
    shutil.copytree(checkpoint("qwen3_vl"), model)
    config = json.loads((model / "config.json").read_text())
    config["text_config"]["max_position_embeddings"] = 2_000_000
    (model / "config.json").write_text(json.dumps(config))
    server = command("--model", str(model), "--allow", str(clip.parent), "--max-new-tokens", "1000000",
                     "--set", "encode_video.num_frames=4", HF_HUB_OFFLINE="1")
    endless = about(clip, "what?", max_tokens=1_000_000, response_format={"type": "json_schema", "json_schema": {
        "schema": {"type": "string", "minLength": 1_000_000}}})
    running = ask_beside(server, endless)
    wait_until(server, "running", running)
    waiting = ask_beside(server, about(clip, "what?"))
    wait_until(server, "waiting", running, waiting)
    assert server.ends(signal.SIGTERM) < 8
    for thread, said in (running, waiting):
        thread.join(10)
        assert said[0][0] == 503, said
    assert not left_behind(server)


def test_downloads_lie_in_a_folder_that_goes(command: Start, clip: Path) -> None:
    server = command("--private-addresses")
    content = clip.read_bytes()
    with address_of(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content) as (url, _):
        assert call(server.port, about(url))[0] == 200
    assert len(left_behind(server)) == 1
    assert server.ends(signal.SIGTERM) < 5
    assert not left_behind(server)


def test_what_is_known_before_the_model_is_loaded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for options, words in ((["--port", str(taken.getsockname()[1])], "Choose another --port"),
                               (["--host", "no.such.host.invalid"], "--host no.such.host.invalid"),
                               (["--api-key", ""], "API key is empty"), (["--api-key", " "], "API key is empty")):
            done = subprocess.run([sys.executable, "-m", "mmvideo", "serve", *options], capture_output=True, text=True,
                                  timeout=60)
            assert done.returncode == 2
            assert words in done.stderr
            assert done.stderr.count("\n") == 1


def test_connections_are_taken_from_the_moment_at_which_it_says_so() -> None:
    with subprocess.Popen([sys.executable, "-m", "mmvideo", "serve", "--port", "0", "--device", "cpu"],
                          stderr=subprocess.PIPE, text=True) as server, contextlib.ExitStack() as lines:
        assert server.stderr is not None
        said = next(line for line in server.stderr if " answers at " in line)
        port = int(said.split(" answers at ")[1].split("/v1")[0].rpartition(":")[2])
        for _ in range(16):
            lines.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        assert call(port, path="/health")[1]["status"] == "ok"
        server.terminate()


def test_at_the_limit_of_descriptors_it_goes_on_and_its_log_stays_short(
        command: Start, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = 160
    monkeypatch.setattr(subprocess, "Popen", _with_few_files(subprocess.Popen, few))
    server = command("--allow", str(clip.parent), MMVIDEO_API_KEY="key")
    lines = []
    try:
        for _ in range(2 * few):
            line = socket.socket()
            line.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                line.connect(("127.0.0.1", server.port))
            lines.append(line)
        time.sleep(3)
    finally:
        for line in lines:
            line.close()
    time.sleep(1)
    assert call(server.port, about(clip), headers={"Authorization": "Bearer key"})[0] == 200
    assert call(server.port, about(clip))[0] == 401
    assert len(server.said()) < 20_000, server.said()[:2000]


def _with_few_files(popen: Any, few: int) -> Any:
    def start(*given: Any, **options: Any) -> Any:
        return popen(*given, **options,
                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few)))
    return start


def closed_after(line: socket.socket, send: bytes, seconds: float) -> float | None:
    """Return after how many seconds the other side closed, None if not in time; meanwhile something is sent."""
    began = time.monotonic()
    line.settimeout(0.1)
    while time.monotonic() - began < seconds:
        try:
            if send:
                line.sendall(send)
            if not line.recv(4096):
                return time.monotonic() - began
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - began
    return None


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(("begin", "more"), [
    (b"", b""), (b"", b"x"), (HEAD, b""), (HEAD, b"a: b\r\n"), (HEALTH, b"G"), (HEALTH + b"GET /", b""),
    (HEAD + b"Content-Type: text/plain\r\nContent-Length: 60000\r\n\r\n", b"x"),  # refused, its body goes on
], ids=["nothing", "first line", "silent head", "headers", "second head", "begun second", "refused body"])
def test_slow_heads_are_given_up(pipe: Pipeline, begin: bytes, more: bytes) -> None:
    quick = type("Quick", (Connection,), {"head_seconds": 0.6})
    with served(pipe, uvicorn={"http": quick}) as port, socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(begin)
        assert closed_after(line, more, 8) is not None
        assert call(port, path="/health")[0] == 200


def test_a_slow_answer_is_no_slow_head(pipe: Pipeline, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmvideo.serving.address import Rules
    from mmvideo.serving.worker import Worker

    answer = Worker._answer
    monkeypatch.setattr(Worker, "_answer", lambda self, job: (time.sleep(1.5), answer(self, job)))
    quick = type("Quick", (Connection,), {"head_seconds": 0.4})
    with served(pipe, uvicorn={"http": quick}, rules=Rules(folders=(clip.parent,))) as port:
        assert call(port, about(clip))[0] == 200


def test_too_many_connections_are_closed(pipe: Pipeline) -> None:
    with served(pipe, uvicorn={"http": type("Few", (Connection,), {"most": 3})}) as port:
        lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        time.sleep(0.3)
        with socket.create_connection(("127.0.0.1", port)) as fourth:
            assert closed_after(fourth, b"", 3) is not None
        for line in lines:
            assert closed_after(line, b"", 0.3) is None
            line.close()
        time.sleep(0.3)
        assert call(port, path="/health")[0] == 200


def test_how_many_connections_the_system_allows() -> None:
    from mmvideo.errors import InvalidInput

    assert limited_connection(256, 20, 1024).most == 256 + 64
    assert limited_connection(256, 40, 256).most == 256 - 40 - 32 - 48
    with pytest.raises(InvalidInput, match="ulimit"):
        limited_connection(256, 40, 64)


def test_a_log_cannot_be_flooded(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    log, seldom = logging.getLogger("mmvideo.test"), RateLimitFilter(0.3)
    log.addFilter(seldom)
    for number in range(1000):
        log.warning("socket.accept() out of system resource, again and again\nsocket %d", number)
        log.warning("something else %d", number)
    time.sleep(0.4)
    log.warning("something else")
    log.removeFilter(seldom)
    assert [record.getMessage() for record in caplog.records][1:] == ["something else 0", "something else"]
