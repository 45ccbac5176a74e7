"""Stage `detect_actions`: each person who is followed through a video, and what each does in every second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import cv2
import torch
from torch import nn

from mmvideo import checks
from mmvideo import weights as weight_files
from mmvideo.localization.action_model import ACTION_KIND, ActionModel, FrameMaps
from mmvideo.localization.action_result import ActionTracks, boxes_of, segments_with_names
from mmvideo.localization.actions import ActingTrack, actions_by_second
from mmvideo.localization.plain_actions import plain_actions
from mmvideo.objects.base import LARGEST_BATCH, ObjectDetector
from mmvideo.objects.camera import BackgroundMotion, CameraStep
from mmvideo.objects.follow import Looks, follow_many
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.registry import find
from mmvideo.results import Evidence
from mmvideo.stages.base import Stage, looked_at
from mmvideo.stages.track_objects import TrackObjects, looks_of, take
from mmvideo.types import NOT_JUDGED, Clips, Domain

DETECTOR = "objects"
"""Model of the detector where the named one is of actions."""
MOVERS = ("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "bird", "cat", "dog",
          "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "frisbee", "sports ball", "kite")
"""Classes that are told of where nobody says which."""
MOST_ACTING = 500
"""Tracks whose actions are told; the least sure ones beyond it are left out, with a warning."""


@dataclass(kw_only=True)
class DetectActions(TrackObjects):
    """Find people or objects, follow them, and say what each does in every second.

    Without a model of actions they are told from the boxes: ways, coming and going, who is close to another.
    """

    gives: ClassVar[tuple[str, ...]] = ("clips", "actions")

    fps: float = 4.0
    """Frames looked at in a second."""
    subjects: list[str] | None = None
    """Classes of the detector that are told of, as [person, dog]; null for those that move by themselves, or what the
    model was trained on."""
    min_score: float = 0.3
    """Actions below it are left out."""
    model: ActionModel | None = field(default=None, repr=False, init=False)
    encoder: FrameMaps | None = field(default=None, repr=False, init=False)

    def load(self, device: torch.device) -> None:
        """Read the weights of the detector, and of the model of actions where one is named.

        Raises:
            UnknownName: no such detector, model or class.
            InvalidInput: an option is out of range.
            WeightsError: the weights are missing or damaged.
        """
        checks.number("min_score", self.min_score, low=0, high=1)
        checks.number("fps", self.fps, above=0, high=1e6)
        checks.whole("max_frames", self.max_frames, low=1, high=100_000)
        self._find_model(device)
        self.network = self._detector(device)
        for one in self.subjects or ():
            checks.one_of("subjects", one, self.network.classes)
        self.modules()

    def _find_model(self, device: torch.device | None) -> None:
        home = weight_files.folder(self.weights)
        config = weight_files.config(home) if (home / "config.json").is_file() else {}
        if config.get("kind") == ACTION_KIND and device is not None:
            self.model = ActionModel.from_pretrained(home)
            self.encoder = FrameMaps(self.model.encoder, device)
        self._detector_weights = DETECTOR if config.get("kind") == ACTION_KIND else self.weights

    def _detector(self, device: torch.device | None) -> ObjectDetector:
        where = {} if device is None else {"device": device}
        made: ObjectDetector = find("object-detectors", self.detector)(self._detector_weights, **where,
                                                                       **self.detector_options)
        return made

    def partition(self) -> tuple[Stage, Stage]:
        """Return the part that takes frames and the part with the networks."""
        options = {option.name: getattr(self, option.name) for option in fields(self) if option.init}
        return TakeActionFrames(**options), ActInFrames(whole=self)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        found = self.network.modules() if self.network is not None else {}
        if self.model is not None and self.encoder is not None:
            found = {**found, "actions": self.model, "encoder": self.encoder.network}
        return found

    def __call__(self, *, media: Any, shots: Sequence[tuple[float, float]]) -> dict[str, Any]:
        """Return the frames that were looked at, and who does what."""
        clips = take(media, self)
        return {"clips": clips, **ActInFrames(whole=self)(clips=clips, shots=shots)}

    def acting(self, tracks: Sequence[ObjectTrack], clips: Clips, shots: Sequence[tuple[float, float]]) -> ActionTracks:
        """Return the result for tracks that were followed in frames."""
        wanted = self.subjects or list(self.model.subjects if self.model is not None else MOVERS)
        mine = [track for track in tracks if not wanted or track.label in wanted]
        kept = sorted(sorted(mine, key=lambda one: -one.confidence)[:MOST_ACTING], key=lambda one: one.number)
        looks = looks_of(clips, shots)
        if self.model is not None:
            assert self.encoder is not None, "it was loaded with the model"
            scores = self.model.score(looks.pictures, looks.seconds, kept, self.encoder)
        elif looks.seconds:
            step = (looks.seconds[-1] - looks.seconds[0]) / max(1, len(looks.seconds) - 1)
            scores = plain_actions(kept, camera_steps(looks, kept), aspect=looks.aspect, start_seconds=looks.seconds[0],
                                   end_seconds=looks.seconds[-1] + step, cuts=looks.cuts)
        else:
            scores = [{} for _ in kept]
        acting = tuple(ActingTrack(track, actions_by_second(track, rows, least=self.min_score))
                       for track, rows in zip(kept, scores, strict=True))
        warnings = ((f"{len(mine)} tracks were found; of the {MOST_ACTING} surest alone is told what they do",)
                    if len(mine) > len(kept) else ())
        return self._result(acting, clips, warnings, wanted)

    def _result(self, acting: tuple[ActingTrack, ...], clips: Clips, warnings: tuple[str, ...],
                wanted: Sequence[str]) -> ActionTracks:
        segments = segments_with_names(acting)
        sure = [s.confidence or 0.0 for s in segments]
        whom = " or ".join(wanted[:3]) + (" or the like" if len(wanted) > 3 else "") or "known object"
        domain = NOT_JUDGED if acting else Domain(False, f"no {whom} was seen, so there is nobody to tell of")
        told = "a model of actions" if self.model is not None else "ways and company, from the boxes"
        return ActionTracks(tracks=acting, segments=segments, confidence=sum(sure) / len(sure) if sure else 0.0,
                            seconds_looked_at=looked_at(clips), in_domain=domain, model=str(self.weights),
                            rule=f"{clips.rule}; {told}", warnings=(*warnings, *clips.notes),
                            evidence=Evidence(proof=boxes_of(acting)))


def camera_steps(looks: Looks, tracks: Sequence[ObjectTrack]) -> dict[float, CameraStep]:
    """Return how the camera moved before each frame, from what is outside of the tracks' boxes."""
    motion, found, cuts = BackgroundMotion(), {}, list(looks.cuts)
    boxes: dict[float, list[Any]] = {}
    for track in tracks:
        for at, box in zip(track.seconds, track.boxes, strict=True):
            boxes.setdefault(at, []).append(box)
    for picture, at in zip(looks.pictures, looks.seconds, strict=True):
        while cuts and cuts[0] <= at + 1e-6:
            cuts.pop(0)
            motion.forget()
        grey = cv2.cvtColor(picture.permute(1, 2, 0).contiguous().numpy(), cv2.COLOR_RGB2GRAY)
        step = motion(grey, boxes.get(at, ()))
        if step.known:
            found[at] = step
    return found


@dataclass(kw_only=True)
class TakeActionFrames(DetectActions):
    """First part: take frames, without the networks."""

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("clips",)

    def load(self, device: torch.device) -> None:
        """Learn which frames the networks look at; their weights are not read."""
        self._find_model(None)
        self.network = self._detector(None)

    def partition(self) -> None:  # type: ignore[override]
        """Return None: it is a part itself."""

    def modules(self) -> dict[str, nn.Module]:
        """Return none: the networks are not here."""
        return {}

    def __call__(self, *, media: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the frames."""
        return {"clips": take(media, self)}


@dataclass(kw_only=True)
class ActInFrames(Stage):
    """Second part: find, follow, and say what each does."""

    needs: ClassVar[tuple[str, ...]] = ("clips", "shots")
    gives: ClassVar[tuple[str, ...]] = ("actions",)

    whole: DetectActions | None = field(default=None, repr=False)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.whole.modules() if self.whole is not None else {}

    def __call__(self, *, clips: Clips, shots: Sequence[tuple[float, float]]) -> dict[str, Any]:
        """Return who does what."""
        return self.batch([{"clips": clips, "shots": shots}], size=LARGEST_BATCH)[0]

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Do so for several videos; the detector sees `size` frames in every pass."""
        assert self.whole is not None, "it was loaded before it was divided"
        looks = [looks_of(one["clips"], one["shots"]) for one in items]
        found = follow_many(looks, self.whole.network, rows=size)
        return [{"actions": self.whole.acting(tracks, one["clips"], one["shots"])}
                for tracks, one in zip(found, items, strict=True)]


__all__ = ["DETECTOR", "MOST_ACTING", "MOVERS", "DetectActions", "camera_steps"]
