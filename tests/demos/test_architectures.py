"""The demo that shows how architectures look at a clip, in a real browser."""

from __future__ import annotations

import os

import pytest

PICTURES = os.environ.get("MMVIDEO_SCREENSHOTS", "")
DEMO = "architectures"
pytestmark = pytest.mark.browser


def test_an_architecture_shows_how_it_sees_the_sample(page: object) -> None:
    page.click("#go")
    page.wait_for_function("document.querySelector('#words')?.innerText.includes('Choose a clip first')",
                           timeout=60_000)
    page.click("#sample")
    page.wait_for_selector("#clip video", timeout=60_000)
    page.click("#go")
    page.wait_for_function("document.querySelector('#words')?.innerText.includes('tsm-tiny')", timeout=240_000)
    page.wait_for_function("document.querySelectorAll('#pictures img').length >= 4", timeout=60_000)
    page.locator("#pictures").scroll_into_view_if_needed()  # pictures out of sight are not loaded
    page.wait_for_function("document.querySelector('#pictures img').naturalWidth > 300", timeout=60_000)
    page.locator("#filters").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('#filters img')?.naturalWidth > 50", timeout=60_000)
    words = page.inner_text("#words")
    assert "million parameters" in words
    assert "74.1 % top-1 on Kinetics-400" in words
    assert "What moves in a temporal shift" in page.inner_text("#pictures")
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/architectures-desktop.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 391", timeout=20_000)
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/architectures-phone.png", full_page=True)
