"""Captions of spans as a whole: merged where nothing changes, with a title, a summary and chapters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mmvideo.subtitles import timecode
from mmvideo.types import Segment

SAME = 0.8
"""Share of words in common from which two captions say the same."""
MOST_CHAPTERS = 12
LONGEST_TITLE = 8
"""Words."""
_MOST_TOLD = 40
"""Captions that a model is given to sum up."""
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_EMPTY = frozenset(("a", "an", "the", "is", "are", "in", "on", "of", "and", "to", "with", "at", "it", "there", "this",
                    "that", "its", "his", "her", "video", "scene", "shows", "shown"))


@dataclass(frozen=True)
class SummedUp:
    """What is said of a film as a whole."""

    title: str
    summary: str
    chapters: tuple[Segment, ...]


def content_words(text: str) -> set[str]:
    """Return the words of a caption that say something."""
    return set(_WORD.findall(text.lower())) - _EMPTY


def likeness(one: str, other: str) -> float:
    """Return the share of words that two captions have in common, 0 to 1."""
    first, second = content_words(one), content_words(other)
    if not first and not second:
        return float(one.strip().lower() == other.strip().lower())
    return len(first & second) / len(first | second)


def merged_captions(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Join neighbours that say the same and touch; the words are those of the longer one."""
    found: list[Segment] = []
    longest = 0.0
    for segment in segments:
        length = segment.end_seconds - segment.start_seconds
        if found and segment.start_seconds - found[-1].end_seconds < 0.05 and (
                likeness(found[-1].text, segment.text) >= SAME):
            last = found[-1]
            sure = [s for s in (last.confidence, segment.confidence) if s is not None]
            text = segment.text if length > longest else last.text
            found[-1] = Segment(last.start_seconds, segment.end_seconds, text, min(sure) if sure else None)
        else:
            found.append(segment)
            longest = 0.0
        longest = max(longest, length)
    return tuple(found)


def inside(segments: Sequence[Segment], start_seconds: float, end_seconds: float) -> tuple[Segment, ...]:
    """Cut segments to a span of time; what lies outside is left out."""
    cut = [replace(one, start_seconds=max(start_seconds, one.start_seconds),
                   end_seconds=min(end_seconds, one.end_seconds)) for one in segments]
    return tuple(one for one in cut if one.end_seconds > one.start_seconds)


def summed_up(segments: Sequence[Segment], ask: Callable[[str], str] | None = None) -> SummedUp:
    """Return title, summary and chapters.

    Args:
        ask: puts a question to a chat model and returns its reply; None writes all of it by rule.
    """
    chapters = chapters_of(segments)
    told = list(dict.fromkeys(segment.text.strip() for segment in segments if segment.text.strip()))
    title, summary = short_title(_most_typical(segments)), " ".join(told[:: max(1, len(told) // 5)][:5])
    if ask is not None and len(segments) > 1:
        step = max(1, -(-len(segments) // _MOST_TOLD))
        listed = "\n".join(f"{timecode(s.start_seconds)[:8]} {' '.join(s.text.split())[:200]}"
                           for s in segments[::step])
        begin = f"These are captions of the parts of one video, with the times at which they begin.\n{listed}\n"
        summary = " ".join(ask(f"{begin}Sum the whole video up in one or two sentences.").split()) or summary
        title = short_title(ask(f"{begin}Give the video a title of at most {LONGEST_TITLE} words.")) or title
    return SummedUp(title, summary, chapters)


def chapters_of(segments: Sequence[Segment], most: int = MOST_CHAPTERS) -> tuple[Segment, ...]:
    """Group neighbours into chapters: the two most alike, weighed by their length, are joined until few are left."""
    groups = [[segment] for segment in segments]
    while len(groups) > 1:
        costs = [_distance(groups[n], groups[n + 1]) for n in range(len(groups) - 1)]
        least = min(range(len(costs)), key=costs.__getitem__)
        if len(groups) <= most and costs[least] > 0.5:
            break
        groups[least:least + 2] = [groups[least] + groups[least + 1]]
    return tuple(Segment(group[0].start_seconds, group[-1].end_seconds, short_title(_most_typical(group)) or "-")
                 for group in groups)


def _distance(one: Sequence[Segment], other: Sequence[Segment]) -> float:
    """Return how far two neighbouring groups are apart: what they say, and less where one is short."""
    most = max(likeness(a.text, b.text) for a in one for b in other)
    shorter = min(group[-1].end_seconds - group[0].start_seconds for group in (one, other))
    return (1 - most) * min(1.0, shorter / 10.0 + 0.3)


def _most_typical(segments: Sequence[Segment]) -> str:
    """Return the caption that has most in common with the others, weighed by how long they last."""
    if not segments:
        return ""
    return max(segments, key=lambda one: sum((other.end_seconds - other.start_seconds) * likeness(one.text, other.text)
                                             for other in segments)).text


def short_title(text: str) -> str:
    """Return the first clause of a text, of at most eight words, without marks around it."""
    line = next((one for one in text.strip().splitlines() if one.strip()), "").strip().strip("\"'*#“”").strip()
    clause = re.split(r"(?<=[a-z0-9])[.!?;:](?:\s|$)|,\s", line)[0]
    return " ".join(clause.split()[:LONGEST_TITLE]).strip(" ,.;:")


__all__ = ["MOST_CHAPTERS", "SummedUp", "chapters_of", "content_words", "inside", "likeness", "merged_captions",
           "short_title", "summed_up"]
