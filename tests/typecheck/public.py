"""What a type checker must make of the public interface; checked by mypy in ratchet.py (make types), never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import mmvideo
from mmvideo import (
    ActingTrack,
    ActionTracks,
    Answer,
    Audio,
    Caption,
    Classification,
    Clips,
    Domain,
    Evidence,
    JobPlan,
    JobSummary,
    Localization,
    LocatedSpan,
    MediaInfo,
    MmvideoError,
    ObjectTrack,
    Pipeline,
    Recipe,
    Segment,
    SeparatedVoices,
    Session,
    Stream,
    Tracks,
    Usage,
    Video,
    Voice,
)
from mmvideo.media import Source, open_source
from mmvideo.notebook import Results
from mmvideo.sampling import segments, uniform, windows


def results_follow_from_the_recipe() -> None:
    assert_type(Pipeline(), Pipeline[Answer])
    assert_type(Pipeline("video-qa", "owner/name", "cpu", num_frames=8), Pipeline[Answer])
    assert_type(Pipeline("video-captioning"), Pipeline[Caption])
    assert_type(Pipeline("video-classification", model="x"), Pipeline[Classification])
    assert_type(Pipeline("source-separation"), Pipeline[SeparatedVoices])
    assert_type(Pipeline("object-tracking"), Pipeline[Tracks])
    assert_type(Pipeline("temporal-localization"), Pipeline[Localization])
    assert_type(Pipeline("action-detection"), Pipeline[ActionTracks])
    assert_type(Pipeline("my.yaml"), Pipeline[Any])
    assert_type(Pipeline(Path("my.yaml")), Pipeline[Any])


def recipes_of_ones_own(recipe: Recipe, name: str) -> None:
    assert_type(Pipeline(recipe)("a.mp4"), Any)
    assert_type(Pipeline(name)("a.mp4"), Any)


def questions() -> None:
    pipe = Pipeline("video-qa")
    assert_type(pipe("a.mp4", "what happens?"), Answer)
    assert_type(pipe("a.mp4", ["what happens?", "who?"], max_new_tokens=8), Results[Answer])
    assert_type(pipe("a.mp4", ("what happens?", "who?")), Results[Answer])
    assert_type(pipe("a.mp4", "what happens?", stream=False, temperature=0.5), Answer)
    stream = pipe("a.mp4", "what happens?", stream=True)
    assert_type(stream, Stream[Answer])
    for piece in stream:
        assert_type(piece, str)
    assert_type(stream.result, Answer | Any)


def other_results() -> None:
    assert_type(Pipeline("video-captioning")("a.mp4", timeout_seconds=30), Caption)
    found = Pipeline("video-classification")("a.mp4")
    assert_type(found.label, str)
    assert_type(found.segments, tuple[Segment, ...])
    assert_type(Pipeline("object-tracking")("a.mp4").tracks, tuple[ObjectTrack, ...])
    assert_type(Pipeline("temporal-localization")("a.mp4").located, tuple[LocatedSpan, ...])
    assert_type(Pipeline("action-detection")("a.mp4").tracks, tuple[ActingTrack, ...])
    voices = Pipeline("source-separation")("a.mp4")
    assert_type(voices.tracks, tuple[Voice, ...])
    assert_type(voices.tracks[0].audio, Audio)


def what_every_result_has(answer: Answer) -> None:
    assert_type(answer.text, str)
    assert_type(answer.in_domain, Domain)
    assert_type(answer.usage, Usage)
    assert_type(answer.evidence, Evidence | None)
    assert_type(answer.to_dict(), dict[str, Any])
    base: mmvideo.Result = answer
    assert_type(base.text, str)
    general: Pipeline[mmvideo.Result] = Pipeline("video-qa")
    assert_type(general("a.mp4"), mmvideo.Result)


def sessions() -> None:
    with Pipeline("video-qa").open("a.mp4") as session:
        assert_type(session, Session[Answer])
        assert_type(session.ask("what happens?"), Answer)
        assert_type(session.ask(["what happens?"], history=True), Results[Answer])
        assert_type(session.ask("what happens?", stream=True), Stream[Answer])


def many_videos() -> None:
    pipe = Pipeline("video-captioning")
    rows = pipe.map(["a.mp4", "b.mp4"])
    assert_type(rows, Results[Caption | MmvideoError])
    assert_type(rows.to_pandas(), Any)
    qa = Pipeline("video-qa")
    assert_type(qa.map(["a.mp4"], ["what?", "who?"]), Results[Results[Answer] | MmvideoError])
    assert_type(qa.map(["a.mp4", "b.mp4"], ["what?", "who?"], per_video=True), Results[Answer | MmvideoError])
    for row in rows:
        if not isinstance(row, MmvideoError):
            assert_type(row, Caption)
    assert_type(pipe.map("clips/", out="job", parquet=True), JobSummary)
    assert_type(pipe.map("clips/", out="job", dry_run=True), JobPlan)


def media() -> None:
    assert_type(mmvideo.probe("a.mp4"), MediaInfo)
    assert_type(mmvideo.read_video("a.mp4"), Video)
    assert_type(mmvideo.read_audio("a.mp4"), Audio)
    with open_source("a.mp4") as source:
        assert_type(source, Source)
        assert_type(uniform(source, num_frames=8), Clips)
        assert_type(segments(source), Clips)
        assert_type(windows(source), Clips)


def mistakes() -> None:
    print(Pipeline("video-captioning")("a.mp4").question)  # type: ignore[attr-defined]
    print(Pipeline("video-qa")("a.mp4", "who?").label)  # type: ignore[attr-defined]
    Pipeline(3)  # type: ignore[call-overload]
    print(mmvideo.Pipelin)  # type: ignore[attr-defined]
