"""Stage `classify`: what is seen in a video, by any classifier: an embedded one, one of the zoo, or one of the hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo import weights as weight_files
from mmvideo.errors import InvalidInput
from mmvideo.hub.resolve import is_hub_name
from mmvideo.sampling.gather import TimeSpan
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.stages.checkpoint import CheckpointStage
from mmvideo.stages.classifier import Classifier, check_average
from mmvideo.stages.classify_hub import TEMPLATE, HubLabels
from mmvideo.stages.classify_scene import SceneLabels
from mmvideo.stages.classify_shots import ShotLabels
from mmvideo.stages.classify_sounds import SoundLabels
from mmvideo.stages.classify_views import ViewLabels
from mmvideo.types import Clips


@dataclass(kw_only=True)
class Classify(CheckpointStage):
    """Score clips of the video; which ones, and how they are joined, is up to the kind of classifier.

    An embedded classifier labels every shot, what is heard, or what is seen (`scene-and-objects`). One of the zoo sees
    the clips and crops that its paper averages. One of the hub sees clips over the whole video through its own
    preprocessing.
    """

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("clips", "classification")

    batch_size: int | None = None
    """Clips at a time; bounds the memory. Null for what suits the kind of classifier."""
    top: int | None = 5
    """How many labels the result names; null for all."""
    average: str | None = None
    """logits or probabilities; null for what the classifier's paper averages."""
    num_clips: int | None = None
    """Clips along time; null for the classifier's own number."""
    sampler: str | None = None
    """Zoo: what chooses the clips: salient (where most happens) or audio-preview (where most is heard); null takes them
    evenly spread."""
    crops: int | None = None
    """Zoo: 1 or 3 crops of each clip; null for the preset's own number."""
    clip_seconds: float | None = None
    """Hub: length of a clip; null spreads the frames of each clip over the whole video."""
    num_frames: int | None = None
    """Hub: frames of a clip; null for what the model is made for."""
    labels: list[str] | None = None
    """Hub: labels of yours, for a model that reads them."""
    template: str = TEMPLATE
    """Hub: how a label is put to a model that reads them."""
    min_seconds: float = 0.25
    """Embedded: a shorter shot is joined to the one before it."""
    window_seconds: float = 2.0
    """Embedded: length of the windows into which a shot is cut."""
    min_window_seconds: float = 1.0
    """Embedded: a shot shorter than a window is seen in one of its own length, but never in a shorter one than this."""
    max_windows: int | None = None
    """Embedded: most windows of a shot; null for 1,800 over the whole video."""
    classifier: Classifier = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the classifier.

        Raises:
            InvalidInput: no model was named, or an option is out of range or has no effect on it.
            UnknownName: no such model.
            ModelUnavailable: it cannot be fetched.
            UnsupportedModel: it is no classifier.
            WeightsError: the folder is damaged, or holds a network without a classifier or without labels.
            OutOfMemory: it does not fit into memory.
        """
        check_average(self.average, self.top, self.batch_size)
        kind = self._kind()
        self.refuse_others(kind.takes, kind.kind)
        self.classifier = kind(self, device)

    def _kind(self) -> type[Classifier]:
        """Return the class that runs the named model."""
        if self.weights is None:
            raise InvalidInput("This recipe runs a classifier of yours: give model=NAME or FOLDER (--model).")
        if str(self.weights) not in weight_files.embedded_names() and is_hub_name(self.weights):
            return HubLabels
        home = weight_files.folder(self.weights)
        if weight_files.is_tagger(home):
            return SoundLabels
        if (home / "config.json").is_file() and weight_files.config(home).get("kind") == SceneLabels.declares:
            return SceneLabels
        return ViewLabels if weight_files.is_encoder(home) else ShotLabels

    def partition(self) -> tuple[Stage, Stage] | None:
        """Return the part that takes clips and the part that scores them; None where both are one."""
        if self._kind().alone:
            return None
        options = {option.name: getattr(self, option.name) for option in fields(self) if option.init}
        return TakeClips(**options), ScoreClips(classifier=self.classifier)

    def live(self) -> Any:
        """Return what judges a video as it comes; None for classifiers that look ahead."""
        return self.classifier.live()

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.classifier.modules() if self.classifier is not None else {}

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return the clips that were looked at, and the labels of the video."""
        clips, spans = self.classifier.take(media)
        found = self.classifier.classify(clips, spans, media.info.source)
        return {"clips": clips if isinstance(clips, Clips) else None, "classification": found}


@dataclass(kw_only=True)
class TakeClips(Classify):
    """First part: take the clips, without the network."""

    gives: ClassVar[tuple[str, ...]] = ("clips", "clip_spans")

    def load(self, device: torch.device) -> None:
        """Read what the network looks at."""
        self.classifier = self._kind()(self, None)

    def partition(self) -> None:
        """Return None: it is a part itself."""

    def modules(self) -> dict[str, nn.Module]:
        """Return none: the networks are not here."""
        return {}

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return the clips, and what each stands for."""
        clips, spans = self.classifier.take(media)
        return {"clips": clips, "clip_spans": spans}


@dataclass(kw_only=True)
class ScoreClips(Stage):
    """Second part: score the clips."""

    needs: ClassVar[tuple[str, ...]] = ("clips", "clip_spans")
    gives: ClassVar[tuple[str, ...]] = ("classification",)

    classifier: Classifier | None = field(default=None, repr=False)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.classifier.modules() if self.classifier is not None else {}

    def __call__(self, *, clips: Clips, clip_spans: tuple[TimeSpan, ...]) -> dict[str, Any]:
        """Return the labels of the video."""
        return self.batch([{"clips": clips, "clip_spans": clip_spans}], size=1)[0]

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Score the clips of several videos in passes of exactly `size` rows, where that suits the classifier."""
        assert self.classifier is not None, "it was loaded before it was divided"
        items = [{"clips": fields["clips"], "spans": fields["clip_spans"]} for fields in items]
        return [{"classification": found} for found in self.classifier.classify_batch(items, size)]


__all__ = ["Classify"]
