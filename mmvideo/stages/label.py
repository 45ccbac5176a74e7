"""Stage `label`: a classifier of the hub looks at clips from the whole video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.hub.classifier import TEMPLATE, HubClassifier
from mmvideo.registry import find
from mmvideo.results import Classification
from mmvideo.stages.base import set_by_load
from mmvideo.stages.checkpoint import CheckpointStage
from mmvideo.stages.recognise import AVERAGES
from mmvideo.stages.speak import looked_at
from mmvideo.types import NOT_JUDGED, Label
from mmvideo.wording import plural


@dataclass(kw_only=True)
class LabelVideo(CheckpointStage):
    """Score clips over the whole video with the checkpoint's own preprocessing, and average."""

    needs: ClassVar = ("media",)
    gives: ClassVar = ("clips", "classification")

    num_clips: int = 3
    """Clips over the whole video, so that the end is seen as well as the start."""
    clip_seconds: float | None = None
    """Length of a clip; null spreads the frames of each clip over the whole video."""
    num_frames: int | None = None
    """Frames of a clip; null for what the model is made for."""
    labels: list[str] | None = None
    """Labels of yours, for a model that reads them."""
    template: str = TEMPLATE
    top: int | None = 5
    """How many labels the result names; null for all."""
    average: str = "logits"
    batch_size: int = 4
    """Clips at a time; bounds the memory."""
    classifier: HubClassifier = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the model.

        Raises:
            InvalidInput: no model, or an option out of range.
            ModelUnavailable: it cannot be fetched.
            UnsupportedModel: it is no classifier.
            OutOfMemory: it does not fit into memory.
        """
        if self.average not in AVERAGES:
            raise UnknownName("average", self.average, AVERAGES)
        if min(self.num_clips, self.batch_size, self.top or 1) < 1:
            raise InvalidInput("label: num_clips, batch_size and top must be 1 or more.")
        self.classifier = HubClassifier.from_pretrained(self.found("classifier"), device, self.load_options(),
                                                        self.labels or (), self.template)

    def modules(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"network": self.classifier.model} if self.classifier is not None else {}

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return the clips that were looked at, and the labels of the video."""
        sampler, more = ("segments", {}) if self.clip_seconds is None else (
            "dense", {"clip_seconds": self.clip_seconds})
        clips = find("samplers", sampler)(
            media, num_clips=self.num_clips, num_frames=self.num_frames or self.classifier.num_frames,
            **self.asked_view(), **more)
        parts = clips.frames.split(self.batch_size)
        logits = torch.cat([self.classifier.logits(part, media.info.source) for part in parts])
        shares = logits.mean(0).softmax(-1) if self.average == "logits" else logits.softmax(-1).mean(0)
        ranked = shares.topk(min(self.top or len(shares), len(shares)))
        labels = tuple(Label(self.classifier.labels[i], p)
                       for i, p in zip(ranked.indices.tolist(), ranked.values.tolist(), strict=True))
        return {"clips": clips, "classification": Classification(
            label=labels[0].name, labels=labels, confidence=labels[0].confidence, seconds_looked_at=looked_at(clips),
            in_domain=NOT_JUDGED, rule=f"{clips.rule}; {self.average} of {plural(len(logits), 'clip')} averaged")}


__all__ = ["LabelVideo"]
