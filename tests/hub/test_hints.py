"""What stages measured, with times, before the question to a chat model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmvideo import Pipeline, Segment
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.media import write_video
from mmvideo.stages import measured
from mmvideo.stages.measured import Measurer
from mmvideo.types import Audio
from mmvideo.vlm.chat import ChatModel


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with subtitles beside them."""
    path = tmp_path_factory.mktemp("hints") / "clip.mp4"
    torch.manual_seed(0)
    write_video(path, torch.randint(0, 255, (16, 3, 64, 64), dtype=torch.uint8), fps=8,
                audio=Audio(torch.zeros(1, 32_000), 16_000))
    path.with_suffix(".srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nGood morning\n")
    return path


def test_what_is_said_and_measured_stands_before_the_question(clip: Path, checkpoint: Callable[[str], Path],
                                                              monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ids = ChatModel.ids
    monkeypatch.setattr(ChatModel, "ids", lambda self, text, *rest: asked.append(text) or ids(self, text, *rest))
    pipe = Pipeline("video-qa", model=checkpoint("smolvlm"), speech="auto", hints=["camera"], max_new_tokens=2,
                    num_frames=2)
    answer = pipe(clip, "who speaks?")
    assert answer.question == "who speaks?"
    told = asked[-1]
    assert told.startswith("What was measured in this video:\nFrom 0.0 to 2.0 s the camera ")
    assert told.endswith(".\nFrom 0.5 to 1.5 s is said: \"Good morning\"\n\nwho speaks?")
    with pipe.open(clip) as session:
        assert session.ask("and then?", choices=("yes", "no")).text in ("yes", "no")
        assert "".join(session.ask("more?", stream=True)) is not None
    assert asked[-1].endswith("\n\nmore?")
    caption = Pipeline("video-captioning", model=checkpoint("smolvlm"), speech="auto", max_new_tokens=2, num_frames=2)
    caption(clip)
    assert asked[-1].startswith("What was measured in this video:\nFrom 0.5 to 1.5 s is said: ")


def test_hints_are_checked_before_any_work(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'camera'"):
        Pipeline("video-qa", model=checkpoint("smolvlm"), hints=["camra"])
    with pytest.raises(InvalidInput, match="speech must be one of"):
        Pipeline("video-qa", model=checkpoint("smolvlm"), speech="yes")
    with pytest.raises(InvalidInput, match="speech_model="):
        Pipeline("video-qa", model=checkpoint("smolvlm"), speech_model="x/y")
    with pytest.raises(InvalidInput, match="takes no hints"):
        Pipeline("video-qa", model="toybox-qa", hints=["camera"])


def test_all_kinds_are_told_and_what_is_absent_is_left_out(clip: Path, tmp_path: Path) -> None:
    from mmvideo.media import open_source

    mute = tmp_path / "mute.mp4"
    write_video(mute, torch.zeros(8, 3, 64, 64, dtype=torch.uint8), fps=8)
    with open_source(mute) as media:
        assert Measurer(["sounds", "speech", "faces", "objects"], None, None).words(media) == ""
    with open_source(clip) as media:
        assert "Good morning" in Measurer(["speech"], None, None).words(media)
        assert Measurer([], "auto", None).kinds == ["speech"]
    for words, told in (("static", "the camera stands still."), ("pan left", "the camera pans left."),
                        ("roll right", "the camera rolls right.")):
        assert measured._sentence("camera", Segment(1.0, 62.54, words)) == f"From 1.0 to 62.5 s {told}"
    spans = [Segment(0, 1, "pan left"), Segment(1, 2, "pan left"), Segment(2.5, 3, "pan left"), Segment(3, 4, "static")]
    assert [(one.start_seconds, one.end_seconds) for one in measured._joined(spans)] == [(0, 2), (2.5, 3), (3, 4)]
    assert measured._sentence("faces", Segment(0.98, 1.02, "face 1")) == "At 1.0 s is seen: face 1."
    assert measured._sentence("speech", Segment(0, 1, measured._SPEAKS)) == "From 0.0 to 1.0 s somebody speaks."
    assert measured._sentence("objects", Segment(0, 1, "red cup, moves left")).endswith("is seen: red cup, moves left.")
    many = [Segment(n, n + 1 + n / 100, f"s{n}") for n in range(200)]
    kept = measured._most(many)
    assert len(kept) == measured.MOST_LINES
    assert kept[0].text == "s140"
