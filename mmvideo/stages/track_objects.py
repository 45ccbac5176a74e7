"""Stage `track_objects`: the objects of a video, found in a few frames a second and followed through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo import checks
from mmvideo.objects.base import LARGEST_BATCH, ObjectDetector
from mmvideo.objects.follow import Looks, follow_many
from mmvideo.objects.result import Tracks, proof_of
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.registry import find
from mmvideo.results import Evidence
from mmvideo.sampling.fps import at_fps
from mmvideo.stages.base import Stage, looked_at, set_by_load
from mmvideo.types import NOT_JUDGED, Clips, Domain, Segment

SLOWEST = 1.0
"""Frames a second below which tracks are doubtful."""
_SHOTS = "tracks end at cuts"


@dataclass(kw_only=True)
class TrackObjects(Stage):
    """Find objects with a detector of the registry and follow them; tracks end at cuts."""

    needs: ClassVar[tuple[str, ...]] = ("media", "shots")
    gives: ClassVar[tuple[str, ...]] = ("clips", "tracks")

    weights: str
    """Model of the detector."""
    detector: str = "nanodet"
    """A detector (`mmvideo list object-detectors`)."""
    fps: float = 2.0
    """Frames looked at in a second; 2 to 5 suit the tracker."""
    max_frames: int = 600
    """Most frames; a longer video is looked at less often, which its warnings say."""
    detector_options: dict[str, Any] = field(default_factory=dict)
    """Further options of the detector, as {"size": 416}."""
    network: ObjectDetector = set_by_load()

    def load(self, device: torch.device) -> None:
        """Read the weights of the detector.

        Raises:
            UnknownName: no such detector or model.
            InvalidInput: an option is out of range.
            WeightsError: the weights are missing or damaged.
        """
        checks.number("fps", self.fps, above=0, high=1e6)
        checks.whole("max_frames", self.max_frames, low=1, high=100_000)
        self.network = find("object-detectors", self.detector)(self.weights, device=device, **self.detector_options)
        self.modules()

    def partition(self) -> tuple[Stage, Stage]:
        """Return the part that takes frames and the part that finds and follows objects."""
        options = {option.name: getattr(self, option.name) for option in fields(self) if option.init}
        return TakeObjectFrames(**options), FollowObjects(network=self.network)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.network.modules() if self.network is not None else {}

    def __call__(self, *, media: Any, shots: Sequence[tuple[float, float]]) -> dict[str, Any]:
        """Return the small frames that were looked at, and the tracks."""
        clips = take(media, self)
        return {"clips": clips, **FollowObjects(network=self.network)(clips=clips, shots=shots)}


@dataclass(kw_only=True)
class TakeObjectFrames(TrackObjects):
    """First part: take small frames, without the network."""

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("clips",)

    def load(self, device: torch.device) -> None:
        """Learn which frames the network looks at; its weights are not read."""
        self.network = find("object-detectors", self.detector)(self.weights, **self.detector_options)

    def partition(self) -> None:  # type: ignore[override]
        """Return None: it is a part itself."""

    def modules(self) -> dict[str, nn.Module]:
        """Return none: the networks are not here."""
        return {}

    def __call__(self, *, media: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the small frames."""
        return {"clips": take(media, self)}


@dataclass(kw_only=True)
class FollowObjects(Stage):
    """Second part: find and follow."""

    needs: ClassVar[tuple[str, ...]] = ("clips", "shots")
    gives: ClassVar[tuple[str, ...]] = ("tracks",)

    network: ObjectDetector | None = field(default=None, repr=False)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.network.modules() if self.network is not None else {}

    def __call__(self, *, clips: Clips, shots: Sequence[tuple[float, float]]) -> dict[str, Any]:
        """Return the tracks of the video."""
        return self.batch([{"clips": clips, "shots": shots}], size=LARGEST_BATCH)[0]

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Find and follow in several videos; the network sees `size` frames in every pass."""
        assert self.network is not None, "it was loaded before it was divided"
        looks = [looks_of(fields["clips"], fields["shots"]) for fields in items]
        return [{"tracks": result_of(tracks, fields["clips"], self.network)}
                for tracks, fields in zip(follow_many(looks, self.network, rows=size), items, strict=True)]


def take(media: Any, options: TrackObjects) -> Clips:
    """Return one clip of frames (1, T, 3, h, w) of the size that the detector sees.

    Raises:
        NoVideoTrack: there is no moving picture.
    """
    track = media.info.main_video
    height, width = track.upright if track is not None else (1, 1)
    size = options.network.size_for(max(height, 1), max(width, 1))
    clips = at_fps(media, fps=options.fps, max_frames=options.max_frames, size=size, fit="squash")
    return Clips(clips.frames, clips.pts_seconds, clips.valid, rule=f"{clips.rule}; {_SHOTS}", notes=clips.notes,
                 has_audio=clips.has_audio, aspect=max(width, 1) / max(height, 1))


def looks_of(clips: Clips, shots: Sequence[tuple[float, float]]) -> Looks:
    """Return the frames that show something new."""
    valid = clips.valid[0]
    return Looks(clips.frames[0][valid], tuple(clips.pts_seconds[0][valid].tolist()),
                 tuple(start for start, _ in shots[1:]), clips.aspect or 1.0)


def result_of(tracks: tuple[ObjectTrack, ...], clips: Clips, detector: ObjectDetector) -> Tracks:
    """Return what a pipeline gives."""
    seen = looked_at(clips)
    warnings = []
    if len(seen) > 1 and (rate := (len(seen) - 1) / max(seen[-1] - seen[0], 1e-6)) < SLOWEST:
        warnings.append(f"only a frame every {1 / rate:.1f} s was looked at, so what moves in between may be taken for "
                        "another; raise max_frames, or give a shorter span")
    domain = NOT_JUDGED if tracks else Domain(False, f"none of the {len(detector.classes)} known kinds of objects "
                                                     "stands out")
    confidence = sum(track.confidence for track in tracks) / len(tracks) if tracks else 0.0
    segments = tuple(Segment(track.start_seconds, track.end_seconds, track.name, track.confidence) for track in tracks)
    return Tracks(tracks=tracks, segments=segments, confidence=confidence, seconds_looked_at=seen, in_domain=domain,
                  model=detector.model, rule=clips.rule, warnings=tuple(warnings),
                  evidence=Evidence(proof=proof_of(tracks)))


__all__ = ["TrackObjects", "looks_of", "take"]
