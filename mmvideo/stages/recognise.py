"""Stages `views` and `recognise`: any classifier of the zoo on several clips and crops of a video, averaged.

What the network looks at (frames, their size, their rate) and its labels stand in the config.json that the encoder's
`save_pretrained` wrote; how many views are averaged is the preset's, as its paper does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.deadline import check
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, UnknownName, WeightsError
from mmvideo.nn.fuse_batchnorm import fuse
from mmvideo.nn.interruptible import interruptible
from mmvideo.registry import find
from mmvideo.results import Classification
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.stages.speak import looked_at
from mmvideo.types import NOT_JUDGED, Clips, Label

AVERAGES = ("logits", "probabilities")


def home_of(weights: str | None) -> Path:
    """Return the folder that an encoder of the zoo wrote.

    Raises:
        InvalidInput: none was given.
        UnknownName: no such folder.
        WeightsError: the folder holds something else.
    """
    if weights is None:
        raise InvalidInput("This recipe runs a classifier of yours: give model=FOLDER (--model FOLDER), a folder that "
                           "an encoder's save_pretrained or `mmvideo import` wrote.")
    home = weight_files.folder(weights)
    if not weight_files.is_encoder(home):
        raise WeightsError(f"{home}/config.json names no preset and input of a video encoder; give a folder that an "
                           "encoder's save_pretrained or `mmvideo import` wrote.")
    return home


@dataclass(kw_only=True)
class TakeViews(Stage):
    """Take the clips and crops that a classifier is tested on.

    Where the input has a frame rate, clips of neighbouring frames at that rate, starts spread evenly; where it has
    none, clips that each span the whole video.
    """

    needs: ClassVar = ("media",)
    gives: ClassVar = ("clips",)

    weights: str | None = None
    num_clips: int | None = None
    """Clips along time; null for the preset's own number."""
    crops: int | None = None
    """1 or 3; null for the preset's own number."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    options: dict[str, Any] = field(default_factory=dict, repr=False, init=False)
    sampler: str = field(default="dense", init=False)

    def load(self, device: torch.device) -> None:
        """Read what the network looks at.

        Raises:
            WeightsError: the folder's config.json does not say it.
        """
        home = home_of(self.weights)
        config = weight_files.config(home)
        given = config["input"]
        if missing := [key for key in ("num_frames", "height", "width", "fps") if key not in given]:
            raise WeightsError(f"{home}/config.json: input has no {missing[0]!r}, so it is not known what to look at.")
        clips, crops = zoo.preset_of(config["preset"]).views
        self.options = {"num_clips": clips if self.num_clips is None else self.num_clips,
                        "crops": crops if self.crops is None else self.crops,
                        "num_frames": given["num_frames"], "size": (given["height"], given["width"])}
        self.sampler = "segments"
        if given["fps"] is not None:
            self.sampler = "dense"
            self.options["clip_seconds"] = given["num_frames"] / given["fps"]

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return clips (num_clips * crops, T, C, H, W), the crops of a clip beside each other.

        Raises:
            InvalidInput: a number of clips or crops that cannot be taken.
        """
        return {"clips": find("samplers", self.sampler)(
            media, start_seconds=self.start_seconds, end_seconds=self.end_seconds, **self.options)}


@dataclass(kw_only=True)
class Recognise(Stage):
    """Score every view with the network and average."""

    needs: ClassVar = ("clips",)
    gives: ClassVar = ("classification",)

    weights: str | None = None
    batch_size: int = 8
    """Views at a time; bounds the memory."""
    top: int | None = 5
    """How many of the labels the result names; null for all."""
    average: str | None = None
    """logits or probabilities; null for what the family's paper averages."""
    network: Any = set_by_load()
    device: torch.device = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the network.

        Raises:
            InvalidInput: an option out of range.
            WeightsError: the folder is damaged, or holds a network without a classifier or without labels.
        """
        if self.average not in (None, *AVERAGES):
            raise UnknownName("average", self.average, AVERAGES)
        if self.batch_size < 1 or (self.top is not None and self.top < 1):
            raise InvalidInput(f"recognise: batch_size and top must be 1 or more, not {self.batch_size}, {self.top}.")
        home = home_of(self.weights)
        self.network, self.device = zoo.load(home).to(device).eval(), device
        if not self.network.num_classes:
            raise WeightsError(f"{home} holds {self.network.preset} without a classifier; train one on it.")
        if not self.network.labels:
            raise WeightsError(f"{home}/config.json has no 'labels', so the {self.network.num_classes} classes have no "
                               "names: build the encoder with labels=[...], or `mmvideo import` it with --labels.")
        i = self.network.input
        fuse(self.network, torch.empty(1, i.num_frames, len(i.mean), i.height, i.width, device="meta"))
        interruptible(self.network)
        self.average = self.average or self.network.averages

    def modules(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"network": self.network} if self.network is not None else {}

    def scores(self, clips: Clips) -> Tensor:
        """Return the logits of every view, float32 (B, number of classes)."""
        parts = clips.frames.split(self.batch_size)
        logits = []
        for part in parts:
            check()
            logits.append(self.network.logits(part.to(self.device)).float().cpu())
        return torch.cat(logits)

    def __call__(self, *, clips: Clips) -> dict[str, Classification]:
        """Return the label of the video."""
        logits = self.scores(clips)
        mean_of_logits = self.average == "logits"
        probabilities = logits.mean(0).softmax(-1) if mean_of_logits else logits.softmax(-1).mean(0)
        ranked = probabilities.topk(min(self.top or len(probabilities), len(probabilities)))
        labels = tuple(Label(self.network.labels[i], p)
                       for i, p in zip(ranked.indices.tolist(), ranked.values.tolist(), strict=True))
        views = f"{self.average} of {len(logits)} views averaged" if len(logits) > 1 else "one view"
        return {"classification": Classification(
            label=labels[0].name, labels=labels, confidence=labels[0].confidence, seconds_looked_at=looked_at(clips),
            in_domain=NOT_JUDGED, model=str(self.weights), rule=f"{clips.rule}; {views}; the likeliest label",
        )}


__all__ = ["AVERAGES", "Recognise", "TakeViews", "home_of"]
