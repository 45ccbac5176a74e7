"""Places and indoors: what captions make true, how agreement is measured, what the head says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from mmvideo import weights
from mmvideo.everyday.scenes import PLACES, EverydayScenes
from mmvideo.everyday.training import labels as training_labels
from mmvideo.everyday.training.scenes import (
    caption_agreement,
    fit_places,
    place_precision,
    places_calibration_error,
    truth,
)
from mmvideo.registry import find


def test_two_mentions_make_a_place_true_and_one_leaves_it_open() -> None:
    places = dict(zip(["indoors", *PLACES], truth(["A dog on the beach.", "A dog at the beach", "A dog in sand"]),
                      strict=True))
    assert places["beach"] == 1
    assert math.isnan(places["sand or dirt"])
    assert places["snow"] == 0
    assert places["indoors"] == 0
    assert truth(["a man on a couch", "a man in a room"])[0] == 1
    assert math.isnan(truth(["a man on a couch", "a man in a park"])[0])
    assert dict(zip(PLACES, truth(["seaside", "oceanic"])[1:], strict=True))["ocean"] == 0


def test_measures_are_those_of_the_field() -> None:
    nan = float("nan")
    assert place_precision(torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.tensor([1.0, 0, 1, nan])) == pytest.approx(5 / 6)
    assert math.isnan(place_precision(torch.tensor([0.5]), torch.tensor([0.0])))
    scores, wanted = torch.tensor([0.25, 0.25, 0.85, 0.85]), torch.tensor([0.0, 1, 1, nan])
    assert places_calibration_error(scores, wanted) == pytest.approx((2 * 0.25 + 0.15) / 3)


def test_the_fit_learns_what_is_in_the_features() -> None:
    torch.manual_seed(0)
    wanted = (torch.rand(300, 1 + len(PLACES)) < 0.4).float()
    pooled = (wanted @ torch.rand(1 + len(PLACES), 60)).square() / 20
    found = caption_agreement(fit_places(pooled, wanted, 1e-4), pooled, wanted)
    assert found["indoors right"] > 0.97
    assert min(ap for ap, _ in found["average precision"].values()) > 0.97


def test_the_head_says_where_and_ranks_places() -> None:
    head: EverydayScenes = find("heads", "everyday-scenes").from_pretrained(weights.part("scene-and-objects", "scenes"))
    where, places = head.describe(torch.rand(3, 1280))
    assert where.name in ("indoors", "outdoors")
    assert 0.5 <= where.confidence <= 1
    assert {one.name for one in places} == set(PLACES)
    assert [one.confidence for one in places] == sorted((one.confidence for one in places), reverse=True)


def test_a_label_is_right_by_its_words_its_kind_or_a_synonym() -> None:
    labels = weights.config(weights.folder("lite0"))["labels"]
    index = {name: i for i, name in enumerate(labels)}
    captions = {"a": ["A puppy runs."], "b": ["People swim near the shore."], "c": ["A man with a bow tie."]}

    def says(*names: str) -> list[bool]:
        best = torch.tensor([index[name] for name in names])
        return training_labels.right(best, labels, list(captions), captions).tolist()

    assert says("beagle", "seashore", "bow tie") == [True, True, True]
    assert says("tabby", "alp", "broom") == [False, False, False]
    assert set(training_labels.SYNONYMS) <= set(labels)


def test_reliability_adds_up() -> None:
    rows = training_labels.label_reliability(torch.tensor([0.05, 0.95, 0.95]), torch.tensor([False, True, False]))
    assert rows == [(0.05, 0.0, 1), (0.95, 0.5, 2)]
    assert training_labels.expected_error(rows) == pytest.approx((0.05 + 2 * 0.45) / 3, abs=1e-4)


@pytest.mark.shared
def test_places_agree_with_captions_of_photographs(shared: Path) -> None:
    from mmvideo.encoders import zoo
    from mmvideo.everyday.training.caption_questions import read_caption_file
    from mmvideo.everyday.training.flickr_pictures import photographs
    from mmvideo.everyday.training.scenes import truths

    folder = shared / "data" / "flickr8k"
    network = zoo.load(weights.folder("lite0"))
    head = EverydayScenes.from_pretrained(weights.part("scene-and-objects", "scenes"))
    names, rows = [], []
    with torch.inference_mode():
        for (name, pixels), _ in zip(photographs(folder, "test"), range(80), strict=False):
            names.append(name)
            rows.append(network(torch.from_numpy(pixels).permute(2, 0, 1)[None, None]).pooled[0])
    found = caption_agreement(head, torch.stack(rows), truths(names, read_caption_file(folder / "test.tsv")))
    assert found["indoors right"] >= 0.85
    assert found["one or more name it"] >= 0.7
