"""The demo of separated voices in a real browser: sample, upload, progress, players, mixer, messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import mmvideo

CHECKOUT = Path(__file__).resolve().parents[2]
SAMPLE = CHECKOUT / "mmvideo" / "embedded" / "demo" / "voices.mp4"
PICTURES = os.environ.get("MMVIDEO_SCREENSHOTS", "")
"""A folder to keep screenshots in, to be looked at."""
DEMO = "voices"
pytestmark = pytest.mark.browser


def _upload(page: object, path: Path) -> None:
    if page.locator("#clip video").count():
        page.locator("#clip button[aria-label='Clear']").click()
    page.set_input_files("#clip input[type=file]", str(path))
    page.wait_for_selector("#clip video", timeout=60_000)


def _said(page: object, words: str) -> str:
    page.wait_for_function("words => document.querySelector('#message')?.innerText.includes(words)", arg=words,
                           timeout=240_000)
    return page.inner_text("#message")


def _mix(page: object, folder: Path) -> torch.Tensor:
    """Press play and return the sound of the video that the page then shows."""
    before = page.evaluate("document.querySelector('#mix video')?.src ?? ''")
    page.click("#play")
    page.wait_for_function("before => { const v = document.querySelector('#mix video'); "
                           "return v && v.src && v.src !== before && v.readyState > 0 }", arg=before, timeout=120_000)
    file = folder / "mix.mp4"
    file.write_bytes(page.request.get(page.evaluate("document.querySelector('#mix video').src")).body())
    assert mmvideo.probe(str(file)).main_video is not None
    return mmvideo.read_audio(str(file), sample_rate=16000, mono=True).samples[0]


def _keep(page: object, name: str) -> None:
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


def test_nothing_chosen_is_said(page: object) -> None:
    page.click("#go")
    assert "Choose a clip first" in _said(page, "Choose a clip")


def test_errors_are_said_in_words(page: object, tmp_path: Path) -> None:
    mute = tmp_path / "mute.mp4"
    mmvideo.write_video(mute, torch.full((10, 3, 64, 64), 90, dtype=torch.uint8), fps=25)
    _upload(page, mute)
    page.click("#go")
    assert "no sound track" in _said(page, "no sound")
    long = tmp_path / "long.mp4"
    mmvideo.write_video(long, torch.full((130, 3, 64, 64), 90, dtype=torch.uint8), fps=1,
                        audio=mmvideo.Audio(torch.zeros(1, 130 * 16000), 16000))
    _upload(page, long)
    page.click("#go")
    assert "at most 120 s" in _said(page, "at most")
    empty = tmp_path / "empty.mp4"
    mmvideo.write_video(empty, torch.full((50, 3, 240, 320), 90, dtype=torch.uint8), fps=25,
                        audio=mmvideo.Audio(torch.randn(1, 32000) * 0.05, 16000))
    _upload(page, empty)
    page.click("#go")
    assert "No face was found" in _said(page, "No face")
    _keep(page, "no-face")


def test_two_people_are_heard_and_mixed(page: object, tmp_path: Path) -> None:
    _upload(page, SAMPLE)
    page.click("#go")
    page.wait_for_selector("#message .progress-text, #message .progress-bar, #message .eta-bar, .progress-level",
                           timeout=60_000)
    assert "people found" in _said(page, "people found")
    page.wait_for_selector("#faces img")
    assert "in step with the mouths" in page.inner_text("#message")
    page.wait_for_selector("#turns table")
    assert all(f"Person {n}" in page.inner_text("#turns") for n in (1, 2)), "who speaks when"
    assert page.locator("#turns img").count(), "a row has the face"
    page.wait_for_selector("#portrait-1 img")
    shown = [n for n in range(1, 9) if page.locator(f"#person-{n}").is_visible()]
    assert len(shown) >= 2
    for n in shown:
        assert page.locator(f"#player-{n} audio, #player-{n} #waveform, #player-{n} .waveform-container").count()
    page.locator("#player-1 button[aria-label='Play']").first.click()
    page.wait_for_function("document.querySelector('#player-1').innerText.match(/0:0[1-9]/)", timeout=30_000)
    _keep(page, "desktop")
    everybody = _mix(page, tmp_path)
    page.locator("#only label", has_text="Person 1").click()
    page.wait_for_function("document.querySelector('#level-2 input[type=number]').value == 0", timeout=30_000)
    first = _mix(page, tmp_path)
    page.locator("#only label", has_text="Person 2").click()
    page.wait_for_function("document.querySelector('#level-1 input[type=number]').value == 0", timeout=30_000)
    second = _mix(page, tmp_path)
    heard = mmvideo.read_audio(str(SAMPLE), sample_rate=16000, mono=True).samples[0]
    n = min(map(len, (everybody, first, second, heard)))
    everybody, first, second, heard = (x[:n] for x in (everybody, first, second, heard))
    assert (everybody - heard).square().mean() < 0.05 * heard.square().mean(), "all at 1 is the clip as it was"
    for alone in (first, second):
        assert (alone - heard).square().mean() > 0.1 * heard.square().mean()
    assert (first - second).square().mean() > 0.2 * heard.square().mean()


def test_it_fits_a_phone(page: object) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 391
    _keep(page, "phone")
