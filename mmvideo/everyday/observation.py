"""All that was found in one video."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mmvideo.everyday.facts import Facts
from mmvideo.everyday.look import Looked
from mmvideo.types import Domain


@dataclass(frozen=True)
class Observation:
    """All that was found in one video."""

    looked: Looked
    facts: Facts
    grids: Tensor
    """float (B, 49, 1280): the encoder's features of each shot, the mean over its frames."""
    frames: tuple[Tensor, ...]
    """Of each shot, float (T, 49, 1280): those of its frames."""
    lines: tuple[str, ...]
    """What detectors found in each shot, see `mmvideo.everyday.evidence_line`."""
    domain: Domain
    frame_seconds: tuple[tuple[float, ...], ...] = ()
    """When the frames of each shot are."""


__all__ = ["Observation"]
