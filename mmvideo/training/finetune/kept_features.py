"""Features of frames that are computed once: where all that sees pixels is frozen, many epochs cost next to nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmvideo.training.clip_data import LabelledClips
from mmvideo.training.finetune.table_clips import TableClips
from mmvideo.training.resume import digest

log = logging.getLogger("mmvideo.training")
_CHUNK = 8


def splits_into_frames(encoder: nn.Module, norms: Sequence[nn.Module]) -> bool:
    """Say whether an encoder gives vectors of frames that nothing which learns has a part in.

    Args:
        norms: normalisations whose statistics stay.
    """
    if not (hasattr(encoder, "frame_vectors") and hasattr(encoder, "over_time")):
        return False
    after = {id(p) for part in _after(encoder) for p in part.parameters()}
    early = [p for p in encoder.parameters() if id(p) not in after]
    still = {id(part) for part in norms}
    inside = {id(part) for part in _after(encoder) for part in part.modules()}
    moving = [part for part in encoder.modules() if isinstance(part, _BatchNorm) and id(part) not in still | inside]
    return not moving and not any(p.requires_grad for p in early)


def _after(encoder: nn.Module) -> list[nn.Module]:
    """Return the parts that see vectors only: all but the 2D network."""
    two_d = ("frames", "stem", "blocks", "top")
    return [part for name, part in encoder.named_children() if name not in two_d]


class KeptFeatures:
    """Vectors of frames of augmented views of each clip, and of held-out clips as they are; kept in the run's folder.

    Args:
        encoder: with `frame_vectors` and `over_time`.
        data: the clips.
        views: of each clip to learn from; epoch e sees view e modulo this.
        out: the run's folder.
    """

    def __init__(self, encoder: Any, data: TableClips, views: int, out: Path):
        self.encoder, self.data, self.views, self.out = encoder, data, max(1, views), out
        self.vectors: dict[str, np.ndarray] = {}

    def compute(self, device: torch.device) -> None:
        """Compute all features, or read them where a stopped run has left them."""
        known = digest([self.data.identity(), self.views, self.data.seed, vars(self.data.augmentation)])
        for split, rows in self.data.rows.items():
            path = self.out / f"features-{split}-{known}.npy"
            if rows and not path.is_file():
                views = self.views if split == "train" else 1
                log.info("features of %d %s clips, %d views each, are computed once", len(rows), split, views)
                found = self._computed(split, len(rows), views, device)
                self.out.mkdir(parents=True, exist_ok=True)
                partial = path.with_suffix(f".{os.getpid()}.new")
                with partial.open("wb") as file:
                    np.save(file, found, allow_pickle=False)
                partial.replace(path)
            if rows:
                self.vectors[split] = np.load(path, mmap_mode="r", allow_pickle=False)

    @torch.no_grad()
    def _computed(self, split: str, num: int, views: int, device: torch.device) -> np.ndarray:
        """Return float16 (N, views, T, D)."""
        training = self.encoder.training
        self.encoder.eval()
        wanted = [(place, view) for place in range(num) for view in range(views)]
        parts = []
        for first in range(0, len(wanted), _CHUNK):
            some = wanted[first:first + _CHUNK]
            clips = torch.stack(list(self.data.pool.map(lambda pair: self.data.view(pair[0], pair[1], split), some)))
            parts.append(self.encoder.frame_vectors(self.encoder.prepare(clips.to(device))).half().cpu())
        self.encoder.train(training)
        return torch.cat(parts).unflatten(0, (num, views)).numpy()

    def draw(self, indices: Sequence[int]) -> LabelledClips:
        """Return vectors (B, T, D) of clips to learn from, and their targets."""
        chosen = [self.data.choose(index) for index in indices]
        found = [self.vectors["train"][place, view % self.views] for place, view in chosen]
        places = torch.tensor([place for place, _ in chosen])
        return LabelledClips(torch.from_numpy(np.stack(found)).float(), {"label": self.data.targets["train"][places]})

    def held_out(self, places: Sequence[int], split: str) -> Tensor:
        """Return vectors (B, T, D) of held-out clips."""
        return torch.from_numpy(np.stack([self.vectors[split][place, 0] for place in places])).float()


__all__ = ["KeptFeatures", "splits_into_frames"]
