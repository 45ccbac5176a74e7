"""The server over real sockets: in this process, or the command in its own."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmvideo import Pipeline
from tests.tiny import make_clip

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")


@pytest.fixture(scope="package")
def pipe() -> Pipeline:
    return Pipeline("video-qa", model="toybox-qa", device="cpu")


@pytest.fixture(scope="package")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("open") / "clip.mp4", seconds=2)


@contextmanager
def served(pipe: Pipeline, *, uvicorn: dict[str, Any] | None = None, **options: Any) -> Iterator[int]:
    """Serve in this process, with options of `make_app` and of uvicorn; give the port."""
    from uvicorn import Config, Server

    from mmvideo.serving.app import make_app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(Config(make_app(pipe, **options), port=port, log_level="error", **(uvicorn or {})))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield port
    server.should_exit = True
    thread.join(20)


def call(port: int, body: Any = None, *, path: str = "/v1/chat/completions", method: str = "",
         headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Send a request (a body that is not bytes goes as JSON); return the status and the JSON of the answer."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    try:
        line.request(method or ("GET" if body is None else "POST"), path, data,
                     {"Content-Type": "application/json", **(headers or {})})
        answer = line.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        line.close()


def about(url: Any, text: str = "what happens next?", **fields: Any) -> dict[str, Any]:
    """Return the body of a question about a video."""
    return {"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": str(url)}},
                                                      {"type": "text", "text": text}]}], **fields}


class Command:
    """`mmvideo serve` in its own process."""

    def __init__(self, *options: str, folder: Path, **environment: str):
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mmvideo", "serve", "--port", "0", "--device", "cpu", *options],
                env={**os.environ, "TMPDIR": str(folder), **environment}, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while " answers at " not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        self.port = int(self.said().split(" answers at ")[1].split("/v1")[0].rpartition(":")[2])

    def said(self) -> str:
        """Return what it wrote."""
        return self.log.read_text()

    def ends(self, number: int) -> float:
        """Send a signal; return after how many seconds the process was gone."""
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - began


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Give what starts the command; all that it started is ended."""
    started: list[Command] = []

    def start(*options: str, **environment: str) -> Command:
        folder = tmp_path / f"server-{len(started)}"
        folder.mkdir()
        started.append(Command(*options, folder=folder, **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(20)
