"""The object detector that ships: NanoDet over the whole picture, and what its outputs mean."""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mmvideo import weights
from mmvideo.errors import InvalidInput
from mmvideo.objects.base import Detection, ObjectDetector
from mmvideo.objects.calibration import calibrated
from mmvideo.objects.nanodet import STRIDES, NanoDet, cells, distances_to_boxes, standardised

FITS = ("squash", "area", "letterbox")
SAME = 0.6
"""Boxes of one class with a larger intersection over union are one object (upstream's value)."""
_MOST_CELLS = 1000
_MOST_OBJECTS = 300
_LONGEST = 16.0
"""Sides of longer pictures are squashed to this ratio."""


class NanoDetDetector(ObjectDetector):
    """Find objects of 80 classes (COCO).

    Args:
        model: an embedded model or a folder that holds a NanoDet.
        device: where it runs.
        size: pixels of the side of a square, a multiple of 32. The network was trained at 416; on real clips 320 is
            better for all but the smallest objects (card of the model).
        fit: "area" scales the picture to as many pixels as that square has, "letterbox" to fit into it, both without
            distorting it; "squash" to the square itself, as the network was trained.
        min_score: least score of a detection.

    Raises:
        InvalidInput: `size` or `fit` is none of these.
        UnknownName: no such model.
        WeightsError: the weights are missing or damaged.
    """

    calibrated: ClassVar[bool] = True

    def __init__(self, model: str | Path = "objects", *, device: torch.device | str = "cpu", size: int = 320,
                 fit: str = "area", min_score: float = 0.2):
        if size % STRIDES[-1] or not STRIDES[-1] <= size <= 4096:
            raise InvalidInput(f"size must be a multiple of {STRIDES[-1]} from {STRIDES[-1]} to 4096, not {size}.")
        if fit not in FITS:
            raise InvalidInput(f"fit must be one of {', '.join(FITS)}, not {fit!r}.")
        self.model, self.device = Path(model).name, torch.device(device)
        self.size, self.fit, self.min_score = size, fit, min_score
        self._folder = weights.folder(model)

    @cached_property
    def network(self) -> NanoDet:
        """The network; its weights are read when it is first needed."""
        return NanoDet.from_pretrained(self._folder, device=self.device).to(memory_format=torch.channels_last)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names that its detections may have."""
        return self.network.classes

    def modules(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"nanodet": self.network}

    def size_for(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of what the network sees of a picture; of the part that is not black."""
        if self.fit == "squash":
            return self.size, self.size
        aspect = min(max(width / height, 1 / _LONGEST), _LONGEST)
        scale = self.size / (math.sqrt(aspect) if self.fit == "area" else max(1.0, aspect))
        return max(1, round(scale)), max(1, round(scale * aspect))

    @torch.inference_mode()
    def run(self, pictures: Tensor) -> list[tuple[Detection, ...]]:
        """Find objects in uint8 (B, 3, h, w) pictures of the size that `size_for` gives; surest first."""
        height, width = pictures.shape[2:]
        x = standardised(pictures.to(self.device))
        x = nn.functional.pad(x, (0, -width % STRIDES[-1], 0, -height % STRIDES[-1]))
        logits, distances = self.network(x.contiguous(memory_format=torch.channels_last))
        points = cells(x.shape[2], x.shape[3], self.device)
        least = math.log(self.min_score / (1 - self.min_score))
        return [self._objects(row, sides, points, (height, width), least)
                for row, sides in zip(logits, distances, strict=True)]

    def _objects(self, logits: Tensor, distances: Tensor, points: Tensor, size: tuple[int, int],
                 least: float) -> tuple[Detection, ...]:
        """Return the objects of one picture from its logits (N, K) and distances (N, 44)."""
        cell, label = (logits > least).nonzero(as_tuple=True)
        scores = logits[cell, label].sigmoid()
        if len(scores) > _MOST_CELLS:
            scores, best = scores.topk(_MOST_CELLS)
            cell, label = cell[best], label[best]
        boxes = distances_to_boxes(distances[cell], points[cell])
        scale = torch.tensor([size[1], size[0]] * 2, device=boxes.device)
        boxes = (boxes / scale).clamp(0, 1)
        kept = apart(boxes, scores, label)[:_MOST_OBJECTS]
        rows = zip(boxes[kept].tolist(), scores[kept].tolist(), label[kept].tolist(), strict=True)
        return tuple(Detection(self.classes[name], (box[0], box[1], box[2], box[3]), score,
                               calibrated(score, self.network.config["calibration"]))
                     for box, score, name in rows if box[2] > box[0] and box[3] > box[1])


def apart(boxes: Tensor, scores: Tensor, label: Tensor) -> list[int]:
    """Return which boxes stay where those of one class that are the same are one, surest first.

    As torchvision's `batched_nms`, which takes seconds to import.

    Args:
        boxes: float (N, 4).
        scores: float (N,).
        label: int64 (N,).
    """
    order = scores.argsort(descending=True, stable=True)
    ranked, names = boxes[order].cpu().numpy(), label[order].cpu().numpy()
    left, top, right, bottom = ranked.T
    area = (right - left) * (bottom - top)
    free, kept = np.ones(len(ranked), bool), []
    for one in range(len(ranked)):
        if not free[one]:
            continue
        kept.append(one)
        rest = np.flatnonzero(free[one + 1:] & (names[one + 1:] == names[one])) + one + 1
        wide = (np.minimum(right[one], right[rest]) - np.maximum(left[one], left[rest])).clip(0)
        high = (np.minimum(bottom[one], bottom[rest]) - np.maximum(top[one], top[rest])).clip(0)
        shared = wide * high
        free[rest[shared > SAME * (area[one] + area[rest] - shared)]] = False
    found: list[int] = order[kept].tolist()
    return found


__all__ = ["FITS", "NanoDetDetector", "apart"]
