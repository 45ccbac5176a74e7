"""An answer from facts: what is said, how sure, and what it rests on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmvideo.objects.tracks import ObjectTrack
    from mmvideo.types import Proof

_MOST_BOXES = 12


@dataclass(frozen=True)
class Told:
    """An answer and what it rests on."""

    text: str
    confidence: float
    """Probability that it is right."""
    proof: Proof | None = None
    family: str = ""
    """Of the question, as in FAMILIES."""
    reason: str = ""
    """In words, what it was concluded from, or why it cannot be told."""

    @property
    def knows(self) -> bool:
        """Whether it answers the question, instead of saying why not."""
        return not self.text.startswith(CANNOT)


CANNOT = "I cannot tell from this video"


def cannot_tell(family: str, reason: str) -> Told:
    """Return the answer to a question that the video does not answer."""
    return Told(f"{CANNOT}: {reason}", 0.1, None, family, reason)


def proven(tracks: Iterable[ObjectTrack] = (), intervals: Iterable[tuple[float, float]] = (), about: str = "",
           within: tuple[float, float] = (float("-inf"), float("inf"))) -> Proof:
    """Return what an answer rests on: boxes of each track, where most tracks are seen at once and surest; and spans.

    Args:
        tracks: what was seen.
        intervals: start and end in seconds; those of the tracks if none are given.
        about: what was found.
        within: seconds between which boxes are shown.
    """
    from mmvideo.types import Proof, SeenBox

    tracks = list(tracks)
    boxes: list[SeenBox] = []
    at_once = Counter(seconds for track in tracks for seconds in track.seconds)
    sureness: dict[float, float] = defaultdict(float)
    for track in tracks:
        for seconds, confidence in zip(track.seconds, track.confidences, strict=True):
            sureness[seconds] += confidence
    for track in tracks:
        seen = [(at_once[seconds], sureness[seconds], seconds, box, confidence) for seconds, box, confidence in
                zip(track.seconds, track.boxes, track.confidences, strict=True) if within[0] <= seconds <= within[1]]
        for _, _, seconds, box, confidence in sorted(seen, reverse=True)[:max(1, _MOST_BOXES // len(tracks))]:
            boxes.append(SeenBox(seconds, box, track.label, confidence))
    spans = list(intervals) or [(max(track.start_seconds, within[0]), min(track.end_seconds, within[1]))
                                for track in tracks]
    return Proof(tuple(spans), tuple(sorted(boxes, key=lambda one: one.seconds)[:_MOST_BOXES]), about)


__all__ = ["CANNOT", "Told", "cannot_tell", "proven"]
