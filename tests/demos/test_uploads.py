"""Uploads over HTTP, to the real server: too large is refused while it comes in; what was taken is removed later."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving.playlists import playlists

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLE = CHECKOUT / "mmvideo" / "embedded" / "demo" / "voices.mp4"
GIGABYTE = 1 << 30
PIECE = bytes(1 << 20)
SERVE = """
import datetime, os, sys
import gradio.route_utils
class Clock(datetime.datetime):  # jumps ahead once a file is there, so that no test waits until uploads are old
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds={keep} * os.path.exists({later!r}))
gradio.route_utils.datetime = Clock
sys.path.insert(0, {demos!r})
import {name} as demo
demo.KEEP_SECONDS, demo.CHECK_SECONDS = {keep}, 1
demo.main(port={port})
"""
KEEP_SECONDS = 600
pytest.importorskip("gradio")


@contextmanager
def _served(name: str, home: Path) -> Iterator[tuple[int, Path]]:
    """Serve a demo, its files in one folder and temporary ones in another; give the port and what holds both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder, log = home / "files", (home / "log").open("w")
    for inner in ("uploads", "temporary"):
        (folder / inner).mkdir(parents=True)
    script = SERVE.format(demos=str(CHECKOUT / "demos"), name=name, keep=KEEP_SECONDS, port=port,
                          later=str(home / "later"))
    process = subprocess.Popen([sys.executable, "-c", script], stdout=log, stderr=log, env={
        **os.environ, "PYTHONPATH": str(CHECKOUT), "GRADIO_TEMP_DIR": str(folder / "uploads"),
        "TMPDIR": str(folder / "temporary")})
    try:
        for _ in range(240):
            assert process.poll() is None, Path(log.name).read_text()
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        yield port, folder
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    with _served("separate_voices", tmp_path_factory.mktemp("voices")) as found:
        yield found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    with _served("ask", tmp_path_factory.mktemp("ask")) as found:
        yield found


def _upload(port: int, size: int) -> tuple[int, str, int]:
    """Send a file of zeros until the server answers; return its status, its words, and the bytes that it took."""
    head = (b'--border\r\nContent-Disposition: form-data; name="files"; filename="film.mp4"\r\n'
            b"Content-Type: video/mp4\r\n\r\n")
    tail = b"\r\n--border--\r\n"
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.putrequest("POST", "/gradio_api/upload")
    line.putheader("Content-Type", "multipart/form-data; boundary=border")
    line.putheader("Content-Length", str(len(head) + size + len(tail)))
    line.endheaders(head)
    sent = 0
    try:
        while sent < size:
            piece = PIECE[:size - sent]
            line.sock.sendall(piece)
            sent += len(piece)
        line.sock.sendall(tail)
    except (BrokenPipeError, ConnectionResetError):
        pass
    answer = line.getresponse()
    return answer.status, answer.read().decode(), sent


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 5000]


def test_two_gigabytes_are_refused_while_they_come_in(server: tuple[int, Path]) -> None:
    port, folder = server
    status, words, sent = _upload(port, 2 * GIGABYTE)
    assert status == 413, (status, words)
    assert "maximum allowed size" in words
    assert sent < 64 << 20, "only what lay in buffers"
    assert not _files(folder), "what had come in is gone"


def _client(port: int) -> object:
    from gradio_client import Client

    return Client(f"http://127.0.0.1:{port}/", verbose=False, download_files=False)


def _all_is_removed(folder: Path) -> bool:
    """Let the time pass for which files are kept, and wait for the next look at them."""
    assert _files(folder), "nothing is removed before its time"
    later = folder.with_name("later")
    later.touch()
    try:
        began = time.monotonic()
        while _files(folder) and time.monotonic() - began < 90:
            time.sleep(0.1)
        return not _files(folder)
    finally:
        later.unlink()


def test_what_was_taken_and_made_is_removed(server: tuple[int, Path]) -> None:
    from gradio_client import handle_file

    port, folder = server
    page = _client(port)
    page.predict(handle_file(str(SAMPLE)), api_name="/separate")
    mix = page.predict(*[1.0] * 9, api_name="/remix")
    assert "mix.mp4" in str(mix)
    kinds = {path.suffix for path in _files(folder)}
    assert {".mp4", ".wav"} <= kinds, kinds
    assert not _files(folder / "temporary"), "only Gradio's own folder is tidied up"
    assert _all_is_removed(folder)


def test_questions_are_bounded_by_the_server_too(asked: tuple[int, Path]) -> None:
    from gradio_client import handle_file

    port, folder = asked
    page = _client(port)
    toybox = handle_file(str(SAMPLE.with_name("toybox.mp4")))
    assert page.predict(toybox, "a" * 201, api_name="/ask")[0] == "The question has 201 characters; it can have 200."
    assert "characters" not in page.predict(toybox, "a" * 200, api_name="/ask")[0]
    for empty in (None, "", " "):
        assert page.predict(toybox, empty, api_name="/ask")[0] == "Write a question first."
    said, picture = page.predict(toybox, "what happens next?", api_name="/ask")
    assert "sure" in said
    assert picture
    assert not _files(folder / "temporary")
    assert _all_is_removed(folder)


@pytest.mark.parametrize("demo", ["server", "asked"])
def test_an_uploaded_playlist_opens_no_other_file(demo: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    from gradio_client import handle_file

    port, folder = request.getfixturevalue(demo)
    page = _client(port)
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(SAMPLE.read_bytes())
    for file in playlists(secret, tmp_path):
        if demo == "asked":
            said, picture = page.predict(handle_file(str(file)), "what happens next?", api_name="/ask")
            assert picture is None
        else:
            said = page.predict(handle_file(str(file)), api_name="/separate")[0]["value"]
        assert "not a media file" in said or "cannot be" in said, (file.name, said)
        assert "people" not in said
    assert not [path for path in _files(folder) if path.suffix in (".png", ".webp", ".wav")]


@pytest.fixture
def page_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return tmp_path / "uploads"


def test_a_copy_is_shown_and_the_upload_is_used(page_files: Path, tmp_path: Path) -> None:
    import mmvideo
    from mmvideo.serving.page import new_folder, playable, preview
    from tests.media.test_playable import make

    assert preview(None) == (None, {})
    assert preview(str(SAMPLE)) == (str(SAMPLE), {})
    damaged = tmp_path / "damaged.avi"
    damaged.write_bytes(b"no film")
    assert preview(str(damaged)) == (str(damaged), {})
    old = make(tmp_path / "old.avi", "mpeg4", sound="mp3", size=(600, 900))
    shown, uploads = preview(str(old))
    assert uploads == {shown: str(old)}
    assert Path(shown).is_relative_to(page_files)
    assert mmvideo.probe(shown).main_video.height == 480
    assert mmvideo.probe(playable(str(old))).main_video.height == 600
    for made in (page_files / "made").iterdir():
        os.utime(made, (0, 0))
    new_folder()
    assert len(list((page_files / "made").iterdir())) == 1, "old ones are removed"


def test_only_uploads_may_be_large(asked: tuple[int, Path]) -> None:
    port, _ = asked
    for headers in ({"Content-Length": str(2 << 20)}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "9" * 20}):
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        line.putrequest("POST", "/gradio_api/queue/join")
        for name, value in {"Content-Type": "application/json", **headers}.items():
            line.putheader(name, value)
        line.endheaders()
        assert line.getresponse().status in (400, 413)


def test_no_upload_is_taken_without_room() -> None:
    import asyncio

    from mmvideo.serving.size import SizeLimit

    async def status(least_room: int) -> int:
        sent: list[dict] = []

        async def send(message: dict) -> None:
            sent.append(message)

        async def app(*_: object) -> None:
            await send({"status": 200})

        scope = {"type": "http", "path": "/gradio_api/upload", "headers": [(b"content-length", b"1000")]}
        await SizeLimit(app, 1 << 20, CHECKOUT / "no" / "such" / "folder", least_room)(scope, None, send)
        return sent[0]["status"]

    assert asyncio.run(status(1 << 10)) == 200
    assert asyncio.run(status(1 << 60)) == 507
