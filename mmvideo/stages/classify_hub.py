"""Classifiers of the hub behind the stage `classify`: clips over the whole video, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from mmvideo.errors import InvalidInput
from mmvideo.hub.classifier import TEMPLATE, HubClassifier
from mmvideo.registry import find
from mmvideo.results import Classification
from mmvideo.sampling.gather import TimeSpan
from mmvideo.stages.checkpoint import LOADING
from mmvideo.stages.classifier import Classifier, averaged, scored_in_parts
from mmvideo.types import Clips
from mmvideo.wording import plural

_NUM_CLIPS, _BATCH = 3, 4
"""Clips over the whole video, so that the end is seen as well as the start; clips at a time."""


class HubLabels(Classifier):
    """A classifier of the hub with its own preprocessing.

    Args:
        options: the stage `classify`.
        device: where the network goes; None leaves it out.
    """

    kind = "a classifier of the hub"
    takes = LOADING | {"size", "start_seconds", "end_seconds", "batch_size", "top", "average", "num_clips",
                       "clip_seconds", "num_frames", "labels", "template"}
    alone = True

    def __init__(self, options: Any, device: torch.device | None):
        self.options = options
        self.network: Any = None
        if options.num_clips is not None and options.num_clips < 1:
            raise InvalidInput(f"classify: num_clips must be 1 or more, not {options.num_clips}.")
        if device is not None:
            self.network = HubClassifier.from_pretrained(options.found("classifier"), device, options.load_options(),
                                                         options.labels or (), options.template)

    def modules(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"network": self.network.model} if self.network is not None else {}

    def take(self, media: Any) -> tuple[Clips, tuple[TimeSpan, ...]]:
        """Return clips over the whole video."""
        sampler, more = ("segments", {}) if self.options.clip_seconds is None else (
            "dense", {"clip_seconds": self.options.clip_seconds})
        clips = find("samplers", sampler)(
            media, num_clips=self.options.num_clips or _NUM_CLIPS,
            num_frames=self.options.num_frames or self.network.num_frames, **self.options.asked_view(), **more)
        return clips, ()

    def classify(self, clips: Clips, spans: Sequence[TimeSpan], source: str) -> Classification:
        """Return the labels of the video."""
        logits = scored_in_parts(clips, self.options.batch_size or _BATCH,
                                 lambda part: self.network.logits(part, source))
        average = self.options.average or "logits"
        return averaged(logits, self.network.labels, clips, average=average, top=self.options.top,
                        rule=f"{average} of {plural(len(logits), 'clip')} averaged")


__all__ = ["TEMPLATE", "HubLabels"]
