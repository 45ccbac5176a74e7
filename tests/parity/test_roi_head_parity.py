"""The head for actions of boxes against PySlowFast's on equal weights."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.errors import InvalidInput
from mmvideo.localization.roi_head import RoIHead, roi_align

BOXES = torch.tensor([[0, 10.0, 20.0, 100.0, 200.0], [0, 0.0, 0.0, 288.0, 224.0], [1, 250.0, 100.0, 300.0, 230.0],
                      [1, 50.0, 60.0, 51.0, 61.0], [1, 33.3, 7.7, 260.1, 190.9]])


@torch.no_grad()
def test_scores_are_those_of_pyslowfast() -> None:
    given, kept = fabricate.golden("roi_head")
    ours = RoIHead(dims=(12, 6), num_classes=9, strides=(16.0, 16.0))
    ours.load_state_dict(given, strict=True)
    slow, fast = fabricate.tensor("slow", (2, 12, 4, 14, 18)), fabricate.tensor("fast", (2, 6, 8, 14, 18))
    boxes, which = BOXES[:, 1:], BOXES[:, 0].long()
    aligned = roi_align(slow.mean(2), boxes, which, scale=1 / 16)
    assert fabricate.difference(aligned[:, :3], kept["aligned"]) < 1e-4
    assert fabricate.difference(ours([slow, fast], boxes, which), kept["scores"]) < 1e-4
    none = ours([slow, fast], boxes[:0], which[:0])
    assert none.shape == (0, 9)


def test_a_head_needs_a_stride_for_each_pathway() -> None:
    with pytest.raises(InvalidInput):
        RoIHead(dims=(12, 6), num_classes=9)
    with pytest.raises(InvalidInput):
        RoIHead(dims=(12,), num_classes=0)
