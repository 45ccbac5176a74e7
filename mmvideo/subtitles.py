"""Segments and rows as SubRip (.srt), WebVTT (.vtt) and chapters, as FFmpeg, browsers and video sites read them.

Files written here carry a mark, so that a transcription never takes a caption of ours for the subtitles of a film: a
NOTE in WebVTT, and in SubRip, which knows no comment, a word joiner (U+2060, nothing is shown) before the first words.
Where one thing was said of a whole clip, that is one cue, or one chapter, over all that was looked at.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

WIDTH = 42
"""Characters of a subtitle's line; what broadcasters allow for Latin script."""
SUFFIXES = (".srt", ".vtt")
NOTE = "NOTE written by mmvideo"
MARK = "\u2060"
ARROW = "\u2192"
"""Written for `-->`, which would begin a cue where SubRip has no way to escape it."""


class Cue(Protocol):
    """A span of time with words, as `mmvideo.types.Segment`."""

    @property
    def start_seconds(self) -> float: ...

    @property
    def end_seconds(self) -> float: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class _RowCue:
    start_seconds: float
    end_seconds: float
    text: str


def srt_text(cues: Iterable[Cue]) -> str:
    """Return SubRip; empty without cues."""
    return "\n".join(f"{number}\n{_times(cue, ',')}\n{MARK if number == 1 else ''}"
                     f"{wrapped(cue.text.replace('-->', ARROW))}\n" for number, cue in enumerate(cues, 1))


def vtt_text(cues: Iterable[Cue]) -> str:
    """Return WebVTT (W3C); a header alone without cues."""
    written = [f"{_times(cue, '.')}\n{_escaped(cue.text)}\n" for cue in cues]
    return "\n".join([f"WEBVTT\n\n{NOTE}\n", *written])


def chapters_text(cues: Iterable[Cue]) -> str:
    """Return one `time title` line a chapter; neighbours of one title are one chapter, the first begins at 0."""
    found: list[tuple[float, str]] = []
    for cue in cues:
        if not found or found[-1][1] != cue.text:
            found.append((cue.start_seconds if found else 0.0, cue.text))
    return "".join(f"{timecode(start, '.')} {' '.join(title.split()) or '-'}\n" for start, title in found)


def is_ours(text: str) -> bool:
    """Say whether this package wrote a subtitle file."""
    return NOTE in text[:200] or MARK in text[:200]


def timecode(seconds: float, point: str = ".") -> str:
    """Return hours, minutes, seconds and milliseconds, as 00:01:02.500."""
    whole = max(0, round(seconds * 1000))
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"


def _times(cue: Cue, point: str) -> str:
    """Return the line with the times of a cue, which lasts a millisecond at least: players leave out an empty one."""
    end = max(cue.end_seconds, round(max(0.0, cue.start_seconds), 3) + 0.001)
    return f"{timecode(cue.start_seconds, point)} --> {timecode(end, point)}"


def wrapped(text: str) -> str:
    """Return the lines of a cue; never an empty one, which would end it."""
    return "\n".join(textwrap.wrap(" ".join(text.split()), WIDTH)) or "-"


def _escaped(text: str) -> str:
    return wrapped(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def words(row: Mapping[str, Any]) -> str:
    """Return the text of a row alone."""
    return f"{row['text']}\n"


def json_text(row: Mapping[str, Any]) -> str:
    """Return the whole row."""
    return json.dumps(row, indent=2, ensure_ascii=False) + "\n"


def srt(row: Mapping[str, Any]) -> str:
    """Return SubRip; empty where nothing was found."""
    return srt_text(_cues(cue_spans(row)))


def vtt(row: Mapping[str, Any]) -> str:
    """Return WebVTT (W3C); without cues where nothing was found."""
    return vtt_text(_cues(cue_spans(row)))


def chapters(row: Mapping[str, Any]) -> str:
    """Return one `time title` line a chapter: those of the row, else its spans."""
    return chapters_text(_cues(row.get("chapters") or cue_spans(row)))


def _cues(spans: Iterable[Mapping[str, Any]]) -> list[_RowCue]:
    return [_RowCue(span["start_seconds"], span["end_seconds"], span["text"]) for span in spans]


def cue_spans(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the spans of a row; where it has none, the one that its text is about.

    Without spans nobody spoke where voices were separated or speech written down, and nothing was found where it was
    looked for: there is no cue then.
    """
    if row["spans"] or any(key in row for key in ("located", "words")) or row.get("files"):
        return row["spans"]
    times = row.get("frame_times") or [0.0]
    start = row.get("start_seconds")
    start = start if start is not None else 0.0 if row.get("duration_seconds") else min(times)
    ends = (row.get("end_seconds"), row.get("duration_seconds"), max(times) + 1.0)
    end = next((one for one in ends if one is not None and one > start), start + 1.0)
    if row.get("duration_seconds") and start < row["duration_seconds"] < end:
        end = row["duration_seconds"]
    return [{"start_seconds": start, "end_seconds": end, "text": row["text"]}]


RENDER: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "txt": words, "json": json_text, "srt": srt, "vtt": vtt, "chapters": chapters}

__all__ = ["ARROW", "MARK", "NOTE", "RENDER", "SUFFIXES", "WIDTH", "chapters", "chapters_text", "cue_spans", "is_ours",
           "srt", "srt_text", "timecode", "vtt", "vtt_text", "wrapped"]
