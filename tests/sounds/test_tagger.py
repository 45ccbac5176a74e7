"""The audio tagger: what it says of sounds, speech, noise and silence, in pieces, alone and beside others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

from mmvideo import Pipeline, weights
from mmvideo.errors import InvalidInput, NoAudioTrack, WeightsError
from mmvideo.media import read_audio, write_video
from mmvideo.sounds.labels import ESC10, EVENTS, URBAN
from mmvideo.sounds.tagger import Listener, Tagger, events, events_of
from mmvideo.types import Audio

RATE = 16_000


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return Tagger()


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline("audio-tagging", device="cpu")


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def test_it_is_small_and_its_labels_join_both_corpora(tagger: Tagger) -> None:
    assert tagger.labels == EVENTS
    assert len(EVENTS) == len(set(ESC10.values()) | set(URBAN)) == 19
    home = weights.weights_root() / "sounds"
    assert sum(p.stat().st_size for p in home.rglob("*.safetensors")) <= 2.5e6


@pytest.mark.parametrize("count", [0, 1, 399, 400, 8000, 40960, 40961, 41120, 51360, 160_000, 208_077, 400_003])
def test_pieces_make_no_difference(tagger: Tagger, count: int) -> None:
    sound = noise(26)[:count]
    whole = tagger.hear([Audio(sound[None], RATE)])[0]
    listener = Listener(tagger)
    for piece in sound.split(3333) if count else ():
        listener.hear(piece)
    found = listener.finish()
    torch.testing.assert_close(found.shares, whole.shares, atol=1e-5, rtol=0)
    assert found.duration_seconds == count / RATE
    assert abs(len(whole.shares) - max(1, count / 10240)) <= 1


def test_neighbours_make_no_difference(tagger: Tagger) -> None:
    sounds = [Audio(noise(seconds, seed=i)[None], RATE) for i, seconds in enumerate((3, 0.4, 7.7, 12))]
    for one, together in zip(sounds, tagger.hear(sounds), strict=True):
        assert torch.equal(tagger.hear([one])[0].shares, together.shares)
    assert events_of([], RATE) == []


@pytest.mark.parametrize("sound", [torch.zeros(2, 48_000), torch.zeros(1, 0), torch.full((1, 9000), float("nan")),
                                   noise(3)[None] * 0.01, noise(10)[None], noise(0.3)[None]],
                         ids=["silence", "empty", "not a number", "quiet noise", "noise", "short noise"])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_nothing_is_heard_in_silence_and_noise(sound: torch.Tensor, rate: int) -> None:
    assert events(sound, rate, 5.0) == ()


def test_what_is_no_sound_is_refused() -> None:
    with pytest.raises(InvalidInput, match="float32"):
        events(torch.zeros(100, dtype=torch.int16), RATE)
    with pytest.raises(InvalidInput, match="one a sound"):
        events_of([torch.zeros(100)] * 2, RATE, [0.0])


def test_a_folder_that_is_no_tagger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="kind: sounds"):
        Tagger("camera-motion")
    shutil.copytree(weights.weights_root() / "sounds", tmp_path / "sounds")
    (tmp_path / "sounds" / weights.SUMS).unlink()
    config = tmp_path / "sounds" / "config.json"
    given = json.loads(config.read_text())
    config.write_text(json.dumps({**given, "thresholds": {"dog bark": 0.5}}))
    with pytest.raises(WeightsError, match="thresholds"):
        Tagger(tmp_path / "sounds")


def test_a_clip_without_sound_a_silent_one_and_a_part(pipe: Pipeline, tmp_path: Path) -> None:
    frames = torch.zeros(30, 3, 64, 64, dtype=torch.uint8)
    write_video(tmp_path / "mute.mp4", frames, fps=10)
    write_video(tmp_path / "still.mp4", frames, fps=10, audio=Audio(torch.zeros(1, 3 * RATE), RATE))
    with pytest.raises(NoAudioTrack, match="nothing to hear"):
        pipe(tmp_path / "mute.mp4")
    found = pipe(tmp_path / "still.mp4")
    assert (found.label, found.segments, found.seconds_looked_at) == ("silence", (), ())
    assert {label.name for label in found.labels} == {*EVENTS, "speech"}
    both = pipe.map([tmp_path / "mute.mp4", tmp_path / "still.mp4"])
    assert isinstance(both[0], NoAudioTrack)
    assert both[1].label == "silence"
    assert pipe(Audio(noise(2)[None], RATE)).label == "no known sound", "sound alone, in memory"


def test_a_job_over_sounds(pipe: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    frames = torch.zeros(20, 3, 64, 64, dtype=torch.uint8)
    for number in range(2):
        sound = Audio(noise(2, seed=number)[None], RATE) if number else None
        write_video(tmp_path / "clips" / f"{number}.mp4", frames, fps=10, audio=sound)
    done = pipe.map(tmp_path / "clips", out=tmp_path / "out", workers=1)
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert done.failed == 1
    assert [row["text"] for row in rows if row.get("text")] == ["no known sound"]


@pytest.mark.shared
def test_recordings_of_a_fold_that_it_did_not_learn_from(tagger: Tagger, shared: Path) -> None:
    right = asked = 0
    with ZipFile(shared / "data/sounds/urban.zip") as urban:
        names = sorted(n for n in urban.namelist() if "fold10/" in n and n.endswith(".opus"))[::12]
        for name, heard in zip(names, tagger.hear([read_audio(urban.read(n)) for n in names]), strict=True):
            event = URBAN[int(name.split("-")[1])]
            known = [EVENTS.index(e) for e in URBAN]
            right += EVENTS[known[int(heard.shares[:, known].mean(0).argmax())]] == event
            asked += 1
    assert asked >= 65
    assert right / asked >= 0.55, f"{right} of {asked}"


@pytest.mark.shared
def test_two_sounds_and_a_pause_have_their_times(shared: Path) -> None:
    with ZipFile(shared / "data/sounds/esc10.zip") as archive:
        rain, rooster = (read_audio(archive.read(name), sample_rate=RATE, mono=True).samples[0] for name in (
            "rain/1-17367-A.opus", "rooster/1-26806-A.opus"))
    sound = torch.cat((torch.zeros(4 * RATE), rain[:4 * RATE], torch.zeros(4 * RATE), rooster[:2 * RATE]))
    found = events(sound, RATE, 10.0)
    first = [s for s in found if s.text == "rain"]
    assert first, found
    assert 13 <= first[0].start_seconds <= 15.3
    assert 16.5 <= first[-1].end_seconds <= 19.3
    assert [s.text for s in found if s.start_seconds > 20] == ["rooster"]


@pytest.mark.shared
def test_people_who_speak_are_not_taken_for_events(pipe: Pipeline, shared: Path) -> None:
    for name in ("faces/interview.mp4", "faces/noisy_restaurant.mp4", "edge/nasa_13013.mp4"):
        found = pipe(shared / "media" / name)
        assert found.label == "speech"
        assert {s.text for s in found.segments} == {"speech"}, name
