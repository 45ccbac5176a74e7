"""The application over a real socket: bad requests, guards, admission, downloads, and what stays read."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmvideo import Pipeline
from mmvideo.serving.address import Rules
from mmvideo.serving.worker import Worker
from tests.serving.conftest import about, call, served
from tests.serving.playlists import contents
from tests.tiny import make_clip

QUESTION = "what happens next?"


@pytest.fixture(scope="module")
def port(pipe: Pipeline, clip: Path) -> Iterator[int]:
    with served(pipe, rules=Rules(folders=(clip.parent,), private_addresses=True, max_bytes=2_000_000,
                                  download_seconds=5)) as found:
        yield found


@pytest.fixture
def reads(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Give a list of the videos that the pipeline opens from now on."""
    opened, open_ = [], pipe.open
    monkeypatch.setattr(pipe, "open", lambda video, **rest: opened.append(video) or open_(video, **rest))
    return opened


@contextmanager
def address_of(reply: bytes, *, byte_by_byte: bool = False) -> Iterator[tuple[str, list[socket.socket]]]:
    """Serve one reply to whoever connects, then hold the line; give the address and the lines."""
    server, lines = socket.create_server(("127.0.0.1", 0)), []

    def answer(line: socket.socket) -> None:
        with line:
            line.recv(65536)
            try:
                if not byte_by_byte:
                    line.sendall(reply)
                    line.recv(1)
                    return
                while True:
                    line.sendall(reply)
                    time.sleep(0.2)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                lines.append(server.accept()[0])
            except OSError:
                return
            threading.Thread(target=answer, args=(lines[-1],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4", lines
    for line in lines:
        line.close()


def http_file(content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(content) + content


BAD: list[tuple[str, Any]] = [
    ("deep JSON", b"[" * 200_000), ("deeper than allowed", b'{"messages":' * 100 + b"1" + b"}" * 100),
    ("not JSON", b"{"), ("not UTF-8", b"\xff\xff"), ("surrogate", b'{"messages": "\\ud800"}'),
    ("surrogate in the question", json.dumps(about("data:,", "\ud800")).encode()),
    ("NUL in a path", about("/tmp/\0.mp4")), ("http://[", about("http://[")), ("long name", about("/" + "a" * 400)),
    ("long address", about("http://127.0.0.1/" + "a" * 100_000)), ("a million characters", about("/x", "a" * 10**6)),
    ("a million values", b"[" + b"1," * 10**6 + b"1]"), ("not media", about("data:video/mp4;base64,QUJD")),
    ("schema is a list", about("/x", response_format={"type": "json_schema", "json_schema": {"schema": []}})),
    ("NaN", b'{"messages": [], "temperature": NaN}'), ("no host", about("http://no.such.host.invalid/a.mp4")),
    ("refused connection", about("http://127.0.0.1:9/a.mp4")), ("unknown field", about("/x", frames=3)),
]


@pytest.mark.parametrize("body", [body for _, body in BAD], ids=[name for name, _ in BAD])
def test_a_bad_request_is_the_callers_fault_and_drops_no_video(port: int, clip: Path, body: Any,
                                                               reads: list[Any]) -> None:
    assert call(port, about(clip))[0] == 200
    reads.clear()
    status, said = call(port, body)
    assert 400 <= status < 500, said
    assert set(said["error"]) == {"message", "type", "param", "code"}
    assert said["error"]["type"] == "invalid_request_error"
    assert call(port, about(clip, "what color is the ball?"))[0] == 200
    assert str(clip) not in reads, "the video is still read"


@pytest.mark.parametrize("question", ["\0", "what\0happens?", "a" * 60_000, "é" * 3000, "?", "\u202e\ufeff 👩‍👩‍👧"])
def test_odd_questions_get_an_answer_or_a_typed_refusal(port: int, clip: Path, question: str, reads: list[Any]) -> None:
    assert call(port, about(clip))[0] == 200
    reads.clear()
    assert call(port, about(clip, question))[0] in (200, 400)
    assert call(port, about(clip))[0] == 200
    assert not reads


def test_a_failure_of_the_server_drops_no_video(port: int, clip: Path, reads: list[Any],
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(port, about(clip))[0] == 200
    reads.clear()
    with monkeypatch.context() as patch:
        patch.setattr("mmvideo.session.Session.finish", lambda *_: 1 // 0)
        status, said = call(port, about(clip))
    assert (status, said["error"]["code"]) == (500, "internal")
    assert "division" not in str(said)
    assert call(port, about(clip))[0] == 200
    assert not reads


def test_nan_is_null(port: int, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    from mmvideo.session import Session

    dress = Session._dress
    monkeypatch.setattr(Session, "_dress", lambda *given: dataclasses.replace(
        dress(*given), confidence=float("nan"), seconds_looked_at=(0.0, float("inf"))))
    status, said = call(port, about(clip))
    assert status == 200
    assert said["mmvideo"]["confidence"] is None
    assert said["mmvideo"]["seconds_looked_at"] == [0.0, None]


def test_options_that_the_model_would_ignore_are_refused(port: int, clip: Path) -> None:
    later = [{"role": "assistant", "content": "red"}, {"role": "user", "content": "why?"}]
    status, said = call(port, {**about(clip), "messages": [*about(clip)["messages"], *later]})
    assert (status, said["error"]["param"]) == (400, "messages"), said
    assert "takes no history" in said["error"]["message"]
    status, said = call(port, about(clip, response_format={"type": "json_object"}))
    assert status == 400
    assert "cannot be held to a JSON schema" in said["error"]["message"]
    status, chosen = call(port, about(clip, choices=["red", "green"]))
    assert status == 200, chosen
    assert chosen["choices"][0]["message"]["content"] in ("red", "green")
    status, cut = call(port, about(clip, max_tokens=1))
    assert status == 200, cut
    assert cut["choices"][0]["finish_reason"] == "length"
    expected = call(port, about(clip))[1]["choices"]
    harmless = {"temperature": 0, "top_p": 0.5, "seed": 1, "max_tokens": 1000, "user": "me", "n": 1}
    assert call(port, about(clip, **harmless))[1]["choices"] == expected


def test_wrong_pages_and_methods(port: int) -> None:
    for path, method, status in (("/", "GET", 404), ("/v1/completions", "POST", 404), ("/health", "POST", 405),
                                 ("/v1/chat/completions", "GET", 405)):
        got, said = call(port, b"{}", path=path, method=method)
        assert got == status
        assert "/v1/chat/completions" in said["error"]["message"]


@pytest.mark.parametrize(("headers", "status"), [
    ({"Host": "evil.example"}, 403), ({"Host": "evil.example:8000"}, 403), ({"Host": ""}, 403), ({"Host": "["}, 403),
    ({"Host": "localhost.evil.example"}, 403), ({"Host": "127.0.0.1.evil.example"}, 403),
    ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": "http://["}, 403),
    ({"Origin": "http://127.0.0.1:1"}, 403), ({"Content-Type": "text/plain"}, 415),
    ({"Content-Type": "application/x-www-form-urlencoded"}, 415), ({"Content-Type": ""}, 415),
    ({"Content-Type": "text/plain; application/json"}, 415), ({"Content-Encoding": "gzip"}, 415),
    ({"Host": "localhost"}, 400), ({"Host": "localhost:8000"}, 400), ({"Host": "[::1]:8000"}, 400),
    ({"Host": "192.168.1.7"}, 400), ({"Content-Type": "application/json; charset=utf-8"}, 400),
])
def test_web_pages_cannot_call_the_server(port: int, headers: dict[str, str], status: int) -> None:
    got, said = call(port, b"{}", headers=headers)  # an empty object gets as far as 400
    assert got == status
    assert said["error"]["code"] in {403: ("host_not_allowed", "origin_not_allowed"), 400: ("invalid_value",),
                                     415: ("unsupported_media_type",)}[status]


def test_names_and_pages_can_be_allowed(pipe: Pipeline) -> None:
    with served(pipe, hosts=["video.example"], origins=["https://page.example/"]) as port:
        assert call(port, b"{}", headers={"Host": "Video.Example:80"})[0] == 400
        page = {"Origin": "https://page.example"}
        assert call(port, b"{}", headers=page)[0] == 400
        assert call(port, b"{}", headers={"Origin": "https://page.example.evil"})[0] == 403
        line = http.client.HTTPConnection("127.0.0.1", port)
        line.request("OPTIONS", "/v1/chat/completions", headers={
            **page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"})
        assert line.getresponse().getheader("Access-Control-Allow-Origin") == "https://page.example"


def test_the_key(pipe: Pipeline, clip: Path) -> None:
    openai = pytest.importorskip("openai")
    with served(pipe, rules=Rules(folders=(clip.parent,)), api_key="s3cret-é") as port:
        for given in (None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic s3cret", "s3cret", "Bearer s3cret"):
            headers = {} if given is None else {"Authorization": given}
            for path, body in (("/v1/models", None), ("/v1/chat/completions", about(clip)), ("/nothing", None)):
                status, said = call(port, body, path=path, headers=headers)
                assert status == 401
                assert said["error"]["code"] == "invalid_api_key"
                assert "s3cret" not in str(said)
        assert call(port, path="/health") == (200, {"status": "ok"})
        key = {"Authorization": "Bearer s3cret-é".encode().decode("latin-1")}
        assert call(port, path="/v1/models", headers=key)[0] == 200
        assert "waiting" in call(port, path="/health", headers=key)[1]
        with pytest.raises(openai.AuthenticationError, match="API key is needed"):
            openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="no").models.list()
    with served(pipe, rules=Rules(folders=(clip.parent,)), api_key="abc") as port:
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="abc")
        assert client.chat.completions.create(model="", **about(str(clip))).choices


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Give an event until which the worker waits before each request."""
    event, answer = threading.Event(), Worker._answer
    monkeypatch.setattr(Worker, "_answer", lambda self, job: (event.wait(60), answer(self, job)))
    yield event
    event.set()


def begin(port: int, length: int, sent: bytes = b"", **headers: str) -> http.client.HTTPConnection:
    """Send the head of a request with a body of so many bytes, and the first of them."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.putrequest("POST", "/v1/chat/completions")
    for name, value in {"Content-Type": "application/json", "Content-Length": str(length), **headers}.items():
        line.putheader(name, value)
    line.endheaders(sent)
    return line


def test_a_full_queue_refuses_before_the_body_comes(pipe: Pipeline, clip: Path, held: threading.Event) -> None:
    with served(pipe, rules=Rules(folders=(clip.parent,)), max_queue=1) as port:
        said: list[Any] = []
        threads = [threading.Thread(target=lambda: said.append(call(port, about(clip)))) for _ in range(2)]
        for thread in threads:
            thread.start()
        while call(port, path="/health")[1]["waiting"] < 1:
            time.sleep(0.02)
        answer = begin(port, 80 << 20).getresponse()  # nothing of the body is sent
        assert (answer.status, json.load(answer)["error"]["code"]) == (429, "queue_full")
        assert answer.getheader("Retry-After")
        held.set()
        for thread in threads:
            thread.join(60)
        assert [status for status, _ in said] == [200, 200]


def test_who_leaves_the_queue_makes_room(pipe: Pipeline, clip: Path, held: threading.Event) -> None:
    with served(pipe, rules=Rules(folders=(clip.parent,)), max_queue=2) as port:
        body = json.dumps(about(clip)).encode()
        first = begin(port, len(body), body)
        for _ in range(3):
            for line in [begin(port, len(body), body) for _ in range(2)]:
                while call(port, path="/health")[1]["waiting"] < 1:
                    time.sleep(0.02)
                line.close()
            deadline = time.monotonic() + 10
            while call(port, path="/health")[1]["waiting"]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        held.set()
        assert first.getresponse().status == 200


def test_large_bodies_are_refused_before_they_come(port: int) -> None:
    largest = 2_000_000 * 4 // 3 + 65_536
    for length in (str(largest + 1), "9" * 18):
        answer = begin(port, length).getresponse()
        assert (answer.status, json.load(answer)["error"]["code"]) == (413, "too_large")
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.putrequest("POST", "/v1/chat/completions")
    line.putheader("Content-Type", "application/json")
    line.putheader("Transfer-Encoding", "chunked")
    line.endheaders()
    sent = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # without a length it is refused on its way
        while sent < 100 << 20:
            line.sock.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
            sent += 1 << 20
    assert sent < 50 << 20
    assert line.getresponse().status == 413


def _resident() -> int:
    """Return the bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_of_many_large_bodies_is_bounded(pipe: Pipeline, held: threading.Event) -> None:
    """Twenty bodies of 20 MB, of which a server for 15 MB reads two."""
    size = 20 << 20
    with served(pipe, rules=Rules(max_bytes=15 << 20), max_queue=30) as port:
        before, lines = _resident(), [begin(port, size) for _ in range(20)]
        statuses, piece = [], b" " * (1 << 20)
        waiting = []
        for line in lines:
            line.sock.settimeout(0.5)
            try:
                statuses.append(line.getresponse().status)
            except TimeoutError:
                waiting.append(line)
        assert statuses == [429] * 18
        for line in waiting:
            line.sock.settimeout(60)
            for _ in range(19):
                line.sock.sendall(piece)
        time.sleep(0.5)
        assert _resident() - before < 80 << 20
        for line in waiting:
            line.close()


def test_slow_bodies_are_given_up(pipe: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmvideo.serving.body.PATIENCE_SECONDS", 0.5)
    with served(pipe) as port:
        line = begin(port, 1000)
        began = time.monotonic()
        for _ in range(20):
            try:
                line.sock.sendall(b" ")
            except OSError:
                break
            time.sleep(0.1)
        assert line.getresponse().status == 408
        assert time.monotonic() - began < 5
        line = begin(port, 1000)
        line.sock.sendall(b"  ")
        assert line.getresponse().status == 408
        assert call(port, path="/health")[1]["waiting"] == 0


def test_a_slow_download_holds_nobody_else(port: int, clip: Path) -> None:
    with address_of(b"H", byte_by_byte=True) as (url, lines):
        said: list[Any] = []
        slow = threading.Thread(target=lambda: said.append(call(port, about(url))))
        slow.start()
        while not lines:
            time.sleep(0.02)
        began = time.monotonic()
        assert call(port, about(clip))[0] == 200
        assert time.monotonic() - began < 4
        assert slow.is_alive()
        slow.join(30)
        assert said[0][0] == 400


def test_one_download_for_all_who_ask_at_once(port: int, clip: Path, reads: list[Any]) -> None:
    with address_of(http_file(clip.read_bytes())) as (url, lines):
        said: list[Any] = []
        threads = [threading.Thread(target=lambda: said.append(call(port, about(url, QUESTION)))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        expected = call(port, about(clip, QUESTION))[1]["choices"]
        assert [status for status, _ in said] == [200] * 4
        assert all(answer["choices"] == expected for _, answer in said)
        assert len(lines) == 1
        (copy,) = [Path(video) for video in reads if video != str(clip)]
        assert copy.is_file(), "it stays for further questions"
        for number in range(3):  # other videos take its place
            data = base64.b64encode(clip.read_bytes() + bytes(number + 1)).decode()
            assert call(port, about(f"data:video/mp4;base64,{data}"))[0] == 200
        assert not copy.exists()
        assert call(port, about(url))[0] == 200
        assert len(lines) == 2


def test_errors_name_the_address_and_not_the_copy(port: int) -> None:
    with address_of(http_file(b"no video at all" * 100)) as (url, _):
        status, said = call(port, about(url))
    assert status == 400
    assert url in said["error"]["message"]
    assert "mmvideo-" not in said["error"]["message"]


def test_a_list_of_files_opens_none_of_them(port: int, clip: Path, tmp_path: Path) -> None:
    """Sent, downloaded, or in an allowed folder: what a playlist names outside of that is not read."""
    secret = make_clip(tmp_path / "secret.mp4", seconds=1)
    for name, content in contents(secret).items():
        data = "data:video/mp4;base64," + base64.b64encode(content).decode()
        inside = clip.parent / name
        inside.write_bytes(content)
        with address_of(http_file(content)) as (url, _):
            for address in (data, inside, url.replace("clip.mp4", name)):
                status, said = call(port, about(address))
                assert status == 400, (name, said)
                assert "not a media file" in said["error"]["message"], said
                assert "secret" not in said["error"]["message"]
        inside.unlink()
