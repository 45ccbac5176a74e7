"""What is seen, behind the stage `classify`: ImageNet's things, COCO's objects with boxes, and the kind of place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.deadline import check
from mmvideo.encoders import zoo
from mmvideo.errors import WeightsError
from mmvideo.objects.base import Detection
from mmvideo.objects.calibration import calibrated
from mmvideo.registry import find
from mmvideo.results import Classification, Evidence
from mmvideo.sampling.gather import TimeSpan, gather
from mmvideo.stages.base import looked_at
from mmvideo.stages.classifier import Classifier
from mmvideo.stages.sample import Shots
from mmvideo.stages.suggestion import suggestion
from mmvideo.types import Clips, Label, Proof, SeenBox, Segment
from mmvideo.wording import plural

FEWEST, MOST = 4, 32
"""Frames that are looked at: one a second, within these bounds."""
_SIDE = 416
"""Pixels of the square to which whole frames are brought; the encoder sees it by areas at its own size."""
_IN_SEGMENT = 4
_MOST_BOXES = 60


class SceneLabels(Classifier):
    """Lite0's classes pooled over time, a detector's objects, and places, each with a confidence of its own.

    ``config.json`` names the ``encoder``, the ``detector``, the ``line`` that calibrates labels (scale and offset of
    the logit of their probability) and the ``least`` confidence of what is named; the folders ``domain`` and ``scenes``
    hold the heads `everyday-domain` and `everyday-scenes`.

    Args:
        options: the stage `classify`.
        device: where the networks go; None leaves them out.

    Raises:
        WeightsError: the parts do not fit, or config.json lacks one.
    """

    declares = "scene-and-objects"
    """`kind` in config.json of the models that this class runs."""
    kind = "a classifier of scenes and objects"
    takes = frozenset(("batch_size", "top", "min_seconds"))

    def __init__(self, options: Any, device: torch.device | None):
        self.options, self.device = options, device
        home = weight_files.folder(options.weights)
        self.config = weight_files.config(home)
        if missing := [key for key in ("encoder", "detector", "line", "least") if not self.config.get(key)]:
            raise WeightsError(f"{home.name}/config.json has no {missing[0]!r}.")
        self.shots = Shots(min_seconds=options.min_seconds)
        self.networks: dict[str, Any] = {}
        if device is not None:
            encoder = zoo.load(weight_files.folder(self.config["encoder"])).to(device).eval()
            self.labels = encoder.labels
            self.detector = find("object-detectors", self.config["detector"])(device=device)
            heads = {name: find("heads", f"everyday-{name}").from_pretrained(home / name, device=device)
                     for name in ("domain", "scenes")}
            self.networks = {"encoder": encoder, **heads, **self.detector.modules()}

    def modules(self) -> dict[str, nn.Module]:
        """Return encoder, heads and detector."""
        return self.networks

    def take(self, media: Any) -> tuple[Clips, tuple[TimeSpan, ...]]:
        """Return single frames spread over the shots, and the stretch of its shot that each stands for."""
        spans = _stretches(self.shots(media=media)["shots"])
        times = np.array([[(span.start_seconds + span.end_seconds) / 2] for span in spans])
        clips = gather(media, times, spans=list(spans), rule=f"{plural(len(spans), 'frame')} spread over all shots",
                       size=_SIDE, fit="squash", sample_rate=None)
        return clips, spans

    @torch.inference_mode()
    def classify(self, clips: Clips, spans: Sequence[TimeSpan], source: str) -> Classification:
        """Return the labels of the video and of every shot."""
        frames = clips.frames[:, 0]  # (M, 3, H, W)
        found: list[tuple[Detection, ...]] = []
        pooled = []
        for part in frames.split(self.options.batch_size or 8):
            check()
            i = self.networks["encoder"].input
            small = F.interpolate(part.float(), (i.height, i.width), mode="area").round().to(torch.uint8)
            pooled.append(self.networks["encoder"](small[:, None].to(self.device)).pooled)
            found += self.detector.detect(part)
        return self._labelled(torch.cat(pooled), found, clips, spans)

    def _labelled(self, pooled: Tensor, found: Sequence[tuple[Detection, ...]], clips: Clips,
                  spans: Sequence[TimeSpan]) -> Classification:
        labels = self._labels(pooled, found)
        segments = []
        for _, group in groupby(range(len(spans)), key=lambda m: spans[m].shot):
            members = list(group)
            some = self._labels(pooled[members], [found[m] for m in members])
            named = [one for one in some if one.confidence >= self.config["least"]][:_IN_SEGMENT] or list(some[:1])
            segments.append(Segment(spans[members[0]].start_seconds, spans[members[-1]].end_seconds,
                                    ", ".join(one.name for one in named), named[0].confidence))
        best = labels[: self.options.top or len(labels)]
        domain = self.networks["domain"].judge(pooled, suggestion=suggestion("video-classification"))
        return Classification(
            label=best[0].name, labels=best, confidence=best[0].confidence, segments=tuple(segments),
            seconds_looked_at=looked_at(clips), in_domain=domain, model=str(self.options.weights),
            evidence=Evidence(proof=self._proof(best, found, clips)),
            rule=f"{clips.rule}; classes of the whole picture by their mean probability, objects by the second surest "
                 "of their frames, places by their mean; each with a calibrated confidence of its own")

    def _labels(self, pooled: Tensor, found: Sequence[tuple[Detection, ...]]) -> tuple[Label, ...]:
        """Return all labels of some frames, surest first; of two with one name the surer."""
        shares = self.networks["encoder"].head(pooled).softmax(-1).mean(0)
        things = shares.topk(min(10, len(shares)))
        named = {self.labels[i]: calibrated(p, self.config["line"])
                 for i, p in zip(things.indices.tolist(), things.values.tolist(), strict=True)}
        for name, confidence in _objects(found).items():
            named[name] = max(confidence, named.get(name, 0.0))
        where, places = self.networks["scenes"].describe(pooled)
        for one in (where, *places):
            named[one.name] = max(one.confidence, named.get(one.name, 0.0))
        return tuple(Label(name, confidence) for name, confidence in sorted(named.items(), key=lambda item: -item[1]))

    def _proof(self, labels: Sequence[Label], found: Sequence[tuple[Detection, ...]], clips: Clips) -> Proof:
        """Return the boxes of the objects that are named."""
        names = {one.name for one in labels}
        boxes = [SeenBox(seconds, one.box, one.label, one.confidence)
                 for seconds, objects in zip(clips.pts_seconds[:, 0].tolist(), found, strict=True)
                 for one in objects if one.label in names and one.confidence >= self.config["least"]]
        surest = sorted(boxes, key=lambda box: -(box.confidence or 0.0))[:_MOST_BOXES]
        return Proof(boxes=tuple(sorted(surest, key=lambda box: box.seconds)),
                     about=", ".join(sorted({box.label for box in surest})))

    def classify_batch(self, items: Sequence[Mapping[str, Any]], size: int) -> list[Classification]:
        """Return the labels of several videos; each frame is encoded alone, so that none depends on another."""
        return [self.classify(fields["clips"], fields["spans"], "<memory>") for fields in items]


def _objects(found: Sequence[tuple[Detection, ...]]) -> dict[str, float]:
    """Return class -> confidence that it is there: the second surest of the frames, so that one slip says little."""
    seen: dict[str, list[float]] = {}
    for objects in found:
        best: dict[str, float] = {}
        for one in objects:
            best[one.label] = max(one.confidence, best.get(one.label, 0.0))
        for name, confidence in best.items():
            seen.setdefault(name, []).append(confidence)
    place = min(1, len(found) - 1)
    return {name: sorted(values, reverse=True)[place] for name, values in seen.items() if len(values) > place}


def _stretches(shots: Sequence[tuple[float, float]]) -> tuple[TimeSpan, ...]:
    """Divide shots into as many stretches as frames are looked at, each shot into one or more.

    Of more shots than `MOST` some are left out, evenly.
    """
    numbers = list(range(len(shots)))
    if len(shots) > MOST:
        numbers = [int((i + 0.5) * len(shots) / MOST) for i in range(MOST)]
    total = sum(shots[n][1] - shots[n][0] for n in numbers)
    wanted = min(MOST, max(FEWEST, math.ceil(total)))
    spans = []
    for n in numbers:
        start, end = shots[n]
        num = max(1, round(wanted * (end - start) / total)) if total > 0 else 1
        edges = np.linspace(start, end, num + 1).tolist()
        spans += [TimeSpan(a, b, shot=n) for a, b in pairwise(edges)]
    return tuple(spans)


__all__ = ["SceneLabels"]
