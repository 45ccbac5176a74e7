"""Who speaks when: scores, spans, RTTM, and subtitles with names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput
from mmvideo.media import read_audio, read_video
from mmvideo.separation.voices import SeparatedVoices, SpeakerTurn
from mmvideo.separation.voices.speakers import (
    name_speakers,
    rttm,
    speaker_subtitles,
    speaker_turns,
    speaking_scores,
    within_spans,
)
from mmvideo.types import Segment
from mmvideo.weights import weights_root

CLIP = weights_root() / "demo" / "voices.mp4"
TURNS = (SpeakerTurn(0.0, 2.0, 1, 0.9), SpeakerTurn(2.0, 4.0, 2, 0.8), SpeakerTurn(5.0, 6.0, None, 0.7))


def test_the_loudest_voice_with_a_moving_mouth_speaks() -> None:
    loud, quiet = np.log(1e-2), np.log(1e-6)
    voices = np.full((2, 200), quiet)
    voices[0, :80] = loud
    voices[1, 100:150] = loud
    rest = np.full(200, quiet)
    rest[160:] = loud
    moved = np.full((2, 200), 4.0)
    moved[1, 100:150] = 0.2  # its mouth is shut while its voice is heard
    scores = speaking_scores(voices, rest, moved)
    assert scores.shape == (3, 200)
    assert [t.number for who in (0, 1) for t in speaker_turns(scores[who], who + 1, 10.0)] == [1]
    turn, = speaker_turns(scores[0], 1, 10.0)
    assert (turn.start_seconds, turn.end_seconds) == pytest.approx((10.0, 13.2), abs=0.13)
    unseen, = speaker_turns(scores[2], None, 10.0)
    assert unseen.name == "off screen"
    assert unseen.start_seconds == pytest.approx(16.4, abs=0.2)
    moved[1] = np.nan  # cannot be told: counts for nothing
    assert len(speaker_turns(speaking_scores(voices, rest, moved)[1], 2, 0.0)) == 1


def test_short_pauses_are_bridged_and_short_spans_left_out() -> None:
    score = np.zeros(100)
    score[10:30] = score[35:50] = score[80:83] = 0.9
    assert [(t.start_seconds, t.end_seconds) for t in speaker_turns(score, 1, 0.0)] == [(0.4, 2.0)]
    assert speaker_turns(np.full(100, 0.45), 1, 0.0) == []


def test_what_is_not_speech_is_nobody() -> None:
    inside = within_spans(TURNS, [Segment(1.0, 1.5, "speech"), Segment(5.9, 9, "speech")])
    assert [(t.start_seconds, t.end_seconds, t.number) for t in inside] == [(1.0, 1.5, 1)]


def test_rttm() -> None:
    lines = rttm(reversed(TURNS), "my clip").splitlines()
    assert lines[0] == "SPEAKER my_clip 1 0.000 2.000 <NA> <NA> person-1 0.900 <NA>"
    assert lines[2].split()[7] == "off-screen"
    assert all(len(line.split()) == 10 for line in lines)


def test_subtitles_bear_names() -> None:
    said = [(0.2, 1.8, "Good morning."), Segment(1.2, 3.4, "Hello & <hi>."), (4.1, 4.6, "Nobody."), (5, 6, "Psst.")]
    assert [s.text for s in name_speakers(said, TURNS)] == [
        "person 1: Good morning.", "person 2 and person 1: Hello & <hi>.", "Nobody.", "off screen: Psst."]
    assert "00:00:00,200 --> 00:00:01,800\n\u2060person 1: Good morning." in speaker_subtitles(said, TURNS)
    assert "Hello &amp; &lt;hi&gt;." in speaker_subtitles(said, TURNS, "vtt")
    assert speaker_subtitles([], TURNS) == ""
    with pytest.raises(InvalidInput, match="'srt' or 'vtt'"):
        speaker_subtitles(said, TURNS, "ass")
    with pytest.raises(InvalidInput, match="segment of a transcript"):
        speaker_subtitles([(2, 1, "backwards")], TURNS)
    with pytest.raises(InvalidInput, match="segment of a transcript"):
        speaker_subtitles(["words alone"], TURNS)


@pytest.fixture(scope="module")
def result() -> SeparatedVoices:
    """The first 5 s of the bundled clip: the left one begins at 0.3 s, the right one at 2.6 s."""
    return Pipeline("source-separation", device="cpu")(
        read_video(CLIP, end_seconds=5.0).frames, fps=25, audio=read_audio(CLIP, end_seconds=5.0))


def test_who_speaks_when_in_a_clip(result: SeparatedVoices, tmp_path: Path) -> None:
    left = next(t for t in result.turns if t.number == 1)
    right = next(t for t in result.turns if t.number == 2)
    assert left.start_seconds == pytest.approx(0.35, abs=0.3)
    assert right.start_seconds == pytest.approx(2.7, abs=0.35)
    assert all(v.activity.min() >= 0 and v.activity.max() <= 1 and len(v.activity) == 125 for v in result.tracks)
    assert "speaks for" in str(result)
    assert result.subtitles([(0.5, 2.0, "First.")]).splitlines()[2] == "\u2060person 1: First."
    folder = result.save(tmp_path / "out", videos=False)
    told = json.loads((folder / "voices.json").read_text())
    assert told["speech"][0]["who"] == "person 1"
    lines = (folder / told["who_speaks_when"]).read_text().splitlines()
    assert len(lines) == len(result.turns) == len(told["speech"])
