"""A row as the text of a sidecar: words, JSON, SubRip, WebVTT, or chapters as FFmpeg and video sites read them.

A chat or composed model says one thing of the whole clip: that is one cue, or one chapter, over all that was looked at.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

WIDTH = 42
"""Characters of a subtitle's line; what broadcasters allow for Latin script."""


def words(row: Mapping[str, Any]) -> str:
    """Return the text alone."""
    return f"{row['text']}\n"


def json_text(row: Mapping[str, Any]) -> str:
    """Return the whole row."""
    return json.dumps(row, indent=2, ensure_ascii=False) + "\n"


def srt(row: Mapping[str, Any]) -> str:
    """Return SubRip; empty where nothing was found."""
    return "\n".join(f"{number}\n{_clock(span['start_seconds'], ',')} --> {_clock(span['end_seconds'], ',')}\n"
                     f"{_lines(span['text'])}\n" for number, span in enumerate(cue_spans(row), 1))


def vtt(row: Mapping[str, Any]) -> str:
    """Return WebVTT (W3C); without cues where nothing was found."""
    cues = [f"{_clock(span['start_seconds'], '.')} --> {_clock(span['end_seconds'], '.')}\n{_escaped(span['text'])}\n"
            for span in cue_spans(row)]
    return "\n".join(["WEBVTT\n", *cues])


def chapters(row: Mapping[str, Any]) -> str:
    """Return one `time title` line a chapter; neighbours that say the same are one chapter, the first begins at 0."""
    found: list[tuple[float, str]] = []
    for span in cue_spans(row):
        if not found or found[-1][1] != span["text"]:
            found.append((span["start_seconds"] if found else 0.0, span["text"]))
    return "".join(f"{_clock(start, '.')} {' '.join(title.split()) or '-'}\n" for start, title in found)


def cue_spans(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the spans of a row; where it has none, the one that its text is about."""
    if row["spans"] or row.get("files") or "located" in row:  # voices, and nobody spoke; or nothing was found
        return row["spans"]
    times = row.get("frame_times") or [0.0]
    start = row.get("start_seconds")
    start = start if start is not None else 0.0 if row.get("duration_seconds") else min(times)
    ends = (row.get("end_seconds"), row.get("duration_seconds"), max(times) + 1.0)
    end = next((one for one in ends if one is not None and one > start), start + 1.0)
    if row.get("duration_seconds") and start < row["duration_seconds"] < end:
        end = row["duration_seconds"]
    return [{"start_seconds": start, "end_seconds": end, "text": row["text"]}]


def _clock(seconds: float, point: str) -> str:
    whole = max(0, round(seconds * 1000))
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"


def _lines(text: str) -> str:
    return "\n".join(textwrap.wrap(" ".join(text.split()), WIDTH)) or "-"


def _escaped(text: str) -> str:
    return _lines(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


RENDER: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "txt": words, "json": json_text, "srt": srt, "vtt": vtt, "chapters": chapters}

__all__ = ["RENDER", "chapters", "cue_spans", "srt", "vtt"]
