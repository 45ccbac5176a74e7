"""A batch of scenes: its questions and what is true of it."""

from __future__ import annotations

import torch

from mmvideo.toybox.facts import FIELDS, world_facts
from mmvideo.toybox.training.batches import draw_batch


def test_a_batch_holds_what_is_true_of_its_scenes() -> None:
    batch = draw_batch(range(2), split="train", levels={"standard": 1.0}, num_questions=2, rendered=False)
    assert set(batch.facts) == {field.name for field in FIELDS}
    for name, value in world_facts(batch.world, sound_track=batch.has_sound).items():
        assert torch.equal(batch.facts[name], value), name
    assert all(0 < len(asked) <= 2 for asked in batch.questions)
    assert batch.frames is None
