"""One object followed through a video."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectTrack:
    """What was seen of one object, at the times that were looked at, ascending."""

    number: int
    """Different for every track of a video, from 1."""
    label: str
    """A class of the detector, as "person"."""
    seconds: tuple[float, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    """Left, top, right, bottom at each time, as shares of the picture's width and height."""
    confidences: tuple[float, ...]
    """Of the detector at each time; probabilities in [0, 1] that such an object is there, calibrated."""
    colours: tuple[str, ...] = ()
    """Names of its main colours, the most frequent first; empty where none stands out."""
    shift: tuple[float, float] = (0.0, 0.0)
    """How far it moved from its first to its last box, right and down, as shares of the picture's width and height,
    without what the camera's own movement makes of it."""

    @property
    def start_seconds(self) -> float:
        """When it was first seen."""
        return self.seconds[0]

    @property
    def end_seconds(self) -> float:
        """When it was last seen."""
        return self.seconds[-1]

    @property
    def name(self) -> str:
        """Its label and number, as "person 1"."""
        return f"{self.label} {self.number}"

    @property
    def confidence(self) -> float:
        """How sure it is that there is such an object: the mean of the three surest times."""
        best = sorted(self.confidences)[-3:]
        return sum(best) / len(best)


__all__ = ["ObjectTrack"]
