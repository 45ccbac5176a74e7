"""Results: frozen, honest about what was looked at, savable, drawable."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import librosa
import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from mmvideo.errors import InvalidInput
from mmvideo.media import write_video
from mmvideo.plots import _lane_lines, contact_sheet
from mmvideo.results import Answer, Caption, Classification, Evidence, Result
from mmvideo.types import Audio, Domain, Label, Segment, Timings


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_clip(tmp_path_factory.mktemp("clip") / "moving.mp4")


def _answer(clip: Path | None = None, **changes: object) -> Answer:
    given = {
        "question": "what happens next?", "text": "the ball leaves on the left", "confidence": 0.8125,
        "seconds_looked_at": (0.0, 0.5, 1.0, 1.5), "in_domain": Domain(True, score=1.5), "duration_seconds": 2.0,
        "segments": (Segment(0.0, 2.0, "the ball leaves on the left", 0.8125),), "model": "toybox-qa",
        "source": str(clip or "<memory>"), "timings": Timings((("read", 0.25), ("answer", 0.5))),
        "evidence": Evidence(source=str(clip)) if clip else None,
    }
    return Answer(**{**given, **changes})


def _titles(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.subfigs[0].texts]


def test_to_dict_is_plain_json_and_holds_everything_but_the_pixels() -> None:
    raw = _answer().to_dict()
    assert json.loads(json.dumps(raw)) == raw
    assert raw["type"] == "Answer"
    assert raw["in_domain"] is True
    assert raw["domain"]["score"] == 1.5
    assert raw["seconds_looked_at"] == [0.0, 0.5, 1.0, 1.5]
    assert raw["timings"] == {"read": 0.25, "answer": 0.5}
    assert raw["segments"][0]["text"] == raw["text"]
    assert set(raw) == {f.name for f in dataclasses.fields(Answer)} - {"evidence"} | {"type", "domain"}


def test_in_domain_reads_as_a_condition_and_the_reason_is_printed() -> None:
    inside, outside = _answer(), _answer(in_domain=Domain(False, "never saw a 'dog'", "use(another_model)"))
    assert inside.in_domain
    assert not outside.in_domain
    assert "outside" not in str(inside)
    assert inside.caveat == ""
    first, second, *rest = str(outside).splitlines()
    assert first == outside.caveat == "outside what toybox-qa knows: never saw a 'dog'"
    assert second == "  a model that may know: use(another_model)"
    assert "\n".join(rest) == outside.body
    assert rest[0] == "the ball leaves on the left"


OUTSIDE = Domain(False, "never saw it", "use(another_model)")
ABOUT: dict[str, object] = {"confidence": 0.8125, "seconds_looked_at": (0.0, 0.5), "model": "it"}
SHOTS = (Segment(0.0, 1.0, "pan left", 0.9), Segment(1.0, 2.0, "static", 0.7))
LABELS = (Label("pan left", 0.8125), Label("static", 0.1))


def every_kind(domain: Domain) -> list[Result]:
    given = {**ABOUT, "in_domain": domain}
    return [Answer(question="what?", text="a ball", **given), Caption(text="a ball rolls", segments=SHOTS, **given),
            Classification(label="pan left", labels=LABELS, **given),
            Classification(label="pan left", labels=LABELS, segments=SHOTS, **given)]


def test_outside_the_domain_the_caveat_comes_first_and_nothing_has_a_percentage() -> None:
    for inside, outside in zip(every_kind(Domain(True)), every_kind(OUTSIDE), strict=True):
        assert "%" in str(inside)
        assert str(outside).startswith("outside what it knows: never saw it\n")
        assert "%" not in str(outside)
        assert outside.to_dict()["confidence"] == 0.8125, "figures stay in the data"


def test_every_result_has_its_answer_as_text() -> None:
    assert [result.text for result in every_kind(Domain(True))] == ["a ball", "a ball rolls", "pan left", "pan left"]
    assert all(result.to_dict()["text"] == result.text for result in every_kind(OUTSIDE))


def test_one_frame_is_one_frame_and_numbers_that_are_none_are_null() -> None:
    result = _answer(seconds_looked_at=(0.5,), confidence=float("nan"), duration_seconds=float("inf"))
    assert "looked at 1 frame, 0.50-0.50 s" in str(result)
    raw = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert (raw["confidence"], raw["duration_seconds"]) == (None, None)


def test_names_and_questions_that_fonts_and_files_do_not_take_are_escaped(tmp_path: Path) -> None:
    clip = tmp_path / os.fsdecode(b"caf\xe9 $\\frac$.mp4")
    try:
        tiny.make_clip(tmp_path / "plain.mp4").rename(clip)
    except OSError:
        pytest.skip("this file system takes no such name")
    result = _answer(clip, question="costs it $\\frac$ \udce9?")
    assert json.loads(result.save(tmp_path / "a.json").read_text())["source"] == str(clip)
    for suffix in ("png", "svg", "pdf"):
        assert result.save(tmp_path / f"a.{suffix}").stat().st_size > 1000
    assert "caf\\udce9 $\\frac$.mp4" in _titles(contact_sheet([result]))[1]


def test_printing_names_answer_confidence_frames_model_time_and_warnings() -> None:
    text = str(_answer(warnings=("3 of 20 frames are damaged",)))
    for words in ("the ball leaves on the left", "81%", "4 frames, 0.00-1.50 s", "toybox-qa", "0.75 s",
                  "warning: 3 of 20 frames are damaged"):
        assert words in text


def test_long_results_print_a_line_a_segment() -> None:
    spans = (Segment(0.0, 2.0, "a ball rolls", 0.9), Segment(2.0, 3.5, "it stops", 0.7))
    caption = Caption(text="a ball rolls it stops", confidence=0.7, seconds_looked_at=(0.0,), in_domain=Domain(True),
                      segments=spans)
    assert caption.headline.splitlines() == ["  0.00-2.00 s  a ball rolls", "  2.00-3.50 s  it stops"]
    motion = Classification(label="static", labels=(Label("static", 0.9),), confidence=0.9, seconds_looked_at=(0.0,),
                            in_domain=Domain(True), segments=spans)
    assert motion.headline.splitlines()[0] == "static (most of the time)"


def test_results_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        _answer().text = "something else"


def test_save_writes_json_or_a_picture_by_suffix(tmp_path: Path, clip: Path) -> None:
    result = _answer(clip)
    written = result.save(tmp_path / "new" / "answer.json")
    assert json.loads(written.read_text()) == result.to_dict()
    picture = np.asarray(Image.open(result.save(tmp_path / "new" / "answer.png")).convert("RGB")).astype(int)
    assert picture.shape[1] > 1000
    assert picture.std() > 5
    with pytest.raises(InvalidInput, match=r"use \.json"):
        result.save(tmp_path / "answer.docx")


def test_the_picture_shows_the_frames_the_timeline_and_the_sound(clip: Path) -> None:
    figure = contact_sheet([_answer(clip), _answer(clip, in_domain=Domain(False, "no"), question="and then?")])
    subfigures = figure.subfigs
    assert len(subfigures[1].axes) == 4, "one picture a frame looked at"
    assert [axes.get_title() for axes in subfigures[1].axes] == ["0.00 s", "0.50 s", "1.00 s", "1.50 s"]
    timeline, sound = subfigures[2].axes
    words = [text.get_text() for text in timeline.texts]
    assert "what happens next?" in words
    assert any(text.startswith("outside what toybox-qa knows") and text.endswith("and then?") for text in words)
    assert _titles(figure)[0] == "outside what toybox-qa knows: no"
    said = [text for text in words if "the ball leaves" in text]
    assert ["81%" in text for text in said] == [True, False], "no percentage outside the domain"
    assert len(timeline.patches) == 2
    assert sound.collections, "the waveform is drawn"
    assert timeline.get_xlim() == sound.get_xlim() == (0.0, 2.0)


def test_a_spectrogram_takes_the_place_of_the_waveform(tmp_path: Path) -> None:
    sound = torch.zeros(1, 16_000)
    sound[0, 8000:] = torch.sin(torch.arange(8000) * 2 * torch.pi * 2000 / 16_000)
    whistle = tmp_path / "whistle.mp4"
    write_video(whistle, torch.zeros(10, 3, 32, 32, dtype=torch.uint8), fps=10, audio=Audio(sound, 16_000))
    result = Classification(label="bird", confidence=0.9, seconds_looked_at=(0.0, 0.5),
                            in_domain=Domain(True), model="sounds", source=str(whistle), duration_seconds=1.0,
                            segments=(Segment(0.5, 1.0, "bird", 0.9),), timings=Timings(()),
                            evidence=Evidence(source=str(whistle)))
    axes = result.plot(kind="spectrogram").subfigs[2].axes[1]
    (mesh,) = axes.collections
    decibels = np.asarray(mesh.get_array()).reshape(64, -1)
    times = np.linspace(0, 1, decibels.shape[1])
    loudest = int(decibels[:, times > 0.6].mean(1).argmax())
    assert 1800 < librosa.mel_frequencies(66, fmax=8000)[loudest + 1] < 2200
    assert decibels[loudest, times > 0.6].min() > decibels[:, times < 0.3].max() + 40, "silence, then the whistle"
    assert axes.get_xlim() == (0.0, 1.0)
    assert axes.get_xlabel() == "seconds"
    assert len(axes.get_xticks()) >= 3
    assert result.plot(tmp_path / "spectrogram.png", kind="spectrogram").stat().st_size > 5000


@pytest.mark.parametrize("kind", ["contact-sheet", "spectrogram"])
def test_what_follows_from_the_sound_alone_is_drawn_without_frames(clip: Path, kind: str) -> None:
    heard = Classification(label="bird", confidence=0.9, seconds_looked_at=(), in_domain=Domain(True), model="sounds",
                           source=str(clip), duration_seconds=2.0, segments=(Segment(0.5, 1.0, "bird", 0.9),),
                           timings=Timings(()), evidence=Evidence(source=str(clip)))
    figure = heard.plot(kind=kind)
    assert len(figure.subfigs) == 2, "no frames"
    timeline, sound = figure.subfigs[1].axes
    assert len(timeline.patches) == 1
    assert sound.collections
    assert timeline.get_xlim() == sound.get_xlim()
    assert sound.get_xlim()[1] == pytest.approx(2.0, abs=0.1)


def test_an_empty_answer_can_be_drawn(clip: Path) -> None:
    figure = contact_sheet([_answer(clip, text="", segments=())])
    assert figure.subfigs[0].texts[0].get_text() == "what happens next?"


def test_a_deaf_clip_says_so_in_the_picture(tmp_path: Path) -> None:
    silent = tiny.make_clip(tmp_path / "silent.mp4", sound=False)
    sound = contact_sheet([_answer(silent)]).subfigs[2].axes[1]
    assert [text.get_text() for text in sound.texts] == ["no sound track"]


def test_a_result_without_a_video_cannot_be_drawn() -> None:
    with pytest.raises(InvalidInput, match="keeps no video"):
        _answer().plot()
    with pytest.raises(InvalidInput, match="no result"):
        contact_sheet([])


def test_words_are_not_broken_in_boxes_that_are_too_narrow() -> None:
    said = (Segment(0.0, 1.0, "most movement", 0.5), Segment(1.0, 17.0, "most movement", 0.5))
    result = cast("Any", SimpleNamespace(segments=said, in_domain=SimpleNamespace(outside=False)))
    lines = _lane_lines(result, cast("Any", SimpleNamespace(start=0.0, end=17.0)))
    assert lines == [[""], ["most movement  50%"]]
