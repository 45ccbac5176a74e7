"""A row as the text of a sidecar: words, JSON, SubRip, WebVTT, or chapters as FFmpeg and video sites read them."""

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


def as_json(row: Mapping[str, Any]) -> str:
    """Return the whole row."""
    return json.dumps(row, indent=2, ensure_ascii=False) + "\n"


def srt(row: Mapping[str, Any]) -> str:
    """Return SubRip; empty if nothing has a span."""
    return "\n".join(f"{number}\n{_clock(span['start_seconds'], ',')} --> {_clock(span['end_seconds'], ',')}\n"
                     f"{_lines(span['text'])}\n" for number, span in enumerate(row["spans"], 1))


def vtt(row: Mapping[str, Any]) -> str:
    """Return WebVTT (W3C); empty if nothing has a span."""
    if not row["spans"]:
        return ""
    cues = [f"{_clock(span['start_seconds'], '.')} --> {_clock(span['end_seconds'], '.')}\n{_escaped(span['text'])}\n"
            for span in row["spans"]]
    return "\n".join(["WEBVTT\n", *cues])


def chapters(row: Mapping[str, Any]) -> str:
    """Return one `time title` line a chapter; neighbours that say the same are one chapter, the first begins at 0."""
    found: list[tuple[float, str]] = []
    for span in row["spans"]:
        if not found or found[-1][1] != span["text"]:
            found.append((span["start_seconds"] if found else 0.0, span["text"]))
    return "".join(f"{_clock(start, '.')} {' '.join(title.split())}\n" for start, title in found)


def _clock(seconds: float, point: str) -> str:
    whole = max(0, round(seconds * 1000))
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"


def _lines(text: str) -> str:
    return "\n".join(textwrap.wrap(" ".join(text.split()), WIDTH)) or "-"


def _escaped(text: str) -> str:
    return _lines(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


RENDER: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "txt": words, "json": as_json, "srt": srt, "vtt": vtt, "chapters": chapters}

__all__ = ["RENDER", "chapters", "srt", "vtt"]
