"""The embedded classifiers behind the stage `classify`: a label for each shot and for the whole video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.errors import UnknownName, WeightsError, shown
from mmvideo.nn.interruptible import interruptible
from mmvideo.nn.load_part import load_part
from mmvideo.registry import find, names
from mmvideo.results import Classification
from mmvideo.sampling.gather import TimeSpan
from mmvideo.stages.base import looked_at
from mmvideo.stages.classifier import Classifier
from mmvideo.stages.sample import Sample, Shots
from mmvideo.stages.suggestion import suggestion
from mmvideo.types import NOT_JUDGED, Clips, Domain, Features, Label, Segment
from mmvideo.vlm.encode import encode, encode_batched

_BATCH = 16
"""Windows at a time."""


class ShotLabels(Classifier):
    """An encoder with a linear head: every window of every shot is scored, and neighbours that agree are joined.

    The model's ``config.json`` holds ``labels``, the ``temperature`` that calibrates the probabilities and the
    ``threshold`` below which the best one counts as outside the domain; without a threshold that is not judged.

    Args:
        options: the stage `classify`.
        device: where the networks go; None leaves them out.

    Raises:
        WeightsError: the parts do not fit, or config.json has no labels.
    """

    kind = "a classifier of shots"
    takes = frozenset(("batch_size", "min_seconds", "window_seconds", "min_window_seconds", "max_windows"))

    def __init__(self, options: Any, device: torch.device | None):
        self.options = options
        self.device: Any = device
        self.encoder: Any = None
        self.head: Any = None
        folder = weight_files.folder(options.weights)
        self.config = weight_files.config(folder)
        if missing := [key for key in ("labels", "dim") if not self.config.get(key)]:
            raise WeightsError(f"{folder.name}/config.json has no {missing[0]!r}; this is no classification model.")
        for key, kinds in (("temperature", int | float), ("threshold", int | float), ("span_seconds", list)):
            if not isinstance(self.config.get(key, 1.0 if key != "span_seconds" else [0.0]), kinds):
                raise WeightsError(f"{folder.name}/config.json: {key} cannot be {shown(self.config[key], 60)}.")
        family = self.config.get("encoder", "camera-motion")
        if family not in names("encoders"):
            raise WeightsError(f"{folder.name}/config.json: {UnknownName('encoder', str(family), names('encoders'))}")
        kind = find("encoders", family)
        size, frames = self.config.get("size", 64), self.config.get("num_frames", 16)
        more = {} if options.max_windows is None else {"max_windows": options.max_windows}
        self.shots = Shots(min_seconds=options.min_seconds)
        self.windows = Sample.from_options(
            {"sampler": "windows", "size": size, "num_frames": frames, "window_seconds": options.window_seconds,
             "min_window_seconds": options.min_window_seconds, **more}, "classify")
        if device is not None:
            self.encoder = interruptible(kind.from_pretrained(weight_files.part(options.weights, "encoder"))
                                         .to(device).eval())
            head = find("heads", "linear")(self.config["dim"], self.config["labels"])
            self.head = load_part(head, folder, "head.").to(device)

    def modules(self) -> dict[str, nn.Module]:
        """Return the encoder and the head."""
        return {"encoder": self.encoder, "head": self.head} if self.head is not None else {}

    def take(self, media: Any) -> tuple[Clips, tuple[TimeSpan, ...]]:
        """Return the windows of all shots."""
        found = self.windows(media=media, shots=self.shots(media=media)["shots"])
        return found["clips"], found["spans"]

    def classify(self, clips: Clips, spans: Sequence[TimeSpan], source: str) -> Classification:
        """Return the label of the video and of each stretch of a shot."""
        features = encode(self.encoder, clips, self.device, batch_size=self.options.batch_size or _BATCH)
        return self._labelled(features, clips, spans)

    def classify_batch(self, items: Sequence[Mapping[str, Any]], size: int) -> list[Classification]:
        """Encode the windows of several videos in passes of exactly `size` rows."""
        features = encode_batched(self.encoder, [fields["clips"] for fields in items], self.device, size=size)
        return [self._labelled(one, fields["clips"], fields["spans"])
                for one, fields in zip(features, items, strict=True)]

    def _labelled(self, features: Features, clips: Clips, spans: Sequence[TimeSpan]) -> Classification:
        logits = self.head(features).float().cpu() / float(self.config.get("temperature", 1.0))
        probabilities = logits.softmax(-1)
        segments = self._segments(probabilities, spans)
        lengths = torch.tensor([max(s.end_seconds - s.start_seconds, 1e-6) for s in spans])
        overall = (probabilities * lengths[:, None]).sum(0) / lengths.sum()
        ranked = sorted(zip(self.head.labels, overall.tolist(), strict=True), key=lambda item: -item[1])
        labels = tuple(Label(name, confidence) for name, confidence in ranked)
        return Classification(
            label=labels[0].name, labels=labels, confidence=labels[0].confidence, segments=segments,
            seconds_looked_at=looked_at(clips), in_domain=self._domain(segments), model=str(self.options.weights),
            rule=f"{clips.rule}; neighbours of one shot that agree are joined; the label is the likeliest over all")

    def _segments(self, probabilities: Tensor, spans: Sequence[TimeSpan]) -> tuple[Segment, ...]:
        """Join neighbouring clips with the same shot and best label.

        Args:
            probabilities: float (B, number of labels).
        """
        best = probabilities.argmax(-1).tolist()
        segments = []
        for (_, label), group in groupby(range(len(spans)), key=lambda b: (spans[b].shot, best[b])):
            members = list(group)
            confidence = probabilities[members, label].mean().item()
            name = self.head.labels[label]
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
        reason = (f"none of the {len(self.head.labels)} known motions stands out in {first.start_seconds:.1f}-"
                  f"{first.end_seconds:.1f} s")
        return Domain(False, reason, suggestion("video-classification"), score)


__all__ = ["ShotLabels"]
