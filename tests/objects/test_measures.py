"""Average precision against torchmetrics, and identity switches by hand."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from mmvideo.objects.base import Detection
from mmvideo.objects.measures import Truth, average_precision, identity_switches, right_at, without_ignored
from mmvideo.objects.tracks import ObjectTrack

Box = tuple[float, float, float, float]


def scene(seed: int, frames: int = 25) -> list[tuple[list[Detection], Truth]]:
    """Boxes of three labels, some found well, some badly, some not, and some that are not there."""
    random = np.random.default_rng(seed)
    rows = []
    for _ in range(frames):
        truth, found = [], []
        for _ in range(random.integers(0, 6)):
            left, top = random.uniform(0, 0.6, 2)
            box = np.array([left, top, left + random.uniform(0.1, 0.4), top + random.uniform(0.1, 0.4)])
            label = str(random.choice(["cat", "dog", "bird"]))
            truth.append((label, tuple(box.tolist())))
            for _ in range(random.integers(0, 3)):
                off = box + random.normal(0, 0.02, 4)
                found.append(Detection(label, tuple(off.tolist()), float(random.uniform(0.1, 1)), 0.5))
        if random.uniform() < 0.5:
            found.append(Detection("cat", (0.1, 0.1, 0.3, 0.3), float(random.uniform(0.1, 0.6)), 0.5))
        rows.append((found, truth))
    return rows


@pytest.mark.parametrize("seed", [0, 1])
def test_average_precision_is_that_of_torchmetrics(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    module = pytest.importorskip("torchmetrics.detection._mean_ap")
    monkeypatch.setattr(module, "_PYCOCOTOOLS_AVAILABLE", True)
    for name in ("pycocotools", "pycocotools.mask"):  # imported by it, and needed for masks alone
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["pycocotools"], "mask", sys.modules["pycocotools.mask"], raising=False)
    rows, labels = scene(seed), ["bird", "cat", "dog"]
    metric = module.MeanAveragePrecision(class_metrics=True)
    for found, truth in rows:
        metric.update([{"boxes": torch.tensor([one.box for one in found]).reshape(-1, 4) * 1000,
                        "scores": torch.tensor([one.score for one in found]),
                        "labels": torch.tensor([labels.index(one.label) for one in found], dtype=torch.long)}],
                      [{"boxes": torch.tensor([box for _, box in truth]).reshape(-1, 4) * 1000,
                        "labels": torch.tensor([labels.index(label) for label, _ in truth], dtype=torch.long)}])
    theirs, ours = metric.compute(), average_precision(rows)
    assert list(ours) == labels
    # float32 recalls there may fall on the other side of one of 101 points; pycocotools agrees to 1e-15
    one_point = 1 / 101 + 1e-5
    assert np.mean([ap[0.5] for ap in ours.values()]) == pytest.approx(float(theirs["map_50"]), abs=one_point / 3)
    assert np.mean([ap[0.75] for ap in ours.values()]) == pytest.approx(float(theirs["map_75"]), abs=one_point / 3)
    for label, expected in zip(labels, theirs["map_per_class"].tolist(), strict=True):
        assert np.mean(list(ours[label].values())) == pytest.approx(expected, abs=one_point)


def test_nothing_found_and_nothing_there() -> None:
    assert average_precision([([], [("cat", (0, 0, 1, 1))])], (0.5,)) == {"cat": {0.5: 0.0}}
    assert average_precision([([Detection("cat", (0, 0, 1, 1), 0.9, 0.9)], [])]) == {}
    assert average_precision([([Detection("cat", (0, 0, 1, 1), 0.9, 0.9)], [("cat", (0, 0, 1, 1))])], (0.5,)) == {
        "cat": {0.5: 1.0}}


def test_a_box_is_found_once() -> None:
    twice = [Detection("cat", (0, 0, 1, 1), score, score) for score in (0.9, 0.8)]
    assert right_at(twice, [("cat", (0.0, 0.0, 1.0, 1.0))], 0.5) == [True, False]


def test_what_is_ignored_counts_neither_way() -> None:
    truth: Truth = [("cat", (0.0, 0.0, 0.2, 0.2))]
    found = [Detection("cat", box, 0.9, 0.9)
             for box in ((0.0, 0.0, 0.2, 0.2), (0.5, 0.5, 0.7, 0.7), (0.8, 0.0, 1, 0.2))]
    assert without_ignored(found, truth, [(0.0, 0.0, 0.75, 0.75)]) == [found[0], found[2]]
    assert without_ignored(found, truth, []) == found


def test_identity_switches_are_counted() -> None:
    left, right = (0.0, 0.0, 0.2, 0.5), (0.6, 0.0, 0.8, 0.5)
    times = (0.0, 1.0, 2.0)
    truth: list[tuple[float, dict[int, Box]]] = [(seconds, {0: left, 1: right}) for seconds in times]
    def track(number: int, *boxes: Box) -> ObjectTrack:
        return ObjectTrack(number, "person", times[:len(boxes)], boxes, (0.9,) * len(boxes))

    assert identity_switches([track(1, left, left, left), track(2, right, right, right)], truth) == 0
    assert identity_switches([track(1, left, left, right), track(2, right, right, left)], truth) == 2
    assert identity_switches([track(1, left, left, left)], truth) == 0
    assert identity_switches([], truth) == 0
