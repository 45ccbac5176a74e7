"""Mouth crops by the points of a face: upright, centred and of one size, whatever the head and the box do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmvideo.faces.align import MOUTH_IN_EYES, Aligner, MouthPoses, region_of
from mmvideo.faces.follow import cut_out
from mmvideo.separation.talkers import film


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner()


@pytest.fixture(scope="module")
def talker() -> np.ndarray:
    """Return one picture of two rendered heads; the left one's face box is 131 pixels wide around (161, 187)."""
    import torch

    silence = torch.zeros(16000)
    return next(iter(film([silence, silence], (0, 1))))


BOX = np.array([161, 187, 131], np.float32)


def test_the_mouth_is_found_where_it_is(aligner: Aligner, talker: np.ndarray) -> None:
    found = aligner(talker, [region_of(BOX)])[0]
    assert found is not None
    x, y, side, roll = found[0]
    assert abs(x - 161) < 8
    assert 215 < y < 240
    assert 0.55 * 131 < side < 0.85 * 131
    assert abs(roll) < 0.1


@pytest.mark.parametrize("degrees", [-20, 20])
def test_a_tilted_head_gives_the_crop_of_an_upright_one(aligner: Aligner, talker: np.ndarray, degrees: float) -> None:
    turn = cv2.getRotationMatrix2D((161.0, 187.0), -degrees, 1.0)
    tilted = cv2.warpAffine(talker, turn, talker.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    crops = []
    for picture in (talker, tilted):
        region = region_of(BOX)
        for _ in range(2):  # the second time from the region of the first, as a face is followed
            found = aligner(picture, [region])[0]
            assert found is not None
            region = found[1]
        x, y, side, roll = (float(v) for v in found[0])
        crops.append(cut_out(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), x, y, side, 96, roll=roll))
    assert abs(float(found[0][3]) - np.radians(degrees)) < 0.08
    same = np.corrcoef(crops[0].ravel(), crops[1].ravel())[0, 1]
    unaligned = cut_out(cv2.cvtColor(tilted, cv2.COLOR_RGB2GRAY), *found[0][:3].tolist(), 96)
    assert same > 0.9
    assert same > np.corrcoef(crops[0].ravel(), unaligned.ravel())[0, 1] + 0.05


def test_a_wall_has_no_mouth(aligner: Aligner) -> None:
    assert aligner(np.full((240, 320, 3), 128, np.uint8), [region_of(np.array([100, 100, 80], np.float32))]) == [None]
    assert aligner(np.full((240, 320, 3), 128, np.uint8), []) == []


def test_poses_are_smooth_and_end_where_no_points_are_near() -> None:
    poses = MouthPoses()
    for step in range(20):
        noise = 1.0 if step % 2 else -1.0
        poses.add(step * 0.08, np.array([100 + noise, 50, 40 + noise, 0.02 * noise], np.float32))
    middle = poses.at(0.8)
    assert middle is not None
    assert abs(middle[0] - 100) < 0.6
    assert abs(middle[2] - 40) < 0.2
    assert poses.at(5.0) is None
    assert MouthPoses().at(0.0) is None
    poses.forget(1.5)
    assert poses.at(1.5) is not None
    assert len(poses.times) < 20


def test_a_rolled_square_is_cut_from_any_place_and_scale() -> None:
    picture = np.zeros((400, 400), np.uint8)
    cv2.rectangle(picture, (150, 180), (250, 220), 255, -1)  # a bar around (200, 200)
    turn = cv2.getRotationMatrix2D((200.0, 200.0), -30, 1.0)
    tilted = cv2.warpAffine(picture, turn, (400, 400))
    for pixels in (160, 40):  # as it is, and shrunk
        upright = cut_out(picture, 200, 200, 160, pixels)
        again = cut_out(tilted, 200, 200, 160, pixels, roll=np.radians(30))
        assert np.abs(upright.astype(int) - again).mean() < 6


def test_the_size_is_that_of_the_box() -> None:
    assert 0.6 < MOUTH_IN_EYES * 0.53 < 0.7  # eyes are 0.53 of a box side apart, mouths were 0.66 of it
