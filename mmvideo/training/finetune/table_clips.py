"""Clips of a labelled table as the data of a training run: kept frames in, augmented clips and targets out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from mmvideo.labelled.augment import Augmentation, seen_whole
from mmvideo.labelled.clip_cache import ClipCache
from mmvideo.labelled.rows import SPLITS, ClipRow, LabelledTable
from mmvideo.training.clip_data import LabelledClips
from mmvideo.training.resume import digest


class TableClips:
    """Labelled clips, drawn by number: clip i of a split is always the same, whatever was drawn before.

    Args:
        table: with a split for every row.
        cache: of frames; gives T, and whether frames are spread over the clip.
        size: height and width of the clips, in pixels.
        augmentation: of the clips to learn from.
        repeats: times that a clip comes one after the other.
        workers: threads that augment.
        seed: of order and augmentation.
    """

    def __init__(self, table: LabelledTable, cache: ClipCache, *, size: tuple[int, int], augmentation: Augmentation,
                 repeats: int = 1, workers: int = 1, seed: int = 0):
        self.table, self.cache, self.frame_size, self.augmentation = table, cache, size, augmentation
        self.repeats, self.seed, self.num_frames = repeats, seed, cache.spec.num_frames
        self.spread = cache.spec.fps is None
        self.rows = {split: tuple(sorted(table.of(split), key=lambda row: (row.key, row.clip))) for split in SPLITS}
        self.labels: dict[str, tuple[str, ...]] = {"label": table.names}
        self.targets = {split: targets_of(table, rows) for split, rows in self.rows.items()}
        self.pool = ThreadPoolExecutor(max(1, workers))
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def size(self, split: str) -> int | None:
        """Return the number of clips of a split."""
        return len(self.rows[split])

    def identity(self) -> dict[str, Any]:
        """Return labels, geometry, and a digest of the clips and labels of each split."""
        listed = {split: [[row.key, list(row.labels), list(row.targets)] for row in rows]
                  for split, rows in self.rows.items()}
        return {"labels": list(self.table.names), "task": self.table.task,
                "clips": [self.num_frames, *self.frame_size, self.cache.spec.fps],
                **{split: {"clips": len(rows), "digest": digest(sorted(rows, key=str))}
                   for split, rows in listed.items()}}

    def draw(self, indices: Sequence[int], split: str) -> LabelledClips:
        """Return clips: augmented ones of the split `train` for any numbers, others as they are.

        Raises:
            MediaError: a clip that is missing or cannot be read; it is named.
        """
        chosen = [self.choose(index) if split == "train" else (index, 0) for index in indices]
        rows = [self.rows[split][place] for place, _ in chosen]
        if split == "train":
            frames = list(self.pool.map(self._augmented, rows, [view for _, view in chosen]))
        else:
            frames = list(self.pool.map(self._whole, rows))
        places = torch.tensor([place for place, _ in chosen])
        return LabelledClips(torch.stack(frames), {"label": self.targets[split][places]})

    def view(self, place: int, number: int, split: str = "train") -> Tensor:
        """Return view `number` of a clip, uint8 (T, 3, H, W); of held-out clips there is one."""
        row = self.rows[split][place]
        return self._augmented(row, number) if split == "train" else self._whole(row)

    def choose(self, index: int) -> tuple[int, int]:
        """Return the place of a clip among those to learn from, and the number of its view."""
        num = len(self.rows["train"])
        epoch, place = divmod(index // self.repeats, num)
        return self._order(epoch)[place], epoch * self.repeats + index % self.repeats

    def _shuffled(self, epoch: int) -> list[int]:
        order = list(range(len(self.rows["train"])))
        random.Random(f"{self.seed}/{epoch}").shuffle(order)
        return order

    def _augmented(self, row: ClipRow, view: int) -> Tensor:
        rng = random.Random(f"{self.seed}/{row.key}/{view}")
        return self.augmentation(self.cache.frames(row), self.num_frames, self.frame_size, rng, spread=self.spread)

    def _whole(self, row: ClipRow) -> Tensor:
        return seen_whole(self.cache.frames(row), self.num_frames, self.frame_size, spread=self.spread)


def targets_of(table: LabelledTable, rows: Sequence[ClipRow]) -> Tensor:
    """Return what is to be predicted: int64 (N,) for classes, float (N, C) of 0 and 1 for tags, float (N, C) else."""
    if table.task == "numbers":
        return torch.tensor([row.targets for row in rows], dtype=torch.float32).view(len(rows), len(table.names))
    place = {name: number for number, name in enumerate(table.names)}
    if table.task == "classes":
        return torch.tensor([place[row.labels[0]] for row in rows], dtype=torch.int64)
    found = torch.zeros(len(rows), len(table.names))
    for number, row in enumerate(rows):
        for label in row.labels:
            found[number, place[label]] = 1
    return found


__all__ = ["TableClips", "targets_of"]
