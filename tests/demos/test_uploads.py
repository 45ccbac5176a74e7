"""Uploads over HTTP, to the real server: too large is refused while it comes in; what was taken is removed later."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLE = CHECKOUT / "mmvideo" / "embedded" / "demo" / "voices.mp4"
GIGABYTE = 1 << 30
PIECE = bytes(1 << 20)
SERVE = """
import sys
sys.path.insert(0, {demos!r})
import separate_voices as demo
demo.KEEP_SECONDS, demo.CHECK_SECONDS = {keep}, 1
demo.main(port={port})
"""
pytest.importorskip("gradio")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Serve the demo with all its files in one folder, which are kept for 15 s; give the port and the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder, log = tmp_path_factory.mktemp("files"), (tmp_path_factory.mktemp("log") / "log").open("w")
    script = SERVE.format(demos=str(CHECKOUT / "demos"), keep=15, port=port)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=log, stderr=log, env={
        **os.environ, "PYTHONPATH": str(CHECKOUT), "GRADIO_TEMP_DIR": str(folder), "TMPDIR": str(folder)})
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


def test_what_was_taken_and_made_is_removed(server: tuple[int, Path]) -> None:
    from gradio_client import Client, handle_file

    port, folder = server
    page = Client(f"http://127.0.0.1:{port}/", verbose=False, download_files=False)
    page.predict(handle_file(str(SAMPLE)), api_name="/separate")
    kinds = {path.suffix for path in _files(folder)}
    assert {".mp4", ".wav"} <= kinds, kinds
    began = time.monotonic()
    while _files(folder) and time.monotonic() - began < 90:
        time.sleep(0.5)
    assert not _files(folder), "nothing is left"
