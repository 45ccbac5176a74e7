"""A demo served by the command, and a page of Chromium that shows it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the demo that the module names in DEMO."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (tmp_path_factory.mktemp("demo") / "log").open("w")
    command = [sys.executable, "-m", "mmvideo", "demo", request.module.DEMO, "--port", str(port)]
    server = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log, env={
        **os.environ, "PYTHONPATH": str(CHECKOUT)})
    try:
        for _ in range(240):
            assert server.poll() is None, Path(log.name).read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(20)
        log.close()


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[object]:
    """Open the demo in Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        page.wait_for_selector("#go", timeout=60_000)
        yield page
        browser.close()


def chromium() -> str | None:
    """Return where Chromium is."""
    return which("chromium") or which("chromium-browser") or which("google-chrome")
