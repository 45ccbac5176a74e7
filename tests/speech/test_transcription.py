"""Transcription: text as transformers' pipeline writes it, times of words, pieces, subtitles that are there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
import torch

from mmvideo import Pipeline, Segment, Transcript, read_audio
from mmvideo.cli import main
from mmvideo.errors import InvalidInput, NoAudioTrack, UnknownName, UnsupportedModel, WeightsError
from mmvideo.media import write_audio, write_video
from mmvideo.media.subtitle_tracks import read_subtitles
from mmvideo.separation.voices.speakers import SpeakerTurn
from mmvideo.speech import transcript as transcripts
from mmvideo.speech.alignment import timed_words, token_starts
from mmvideo.speech.pieces import cut_pieces, plan_pieces
from mmvideo.speech.result import Word
from mmvideo.speech.transcript import cues, within_speech
from mmvideo.stages.transcribe import NameSpeakers
from mmvideo.types import NOT_JUDGED, Audio
from tests.speech import tiny_speech

RATE = 16_000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    home, made = tmp_path_factory.mktemp("speech"), {}

    def get(name: str) -> Path:
        if name not in made:
            torch.manual_seed(1)
            made[name] = tiny_speech.MAKE[name](home / name)
        return made[name]

    return get


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three seconds of sound that count as speech, as no synthetic sound is for the network that finds it."""
    write_audio(tmp_path / "talk.wav", Audio(torch.randn(1, 3 * RATE) * 0.1, RATE))

    def spans(sounds: Any) -> Any:
        begin, end = 0.0, sum(sound.duration_seconds for sound in sounds)
        return (Segment(0.4, end - 0.2, "speech"),), (begin, end)

    monkeypatch.setattr(transcripts, "heard_spans", spans)
    return tmp_path / "talk.wav"


@pytest.mark.parametrize("name", ["whisper", "moonshine", "wav2vec"])
def test_text_is_that_of_the_pipeline_of_transformers(name: str, models: Callable[[str], Path], talk: Path) -> None:
    from transformers import pipeline

    home = models(name)
    result = Pipeline("transcription", model=home, transcribe={"num_beams": 1})(talk)
    samples = read_audio(talk, sample_rate=RATE, mono=True).samples[0]
    theirs = pipeline("automatic-speech-recognition", str(home), dtype=torch.float32)
    options = {} if name == "wav2vec" else {"generate_kwargs": {
        "num_beams": 1, "max_new_tokens": {"moonshine": 56, "whisper": 40}[name]}}
    wanted = theirs(samples.numpy(), **options)["text"]
    for mark in ("<s>", "</s>", "<unk>"):  # which theirs leaves in the text of CTC
        wanted = wanted.replace(mark, "")
    assert wanted.strip()
    assert "".join(result.text.split()) == "".join(wanted.split())
    assert result.words
    assert all(0 <= w.start_seconds <= w.end_seconds <= 3 for w in result.words)
    assert [w.start_seconds for w in result.words] == sorted(w.start_seconds for w in result.words)
    assert result.language in (tiny_speech.LANGUAGES if name == "whisper" else (None,))
    assert 0 <= result.confidence <= 1


def test_language_and_task_are_checked_before_any_work(models: Callable[[str], Path], talk: Path) -> None:
    forced = Pipeline("transcription", model=models("whisper"), language="de", num_beams=1, word_times=False)(talk)
    assert forced.language == "de"
    assert not forced.words
    with pytest.raises(UnknownName, match="de, en, fr"):
        Pipeline("transcription", model=models("whisper"), language="xx")
    with pytest.raises(InvalidInput, match="one language only"):
        Pipeline("transcription", model=models("wav2vec"), language="en")
    with pytest.raises(InvalidInput, match="num_beams"):
        Pipeline("transcription", num_beams=0)


def test_without_a_model_the_error_says_how_to_get_one(talk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsError, match=r"hf download openai/whisper-base"):
        Pipeline("transcription")(talk)
    with pytest.raises(SystemExit) as stopped:
        main(["transcribe", str(talk)])
    assert stopped.value.code == 5
    assert "--model openai/whisper-base" in capsys.readouterr().err


def test_other_kinds_of_models_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "videomae"}')
    with pytest.raises(UnsupportedModel, match="speech model, such as"):
        Pipeline("transcription", model=tmp_path)


def test_silence_needs_no_model_and_a_clip_without_sound_is_refused(tmp_path: Path) -> None:
    write_audio(tmp_path / "still.wav", Audio(torch.zeros(1, RATE), RATE))
    quiet = Pipeline("transcription")(tmp_path / "still.wav")
    assert (quiet.text, quiet.segments, quiet.headline) == ("", (), "nobody speaks")
    write_video(tmp_path / "mute.mp4", torch.zeros(5, 3, 32, 32, dtype=torch.uint8), fps=5)
    with pytest.raises(NoAudioTrack, match="no subtitles"):
        Pipeline("transcription")(tmp_path / "mute.mp4")


SRT = ("1\n00:00:00,500 --> 00:00:01,500\n<i>Good morning</i>\nto all &amp; sundry\n\n"
       "2\n00:00:02,000 --> 00:00:02,900\nBye\n")


def test_subtitles_beside_a_clip_are_read_instead_but_never_ours(tmp_path: Path) -> None:
    clip = tmp_path / "film.wav"
    write_audio(clip, Audio(torch.zeros(1, 4 * RATE), RATE))
    pipe = Pipeline("transcription")
    (tmp_path / "film.de.srt").write_text(SRT.replace("Good morning", "Guten Morgen"))
    (tmp_path / "film.en.vtt").write_text("WEBVTT\n\nNOTE by hand\n\n00:00.500 --> 00:01.500\nHello\n")
    (tmp_path / "other.srt").write_text(SRT)
    assert Pipeline("transcription", language="en")(clip).text == "Hello"
    german = pipe(clip)
    assert german.segments == (Segment(0.5, 1.5, "Guten Morgen to all & sundry"), Segment(2.0, 2.9, "Bye"))
    assert (german.language, german.origin, german.model) == ("de", "film.de.srt", "subtitles")
    for name in ("film.de.srt", "film.en.vtt"):  # written again by us, they are no subtitles of the film
        german.save(tmp_path / name)
        assert read_subtitles(tmp_path / name) == german.segments  # FFmpeg reads what we write
    assert pipe(clip).origin == "speech"
    with pytest.raises(InvalidInput, match="neither a subtitle track"):
        Pipeline("transcription", origin="subtitles")(clip)


@pytest.mark.parametrize(("container", "codec"), [("mkv", "srt"), ("mp4", "mov_text"), ("mkv", "ass")])
def test_subtitle_tracks_are_read(container: str, codec: str, tmp_path: Path) -> None:
    (tmp_path / "words.srt").write_text(SRT)
    clip = tmp_path / f"film.{container}"
    _with_track(tmp_path / "words.srt", clip, codec)
    found = Pipeline("transcription")(clip)
    assert found.origin == "subtitle track 0"
    assert [s.text for s in found.segments] == ["Good morning to all & sundry", "Bye"]
    assert [s.start_seconds for s in found.segments] == pytest.approx([0.5, 2.0], abs=0.05)


def _with_track(words: Path, out: Path, codec: str) -> None:
    import shutil
    import subprocess

    if codec == "srt" or not shutil.which("ffmpeg"):
        with av.open(str(words)) as given, av.open(str(out), "w") as made:
            if codec != "srt":
                pytest.skip("needs the program ffmpeg")
            _muxed(given, made)
        return
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-i", str(words),
                    "-t", "4", "-c:s", codec, str(out)], check=True)


def _muxed(given: Any, made: Any) -> None:
    sound = made.add_stream("aac", rate=RATE)
    track = made.add_stream_from_template(given.streams.subtitles[0])
    frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
    frame.sample_rate = RATE
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    made.mux(sound.encode(frame))
    made.mux(sound.encode(None))
    for packet in given.demux(given.streams.subtitles[0]):
        if packet.dts is not None:
            packet.stream = track
            made.mux(packet)


def _speech(*spans: tuple[float, float]) -> list[Segment]:
    return [Segment(start, end, "speech") for start, end in spans]


def test_pieces_hold_all_speech_and_are_cut_in_pauses() -> None:
    speech = _speech((1, 12), (13, 20), (20.5, 29), (35, 41), (60, 130))
    spans = plan_pieces(speech, 0, 140)
    assert spans[0] == pytest.approx((0.8, 29.2))
    assert spans[1] == pytest.approx((34.8, 41.2))
    assert len(spans) == 5  # 70 s without a pause are three equal parts
    assert all(end - start <= 30 for start, end in spans)
    assert all(before[1] <= after[0] + 1e-9 for before, after in pairwise(spans))
    assert all(any(a - 1e-6 <= s.start_seconds < b + 1e-6 for a, b in spans) for s in speech)
    assert plan_pieces(_speech((3, 4)), 0, 29) == [(0, 29)]  # a model hears a short sound whole
    assert plan_pieces([], 0, 100) == []


def test_pieces_are_the_samples_of_their_times() -> None:
    sound = torch.arange(10 * RATE, dtype=torch.float32)

    def stream() -> Iterator[Audio]:
        for at in range(0, len(sound), 7777):
            yield Audio(sound[None, at:at + 7777], RATE, start_seconds=5.0 + at / RATE)

    spans = [(5.5, 6.25), (6.25, 6.5), (11.0, 14.999), (15.5, 16.0)]
    pieces = list(cut_pieces(stream(), spans, _speech((5, 6), (12, 13))))
    assert [p.start_seconds for p in pieces] == [5.5, 6.25, 11.0]
    assert [p.seconds for p in pieces] == pytest.approx([0.75, 0.25, 3.999], abs=1e-3)
    assert [int(p.samples[0]) for p in pieces] == [8000, 20_000, 96_000]
    assert [len(p.speech) for p in pieces] == [1, 0, 1]


def test_attention_on_a_diagonal_gives_its_times() -> None:
    attention = torch.full((2, 4, 40), 0.01)
    for token, frame in enumerate((2, 10, 20, 34)):
        attention[:, token, frame - 2:frame + 4] = 0.5
    starts = token_starts(attention, 0.02)
    assert starts[0] == 0
    assert starts == sorted(starts)
    assert [abs(start / 0.02 - frame) <= 4 for start, frame in zip(starts[1:], (10, 20, 34), strict=True)] == [True] * 3


def test_words_are_joined_from_tokens() -> None:
    tokens = {0: " And", 1: " so", 2: ",", 3: " Ameri", 4: "cans", 5: "."}
    words = timed_words(range(6), [0.0, 1, 2, 3, 4, 5, 6], [0.5] * 6, lambda ids: "".join(tokens[i] for i in ids))
    assert [(w.text, w.start, w.end) for w in words] == [("And", 0, 1), ("so,", 1, 3), ("Americans.", 3, 6)]
    chinese = timed_words(range(3), [0.0, 1, 2, 3], [1.0] * 3, lambda ids: "你好。"[:len(ids)], "zh")
    assert [w.text for w in chinese] == ["你", "好。"]


def test_cues_fit_two_lines_and_end_with_sentences_and_pauses() -> None:
    text = "Yes. " + "word " * 12 + "comma, " + "more " * 12 + "end"
    words = [Word(n * 0.3, n * 0.3 + 0.25, one, 0.5) for n, one in enumerate(text.split())]
    words.append(Word(20.0, 20.5, "Later"))
    found = cues(words)
    assert [found[0].text, found[-1].text] == ["Yes.", "Later"]
    assert found[1].text.endswith("comma,")
    assert all(len(c.text) <= 84 and c.end_seconds - c.start_seconds <= 7 for c in found)
    assert " ".join(c.text for c in found).split() == [w.text for w in words]
    kept = within_speech([Word(0.0, 2.0, "late"), Word(8.0, 9.0, "outside")], _speech((1.5, 4)))
    assert [(w.start_seconds, w.end_seconds) for w in kept] == [(1.5, 2.0), (8.0, 9.0)]


def test_a_sentence_has_the_names_of_those_whose_turn_it_is() -> None:
    said = Transcript(segments=(Segment(0, 2, "Hello.", 0.9), Segment(3, 5, "Hi!"), Segment(8, 9, "Hm.")),
                      confidence=1.0, seconds_looked_at=(), in_domain=NOT_JUDGED, warnings=("noisy",))
    turns = (SpeakerTurn(0, 2.2, 1, 0.9), SpeakerTurn(2.8, 5, 2, 0.8))
    voices: Any = SimpleNamespace(by="faces", turns=turns, warnings=("person 2 is small",))
    named = NameSpeakers()(transcript=said, voices=voices)["named_transcript"]
    assert [s.text for s in named.segments] == ["person 1: Hello.", "person 2: Hi!", "Hm."]
    assert (named.segments[0].confidence, named.warnings) == (0.9, ("noisy", "person 2 is small"))
    voices = SimpleNamespace(by="nothing", turns=(), warnings=())
    assert NameSpeakers()(transcript=said, voices=voices)["named_transcript"] is said


def test_a_job_writes_rows_and_subtitles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    (tmp_path / "clips").mkdir()
    for name in ("a", "b"):
        frames = torch.full((10, 3, 32, 32), ord(name), dtype=torch.uint8)
        write_video(tmp_path / "clips" / f"{name}.mp4", frames, fps=5,
                    audio=Audio(torch.zeros(1, 2 * RATE), RATE))
    (tmp_path / "clips" / "a.srt").write_text(SRT)
    with pytest.raises(SystemExit, match="0"):
        main(["transcribe", str(tmp_path / "clips"), "--out", str(tmp_path / "job"), "--sidecar", "vtt"])
    rows = {row["id"]: row for row in map(json.loads, (tmp_path / "job" / "results.jsonl").read_text().splitlines())}
    assert (rows["a.mp4"]["text"], rows["a.mp4"]["origin"]) == ("Good morning to all & sundry Bye", "a.srt")
    assert (rows["b.mp4"]["text"], rows["b.mp4"]["words"], rows["b.mp4"]["origin"]) == ("", [], "speech")
    assert (tmp_path / "job" / "sidecars" / "b.vtt").read_text() == "WEBVTT\n\nNOTE written by mmvideo\n"
    assert len(read_subtitles(tmp_path / "job" / "sidecars" / "a.vtt")) == 2


@pytest.mark.shared
def test_real_speech_is_heard_where_it_is(shared: Path, models: Callable[[str], Path]) -> None:
    result = Pipeline("transcription", model=models("wav2vec"))(shared / "media" / "audio" / "jfk.flac")
    assert all(w.start_seconds >= 0.2 and w.end_seconds <= 11.0 for w in result.words)
