"""The result of `action-detection`: who does what, when and where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmvideo.localization.actions import ActingTrack
from mmvideo.registry import find
from mmvideo.results import Evidence, Result
from mmvideo.types import Proof, SeenBox, Segment

LANES = 10
"""Actions of tracks that a picture shows, a lane each."""
ROWS = 40
"""Tracks that `str()` shows."""


@dataclass(frozen=True, kw_only=True)
class ActionTracks(Result):
    """Everyone who was followed, with actions; `segments` hold every action of each, as "person 1: moves left"."""

    tracks: tuple[ActingTrack, ...] = ()
    """In the order in which they begin."""

    @property
    def counts(self) -> dict[str, int]:
        """How many tracks do each action at some time, the most frequent first."""
        return dict(Counter(label for one in self.tracks for label in sorted({a.label for a in one.actions})
                            ).most_common())

    @property
    def text(self) -> str:
        """The actions with the number of those who do them, as "stands still (2), moves left (1)"."""
        return ", ".join(f"{label} ({count})" for label, count in self.counts.items()) or (
            "no action" if self.tracks else "nobody seen")

    @property
    def headline(self) -> str:
        """Every track with its time, and a line for each of its actions."""
        lines = [self.text]
        for one in self.tracks[:ROWS]:
            lines.append(f"{one.track.start_seconds:6.2f}-{one.track.end_seconds:.2f} s  {one.name}")
            lines += [f"  {a.start_seconds:6.2f}-{a.end_seconds:.2f} s  {a.label} ({a.score:.0%})" for a in one.actions]
        if len(self.tracks) > ROWS:
            lines.append(f"  and {len(self.tracks) - ROWS} more tracks")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; boxes as shares of the picture's width and height."""
        return super().to_dict() | {"counts": self.counts}

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw frames from the whole clip with the boxes, and a lane for each of the longest actions of the tracks.

        Returns:
            The path if one is given, else the matplotlib figure.
        """
        pairs = [(one, label) for one in self.tracks for label in dict.fromkeys(a.label for a in one.actions)]
        longest = sorted(pairs, key=lambda pair: -_length(*pair))[:LANES]
        lanes = [self._alone(one, label) for one, label in pairs if (one, label) in longest]
        return find("drawings", "contact-sheet")(lanes or [self], path)

    def _alone(self, one: ActingTrack, label: str) -> ActionTracks:
        """Return the result as if one track did one action: its name is the lane's, so that it is never cut."""
        mine = tuple(a for a in one.actions if a.label == label)
        kept = self.evidence or Evidence()
        return replace(self, model=f"{one.name}: {label}", tracks=(replace(one, actions=mine),),
                       segments=tuple(Segment(a.start_seconds, a.end_seconds, "", a.score) for a in mine),
                       evidence=replace(kept, proof=boxes_of((one,))))


def _length(one: ActingTrack, label: str) -> float:
    return sum(a.score * (a.end_seconds - a.start_seconds) for a in one.actions if a.label == label)


def segments_with_names(tracks: tuple[ActingTrack, ...]) -> tuple[Segment, ...]:
    """Return the actions of all tracks as every result holds them."""
    found = [Segment(a.start_seconds, a.end_seconds, f"{one.name}: {a.label}", a.score)
             for one in tracks for a in one.actions]
    return tuple(sorted(found, key=lambda s: (s.start_seconds, s.end_seconds, s.text)))


def boxes_of(tracks: tuple[ActingTrack, ...]) -> Proof:
    """Return where and when tracks were seen."""
    boxes = tuple(SeenBox(at, box, one.name, sure) for one in tracks
                  for at, box, sure in zip(one.track.seconds, one.track.boxes, one.track.confidences, strict=True))
    return Proof(tuple((one.track.start_seconds, one.track.end_seconds) for one in tracks), boxes)


__all__ = ["LANES", "ActionTracks", "boxes_of", "segments_with_names"]
