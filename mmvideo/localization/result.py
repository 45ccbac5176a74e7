"""The result of `temporal-localization`: what happens from when to when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmvideo.errors import InvalidInput
from mmvideo.localization.spans import LocatedSpan
from mmvideo.registry import find
from mmvideo.results import PICTURES, Result
from mmvideo.subtitles import RENDER
from mmvideo.types import Segment

LANES = 8
"""Labels that a picture shows, a lane each."""
TEXTS = {".srt": "srt", ".vtt": "vtt", ".txt": "chapters"}
"""Suffix of a file -> how the segments are written into it: SubRip, WebVTT, or one chapter a line."""
ROWS = 60
"""Segments that `str()` shows."""


@dataclass(frozen=True, kw_only=True)
class Localization(Result):
    """What happens when; `segments` hold the same spans as `located`, in the same order, as every result has them."""

    located: tuple[LocatedSpan, ...] = ()
    """By their start."""

    @property
    def counts(self) -> dict[str, int]:
        """How many segments each label has, the most frequent first."""
        return dict(Counter(one.label for one in self.located).most_common())

    @property
    def text(self) -> str:
        """The labels with the number of their segments, as "dog bark (3), person (1)"."""
        return ", ".join(f"{label} ({count})" for label, count in self.counts.items()) or "nothing found"

    @property
    def headline(self) -> str:
        """A line a segment: start, end, label, score."""
        if not self.located:
            return self.text
        rows = [f"{one.start_seconds:7.2f} - {one.end_seconds:7.2f} s  {one.label} ({one.score:.0%})"
                for one in self.located[:ROWS]]
        more = len(self.located) - ROWS
        return "\n".join([*rows, *([f"  and {more} more"] if more > 0 else [])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; times in seconds."""
        return super().to_dict() | {"counts": self.counts}

    def save(self, path: str | Path) -> Path:
        """Write the result: JSON, a picture, or its segments as .srt, .vtt or chapters (.txt).

        Raises:
            InvalidInput: any other suffix.
        """
        path = Path(path)
        kind = TEXTS.get(path.suffix.lower())
        if kind is None:
            if path.suffix.lower() not in (".json", *PICTURES):
                raise InvalidInput(f"Cannot save a localization as {path.name!r}; use .json, {', '.join(TEXTS)} "
                                   f"or {' '.join(PICTURES)}.")
            return super().save(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(RENDER[kind](self._as_row()), encoding="utf-8")
        return path

    def _as_row(self) -> dict[str, Any]:
        spans = [{"start_seconds": one.start_seconds, "end_seconds": one.end_seconds, "text": one.label}
                 for one in self.located]
        return {"spans": spans, "text": self.text, "located": spans}

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the frames looked at, and a lane of the timeline for each of the labels that last longest.

        Returns:
            The path if one is given, else the matplotlib figure.
        """
        lengths: dict[str, float] = {}
        for one in self.located:
            lengths[_lane(one)] = lengths.get(_lane(one), 0.0) + one.score * (one.end_seconds - one.start_seconds)
        shown = sorted(lengths, key=lambda lane: -lengths[lane])[:LANES]
        lanes = [self._alone(lane) for lane in lengths if lane in shown]
        return find("drawings", "contact-sheet")(lanes or [self], path)

    def _alone(self, lane: str) -> Localization:
        """Return the result as if there were one lane only."""
        mine = tuple(one for one in self.located if _lane(one) == lane)
        return replace(self, model=lane, located=mine, segments=as_segments(mine))


def _lane(one: LocatedSpan) -> str:
    """Name the lane of a span: shots share one, as do movements of the camera; others have that of their label."""
    return one.kind if one.kind in ("shot", "camera") else f"{one.kind}: {one.label}" if one.kind else one.label


def as_segments(located: tuple[LocatedSpan, ...]) -> tuple[Segment, ...]:
    """Return spans as every result holds them."""
    return tuple(Segment(one.start_seconds, one.end_seconds, one.label, one.score) for one in located)


__all__ = ["LANES", "TEXTS", "Localization", "as_segments"]
