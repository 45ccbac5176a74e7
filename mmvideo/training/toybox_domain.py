"""Fit the border of the toybox domain on a finished model."""

from __future__ import annotations

from pathlib import Path

import torch

from mmvideo.encoders.toybox_av import ToyboxAV
from mmvideo.heads.domain import DomainHead, statistics
from mmvideo.training.toybox_data import draw


@torch.no_grad()
def fit(model: Path, *, num: int = 3000, levels: dict[str, float] | None = None, keep: float = 0.97) -> DomainHead:
    """Fit a DomainHead to a model folder's encoder on training scenes, and save it as `model`/domain.

    Args:
        model: folder with `encoder`.
        num: training scenes; a third as many validation scenes set the border.
        levels: share of each level; equal shares of easy and standard by default.
        keep: share of the validation scenes that shall be inside.
    """
    encoder = ToyboxAV.from_pretrained(model / "encoder")
    levels = levels or {"easy": 0.4, "standard": 0.4, "hard": 0.2}

    def collect(split: str, count: int) -> torch.Tensor:
        parts = []
        for first in range(0, count, 64):
            batch = draw(range(first, min(first + 64, count)), split=split, levels=levels)
            parts.append(statistics(encoder(batch.frames, batch.audio, batch.has_sound)))
        return torch.cat(parts)

    head = DomainHead(dim=encoder.dim)
    head.fit(collect("train", num), collect("validation", num // 3), keep=keep)
    head.save_pretrained(model / "domain")
    return head
