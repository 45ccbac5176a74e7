"""Who does what: from boxes alone, by a model, its measures, and clips with nobody or with a crowd in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmvideo import Pipeline
from mmvideo.cli import main
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.jobs.partition import split_stages
from mmvideo.localization.action_model import ActionModel, FrameMaps, mean_box, steps_of
from mmvideo.localization.action_result import ActionTracks
from mmvideo.localization.actions import (
    ActionBox,
    ActionTube,
    actions_by_second,
    frame_map,
    tube_overlap,
    video_map,
)
from mmvideo.localization.plain_actions import PLAIN_ACTIONS, plain_actions
from mmvideo.objects.base import Detection
from mmvideo.objects.camera import CameraStep
from mmvideo.objects.nanodet_detector import NanoDetDetector
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.stages import detect_actions
from mmvideo.types import Clips

Box = tuple[float, float, float, float]


def _track(number: int, times: Sequence[float], boxes: Sequence[Box], label: str = "person") -> ObjectTrack:
    return ObjectTrack(number, label, tuple(times), tuple(boxes), (0.9,) * len(times))


TIMES = [k / 4 for k in range(12)]
WALKS = _track(1, TIMES, [(0.02 + 0.2 * t, 0.3, 0.12 + 0.2 * t, 0.7) for t in TIMES])
STANDS = _track(2, TIMES, [(0.85, 0.3, 0.95, 0.7)] * 12)
NEARS = _track(3, TIMES, [(0.45 - 0.03 * t, 0.4 - 0.06 * t, 0.55 + 0.03 * t, 0.6 + 0.06 * t) for t in TIMES])


def _told(tracks: Sequence[ObjectTrack], steps: dict[float, CameraStep] | None = None) -> list[set[str]]:
    rows = plain_actions(tracks, steps or {}, aspect=1.0, start_seconds=0.0, end_seconds=3.0)
    return [{label for row in one.values() for label in row} for one in rows]


def test_ways_and_company_follow_from_boxes() -> None:
    walks, stands = _told([WALKS, STANDS])
    nears = _told([NEARS])[0]
    assert walks == {"moves right"}
    assert stands == {"stands still"}
    assert nears == {"comes nearer"}
    meets = _track(4, TIMES, [(0.75, 0.3, 0.84, 0.7)] * 12)
    assert _told([STANDS, meets])[0] == {"stands still", "is close to another"}
    late = _track(5, TIMES[4:], [(0.0, 0.3, 0.1, 0.7)] * 8)
    assert "comes in" in _told([late])[0]
    assert set().union(walks, stands, nears, *_told([late])) <= set(PLAIN_ACTIONS)


def test_what_the_camera_does_is_no_action() -> None:
    shift = CameraStep(np.array([[1.0, 0, 0.05], [0, 1.0, 0]]))  # all goes right by 0.05 from frame to frame
    assert _told([WALKS], {at: shift for at in TIMES[1:]}) == [{"stands still"}]


def test_seconds_with_the_same_action_are_one_span() -> None:
    scores = {0.0: {"moves left": 0.8, "waves": 0.1}, 1.0: {"moves left": 0.6}, 2.0: {"waves": 0.9}}
    moves, waves = actions_by_second(WALKS, scores, least=0.3)
    assert (moves.start_seconds, moves.end_seconds, moves.label) == (0.0, 2.0, "moves left")
    assert moves.score == pytest.approx(0.7)
    assert (waves.start_seconds, waves.end_seconds) == (2.0, 3.0)


def test_frame_map_takes_each_true_box_once() -> None:
    here, there = (0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)
    truth = [ActionBox("push", here), ActionBox("hug", there)]
    good = [ActionBox("push", here, 0.9), ActionBox("hug", there, 0.8)]
    assert frame_map([(good, truth)]) == {"hug": 1.0, "push": 1.0}
    double = [ActionBox("push", here, 0.9), ActionBox("push", here, 0.95), ActionBox("hug", here, 0.8)]
    assert frame_map([(double, truth), ([], [ActionBox("push", here)])]) == {"hug": 0.0, "push": 0.5}
    wrong_first = [ActionBox("push", there, 0.9), ActionBox("push", here, 0.5)]
    assert frame_map([(wrong_first, truth[:1])]) == {"push": 0.5}
    with pytest.raises(InvalidInput):
        frame_map([(good, [])])


def test_video_map_counts_boxes_and_times_of_whole_tracks() -> None:
    box: Box = (0.0, 0.0, 0.5, 0.5)
    half: Box = (0.0, 0.0, 0.5, 0.25)
    real = ActionTube("hug", {0.0: box, 1.0: box, 2.0: box, 3.0: box})
    assert tube_overlap(real, real) == 1.0
    assert tube_overlap(ActionTube("hug", {0.0: box, 1.0: box}), real) == 0.5
    assert tube_overlap(ActionTube("hug", {0.0: half, 1.0: half, 2.0: half, 3.0: half}), real) == 0.5
    assert tube_overlap(ActionTube("hug", {7.0: box}), real) == 0.0
    assert video_map([([ActionTube("hug", real.boxes, 0.9)], [real])]) == {"hug": 1.0}
    assert video_map([([ActionTube("hug", {0.0: box}, 0.9)], [real])]) == {"hug": 0.0}
    with pytest.raises(InvalidInput):
        video_map([([], [])])


@pytest.fixture(scope="module")
def pipe() -> Pipeline[ActionTracks]:
    return Pipeline("action-detection", device="cpu")


def _clips(count: int = 8) -> Clips:
    times = torch.arange(count, dtype=torch.float64)[None] / 4
    return Clips(torch.zeros(1, count, 3, 48, 48, dtype=torch.uint8), times,
                 torch.ones(1, count, dtype=torch.bool), aspect=1.0)


def test_a_clip_with_nobody_says_so(pipe: Pipeline[ActionTracks]) -> None:
    found = pipe(torch.zeros(4, 3, 48, 48, dtype=torch.uint8), fps=4.0)
    assert found.tracks == found.segments == ()
    assert found.text == "nobody seen"
    assert found.in_domain.outside
    assert "was seen, so there is nobody to tell of" in str(found)


def test_a_crowd_of_500_is_told_and_more_are_left_out_with_a_warning(
        pipe: Pipeline[ActionTracks], monkeypatch: pytest.MonkeyPatch) -> None:
    stage: Any = pipe.stages[2][1]
    places = [(n, (n % 25) / 25, (n // 25) / 25) for n in range(520)]
    crowd = [_track(n, [0.0, 0.5, 1.0], [(x, y, x + 0.03, y + 0.03)] * 3) for n, x, y in places]
    found = stage.acting(crowd, _clips(), [(0.0, 2.0)])
    assert len(found.tracks) == detect_actions.MOST_ACTING == 500
    assert any("520 tracks were found" in text for text in found.warnings)
    assert found.counts["stands still"] == 500
    assert "and 460 more tracks" in found.headline
    assert not stage.acting(crowd[:500], _clips(), [(0.0, 2.0)]).warnings


def test_people_get_boxes_actions_a_picture_and_the_same_in_two_parts(
        pipe: Pipeline[ActionTracks], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(NanoDetDetector, "run", lambda self, pictures: [
        (Detection("person", (0.2, 0.2, 0.4, 0.8), 0.9, 0.9), Detection("chair", (0.6, 0.5, 0.9, 0.9), 0.9, 0.9))
        for _ in pictures])
    frames = torch.zeros(12, 3, 48, 48, dtype=torch.uint8)
    found = pipe(frames, fps=4.0)
    assert [one.track.label for one in found.tracks] == ["person"]  # a chair does not act
    assert {one.label for one in found.tracks[0].actions} == {"stands still"}
    assert found.tracks[0].at(1.5)[0].label == "stands still"
    assert [s.text for s in found.segments] == ["person 1: stands still"]
    assert found.save(tmp_path / "a.png").stat().st_size > 5_000
    row = json.loads(found.save(tmp_path / "a.json").read_text())
    assert row["tracks"][0]["track"]["boxes"][0] == pytest.approx([0.2, 0.2, 0.4, 0.8], abs=0.05)
    assert row["tracks"][0]["actions"][0]["label"] == "stands still"
    head, tail = split_stages(pipe.stages)
    assert [name for name, _ in head] == ["read", "shots", "detect_actions"]
    assert len(tail) == 1


def test_a_model_of_actions_scores_each_second(tmp_path: Path) -> None:
    torch.manual_seed(0)
    maps = FrameMaps("lite0")
    frames = torch.randint(0, 255, (8, 3, 64, 96), dtype=torch.uint8)
    dim = maps.maps(frames[:1]).shape[1]
    assert maps.maps(frames).shape == (8, dim, 2, 3)
    model = ActionModel(labels=["push", "hug"], encoder="lite0", dim=dim)
    model.save_pretrained(tmp_path / "model")
    loaded = ActionModel.from_pretrained(tmp_path / "model")
    dog = _track(9, TIMES[:8], [(0.1, 0.1, 0.5, 0.9)] * 8, "dog")
    person = _track(1, TIMES[:4], [(0.1, 0.1, 0.5, 0.9)] * 4)
    first, second = loaded.score(frames, TIMES[:8], [person, dog], maps)
    assert list(first) == [0.0]
    assert sum(first[0.0].values()) == pytest.approx(1.0, abs=1e-5)
    assert second == {}
    pipe = Pipeline("action-detection", model=tmp_path / "model", device="cpu")
    assert pipe(torch.zeros(4, 3, 48, 48, dtype=torch.uint8), fps=4.0).text == "nobody seen"
    with pytest.raises(InvalidInput):
        ActionModel(labels=[], encoder="lite0", dim=4)


def test_steps_and_boxes_of_a_second() -> None:
    assert steps_of([0.0, 0.5, 1.0, 1.9, 3.2]) == {0.0: [0, 1], 1.0: [2, 3], 3.0: [4]}
    assert mean_box(STANDS, 1.0) == pytest.approx((0.85, 0.3, 0.95, 0.7))
    assert mean_box(STANDS, 9.0) is None


@pytest.mark.parametrize(("options", "kind"), [
    ({"subjects": ["yeti"]}, InvalidInput), ({"min_score": -1}, InvalidInput), ({"weights": "object"}, UnknownName),
    ({"fps": 0.0}, InvalidInput)])
def test_options_of_actions_that_are_wrong_are_refused(options: dict, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Pipeline("action-detection", device="cpu", detect_actions=options)


def test_the_command_actions_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mmvideo import write_video

    write_video(tmp_path / "black.mp4", torch.zeros(4, 3, 48, 48, dtype=torch.uint8), fps=4)
    with pytest.raises(SystemExit) as ended:
        main(["actions", str(tmp_path / "black.mp4"), "--subject", "person", "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)["text"] == "nobody seen"
