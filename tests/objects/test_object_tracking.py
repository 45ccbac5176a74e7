"""The pipeline `object-tracking`: results, pictures, JSON, jobs, and clips with nothing to find."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvideo import Pipeline, read_video, write_video
from mmvideo.errors import InvalidInput, NoVideoTrack, UnknownName
from mmvideo.objects.result import Tracks, track_words
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.results import Result
from mmvideo.stages.track_objects import SLOWEST
from mmvideo.types import NOT_JUDGED


@pytest.fixture(scope="module")
def pipe() -> Pipeline[Tracks]:
    return Pipeline("object-tracking", device="cpu")


@pytest.mark.shared
def test_two_men_of_an_interview_are_followed(pipe: Pipeline[Tracks], shared: Path, tmp_path: Path) -> None:
    video = read_video(shared / "media/faces/interview.mp4", end_seconds=3.0)
    found = pipe(video)
    assert isinstance(found, Result)
    assert found.at_once["person"] == found.counts["person"] == 2
    assert found.text.startswith("2 people")
    people = [track for track in found.tracks if track.label == "person"]
    assert all(track.confidence > 0.5 and track.start_seconds < 1.1 and track.end_seconds > 1.9 for track in people)
    assert 6 <= len(found.seconds_looked_at) <= 7
    assert [track.number for track in found.tracks] == list(range(1, len(found.tracks) + 1))
    assert len(found.segments) == len(found.tracks)
    assert found.evidence is not None
    assert {box.label for box in found.evidence.boxes} == {track.name for track in found.tracks}
    assert "person 1" in str(found) or "person 2" in str(found)
    given = json.loads(found.save(tmp_path / "found.json").read_text())
    assert given["counts"] == found.counts
    assert given["tracks"][0]["boxes"][0] == pytest.approx(found.tracks[0].boxes[0], abs=1e-5)
    assert found.save(tmp_path / "found.png").stat().st_size > 10_000


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (64, 48)])
@pytest.mark.parametrize("count", [1, 20])
def test_black_clips_have_no_object_and_say_so(pipe: Pipeline[Tracks], size: tuple[int, int], count: int) -> None:
    found = pipe(torch.zeros(count, 3, *size, dtype=torch.uint8), fps=10.0)
    assert found.tracks == found.segments == ()
    assert found.text == "no object"
    assert found.in_domain.outside
    assert "none of the 80 known kinds of objects stands out" in str(found)
    assert found.counts == found.at_once == {}


def test_a_clip_looked_at_too_seldom_says_so(pipe: Pipeline[Tracks]) -> None:
    few = Pipeline("object-tracking", device="cpu", max_frames=4)
    frames = torch.zeros(20, 3, 32, 32, dtype=torch.uint8)
    found = few(frames, fps=20 / 60)
    assert len(found.seconds_looked_at) == 4
    assert SLOWEST > 4 / 60
    assert any("looked at, so what moves in between" in text for text in found.warnings)
    assert not pipe(frames, fps=10.0).warnings


def test_sound_alone_is_refused(pipe: Pipeline[Tracks], tmp_path: Path) -> None:
    from mmvideo import write_audio
    from mmvideo.types import Audio

    write_audio(tmp_path / "a.wav", Audio(torch.zeros(1, 16_000), 16_000))
    with pytest.raises(NoVideoTrack):
        pipe(tmp_path / "a.wav")


@pytest.mark.parametrize(("options", "kind"), [({"detector": "yolo"}, UnknownName), ({"fps": 0.0}, InvalidInput),
                                               ({"detector_options": {"size": 100}}, InvalidInput),
                                               ({"weights": "object"}, UnknownName)])
def test_options_that_are_wrong_are_refused(options: dict, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Pipeline("object-tracking", device="cpu", track_objects=options)


def test_words_of_a_track() -> None:
    track = ObjectTrack(3, "person", (0.0, 1.0), ((0.1, 0.1, 0.2, 0.5), (0.4, 0.1, 0.5, 0.5)), (0.9, 0.8), ("red",),
                        (0.3, 0.0))
    assert track_words(track) == "person 3 in red, moves right"
    car = ObjectTrack(1, "car", (0.0,), ((0.1, 0.1, 0.2, 0.5),), (0.9,), ("blue",))
    assert track_words(car) == "blue car 1"
    found = Tracks(tracks=(car, track), confidence=0.9, seconds_looked_at=(0.0, 1.0), in_domain=NOT_JUDGED)
    assert found.text == "1 car, 1 person"
    assert found.counts == {"car": 1, "person": 1}


@pytest.mark.shared
def test_a_job_gives_what_single_calls_give(pipe: Pipeline[Tracks], shared: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, start in (("one", 0.0), ("two", 1.0)):
        write_video(clips / f"{name}.mp4", read_video(shared / "media/actions/flipping_a_pancake.mkv",
                                                      start_seconds=start, end_seconds=start + 1.5))
    pipe.map(clips, out=tmp_path / "job", workers=1)
    rows = [json.loads(line) for line in (tmp_path / "job" / "results.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    for row in rows:
        alone = pipe(clips / Path(row["id"]).name) if "id" in row else pipe(Path(row["source"]))
        assert row["text"] == alone.text
        assert row["counts"] == alone.counts
        assert len(row["tracks"]) == len(alone.tracks)
        for one, other in zip(row["tracks"], alone.tracks, strict=True):
            assert one["boxes"][0] == pytest.approx(other.boxes[0], abs=1e-3)
