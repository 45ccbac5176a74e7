"""Fit the borders of the toybox domain on a finished model; nothing else of the model changes.

    python -m mmvideo.toybox.training.domain mmvideo/embedded/toybox-qa
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.heads.domain import DomainHead, statistics
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.toybox.training import parts as toybox_parts
from mmvideo.toybox.training.batches import draw_batch
from mmvideo.toybox.training.outside import outside_clips

BATCH = 64
LEVELS = {"easy": 0.4, "standard": 0.4, "hard": 0.2}


@torch.no_grad()
def fit_domain(model: Path, *, num: int = 3000, num_outside: int | None = None, levels: dict[str, float] | None = None,
               keep: float = 0.995, seed: int = 1) -> DomainHead:
    """Fit a DomainHead to a model folder's encoder on training scenes, and save it as `model`/domain.

    Args:
        model: folder with `encoder`.
        num: training scenes; a third as many validation scenes set the borders.
        num_outside: clips of `outside_clips` that draw the second border; two thirds of `num` by default.
        levels: share of each level; two parts of easy and standard and one of hard by default.
        keep: share of the validation scenes that shall be inside each border.
        seed: of the clips outside.
    """
    encoder = ToyboxAV.from_pretrained(model / "encoder")
    levels = levels or LEVELS

    def collect(split: str, count: int) -> Tensor:
        parts = []
        for first in range(0, count, BATCH):
            batch = draw_batch(range(first, min(first + BATCH, count)), split=split, levels=levels)
            parts.append(statistics(encoder(batch.frames, batch.audio, batch.has_sound)))
        return torch.cat(parts)

    clips = outside_clips(seed, num_outside or num * 2 // 3)
    outside = torch.cat([statistics(encoder(part)) for part in clips.split(BATCH)])
    head = DomainHead(dim=encoder.dim, contrast=True)
    head.fit(collect("train", num), collect("validation", num // 3), outside, keep=keep)
    head.save_pretrained(model / "domain")
    toybox_parts.write_model_config(model)
    return head


def _main() -> None:
    """Read the command line, fit, and seal the folder anew."""
    parser = argparse.ArgumentParser(description="Fit the borders of a toybox model's domain.")
    parser.add_argument("model", type=Path, help="folder with encoder/; domain/ and SHA256SUMS are written")
    parser.add_argument("--num", type=int, default=3000, help="training scenes")
    arguments = parser.parse_args()
    fit_domain(arguments.model, num=arguments.num)
    weights.seal(arguments.model)


if __name__ == "__main__":
    _main()
