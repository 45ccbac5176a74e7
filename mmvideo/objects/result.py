"""The result of `object-tracking`: what was seen, where and when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmvideo.objects.tracks import ObjectTrack
from mmvideo.registry import find
from mmvideo.results import Evidence, Result
from mmvideo.types import Proof, SeenBox, Segment
from mmvideo.wording import plural

LANES = 8
"""Tracks that a picture shows."""
MOVED = 0.08
"""Share of the picture from which something is said to move."""
_PLURALS = {"person": "people", "mouse": "mice", "knife": "knives", "sheep": "sheep", "skis": "skis",
            "scissors": "scissors", "broccoli": "broccoli"}


@dataclass(frozen=True, kw_only=True)
class Tracks(Result):
    """Every object that was followed; `segments` hold the span of each."""

    tracks: tuple[ObjectTrack, ...] = ()
    """In the order in which they begin."""

    @property
    def counts(self) -> dict[str, int]:
        """How many tracks each label has, the most frequent first; somebody who comes back after a cut has several."""
        return dict(Counter(track.label for track in self.tracks).most_common())

    @property
    def at_once(self) -> dict[str, int]:
        """How many of a label were seen in one frame, at most; the most frequent first."""
        most: Counter[str] = Counter()
        for label in self.counts:
            times = Counter(seconds for track in self.tracks if track.label == label for seconds in track.seconds)
            most[label] = max(times.values())
        return dict(most.most_common())

    @property
    def text(self) -> str:
        """What was seen at once, as "2 people, 1 tie"."""
        return ", ".join(plural(count, label, _PLURALS.get(label, ""))
                         for label, count in self.at_once.items()) or "no object"

    @property
    def headline(self) -> str:
        """What was seen at once; then every track with its time, colour and movement."""
        rows = [f"{track.start_seconds:6.2f}-{track.end_seconds:.2f} s  {track_words(track)} ({track.confidence:.0%})"
                for track in self.tracks[:30]]
        more = [f"  and {len(self.tracks) - 30} more"] if len(self.tracks) > 30 else []
        return "\n".join([self.text, *rows, *more])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; boxes as shares of the picture's width and height."""
        return super().to_dict() | {"counts": self.counts, "at_once": self.at_once}

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the frames looked at with their boxes, and a lane of the timeline for each of the surest tracks.

        Returns:
            The path if one is given, else the matplotlib figure.
        """
        surest = sorted(self.tracks, key=lambda track: -sum(track.confidences))[:LANES]
        lanes = [self._alone(track) for track in sorted(surest, key=lambda track: track.number)]
        return find("drawings", "contact-sheet")(lanes or [self], path)

    def _alone(self, track: ObjectTrack) -> Tracks:
        """Return the result as if there were one track only."""
        kept = self.evidence or Evidence()
        segment = Segment(track.start_seconds, max(track.end_seconds, track.start_seconds + 0.05), track_words(track),
                          track.confidence)
        return replace(self, model=track.name, segments=(segment,), evidence=replace(kept, proof=proof_of((track,))))


def track_words(track: ObjectTrack) -> str:
    """Say in words what a track is: name, colours, and which way it moved against what stands still."""
    words = " ".join([*track.colours[:1], track.name]) if track.label != "person" else (
        track.name + (f" in {track.colours[0]}" if track.colours else ""))
    right, down = track.shift
    ways = [way for way, moves in (("left", right <= -MOVED), ("right", right >= MOVED), ("up", down <= -MOVED),
                                   ("down", down >= MOVED)) if moves]
    return words + (f", moves {' and '.join(ways)}" if ways else "")


def proof_of(tracks: tuple[ObjectTrack, ...]) -> Proof:
    """Return where and when tracks were seen."""
    boxes = tuple(SeenBox(seconds, box, track.name, confidence) for track in tracks
                  for seconds, box, confidence in zip(track.seconds, track.boxes, track.confidences, strict=True))
    return Proof(tuple((track.start_seconds, track.end_seconds) for track in tracks), boxes)


__all__ = ["LANES", "MOVED", "Tracks", "proof_of", "track_words"]
