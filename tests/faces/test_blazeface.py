"""The face detector that ships: rendered and real faces, near, small, dark, at the edge; and pictures without any."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmvideo.errors import MissingExtra
from mmvideo.faces.blazeface_detector import BlazeFace, _squares
from mmvideo.faces.detect import Haar
from mmvideo.media import open_source
from mmvideo.separation.talkers import film


@pytest.fixture(scope="module")
def detector() -> BlazeFace:
    return BlazeFace()


@pytest.fixture(scope="module")
def readers(shared: Path) -> list[np.ndarray]:
    """One picture, uint8 (224, 224, 3), of each of 12 newsreaders."""
    rows = [line.split("\t") for line in (shared / "data/newsreaders/clips.tsv").read_text().splitlines()[1:]]
    first = {row[1]: row[0] for row in reversed(rows)}
    found = []
    for name in sorted(first.values())[:12]:
        with open_source(shared / "data/newsreaders" / name) as source:
            found.append(source.frames_at([source.start_seconds + 0.5]).frames[0].permute(1, 2, 0).contiguous().numpy())
    return found


def middles(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


@pytest.mark.parametrize("seeds", [(0, 1), (3, 7), (11, 15), (40, 41)])
def test_rendered_heads_are_found_each_once(detector: BlazeFace, seeds: tuple[int, int]) -> None:
    boxes = detector(next(film([torch.zeros(640)] * 2, seeds)))
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(middles(boxes)[middles(boxes)[:, 0].argsort()], [[160, 189], [480, 189]], atol=15)
    assert np.ptp(boxes[:, 2:] - boxes[:, :2], axis=1).max() < 1e-3, "boxes are squares"


@pytest.mark.parametrize("shape", [(1, 1), (2, 3000), (3000, 2), (64, 64), (1080, 1920), (1920, 1080), (191, 700)])
def test_pictures_without_faces_and_of_odd_shapes(detector: BlazeFace, shape: tuple[int, int]) -> None:
    for picture in (np.zeros((*shape, 3), np.uint8), np.full((*shape, 3), 255, np.uint8)):
        assert detector(picture).shape == (0, 4)


@pytest.mark.parametrize("shape", [(1080, 1920), (1920, 1080), (720, 720), (300, 5000), (100, 100)])
def test_squares_cover_the_picture_in_few_looks(shape: tuple[int, int]) -> None:
    for fine in (False, True):
        squares = list(_squares(*shape, 192, fine=fine))
        seen = np.zeros(shape, bool)
        for left, top, side in squares[1:] or squares:
            seen[max(0, top):top + side, max(0, left):left + side] = True
        assert seen.all()
        assert len(squares) <= 41 + 30 * fine
    left, top, side = squares[0]
    assert side == max(shape)
    assert (left + side / 2, top + side / 2) == pytest.approx((shape[1] / 2, shape[0] / 2), abs=1)


@pytest.mark.shared
def test_boxes_lie_where_those_of_haar_lie(detector: BlazeFace, readers: list[np.ndarray]) -> None:
    try:
        haar = Haar()
    except MissingExtra:
        pytest.skip("this OpenCV has no cascades")
    off = []
    for picture in readers:
        (box,), (theirs,) = detector(picture), haar(picture)
        side = theirs[2] - theirs[0]
        off.append([*(middles(box[None])[0] - middles(theirs[None])[0]) / side, (box[2] - box[0]) / side - 1])
    assert np.abs(np.median(off, 0)).max() < 0.04
    assert np.abs(off).max() < 0.2


@pytest.mark.shared
@pytest.mark.parametrize(("fine", "height", "least"), [(False, 80, 11), (False, 60, 10), (True, 40, 12)])
def test_small_faces_in_a_large_picture(readers: list[np.ndarray], fine: bool, height: int, least: int) -> None:
    """Faces of `height` pixels from brow to chin, pasted into 1920x1080."""
    detector, random, found = BlazeFace(fine=fine), np.random.default_rng(0), 0
    for picture in readers:
        (box,) = detector(picture)
        scale = height / (1.3 * (box[3] - box[1]))
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        whole = np.full((1080, 1920, 3), 110, np.uint8)
        x, y = random.integers(0, 1920 - small.shape[1]), random.integers(0, 1080 - small.shape[0])
        whole[y:y + small.shape[0], x:x + small.shape[1]] = small
        off = np.abs(middles(detector(whole)) - middles(box[None] * scale + [x, y, x, y])).max(1)
        found += bool((off < height / 3).any())
    assert found >= least


@pytest.mark.shared
def test_dark_faces_and_faces_at_the_edge(detector: BlazeFace, readers: list[np.ndarray]) -> None:
    dark = cut = 0
    for picture in readers:
        (box,) = detector(picture)
        dark += len(detector((picture * 0.15).astype(np.uint8))) == 1
        middle = round(float(middles(box[None])[0, 0]))
        left = max(0, middle - round(float(box[2] - box[0]) * 0.25))
        cut += len(detector(np.ascontiguousarray(picture[:, left:]))) == 1  # a quarter of the face is outside
    assert dark >= 11
    assert cut >= 10


def test_a_glance_tells_whether_the_squares_were_needed() -> None:
    """A large face is seen in the whole picture; a small one in a square alone, and then every search is a full one."""
    head = next(film([torch.zeros(640)], [5], height=200, width=200, side=120))
    near = cv2.resize(cv2.copyMakeBorder(head, 0, 0, 100, 100, cv2.BORDER_CONSTANT), (1280, 640))
    far = np.full((640, 1280, 3), 120, np.uint8)
    far[300:366, 500:566] = cv2.resize(head, (66, 66), interpolation=cv2.INTER_AREA)
    finder = BlazeFace()
    boxes, small = finder.glance(near, whole=True)
    assert (len(boxes), small) == (1, False)
    np.testing.assert_allclose(boxes, finder.glance(near, whole=False)[0], atol=40)
    full, small = finder.glance(far, whole=False)
    assert len(full) >= 1
    assert small
    assert finder.glance(near, whole=False)[1] is False
