"""Sidecars as players read them: SubRip and WebVTT by FFmpeg, WebVTT by Chromium's own parser."""

from __future__ import annotations

import html
import re
from pathlib import Path
from shutil import which
from typing import Any

import av
import pytest

from mmvideo import Segment
from mmvideo.subtitles import srt_text, vtt_text

CUES = (Segment(0.0, 1.5, "one <b>bold</b> & two"), Segment(1.5, 3.0, "word " * 30),
        Segment(3.0, 4.0, "an arrow --> in\n\n00:00:09.000 --> 00:00:10.000\nthe words"),
        Segment(4.0, 4.0002, "shorter than a millisecond"), Segment(5.0, 6.0, "7"),
        Segment(6.0, 7.0, "فيلم عن كرة حمراء"), Segment(7.0, 8.0, "&" * 50 + "<i>"),
        Segment(3_661.5, 3_662.0, "{late}"))
"""Words that look like parts of a subtitle file, and times that are too close or far."""
_READ = """async text => {
  const track = document.createElement("track"), video = document.createElement("video");
  track.src = URL.createObjectURL(new Blob([text], {type: "text/vtt"}));
  video.append(track);
  document.body.append(video);
  track.track.mode = "hidden";
  await new Promise((done, failed) => { track.onload = done; track.onerror = failed; });
  return [...track.track.cues].map(cue => [cue.startTime, cue.endTime, cue.getCueAsHTML().textContent]);
}"""
"""Gives the cues that the browser finds in a WebVTT file."""


def _same(found: list[tuple[float, float, str]]) -> None:
    assert len(found) == len(CUES), found
    for (start, end, text), cue in zip(found, CUES, strict=True):
        assert (start, end) == pytest.approx((cue.start_seconds, max(cue.end_seconds, cue.start_seconds + 0.001)),
                                             abs=2e-3)
        assert end > start
        assert re.sub(r"\s", "", text) == re.sub(r"\s", "", cue.text)


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_ffmpeg_reads_every_cue(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film.{suffix}"
    path.write_text((srt_text if suffix == "srt" else vtt_text)(CUES), encoding="utf-8")
    with av.open(str(path)) as given:
        packets: list[Any] = [packet for packet in given.demux() if packet.size]
        found = [(float(p.pts * p.time_base), float((p.pts + p.duration) * p.time_base), bytes(p).decode())
                 for p in packets]
    _same([(start, end, html.unescape(text).replace("\u2060", "").replace("\u2192", "-->"))
           for start, end, text in found])


@pytest.mark.browser
def test_chromium_reads_every_cue() -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=["--no-sandbox"], executable_path=next(
            filter(None, map(which, ("chromium", "chromium-browser", "google-chrome")))))
        page = browser.new_page()
        found = page.evaluate(_READ, vtt_text(CUES))
        empty = page.evaluate(_READ, vtt_text(()))
        browser.close()
    _same([tuple(one) for one in found])
    assert empty == []
