"""Faces found, followed and cut out: on real clips where they are here, on made-up detections where not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmvideo.errors import InvalidInput, MissingExtra
from mmvideo.faces import FaceFinder, TrackGiven
from mmvideo.faces.detect import LBP, Haar
from mmvideo.faces.follow import Follower, overlap
from mmvideo.faces.spool import Spool
from mmvideo.media import open_source
from mmvideo.separation.talkers import film

GREY = np.random.default_rng(0).integers(0, 255, (200, 400), np.uint8)


def box(x: float, y: float, side: float = 60) -> list[float]:
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


class Seen:
    """A detector that finds what a test says, by the number of the picture, which is written in its first pixel."""

    def __init__(self, boxes):
        self.boxes = boxes

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        return np.array(self.boxes(int(picture[0, 0, 0])), np.float32).reshape(-1, 4)


def clip(num: int, *, side: int = 200, fps: float = 25, cut: int | None = None, pts=None):
    rng = np.random.default_rng(1)  # other noise in every frame, so that no template is found again
    frames = rng.integers(0, 255, (num, side, 2 * side, 3), np.uint8)
    if cut is not None:
        frames[cut:] = frames[cut:] // 3
    frames[:, 0, 0] = np.arange(num)[:, None]
    return open_source(frames, pts_seconds=pts) if pts is not None else open_source(frames, fps=fps)


def found(boxes, num: int = 75, **options):
    with clip(num, **options) as source:
        return FaceFinder(Seen(boxes))(source)


def test_two_faces_that_cross_keep_their_numbers_by_hungarian_matching() -> None:
    follower = Follower(0.2)
    for step in range(12):  # both drift to the right; greedy matching by order would mix them up
        follower.add(step * 0.2, np.array([box(80 + 12 * step, 60), box(140 + 12 * step, 75)][::(-1) ** step]), GREY,
                     begins=0)
    assert len(follower.paths) == 2
    assert [len(p.times) for p in follower.paths] == [12, 12]
    assert all(np.diff([b[0] for b in p.boxes]).min() > 0 for p in follower.paths)


def test_a_still_face_has_one_track_with_boxes_and_mouths() -> None:
    faces = found(lambda i: [box(100, 100)])
    (track,) = faces.tracks
    assert (track.first, len(track), faces.num_rows) == (0, 75, 75)
    assert track.valid.all()
    np.testing.assert_allclose(track.boxes, np.tile(box(100, 100), (75, 1)), atol=1e-3)
    cues = faces.cues(0, 80)
    assert cues.mouths.shape == (1, 1, 80, 96, 96)
    assert cues.valid.sum() == 75
    assert cues.mouths[0, 0, :75].float().std() > 10
    assert not cues.mouths[0, 0, 75:].any()


def test_gaps_up_to_0_4_s_are_bridged_and_longer_ones_are_marked() -> None:
    short = found(lambda i: [] if i in range(33, 38) else [box(100 + i, 100)])
    assert short.tracks[0].valid.all()
    long = found(lambda i: [] if i in range(30, 50) else [box(100, 100)])
    (track,) = long.tracks
    assert not track.valid[32:46].any()
    assert track.valid[:25].all()
    assert track.valid[52:].all()
    assert len(track.spans(0.0)) == 2
    assert not long.cues(0, 75).mouths[0, 0, 40].any()


def test_a_face_that_leaves_ends_and_one_seen_twice_only_is_no_face() -> None:
    faces = found(lambda i: [box(100, 100)] * (i < 50) + [box(300, 100)] * (i in range(10, 20)), num=125)
    (track,) = faces.tracks
    assert 45 <= len(track) <= 56


def test_a_cut_ends_every_track() -> None:
    faces = found(lambda i: [box(100, 100)], cut=40)
    assert faces.cuts == pytest.approx((1.6,))
    assert [(t.first, len(t)) for t in faces.tracks] == [(0, 40), (40, 35)]


def test_trembling_boxes_are_smoothed() -> None:
    rng = np.random.default_rng(0)
    jumps = rng.normal(0, 4, (75, 2))
    faces = found(lambda i: [box(100 + jumps[i, 0], 100 + jumps[i, 1])])
    steps = np.abs(np.diff(faces.tracks[0].boxes[:, 0]))
    assert steps.max() < 2.0
    assert np.ptp(faces.tracks[0].boxes[:, 2] - faces.tracks[0].boxes[:, 0]) < 0.1


def test_uneven_timestamps_are_resampled_by_time() -> None:
    pts = [0.0, 0.1, 0.11, 0.25, 0.5, 0.8, 1.0, 1.2, 1.4, 1.6]
    faces = found(lambda i: [box(100 + 60 * pts[i], 100)], num=10, pts=pts)
    (track,) = faces.tracks
    assert faces.num_rows >= 40
    shown = [max(p for p in pts if p <= row / 25 + 1e-6) for row in range(5, 35)]
    assert track.first == 0
    np.testing.assert_allclose(track.boxes[5:35, 0] + 30, 100 + 60 * np.array(shown), atol=4)


def test_small_mouths_are_refused_with_a_message() -> None:
    faces = found(lambda i: [box(100, 100, 40), box(300, 100, 60)])
    assert [t.mouth_pixels > 32 for t in faces.tracks] == [True]
    assert len(faces.refused) == 1
    assert "too small to read" in faces.warnings[-1]


def test_faces_by_hand() -> None:
    with clip(75) as source:
        faces = FaceFinder(Seen(lambda i: []))(source, given=[
            TrackGiven([box(100, 100)]), TrackGiven([box(200, 80), box(300, 80)], [1.0, 2.0])])
    first, second = faces.tracks
    assert (len(first), first.valid.all()) == (75, True)
    assert second.first == pytest.approx(25, abs=1)
    np.testing.assert_allclose(second.box_at(37), box(248, 80), atol=6)
    with pytest.raises(InvalidInput, match="x0 < x1"):
        TrackGiven([[50, 10, 20, 40]])
    with pytest.raises(InvalidInput, match="increasing"):
        TrackGiven([box(1, 1), box(2, 2)], [1.0, 1.0])


def test_rows_wait_on_disk() -> None:
    spool = Spool((3,), np.int16)
    spool.append(np.arange(6).reshape(2, 3))
    spool.append(np.arange(6, 9).reshape(1, 3))
    assert spool.read(1, 9).tolist() == [[3, 4, 5], [6, 7, 8]]
    spool.close()
    assert len(spool) == 0


def test_overlap_of_squares() -> None:
    assert overlap(np.array([0, 0, 2.0]), np.array([1.0, 0, 2])) == pytest.approx(1 / 3)
    assert overlap(np.array([0, 0, 2.0]), np.array([5.0, 0, 2])) == 0


@pytest.mark.parametrize("seeds", [(3, 7), (11, 15), (19, 23), (27, 31)])
def test_dark_faces_are_found_and_each_once(seeds: tuple[int, int]) -> None:
    try:
        haar = Haar()
    except MissingExtra:
        pytest.skip("this OpenCV has no cascades")
    picture = next(film([torch.zeros(640)] * 2, seeds))
    boxes = haar(picture)
    assert boxes.dtype == np.float32
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    np.testing.assert_allclose(middles[middles[:, 0].argsort()], [[160, 189], [480, 189]], atol=15)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "num"), [("interview.mp4", 2), ("noisy_restaurant.mp4", 1)])
def test_real_faces_are_kept_through_the_clip(shared: Path, name: str, num: int) -> None:
    with open_source(shared / "media" / "faces" / name) as source:
        faces = FaceFinder()(source)
    assert len(faces.tracks) == num
    for track in faces.tracks:
        assert track.valid.sum() >= 0.97 * faces.num_rows
        assert track.mouth_pixels > 100
        assert np.abs(np.diff(track.boxes[:, :2], axis=0)).max() < 12


@pytest.mark.shared
def test_the_mouth_of_a_real_face_moves_where_it_should(shared: Path) -> None:
    with open_source(shared / "data" / "grid_s1" / "bbaf2n.mkv") as source:
        faces = FaceFinder()(source)
    mouths = faces.cues(0, 74).mouths[0, 0].float()
    moved = mouths.std(0)
    middle, corner = moved[36:72, 28:68].mean(), torch.cat([moved[:20, :20], moved[-20:, :20]]).mean()
    assert middle > 1.5 * corner


@pytest.mark.shared
def test_detectors_agree(shared: Path) -> None:
    with open_source(shared / "data" / "grid_s1" / "bbaf2n.mkv") as source:
        picture = source.frames_at([1.0]).frames[0].permute(1, 2, 0).numpy()
    (haar,) = Haar()(picture)
    try:
        lbp = LBP()(picture)
    except MissingExtra:
        pytest.skip("scikit-image is not installed")
    assert len(lbp) == 1
    assert np.abs(lbp[0] - haar).max() < 0.25 * (haar[2] - haar[0])
