"""The judge of what a picture is: drawings, screens, noise and emptiness are flagged, films of a camera are not."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from mmvideo import weights
from mmvideo.everyday.domain import KINDS, REASONS, EverydayDomain
from mmvideo.everyday.training import pictures
from mmvideo.everyday.training.domain import Extractor, film_features, fit_judge, flagged
from mmvideo.registry import find

NOT_FILMED = {"av1_video.mkv", "corrupted.mp4", "var_fps_video.mp4", "unordered.mov", "pigs_in_a_polka.gif"}
"""Test cards, an empty picture and a drawn film among the shared media; Big Buck Bunny is one that is missed."""


@pytest.fixture(scope="module")
def see() -> Extractor:
    return Extractor()


@pytest.fixture(scope="module")
def judge() -> EverydayDomain:
    return find("heads", "everyday-domain").from_pretrained(weights.part("scene-and-objects", "domain"))


def _features(see: Extractor, kind: str, num: int = 8) -> torch.Tensor:
    rng = random.Random(kind)
    photo = np.full((pictures.SIDE, pictures.SIDE, 3), 128, np.uint8)
    return torch.stack([see({**pictures.TRAINING, **pictures.TESTING}[kind](rng, photo)) for _ in range(num)])


@pytest.mark.parametrize(("kind", "reason"), [("chart", "screen"), ("code editor", "screen"), ("page", "screen"),
                                              ("grain", "noise"), ("empty", "empty"), ("flat cartoon", "drawing")])
def test_what_no_camera_took_is_flagged_with_the_reason(see, judge, kind: str, reason: str) -> None:
    features = _features(see, kind)
    assert flagged(judge, {kind: features})[kind][0] >= 0.9
    domain = judge.judge(features, suggestion="use(another)")
    assert domain.outside
    assert domain.suggestion == "use(another)"
    assert REASONS[reason] in domain.reason
    assert domain.score < 0.5


def test_a_test_card_and_the_snow_of_a_television_are_flagged(see, judge) -> None:
    assert flagged(judge, {"x": _features(see, "television")})["x"][0] == 1


def test_half_of_the_pictures_decide(see, judge) -> None:
    black = _features(see, "empty", 3)
    with torch.inference_mode():
        camera = _like_a_photograph(judge).expand(3, -1)
        assert bool(judge(camera)[1].all())
    assert judge.judge(torch.cat((camera, black))).inside
    assert judge.judge(torch.cat((camera[:2], black))).outside


def _like_a_photograph(judge: EverydayDomain) -> torch.Tensor:
    """Return (1, 1280) features in the middle of those of photographs."""
    return judge.mean.square()[None]


@pytest.mark.shared
def test_films_of_a_camera_pass_and_the_others_do_not(see, judge, shared: Path) -> None:
    passed, others = {}, {}
    for folder, names in (("faces", ["interview.mp4"]),
                          ("edge", [*sorted(NOT_FILMED), "chaplin.mp4", "nasa_13013.mp4"]),
                          ("actions", ["bikes.mp4", "eat.mkv", "flipping_a_pancake.mkv", "test.avi"])):
        for name in names:
            domain = judge.judge(film_features(see, shared / "media" / folder / name))
            (others if name in NOT_FILMED else passed)[name] = domain.inside
    assert passed
    assert all(passed.values()), passed
    assert not any(others.values()), others


def test_the_fit_tells_clouds_apart() -> None:
    torch.manual_seed(1)
    centres = torch.rand(len(KINDS), 40) * 2
    names = ["photo", "flat cartoon", "page", "grain", "empty", "toybox"]
    clouds = {name: (centre + 0.05 * torch.randn(30, 40)).clamp_min(0)
              for name, centre in zip(names, centres, strict=True)}
    found = flagged(fit_judge(clouds), clouds)
    assert found.pop("photo") == [0, 30]
    assert all(share == 1 for share, _ in found.values())


def test_kinds_are_pictures_of_one_size_that_depend_on_chance_alone() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    for name, maker in {**pictures.TRAINING, **pictures.TESTING, "worsened": pictures.worsened}.items():
        if "toybox" in name:  # slow
            continue
        one, again, other = (maker(random.Random(seed), photo) for seed in (1, 1, 2))
        assert one.shape == (224, 224, 3), name
        assert one.dtype == np.uint8, name
        assert np.array_equal(one, again), name
        assert name in ("empty", "line drawing", "sketch") or not np.array_equal(one, other), name
    assert not set(pictures.TRAINING) & set(pictures.TESTING)
    assert set(pictures.REASONS) == set(pictures.TRAINING)
    assert set(pictures.REASONS.values()) <= set(KINDS)


