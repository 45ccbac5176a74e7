"""A local server of chat completions that fails in the ways that real ones do, by a plan; counts what it answers."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW = 5


class Faulty:
    """What the server does and has seen.

    Args:
        faults: for each completion in turn: a status, `cut` (the connection), `html`, `other` (JSON that is no chat
            completion), `slow` (an answer that takes `SLOW` times as long), or `` for an answer, as when they are used
            up.
        slots: requests that are computed at once; others wait.
        seconds: that one takes.
        reply: gives the words of an answer from a request's body; else they name what was shown.
    """

    def __init__(self, faults: Sequence[int | str] = (), *, slots: int = 64, seconds: float = 0.0,
                 reply: Callable[[dict[str, Any]], str] | None = None):
        self.faults, self.seconds, self.reply = list(faults), seconds, reply
        self.slots = threading.BoundedSemaphore(slots)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answered: Counter[str] = Counter()
        self.running = self.most_running = 0
        self.lock = threading.Lock()
        self.url = ""


def what_is_shown(body: dict[str, Any]) -> str:
    """Return a hash of the first image or video of a request."""
    for part in body["messages"][0]["content"]:
        if part["type"] in ("image_url", "video_url"):
            data = base64.b64decode(part[part["type"]]["url"].partition(",")[2])
            return hashlib.sha256(data).hexdigest()[:12]
    return "nothing"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._send(200, json.dumps({"data": [{"id": "org/model"}]}).encode())

    def do_POST(self) -> None:
        about: Faulty = self.server.about  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with about.lock:
            about.bodies.append(body)
            about.headers.append(dict(self.headers))
            fault = about.faults.pop(0) if about.faults else ""
        if fault == "cut":
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"choices": [')
            return
        if fault == "html":
            self._send(200, b"<html>the gateway is tired</html>")
            return
        if fault == "other":
            self._send(200, b'{"result": ["a ball"]}')
            return
        if fault and fault != "slow":
            after = {"Retry_After": "0"} if fault == 429 else {}
            self._send(int(fault), json.dumps({"error": {"message": f"fault {fault}"}}).encode(), **after)
            return
        with about.slots:
            with about.lock:
                about.running += 1
                about.most_running = max(about.most_running, about.running)
            time.sleep(about.seconds * (SLOW if fault == "slow" else 1))
            with about.lock:
                about.running -= 1
        shown = what_is_shown(body)
        with about.lock:
            about.answered[shown] += 1
        words = f"saw {shown}" if about.reply is None else about.reply(body)
        self._send(200, json.dumps({"choices": [{"message": {"content": words}, "finish_reason": "stop",
                                                 "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -0.1}]}}],
                                    "usage": {"prompt_tokens": 90, "completion_tokens": 3}}).encode())


@contextmanager
def running(about: Faulty) -> Iterator[str]:
    """Serve; give the address of its model."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.about = about  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"openai://127.0.0.1:{server.server_address[1]}/org/model"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


__all__ = ["Faulty", "running", "what_is_shown"]
