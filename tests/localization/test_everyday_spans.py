"""Facts as spans of time, and what the stage `locate` gives and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmvideo import Localization, Pipeline, write_video
from mmvideo.cli import main
from mmvideo.errors import InvalidInput, UnknownName, UnsupportedModel
from mmvideo.everyday.facts import Facts, RepeatedMovement, ShotFacts
from mmvideo.jobs.partition import split_stages
from mmvideo.localization.everyday_spans import KINDS, everyday_spans
from mmvideo.localization.result import as_segments
from mmvideo.localization.spans import LocatedSpan
from mmvideo.media import open_source
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.subtitles import RENDER
from mmvideo.types import NOT_JUDGED, Segment


def _track(number: int, label: str, times: list[float], lefts: list[float], sure: float = 0.9) -> ObjectTrack:
    return ObjectTrack(number, label, tuple(times), tuple((x, 0.2, x + 0.2, 0.8) for x in lefts), (sure,) * len(times))


FACTS = Facts(
    0.0, 20.0, (ShotFacts(0.0, 10.0, words={"beach": 0.8, "dog": 0.2}), ShotFacts(10.0, 20.0, words={"beach": 0.6})),
    tracks=(_track(1, "person", [2.0, 3.0, 4.0, 5.0], [0.0, 0.2, 0.4, 0.4]),
            _track(2, "person", [5.5, 8.0], [0.3, 0.3]), _track(3, "dog", [19.9, 19.95], [0.5, 0.5]),
            _track(4, "cat", [1.0], [0.5], sure=0.1),
            _track(5, "bird", [6.0], [0.4])),
    camera=(Segment(0.0, 10.0, "static", 0.9), Segment(10.0, 21.0, "pan left", 0.7)),
    sounds=(Segment(-0.3, 1.0, "dog bark", 0.9), Segment(1.2, 2.0, "dog bark", 0.6)),
    speech=(Segment(12.0, 30.0, "speech", 0.95),), has_audio=True,
    repeated=(RepeatedMovement(3.0, 9.0, 4, 0.8),), stirs=((6.0, 7.0, 1.0),),
    seconds_looked_at=tuple(k / 2 for k in range(40)))


def _found(label: str) -> list[tuple[float, float]]:
    return [(one.start_seconds, one.end_seconds) for one in everyday_spans(FACTS, (10.0,)) if one.label == label]


def test_every_kind_of_fact_becomes_a_span_within_the_film() -> None:
    spans = everyday_spans(FACTS, (10.0,))
    assert {one.kind for one in spans} == set(KINDS)
    assert all(0 <= one.start_seconds < one.end_seconds <= 20 and 0 <= one.score <= 1 for one in spans)
    assert [one.start_seconds for one in spans] == sorted(one.start_seconds for one in spans)
    assert _found("person") == [(2.0, 8.0)]  # two tracks half a second apart
    assert _found("dog bark") == [(0.0, 2.0)]
    assert _found("speech") == [(12.0, 20.0)]
    assert _found("shot 2") == [(10.0, 20.0)]
    assert _found("beach") == [(0.0, 20.0)]
    assert _found("camera: pan left") == [(10.0, 20.0)]
    assert _found("person moves right") == [(2.0, 4.0)]
    assert _found("person enters") == [(1.5, 2.5)]
    assert _found("repeated movement, 4 times") == [(3.0, 9.0)]
    assert _found("bird") == [(6.0, 6.5)]  # seen once: until the next look
    assert _found("cat") == _found("dog leaves") == []


def test_one_shot_is_no_segment_and_nothing_moves_before_a_moving_camera() -> None:
    panned = replace(FACTS, camera=(Segment(0.0, 20.0, "pan left", 0.9),))
    labels = {one.label for one in everyday_spans(panned)}
    assert "shot 1" not in labels
    assert not any("moves" in label for label in labels)


def _result(*spans: LocatedSpan) -> Localization:
    return Localization(located=spans, segments=as_segments(spans), confidence=0.5, seconds_looked_at=(0.0, 1.0),
                        in_domain=NOT_JUDGED, duration_seconds=20.0)


def test_segments_are_saved_as_subtitles_chapters_and_json(tmp_path: Path) -> None:
    found = _result(LocatedSpan(0.5, 2.0, "dog bark", 0.9, "sound"), LocatedSpan(3.0, 65.0, "person", 0.8, "object"))
    assert found.save(tmp_path / "a.srt").read_text() == (
        "1\n00:00:00,500 --> 00:00:02,000\n\u2060dog bark\n\n2\n00:00:03,000 --> 00:01:05,000\nperson\n")
    assert found.save(tmp_path / "a.vtt").read_text().startswith(
        "WEBVTT\n\nNOTE written by mmvideo\n\n00:00:00.500 --> ")
    assert found.save(tmp_path / "a.txt").read_text() == "00:00:00.000 dog bark\n00:00:03.000 person\n"
    row = json.loads(found.save(tmp_path / "a.json").read_text())
    assert row["located"][0] == {"start_seconds": 0.5, "end_seconds": 2.0, "label": "dog bark", "score": 0.9,
                                 "kind": "sound"}
    assert row["counts"] == {"dog bark": 1, "person": 1}
    assert found.text == "dog bark (1), person (1)"
    with pytest.raises(InvalidInput, match=r"\.srt"):
        found.save(tmp_path / "a.doc")


def test_nothing_found_is_said_and_gives_empty_subtitles(tmp_path: Path) -> None:
    found = _result()
    assert found.text == found.headline == "nothing found"
    assert found.save(tmp_path / "a.srt").read_text() == ""
    assert RENDER["srt"]({"spans": [], "located": [], "text": "nothing found"}) == ""


@pytest.fixture(scope="module")
def pipe() -> Pipeline[Localization]:
    return Pipeline("temporal-localization", device="cpu")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A second of a square that goes to the right."""
    frames = torch.full((8, 3, 64, 64), 90, dtype=torch.uint8)
    for number, frame in enumerate(frames):
        frame[0, 20:40, 4 * number:4 * number + 20] = 230
    write_video(tmp_path / "square.mp4", frames, fps=8)
    return tmp_path / "square.mp4"


def test_a_clip_gives_segments_a_picture_and_the_same_in_two_parts(pipe: Pipeline[Localization], clip: Path) -> None:
    found = pipe(clip)
    assert found.located
    assert [(s.start_seconds, s.text) for s in found.segments] == [(s.start_seconds, s.label) for s in found.located]
    assert all(0 <= one.start_seconds < one.end_seconds <= found.duration_seconds + 1e-6 for one in found.located)
    assert "camera" in {one.kind for one in found.located}
    assert found.save(clip.with_suffix(".png")).stat().st_size > 10_000
    head, tail = split_stages(pipe.stages)
    assert [name for name, _ in head] == ["read", "locate"]
    stage = head[1][1]
    stage.load(torch.device("cpu"))
    with open_source(clip) as media:
        taken = stage(media=media)
    assert [one["localization"].located for one in tail[0][1].batch([taken], size=2)] == [found.located]


@pytest.mark.parametrize(("options", "kind"), [
    ({"labels": []}, InvalidInput), ({"labels": ["  "]}, InvalidInput), ({"kinds": []}, InvalidInput),
    ({"kinds": ["sonud"]}, UnknownName), ({"min_score": 2.0}, InvalidInput), ({"weights": "sounds"}, UnsupportedModel),
    ({"start_seconds": 3.0, "end_seconds": 2.0}, InvalidInput)])
def test_what_cannot_be_located_is_refused_before_any_work(options: dict, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Pipeline("temporal-localization", device="cpu", locate=options)


def test_the_command_filters_and_writes_subtitles(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = clip.with_suffix(".srt")
    with pytest.raises(SystemExit) as ended:
        main(["locate", str(clip), "--kind", "camera", "--label", "camera", "--json", "--save", str(target)])
    assert not ended.value.code
    row = json.loads(capsys.readouterr().out)
    assert {one["kind"] for one in row["located"]} == {"camera"}
    assert "camera: " in target.read_text()
