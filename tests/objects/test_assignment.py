"""Matching at least cost, and leaving out what is found twice, beside scipy's and torchvision's."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import batched_nms

from mmvideo.objects.assignment import least_cost_pairs
from mmvideo.objects.nanodet_detector import SAME, apart


def test_pairs_cost_as_little_as_scipys():
    random = np.random.default_rng(0)
    for round_ in range(400):
        cost = random.random(random.integers(1, 12, 2))
        if round_ % 2:  # pairs that are not allowed
            cost[random.random(cost.shape) < 0.5] = 1e6
        rows, columns = linear_sum_assignment(cost)
        pairs = least_cost_pairs(cost)
        assert np.isclose(sum(cost[pair] for pair in pairs), cost[rows, columns].sum())
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(rows)
        if not round_ % 2:
            assert pairs == list(zip(rows, columns, strict=True))
    assert least_cost_pairs(np.zeros((0, 3))) == []


def test_boxes_that_stay_are_torchvisions():
    generator = torch.Generator().manual_seed(0)
    for count in (0, 1, 30, 300):
        ends = torch.rand(count, 2, 2, generator=generator)
        boxes = torch.cat((ends.amin(1), ends.amax(1)), 1)
        scores, label = torch.rand(count, generator=generator), torch.randint(0, 3, (count,), generator=generator)
        assert apart(boxes, scores, label) == batched_nms(boxes, scores, label, SAME).tolist()
