"""Stage `classify`: features -> a label for each shot and for the whole video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.errors import WeightsError, shown
from mmvideo.nn.load_part import load_part
from mmvideo.registry import find
from mmvideo.results import Classification
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.stages.sample import Span
from mmvideo.stages.speak import looked_at
from mmvideo.stages.suggestion import suggestion
from mmvideo.types import NOT_JUDGED, Clips, Domain, Features, Label, Segment


@dataclass(kw_only=True)
class Classify(Stage):
    """Score every clip with a head, and join neighbouring clips of one shot that agree.

    The model's ``config.json`` holds ``labels``, the ``temperature`` that calibrates the probabilities and the
    ``threshold`` below which the best one counts as outside the domain; without a threshold that is not judged.
    """

    needs: ClassVar = ("features", "clips", "spans")
    gives: ClassVar = ("classification",)

    weights: str
    head: str = "linear"
    network: Any = set_by_load()
    config: dict[str, Any] = field(default_factory=dict, repr=False, init=False)

    def load(self, device: torch.device) -> None:
        """Load the head (tensors `head.*` of the model) and its calibration.

        Raises:
            WeightsError: the head does not fit, or config.json has no labels.
        """
        folder = weight_files.folder(self.weights)
        self.config = weight_files.config(folder)
        if missing := [key for key in ("labels", "dim") if not self.config.get(key)]:
            raise WeightsError(f"{folder.name}/config.json has no {missing[0]!r}; this is no classification model.")
        for key, kinds in (("temperature", int | float), ("threshold", int | float), ("span_seconds", list)):
            if not isinstance(self.config.get(key, 1.0 if key != "span_seconds" else [0.0]), kinds):
                raise WeightsError(f"{folder.name}/config.json: {key} cannot be {shown(self.config[key], 60)}.")
        head = find("heads", self.head)(self.config["dim"], self.config["labels"])
        self.network = load_part(head, folder, "head.").to(device)

    def modules(self) -> dict[str, nn.Module]:
        """Return the head."""
        return {"head": self.network} if self.network is not None else {}

    def __call__(self, *, features: Features, clips: Clips, spans: Sequence[Span]) -> dict[str, Classification]:
        """Return the label of the video and of each stretch of a shot."""
        logits = self.network(features).float().cpu() / float(self.config.get("temperature", 1.0))
        probabilities = logits.softmax(-1)
        segments = self._segments(probabilities, spans)
        lengths = torch.tensor([max(s.end_seconds - s.start_seconds, 1e-6) for s in spans])
        overall = (probabilities * lengths[:, None]).sum(0) / lengths.sum()
        ranked = sorted(zip(self.network.labels, overall.tolist(), strict=True), key=lambda item: -item[1])
        labels = tuple(Label(name, confidence) for name, confidence in ranked)
        return {"classification": Classification(
            label=labels[0].name, labels=labels, confidence=labels[0].confidence, segments=segments,
            seconds_looked_at=looked_at(clips), in_domain=self._domain(segments), model=self.weights,
            rule=f"{clips.rule}; neighbours of one shot that agree are joined; the label is the likeliest over all",
        )}

    def _segments(self, probabilities: Tensor, spans: Sequence[Span]) -> tuple[Segment, ...]:
        """Join neighbouring clips with the same shot and best label.

        Args:
            probabilities: float (B, number of labels).
        """
        best = probabilities.argmax(-1).tolist()
        segments = []
        for (_, label), group in groupby(range(len(spans)), key=lambda b: (spans[b].shot, best[b])):
            members = list(group)
            confidence = probabilities[members, label].mean().item()
            name = self.network.labels[label]
            segments.append(Segment(spans[members[0]].start_seconds, spans[members[-1]].end_seconds, name, confidence))
        return tuple(segments)

    def _domain(self, segments: Sequence[Segment]) -> Domain:
        if "threshold" not in self.config:
            return NOT_JUDGED
        threshold = float(self.config["threshold"])
        unsure = [s for s in segments if (s.confidence or 0.0) < threshold]
        score = min(s.confidence or 0.0 for s in segments)
        total = sum(s.end_seconds - s.start_seconds for s in segments)
        shortest = self.config.get("span_seconds", [0.0])[0]
        if total < shortest / 2:
            reason = f"only {total:.2f} s to look at; the model judges {shortest:g} s or more"
            return Domain(False, reason, "", score)
        share = sum(s.end_seconds - s.start_seconds for s in unsure) / max(total, 1e-6)
        if share <= 0.5:
            return Domain(True, score=score)
        first = unsure[0]
        reason = (f"none of the {len(self.network.labels)} known motions stands out in {first.start_seconds:.1f}-"
                  f"{first.end_seconds:.1f} s")
        return Domain(False, reason, suggestion("video-classification"), score)
