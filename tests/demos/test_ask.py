"""The demo that answers questions about a video, in a real browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.media.test_playable import make

SAMPLE = Path(__file__).resolve().parents[2] / "mmvideo" / "embedded" / "demo" / "toybox.mp4"
PICTURES = os.environ.get("MMVIDEO_SCREENSHOTS", "")
DEMO = "ask"
pytestmark = pytest.mark.browser


def _said(page: object, words: str) -> str:
    page.wait_for_function("words => document.querySelector('#answer')?.innerText.includes(words)", arg=words,
                           timeout=120_000)
    return page.inner_text("#answer")


def test_what_is_missing_is_said(page: object) -> None:
    page.click("#go")
    assert "Choose a clip first" in _said(page, "Choose a clip")


def test_clips_that_browsers_do_not_play_are_shown_too(page: object, tmp_path: Path) -> None:
    clip = make(tmp_path / "old.avi", "mpeg4", sound="mp3", size=(720, 1280))
    page.set_input_files("#clip input[type=file]", str(clip))
    page.wait_for_function("document.querySelector('#clip video')?.readyState > 1", timeout=60_000)
    assert page.evaluate("document.querySelector('#clip video').videoHeight") == 480
    page.fill("#question textarea, #question input", "what is in the video?")
    page.click("#go")
    assert "toybox-qa" in _said(page, "toybox-qa")
    page.locator("#clip button[aria-label='Clear']").click()


def test_an_answer_with_the_frames_looked_at(page: object) -> None:
    page.set_input_files("#clip input[type=file]", str(SAMPLE))
    page.wait_for_selector("#clip video", timeout=60_000)
    page.fill("#question textarea, #question input", "what happens next?")
    page.click("#go")
    assert "toybox-qa" in _said(page, "% sure")
    page.wait_for_function("document.querySelector('#seen img')?.naturalWidth > 300", timeout=30_000)
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/ask-desktop.png", full_page=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 391
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/ask-phone.png", full_page=True)
