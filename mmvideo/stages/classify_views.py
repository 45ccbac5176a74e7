"""Classifiers of the zoo behind the stage `classify`: several clips and crops of a video, averaged.

What the network looks at (frames, their size, their rate) and its labels stand in the config.json that the encoder's
`save_pretrained` wrote; how many views are averaged is the preset's, as its paper does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.deadline import check
from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput, WeightsError
from mmvideo.nn.fuse_batchnorm import fuse
from mmvideo.nn.interruptible import interruptible
from mmvideo.registry import find
from mmvideo.results import Classification
from mmvideo.sampling.gather import TimeSpan
from mmvideo.stages.chosen_frames import check_choosing
from mmvideo.stages.classifier import Classifier, averaged, scored_in_parts
from mmvideo.stages.live_labels import CausalLabels, is_causal
from mmvideo.types import Clips

_CLIP_SECONDS = 2.0
"""Length of a clip that a sampler chooses, for networks without a frame rate."""
_BATCH = 8
"""Views at a time."""


class ViewLabels(Classifier):
    """A video encoder of the zoo with a classifier.

    Where its input has a frame rate, it sees clips of neighbouring frames at that rate, starts spread evenly; where it
    has none, clips that each span the whole video.

    Args:
        options: the stage `classify`.
        device: where the network goes; None leaves it out.

    Raises:
        WeightsError: the folder is damaged, or holds a network without a classifier or without labels.
    """

    kind = "a classifier of the zoo"
    takes = frozenset(("start_seconds", "end_seconds", "batch_size", "top", "average", "num_clips", "crops",
                       "sampler", "clip_seconds"))

    def __init__(self, options: Any, device: torch.device | None):
        self.options, self.device = options, device
        self.network: Any = None
        home = weight_files.folder(options.weights)
        config = weight_files.config(home)
        given = config["input"]
        if missing := [key for key in ("num_frames", "height", "width", "fps") if key not in given]:
            raise WeightsError(f"{home}/config.json: input has no {missing[0]!r}, so it is not known what to look at.")
        clips, crops = zoo.preset_of(config["preset"]).views
        self.view = {"num_clips": clips if options.num_clips is None else options.num_clips,
                     "crops": crops if options.crops is None else options.crops,
                     "num_frames": given["num_frames"], "size": (given["height"], given["width"])}
        self.sampler = "segments"
        if given.get("focus"):
            self.sampler, self.view = given["focus"], {**self.view, "num_clips": 1, "crops": 1}
        elif given["fps"] is not None:
            self.sampler = "dense"
            self.view["clip_seconds"] = given["num_frames"] / given["fps"]
        if options.sampler is not None:
            self.sampler = check_choosing(options.sampler)
            self.view.setdefault("clip_seconds", _CLIP_SECONDS)
        if options.clip_seconds is not None:
            if "clip_seconds" not in self.view:
                raise InvalidInput("clip_seconds is for networks with a frame rate, or with sampler=: the clips of "
                                   "this one span the whole video.")
            self.view["clip_seconds"] = options.clip_seconds
        if device is not None:
            self.network = self._loaded(home, device)

    @staticmethod
    def _loaded(home: Any, device: torch.device) -> nn.Module:
        network = zoo.load(home).to(device).eval()
        if not network.num_classes:
            raise WeightsError(f"{home} holds {network.preset} without a classifier; train one on it.")
        if not network.labels:
            raise WeightsError(f"{home}/config.json has no 'labels', so the {network.num_classes} classes have no "
                               "names: build the encoder with labels=[...], or `mmvideo import` it with --labels.")
        i = network.input
        assert isinstance(i, Input)
        fuse(network, torch.empty(1, i.num_frames, len(i.mean), i.height, i.width, device="meta"))
        return interruptible(network)

    def modules(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"network": self.network} if self.network is not None else {}

    def live(self) -> CausalLabels | None:
        """Return what judges frame by frame, where the network never looks ahead."""
        if not is_causal(self.network) or self.network.input.focus or self.network.input.channels:
            return None
        return CausalLabels(self.network, top=self.options.top, model=str(self.options.weights), device=self.device)

    def take(self, media: Any) -> tuple[Clips, tuple[TimeSpan, ...]]:
        """Return clips (num_clips * crops, T, C, H, W), the crops of a clip beside each other."""
        return find("samplers", self.sampler)(media, start_seconds=self.options.start_seconds,
                                              end_seconds=self.options.end_seconds, **self.view), ()

    def _logits(self, frames: Tensor) -> Tensor:
        check()
        return self.network.logits(frames.to(self.device)).float().cpu()

    def classify(self, clips: Clips, spans: Sequence[TimeSpan], source: str) -> Classification:
        """Return the labels of the video."""
        logits = scored_in_parts(clips, self.options.batch_size or _BATCH, self._logits)
        average = self.options.average or self.network.averages
        views = f"{average} of {len(logits)} views averaged" if len(logits) > 1 else "one view"
        return averaged(logits, self.network.labels, clips, average=average, top=self.options.top,
                        rule=f"{views}; the likeliest label", model=weight_files.name_of(self.options.weights),
                        outputs=self.network.outputs)


__all__ = ["ViewLabels"]
