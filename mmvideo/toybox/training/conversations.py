"""The toybox as conversations about videos, for composed models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from mmvideo.toybox.training.batches import draw_batch
from mmvideo.toybox.training.checks import check_levels, check_scenes
from mmvideo.training import checks
from mmvideo.training.conversations import Shown
from mmvideo.training.sequence_packing import Asked


@dataclass(frozen=True)
class ToyboxConversations:
    """Endless rendered scenes with their questions."""

    levels: dict[str, float] = field(default_factory=lambda: {"easy": 0.65, "standard": 0.35})
    num_questions: int = 10
    caption_share: float = 0.2
    first_scene: int = 2 * 10**9
    """Where the training scenes begin: past those of the embedded model's training."""
    num_held_out: int = 192

    def __post_init__(self) -> None:
        check_levels(self.levels)
        checks.at_least(1, num_questions=self.num_questions, num_held_out=self.num_held_out)
        checks.shares(caption_share=self.caption_share)
        check_scenes(first_scene=self.first_scene)

    def identity(self) -> dict[str, Any]:
        """Name the scenes that a resumed run must find again."""
        return {"kind": "toybox", "scenes": asdict(self)}

    def train(self, number: int, size: int) -> Shown:
        """Draw a batch."""
        first = self.first_scene + number * size
        return self._shown(range(first, first + size), "train", self.num_questions, self.caption_share)

    def held_out(self) -> Iterator[Shown]:
        """Yield validation scenes."""
        for first in range(0, self.num_held_out, 48):
            yield self._shown(range(first, min(first + 48, self.num_held_out)), "validation", 24, 1.0)

    def _shown(self, scenes: range, split: str, num: int, captions: float) -> Shown:
        batch = draw_batch(scenes, split=split, levels=self.levels, num_questions=num, caption_share=captions)
        asked = [[Asked(q.text, q.answer, kind=q.type) for q in row] for row in batch.questions]
        return Shown(batch.frames, batch.audio, batch.has_sound, asked, batch.facts)


__all__ = ["ToyboxConversations"]
