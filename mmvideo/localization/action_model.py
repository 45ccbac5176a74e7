"""A trained model of actions: which encoder sees the frames, how long a step is, the head, and its labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmvideo import checks, weights
from mmvideo.deadline import check
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, WeightsError
from mmvideo.localization.roi_head import RoIHead
from mmvideo.nn.pretrained import Pretrained
from mmvideo.objects.tracks import ObjectTrack

ACTION_KIND = "actions"
"""What config.json says of such a folder."""
STEP_SECONDS = 1.0
_STRIDE = 32.0
_ROWS = 4


class FrameMaps:
    """An encoder of single frames whose tokens lie on a grid, as Lite0: maps of features at 1/32 of the frame.

    Raises:
        UnknownName: no such model.
        WeightsError: it holds no encoder of the zoo.
    """

    def __init__(self, name: str, device: torch.device | str = "cpu"):
        encoder: Any = zoo.load(weights.folder(name)).to(device).eval()
        self.network = encoder.fold() if hasattr(encoder, "fold") else encoder
        self.device = torch.device(device)

    @torch.inference_mode()
    def maps(self, frames: Tensor) -> Tensor:
        """Return float (T, C, h, w) of uint8 (T, 3, H, W)."""
        found = []
        for first in range(0, len(frames), _ROWS):
            check()
            some = frames[first:first + _ROWS]
            filled = torch.cat((some, some[:1].expand(_ROWS - len(some), -1, -1, -1)))
            seen = self.network(filled[:, None].to(self.device))
            _, height, width = seen.grid
            found.append(seen.tokens[:len(some)].unflatten(1, (height, width)).permute(0, 3, 1, 2).float().cpu())
        return torch.cat(found)


def pathways_of(maps: Tensor) -> list[Tensor]:
    """Return what a head sees of the maps (T, C, h, w) of a step: them, and how they change, each (1, C, T, h, w)."""
    change = (maps[1:] - maps[:-1]).abs() if len(maps) > 1 else torch.zeros_like(maps)
    return [maps.transpose(0, 1)[None], change.transpose(0, 1)[None]]


class ActionModel(Pretrained):
    """Frames of a second and the boxes in it to scores of actions.

    Args:
        labels: names of the actions.
        encoder: embedded model or folder of an encoder of single frames.
        dim: C of its maps.
        single: whether one action holds at a time.
        subjects: classes of the detector whose tracks are looked at; empty for all.
        kind: always "actions".

    Raises:
        InvalidInput: no label, or one that occurs twice.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, *, labels: Sequence[str], encoder: str, dim: int, single: bool = True,
                 subjects: Sequence[str] = ("person",), kind: str = ACTION_KIND):
        super().__init__()
        if not labels or len(set(labels)) != len(labels):
            raise InvalidInput(f"A model of actions needs one label or more, all different, not {list(labels)}.")
        if kind != ACTION_KIND:
            raise WeightsError(f"The folder holds a {kind!r}, not {ACTION_KIND!r}.")
        self.config = {"kind": ACTION_KIND, "labels": list(labels), "encoder": encoder, "dim": dim, "single": single,
                       "subjects": list(subjects)}
        self.labels, self.encoder, self.subjects = tuple(labels), encoder, tuple(subjects)
        self.head = RoIHead(dims=(dim, dim), num_classes=len(labels), strides=(_STRIDE, _STRIDE), single=single)
        self.register_buffer("mean", torch.zeros(2 * dim))
        self.register_buffer("spread", torch.ones(2 * dim))

    @torch.inference_mode()
    def score(self, frames: Tensor, seconds: Sequence[float], tracks: Sequence[ObjectTrack], encoder: FrameMaps
              ) -> list[dict[float, dict[str, float]]]:
        """Return for each track: start of each step -> action -> score.

        Args:
            frames: uint8 (T, 3, H, W).
            seconds: when each is shown.
            tracks: whose actions.
            encoder: that the head was trained on.
        """
        found: list[dict[float, dict[str, float]]] = [{} for _ in tracks]
        for start, rows in steps_of(seconds).items():
            here = [(number, box) for number, track in enumerate(tracks) if not self.subjects
                    or track.label in self.subjects for box in [mean_box(track, start)] if box is not None]
            if not here:
                continue
            pooled = self.pooled(frames[rows], torch.tensor([box for _, box in here]), encoder)
            logits = self.head.projection((pooled - self.mean) / self.spread)
            shares = logits.softmax(-1) if self.head.single else logits.sigmoid()
            for (number, _), row in zip(here, shares.tolist(), strict=True):
                found[number][start] = dict(zip(self.labels, row, strict=True))
        return found

    def pooled(self, frames: Tensor, boxes: Tensor, encoder: FrameMaps) -> Tensor:
        """Return the features of boxes, shares of the picture (N, 4), over frames (T, 3, H, W): float (N, 2 C)."""
        height, width = frames.shape[2:]
        scale = torch.tensor([width, height, width, height], dtype=torch.float32)
        return self.head.pooled(pathways_of(encoder.maps(frames)), boxes.float() * scale,
                                torch.zeros(len(boxes), dtype=torch.long))


def steps_of(seconds: Sequence[float], step: float = STEP_SECONDS) -> dict[float, list[int]]:
    """Return start of each step -> the numbers of the frames in it."""
    checks.number("step", step, above=0, high=1e6)
    found: dict[float, list[int]] = {}
    for number, at in enumerate(seconds):
        found.setdefault(float(at // step * step), []).append(number)
    return found


def mean_box(track: ObjectTrack, start: float, step: float = STEP_SECONDS) -> tuple[float, ...] | None:
    """Return the mean box of a track in a step, or None where it was not seen in it."""
    inside = [box for at, box in zip(track.seconds, track.boxes, strict=True) if start <= at < start + step]
    return tuple(sum(box[side] for box in inside) / len(inside) for side in range(4)) if inside else None


__all__ = ["ACTION_KIND", "STEP_SECONDS", "ActionModel", "FrameMaps", "mean_box", "pathways_of", "steps_of"]
