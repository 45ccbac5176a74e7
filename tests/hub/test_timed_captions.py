"""Captions with times from any model: spans, merging, chapters, citations, sidecars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
import torch

from mmvideo import Pipeline, Segment
from mmvideo.errors import InvalidInput
from mmvideo.media import open_source, write_video
from mmvideo.media.subtitle_tracks import read_subtitles
from mmvideo.sampling.shots import find_boundaries
from mmvideo.stages.citations import citations, doubts
from mmvideo.stages.spans import caption_spans
from mmvideo.stages.timed_captions import chapters_of, inside, likeness, merged_captions, short_title, summed_up
from mmvideo.subtitles import chapters_text, srt_text

FPS = 8


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots of 4 s: a cut after the first, a dissolve of a second after the second."""
    torch.manual_seed(3)
    pictures = torch.nn.functional.interpolate(torch.rand(3, 3, 4, 5), size=(64, 80), mode="nearest")
    shares = torch.zeros(12 * FPS, 3)
    shares[:4 * FPS, 0] = 1
    shares[4 * FPS:, 1] = 1
    start = 8 * FPS - FPS // 2
    rise = torch.linspace(0, 1, FPS)
    shares[start:start + FPS, 1], shares[start:start + FPS, 2] = 1 - rise, rise
    shares[start + FPS:, 1], shares[start + FPS:, 2] = 0, 1
    frames = torch.einsum("tk,kchw->tchw", shares, pictures).mul(255).to(torch.uint8)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_video(path, frames, fps=FPS)
    return path


def test_cuts_and_dissolves_divide_a_film(film: Path) -> None:
    with open_source(film) as source:
        found = find_boundaries(source)
        assert found[0] == pytest.approx(4.0, abs=0.13)
        assert found[1] == pytest.approx(8.0, abs=0.4)
        assert len(found) == 2
        spans = caption_spans(source, None, None, rule="auto", seconds=3.0)
        assert [s.start_seconds for s in spans[1:]] == [s.end_seconds for s in spans[:-1]]
        assert (spans[0].start_seconds, spans[-1].end_seconds) == (source.start_seconds, source.end_seconds)
        assert len(spans) == 6  # each shot in two parts
        assert len(caption_spans(source, 1.0, 11.0, rule="windows", seconds=2.0)) == 5
        assert len(caption_spans(source, None, None, rule="none", seconds=2.0)) == 1
        assert len(caption_spans(source, None, None, rule="windows", seconds=0.2)) <= 12  # none below 1.5 s for long


def test_a_pan_is_no_dissolve() -> None:
    from mmvideo.sampling.shots import dissolves, shot_features

    torch.manual_seed(0)
    wide = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 60), size=(48, 640), mode="bilinear")[0]
    frames = torch.stack([wide[:, :, 6 * n:6 * n + 64] for n in range(60)]).mul(255).to(torch.uint8)
    assert dissolves(shot_features(frames), [n / 6 for n in range(60)]) == []


@pytest.mark.parametrize("family", ["smolvlm", "qwen2_5_vl"])
def test_a_chat_model_captions_every_span(family: str, film: Path, checkpoint: Callable[[str], Path], tmp_path: Path
                                          ) -> None:
    pipe = Pipeline("video-captioning", model=checkpoint(family), max_new_tokens=4)
    found = pipe(film)
    assert found.segments
    assert found.segments[0].start_seconds == 0
    assert found.segments[-1].end_seconds == pytest.approx(12.0, abs=0.05)
    assert found.chapters[0].start_seconds == 0
    assert found.title or not found.text.strip()
    assert max(found.seconds_looked_at) < 12.0
    alone = Pipeline("video-captioning", model=checkpoint(family), max_new_tokens=4, encode_video={
        "segments": "none", "start_seconds": 0.0, "end_seconds": 4.0, "max_frames": 64})(film)
    assert alone.segments[0].text == alone.text
    for suffix in (".srt", ".vtt"):
        assert len(read_subtitles(found.save(tmp_path / f"film{suffix}"))) == len(found.segments)


def test_options_of_spans_are_checked(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(InvalidInput, match="segments must be one of"):
        Pipeline("video-captioning", model=checkpoint("smolvlm"), segments="scenes")
    with pytest.raises(InvalidInput, match="segment_seconds"):
        Pipeline("video-captioning", model=checkpoint("smolvlm"), segment_seconds=0)


def _told(*parts: tuple[float, float, str]) -> list[Segment]:
    return [Segment(start, end, text) for start, end, text in parts]


def test_neighbours_that_say_the_same_are_one() -> None:
    found = merged_captions(_told((0, 2, "A man rides a bike."), (2, 9, "a man rides the bike"),
                                  (9, 12, "A dog sleeps."), (14, 15, "A dog sleeps.")))
    assert [(s.start_seconds, s.end_seconds, s.text) for s in found] == [
        (0, 9, "a man rides the bike"), (9, 12, "A dog sleeps."), (14, 15, "A dog sleeps.")]
    assert likeness("A red ball", "red balls roll") == pytest.approx(0.25)
    assert inside(found, 1, 10)[-1] == Segment(9, 10, "A dog sleeps.")
    assert len(inside(found, 1, 10)) == 2


def test_chapters_title_and_summary_by_rule_and_by_a_model() -> None:
    told = _told(*((n * 10, n * 10 + 10, f"a chef cuts {what} in a kitchen") for n, what in enumerate(
        ("onions", "carrots", "meat"))), (30, 60, "people eat at a long table, while music plays"))
    chapters = chapters_of(told)
    assert [(c.start_seconds, c.end_seconds) for c in chapters] == [(0, 30), (30, 60)]
    assert chapters_text(chapters).startswith("00:00:00.000 a chef cuts ")
    whole = summed_up(told)
    assert len(whole.title.split()) <= 8
    assert "onions" in whole.summary
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return '"A Dinner: from kitchen to table"\nmore' if "title" in question else "A chef cooks, people eat."

    by_model = summed_up(told, ask)
    assert (by_model.title, by_model.summary) == ("A Dinner", "A chef cooks, people eat.")
    assert "00:00:30 people eat" in asked[0]
    assert short_title("") == ""
    assert summed_up([]).chapters == ()
    many = chapters_of(_told(*((n, n + 1.0, f"thing{n}") for n in range(60))))
    assert len(many) <= 12


def test_times_in_words_are_checked_against_the_frames() -> None:
    shown = [n + 0.5 for n in range(20)]
    found = citations("At 00:05 a ball falls; from 12.5 seconds on it rolls. It ends at 1:02:03, after 40 s. 3 balls, "
                      "16:9, for 5 seconds.", shown)
    assert [(c.words, c.seconds, c.holds) for c in found] == [
        ("00:05", 5.0, True), ("from 12.5 seconds", 12.5, True), ("1:02:03", 3723.0, False),
        ("after 40 s", 40.0, False)]
    assert doubts(found)[0] == ("the model says '1:02:03', which is after the last frame that was shown; the nearest "
                                "is at 19.50 s")
    assert citations("at 3 s", [])[0].reason == "no frame was shown"


def test_players_read_the_subtitles(tmp_path: Path) -> None:
    text = srt_text(_told((0, 1.5, "one <b> & two"), (1.5, 3, "line " * 30)))
    (tmp_path / "a.srt").write_text(text)
    with av.open(str(tmp_path / "a.srt")) as given:
        packets = [p for p in given.demux() if p.size]
        assert [float(p.pts * p.time_base) for p in packets] == [0.0, 1.5]
