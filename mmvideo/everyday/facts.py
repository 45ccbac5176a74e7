"""What is known of a video, each with its seconds and how sure it is: what questions are answered from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmvideo.objects.tracks import ObjectTrack
from mmvideo.types import Label, Segment


@dataclass(frozen=True)
class RepeatedMovement:
    """A movement that is done again and again."""

    start_seconds: float
    end_seconds: float
    count: int
    """How many times."""
    confidence: float
    times: tuple[float, ...] = ()
    """When each begins, where that is known."""

    @property
    def period_seconds(self) -> float:
        """How long one takes."""
        return (self.end_seconds - self.start_seconds) / max(1, self.count)


@dataclass(frozen=True)
class ShotFacts:
    """What one shot shows as a picture."""

    start_seconds: float
    end_seconds: float
    caption: Segment | None = None
    """What the language model says it shows; None before it was asked."""
    things: tuple[Label, ...] = ()
    """Likeliest ImageNet classes of the whole picture, calibrated; most likely first."""
    words: Mapping[str, float] = field(default_factory=dict)
    """Probability that people would use a word (lower case, singular: dog, snow, run, red) to describe the shot."""
    brightness: float | None = None
    """Mean luma of its pictures, 0 to 1; None where it was not measured."""
    indoors: float | None = None
    """Probability that it was taken indoors; None where nobody judged."""
    places: tuple[Label, ...] = ()
    """Kinds of place, as "beach" or "room", each with the probability that people would name it; likeliest first."""
    animals: tuple[Label, ...] = ()
    """Kinds of animal that the picture looks like, with the sum of their ImageNet classes; likeliest first."""


@dataclass(frozen=True)
class Facts:
    """All facts about one video. Times are on the clock of the source."""

    start_seconds: float
    end_seconds: float
    shots: tuple[ShotFacts, ...]
    """At least one; half-open spans without gaps."""
    tracks: tuple[ObjectTrack, ...] = ()
    camera: tuple[Segment, ...] = ()
    """Movements of the camera: "static", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out",
    "roll left", "roll right", "shake", as the classifier `camera-motion` names them."""
    sounds: tuple[Segment, ...] = ()
    """Sound events by the names of the audio tagger, as "dog bark", with a confidence."""
    speech: tuple[Segment, ...] = ()
    """Spans in which someone speaks; text is "speech"."""
    has_audio: bool = False
    """Whether there is a sound track at all."""
    repeated: tuple[RepeatedMovement, ...] = ()
    seconds_looked_at: tuple[float, ...] = ()
    part_colours: Mapping[tuple[int, str], Mapping[str, float]] = field(default_factory=dict)
    """Shares of the colours, most first, in the "hair", "upper", "lower" (clothes) or "tie" of the person whose track
    has a number; those of (0, "all") are of the picture in the middle, of (0, "background"), (0, "top") and
    (0, "bottom"), (0, "left") and (0, "right") of what of it is outside every box, anywhere or there."""
    colourfulness: float | None = None
    """Mean distance of the pixels from grey, 0 to 1; None where it was not measured."""
    stirs: tuple[tuple[float, float, float], ...] = ()
    """Start, end and strength of the spans in which most moves before the camera, the strongest first."""

    @property
    def duration_seconds(self) -> float:
        """Length of what was looked at."""
        return self.end_seconds - self.start_seconds


__all__ = ["Facts", "RepeatedMovement", "ShotFacts"]
