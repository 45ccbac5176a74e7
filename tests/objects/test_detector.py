"""The object detector that ships: real pictures, odd shapes, batches, and scores as probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.media import open_source
from mmvideo.objects.base import Detection
from mmvideo.objects.calibration import calibrated, fitted, reliability
from mmvideo.objects.nanodet import NUM_BINS, cells, distances_to_boxes
from mmvideo.objects.nanodet_detector import FITS, NanoDetDetector
from mmvideo.registry import find


@pytest.fixture(scope="module")
def detector() -> NanoDetDetector:
    return find("object-detectors", "nanodet")()


def frame(path: Path, seconds: float = 1.0) -> Tensor:
    with open_source(path) as source:
        return source.frames_at([source.start_seconds + seconds]).frames


def overlap(one: Detection, box: tuple[float, float, float, float]) -> float:
    left, top = max(one.box[0], box[0]), max(one.box[1], box[1])
    right, bottom = min(one.box[2], box[2]), min(one.box[3], box[3])
    shared = max(0.0, right - left) * max(0.0, bottom - top)
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one.box, box)]
    return shared / (sum(areas) - shared)


@pytest.mark.shared
@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [320, 416, 512])
def test_two_men_of_an_interview_are_where_they_are(shared: Path, fit: str, size: int) -> None:
    picture = frame(shared / "media/faces/interview.mp4")
    found = NanoDetDetector(fit=fit, size=size, min_score=0.3).detect(picture)[0]
    people = [one for one in found if one.label == "person"]
    for box in ((0.13, 0.12, 0.51, 1.0), (0.50, 0.06, 0.88, 1.0)):
        assert max(overlap(one, box) for one in people) > 0.6
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (31, 33), (720, 1280)])
@pytest.mark.parametrize("fit", FITS)
def test_black_pictures_of_odd_shapes_hold_nothing(shape: tuple[int, int], fit: str) -> None:
    detector = NanoDetDetector(fit=fit, size=96, min_score=0.5)
    assert detector.detect(torch.zeros(2, 3, *shape, dtype=torch.uint8)) == [(), ()]


def test_no_frame_gives_no_list(detector: NanoDetDetector) -> None:
    assert detector.detect(torch.zeros(0, 3, 40, 40, dtype=torch.uint8)) == []


def test_what_is_found_does_not_depend_on_neighbours() -> None:
    detector = NanoDetDetector(size=96, fit="area", min_score=0.02)
    random = torch.Generator().manual_seed(0)
    videos = [torch.randint(0, 256, (n, 3, h, w), dtype=torch.uint8, generator=random).float().div(2).byte()
              for n, h, w in ((3, 70, 90), (1, 90, 70), (2, 70, 90), (0, 50, 50))]
    small = [detector.prepared(video) for video in videos]
    together = detector.detect_many(small, rows=4)
    assert [len(found) for found in together] == [3, 1, 2, 0]
    assert together == [detector.detect_many([one], rows=4)[0] for one in small]


@pytest.mark.parametrize("options", [{"size": 400}, {"size": 0}, {"size": 9600}, {"fit": "crop"}])
def test_options_out_of_range_are_refused(options: dict) -> None:
    with pytest.raises(InvalidInput, match="must be"):
        NanoDetDetector(**options)


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'objects'"):
        NanoDetDetector("object")


@pytest.mark.parametrize("frames", [torch.zeros(3, 40, 40, dtype=torch.uint8), torch.zeros(1, 3, 40, 40),
                                    torch.zeros(1, 3, 0, 40, dtype=torch.uint8), np.zeros((1, 3, 4, 4), np.uint8)])
def test_what_are_no_frames_are_refused(detector: NanoDetDetector, frames: Tensor) -> None:
    with pytest.raises(InvalidInput, match="frames must be a uint8 tensor"):
        detector.detect(frames)


def test_boxes_from_distances() -> None:
    points = cells(64, 96)
    assert points.shape == (8 * 12 + 4 * 6 + 2 * 3, 3)
    assert points[13].tolist() == [12.0, 12.0, 8.0], "second row, second column of the finest level"
    sure = torch.full((4, NUM_BINS), -100.0)
    sure[torch.arange(4), torch.tensor([1, 2, 3, 4])] = 100.0
    box = distances_to_boxes(sure.flatten(), points[13])
    torch.testing.assert_close(box, torch.tensor([4.0, -4.0, 36.0, 44.0]))


def test_calibration_recovers_a_known_line() -> None:
    random = np.random.default_rng(0)
    scores = random.uniform(0.05, 0.95, 5000)
    truth = np.array([calibrated(score, (2.0, 0.7)) for score in scores])
    right = random.uniform(size=5000) < truth
    line = fitted(scores, right)
    np.testing.assert_allclose(line, (2.0, 0.7), atol=0.15)
    _, error = reliability(np.array([calibrated(score, line) for score in scores]), right)
    assert error < 0.02
    assert reliability(scores, right)[1] > 0.08, "the scores themselves are no probabilities"
    assert reliability(np.zeros(0), np.zeros(0, bool)) == ([], 0)
