"""The classifier `scene-and-objects`: labels of two networks, boxes as evidence, frames spread over shots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvideo import Pipeline, weights
from mmvideo.errors import InvalidInput, LicenceRefused
from mmvideo.everyday.scenes import PLACES
from mmvideo.objects.base import Detection
from mmvideo.stages.classify_scene import FEWEST, MOST, _objects, _stretches


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline("video-classification", "scene-and-objects", "cpu", classify={"top": None})


def test_it_names_things_objects_and_places_and_flags_a_rendering(pipe) -> None:
    found = pipe(weights.weights_root() / "demo" / "toybox.mp4")
    names = {one.name for one in found.labels}
    assert set(PLACES) < names
    assert names & {"indoors", "outdoors"}
    assert len(names) == len(found.labels) >= len(PLACES) + 10
    confidences = [one.confidence for one in found.labels]
    assert confidences == sorted(confidences, reverse=True)
    assert all(0 <= confidence <= 1 for confidence in confidences)
    assert found.in_domain.outside
    assert "not what a camera films" in found.in_domain.reason
    assert "mmvideo models get" in found.in_domain.suggestion
    assert len(found.seconds_looked_at) == FEWEST
    assert [(round(s.start_seconds, 2), round(s.end_seconds, 2)) for s in found.segments] == [(0.0, 2.0)]


def test_a_black_film_is_empty(pipe) -> None:
    found = pipe(np.zeros((20, 90, 120, 3), np.uint8), fps=10)
    assert found.in_domain.outside
    assert "empty" in found.in_domain.reason


def test_one_pixel_is_looked_at_all_the_same(pipe) -> None:
    assert pipe(np.full((2, 1, 1, 3), 200, np.uint8), fps=10).in_domain.judged


def test_options_without_effect_and_licences_outside_a_list_are_refused() -> None:
    with pytest.raises(InvalidInput, match="takes no num_clips"):
        Pipeline("video-classification", "scene-and-objects", "cpu", num_clips=3)
    with pytest.raises(LicenceRefused, match="research-only"):
        Pipeline("video-classification", "scene-and-objects", "cpu", allow_licences=["apache-2.0"])


def test_every_shot_gets_a_frame_and_all_of_them_no_more_than_the_most() -> None:
    assert len(_stretches([(0.0, 0.0)])) == 1
    assert len(_stretches([(0.0, 1.0)])) == FEWEST
    spans = _stretches([(0.0, 0.3), (0.3, 10.0)])
    assert {span.shot for span in spans} == {0, 1}
    assert sum(span.seconds for span in spans) == pytest.approx(10)
    assert len(_stretches([(0.0, 36_000.0)])) == MOST
    many = _stretches([(float(i), i + 1.0) for i in range(500)])
    assert len(many) == MOST
    assert [span.shot for span in many] == sorted({span.shot for span in many})


def test_one_slip_of_the_detector_says_little() -> None:
    def seen(name: str, confidence: float) -> Detection:
        return Detection(name, (0, 0, 1, 1), confidence, confidence)

    frames = [(seen("dog", 0.9), seen("dog", 0.2)), (seen("dog", 0.6), seen("bus", 0.95)), ()]
    assert _objects(frames) == {"dog": 0.6}
    assert _objects(frames[1:2]) == {"dog": 0.6, "bus": 0.95}
    assert _objects([]) == {}


@pytest.mark.shared
def test_an_interview_has_people_and_a_tie_with_boxes(pipe, shared: Path) -> None:
    found = pipe(shared / "media" / "faces" / "interview.mp4")
    sure = {one.name: one.confidence for one in found.labels}
    assert sure["person"] > 0.9
    assert sure["tie"] > 0.5
    assert found.in_domain
    assert {box.label for box in found.evidence.boxes} >= {"person", "tie"}
    assert all(0 <= side <= 1 for box in found.evidence.boxes for side in box.box)
    assert found.evidence.frames
