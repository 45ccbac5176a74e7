"""The toybox as labelled clips without end, for classifiers and probes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from mmvideo.errors import InvalidInput
from mmvideo.toybox.tasks import LABELS, TaskBatch, draw_clips
from mmvideo.training import checks
from mmvideo.training.clip_data import LabelledClips

BLOCK = 128
"""Clips made together: a scene of 128 costs a fifth of a scene of 16."""


class ToyboxTasks:
    """One or more tasks of mmvideo.toybox.tasks, in turns.

    Args:
        tasks: their names.
        num_frames, height, width: of the clips; other numbers of frames than 16 are picked evenly from 16.
    """

    def __init__(self, tasks: Sequence[str], *, num_frames: int = 16, height: int = 64, width: int = 64):
        self.check(tasks, height=height, width=width)
        self.tasks, self.num_frames, self.side = tuple(tasks), num_frames, height
        draw_clips([0], tasks=self.tasks)
        self.labels = {task: LABELS[task] for task in self.tasks}
        self._block = lru_cache(maxsize=2)(self._make)

    @staticmethod
    def check(tasks: Sequence[str], *, height: int, width: int) -> None:
        """Raise UnknownName on a task that is none, InvalidInput on one named twice or a frame that is not square."""
        checks.check_names("toybox task", tasks, LABELS)
        if tasks and height != width:
            raise InvalidInput(f"Toybox clips are square, not {height}x{width} pixels.")

    def size(self, split: str) -> int | None:
        """Return None: scenes do not end."""
        return None

    def identity(self) -> dict[str, Any]:
        """Return the labels of each task."""
        return {"labels": self.labels, "clips": [self.num_frames, self.side, self.side]}

    def draw(self, indices: Sequence[int], split: str) -> LabelledClips:
        """Make clips of a toybox split, or give those made together with the ones before."""
        blocks = sorted({index // BLOCK for index in indices}) if len(indices) > 1 else []
        if not 0 < len(blocks) <= 2:
            return self._of(draw_clips(indices, tasks=self.tasks, split=split, size=self.side))
        made = {block: self._block(block, split) for block in blocks}
        places = [(made[index // BLOCK], index % BLOCK) for index in indices]
        return LabelledClips(torch.stack([clips.frames[i] for clips, i in places]),
                             {task: torch.stack([clips.labels[task][i] for clips, i in places]) for task in self.tasks},
                             torch.stack([clips.audio[i] for clips, i in places]))

    def _make(self, block: int, split: str) -> LabelledClips:
        indices = range(block * BLOCK, (block + 1) * BLOCK)
        return self._of(draw_clips(indices, tasks=self.tasks, split=split, size=self.side))

    def _of(self, made: TaskBatch) -> LabelledClips:
        frames = made.frames
        if self.num_frames != frames.shape[1]:
            frames = frames[:, torch.linspace(0, frames.shape[1] - 1, self.num_frames).round().long()]
        return LabelledClips(frames, made.labels, made.audio)


__all__ = ["ToyboxTasks"]
