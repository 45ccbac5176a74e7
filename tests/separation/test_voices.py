"""`source-separation` from file to folder, and what it does with every kind of input that is not as hoped for."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from mmvideo import Pipeline
from mmvideo.cli import main
from mmvideo.errors import InvalidInput, NoAudioTrack, VideoDecodeError
from mmvideo.media import probe, read_audio, read_video, write_audio, write_video
from mmvideo.separation.talkers import film
from mmvideo.separation.voices import SeparatedVoices
from mmvideo.separation.voices.lipsync import Follows, loudness
from mmvideo.types import Audio
from mmvideo.weights import weights_root

CLIP = weights_root() / "demo" / "voices.mp4"
RATE = 16000


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return Pipeline("source-separation", device="cpu")


@pytest.fixture(scope="module")
def heard(pipe: Pipeline) -> SeparatedVoices:
    return pipe(CLIP)


@pytest.fixture(scope="module")
def short() -> torch.Tensor:
    """The first 3 s of the bundled clip, uint8 (75, 3, 360, 640)."""
    return read_video(CLIP, end_seconds=3.0).frames


def sound(seconds: float = 3.0, rate: int = RATE, channels: int = 1) -> Audio:
    samples = read_audio(CLIP, sample_rate=rate, mono=True, end_seconds=seconds).samples
    return Audio(samples.repeat(channels, 1), rate)


def whole(result: SeparatedVoices) -> torch.Tensor:
    """Everything that came out, added up."""
    return sum((v.audio.samples for v in result.tracks), result.off_screen.whole().samples)


def test_two_talkers_are_two_tracks_that_add_up_to_the_sound(heard: SeparatedVoices) -> None:
    assert heard.by == "faces"
    assert [v.number for v in heard.tracks] == [1, 2]
    left, right = (v.box_at(5.0) for v in heard.tracks)
    assert left[2] < 320 < right[0]
    assert all(v.spans[0][1] - v.spans[-1][0] > 9 for v in heard.tracks)
    assert all(v.thumbnail.shape == (224, 224, 3) for v in heard.tracks)
    mixture = heard.mixture.whole()
    original = read_audio(CLIP, sample_rate=RATE, mono=True, end_seconds=10.0).samples
    torch.testing.assert_close(mixture.samples, original, atol=1e-6, rtol=0)
    torch.testing.assert_close(whole(heard), mixture.samples, atol=1e-5, rtol=0)
    assert heard.in_domain


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_outlives_the_result_and_can_be_saved(heard: SeparatedVoices, tmp_path: Path, again: Callable) -> None:
    made = again(heard)
    assert str(made) == str(heard)
    assert made.to_dict() == heard.to_dict()
    assert torch.equal(whole(made), whole(heard))
    assert len(list(made.save(tmp_path / "voices", videos=False).glob("*.wav"))) >= 3
    if again is not copy.copy:
        made.tracks[0].sound.spool.close()
        assert heard.tracks[0].audio.samples.abs().max() > 0, "a copy has files of its own"


def test_the_right_talker_is_heard(heard: SeparatedVoices) -> None:
    """The left one begins at 0.3 s, the right one at 2.6 s: before, whatever is heard is the left one's."""
    first, second = (v.audio.samples[0, RATE // 2:2 * RATE].square().mean() for v in heard.tracks)
    assert 10 * torch.log10(first / second) > 6
    assert min(v.confidence for v in heard.tracks) > 0.3
    assert "heard the whole clip, 10.00 s" in str(heard)


def test_each_voice_follows_its_mouth_better_than_the_mixture_did(heard: SeparatedVoices) -> None:
    for voice in heard.tracks:
        assert voice.confidence > voice.confidence_of_mixture + 0.1 > 0.2
        assert f"(the mixture {voice.confidence_of_mixture:.0%})" in str(heard)
    told = heard.to_dict()["tracks"]
    assert [t["confidence_of_mixture"] for t in told] == [round(v.confidence_of_mixture, 4) for v in heard.tracks]


def test_what_a_mouth_is_compared_with() -> None:
    """A voice that moves with the mouth, in a mixture that also moves otherwise; moments left out count for nothing."""
    rng = np.random.default_rng(0)
    mouth, other = (np.convolve(rng.random(400), np.ones(8) / 8, "same") for _ in range(2))
    follows = Follows()
    follows.add(mouth[:200], 5 * mouth[:200], 5 * mouth[:200] + 8 * other[:200])
    follows.skip(50)
    follows.add(mouth[200:], 5 * mouth[200:], 5 * mouth[200:] + 8 * other[200:])
    assert follows.voice > 0.95 > 0.75 > follows.mixture > 0.2
    assert Follows().voice == Follows().mixture == 0
    np.testing.assert_allclose(loudness(np.full(1500, 0.1, np.float32), 2), np.log(0.01), atol=1e-4)


def test_a_folder_is_written_that_says_what_it_holds(heard: SeparatedVoices, tmp_path: Path) -> None:
    folder = heard.save(tmp_path / "out")
    manifest = json.loads((folder / "voices.json").read_text())
    assert manifest["by"] == "faces"
    assert len(manifest["tracks"]) == 2
    for track, voice in zip(manifest["tracks"], heard.tracks, strict=True):
        said = read_audio(folder / track["sound"])
        assert (said.sample_rate, said.samples.shape) == (RATE, voice.audio.samples.shape)
        torch.testing.assert_close(said.samples, voice.audio.samples.clamp(-1, 1), atol=1e-6, rtol=0)
        info = probe(folder / track["video"])
        assert (info.main_video.width, info.main_video.height) == (640, 360)
        assert info.duration_seconds == pytest.approx(10.0, abs=0.15)
        film_sound = read_audio(folder / track["video"], sample_rate=RATE, mono=True).samples[0]
        count = min(len(film_sound), said.samples.shape[1])
        together = np.corrcoef(film_sound[:count].numpy(), said.samples[0, :count].numpy())[0, 1]
        assert together > 0.95
        assert (folder / track["thumbnail"]).is_file()
    rest = read_audio(folder / manifest["off_screen"]).samples
    torch.testing.assert_close(rest, heard.off_screen.whole().samples, atol=1e-6, rtol=0)
    assert (folder / manifest["picture"]).stat().st_size > 10_000
    assert (read_video(folder / "person-1.mp4").frames == read_video(CLIP).frames).all()


def test_one_file_alone_and_a_file_in_the_way(heard: SeparatedVoices, tmp_path: Path) -> None:
    assert json.loads(heard.save(tmp_path / "a.json").read_text())["type"] == "SeparatedVoices"
    (tmp_path / "taken").write_text("")
    with pytest.raises(InvalidInput, match="is a file"):
        heard.save(tmp_path / "taken")


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["separate", str(CLIP), "--out", str(tmp_path / "v"), "--no-videos", "--json",
              "--face", "80,110,250,280"])
    assert stop.value.code == 0
    line = json.loads(capsys.readouterr().out)
    assert len(line["tracks"]) == 1
    assert sorted(p.name for p in (tmp_path / "v").iterdir()) == [
        "mixture.wav", "off-screen.wav", "person-1.png", "person-1.wav", "voices.json", "voices.png",
        "who-speaks-when.rttm"]
    with pytest.raises(SystemExit) as stop:
        main(["separate", str(CLIP), "--out", str(tmp_path / "v"), "--face", "80,110"])
    assert stop.value.code == 2


def test_no_sound_track(pipe: Pipeline, short: torch.Tensor) -> None:
    with pytest.raises(NoAudioTrack, match="no voices to separate"):
        pipe(short, fps=25)


@pytest.mark.parametrize(("channels", "rate"), [(1, 8000), (2, 44100), (6, 96000)])
def test_any_channels_and_rates(pipe: Pipeline, tmp_path: Path, channels: int, rate: int) -> None:
    """Real files: the bundled pictures with mono, stereo and 5.1 sound of 8 to 96 kHz."""
    path, said = tmp_path / "clip.mkv", sound(10.0, rate, channels)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    with av.open(str(CLIP)) as given, av.open(str(path), "w") as out:
        video = out.add_stream_from_template(given.streams.video[0])
        voice = out.add_stream("pcm_s16le", rate=rate, layout=layout)
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None and packet.pts * packet.time_base < 3:
                packet.stream = video
                out.mux(packet)
        pcm = (said.samples[:, :3 * rate].clamp(-1, 1) * 32767).short().t().contiguous().numpy().reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        out.mux(voice.encode(frame))
        out.mux(voice.encode(None))
    result = pipe(path)
    assert len(result.tracks) == 2
    assert result.mixture.num_samples == pytest.approx(3 * RATE, abs=RATE * 0.05)
    mono = read_audio(CLIP, sample_rate=RATE, mono=True, end_seconds=2.9).samples[0]
    ours = result.mixture.read(0, len(mono))
    assert np.corrcoef(mono.numpy(), ours.numpy())[0, 1] > 0.97


def test_nobody_is_seen(pipe: Pipeline) -> None:
    wall = torch.full((75, 3, 96, 128), 90, dtype=torch.uint8)
    result = pipe(wall, fps=25, audio=sound())
    assert (result.by, len(result.tracks)) == ("sound", 2)
    assert not result.in_domain
    assert any("by sound alone" in w for w in result.warnings)
    assert not result.tracks[0].has_face
    torch.testing.assert_close(whole(result), result.mixture.whole().samples, atol=1e-5, rtol=0)


def test_nobody_is_seen_and_the_sound_may_stay() -> None:
    pipe = Pipeline("source-separation", device="cpu", separate={"without_faces": "mixture"})
    wall = torch.full((75, 3, 96, 128), 90, dtype=torch.uint8)
    result = pipe(wall, fps=25, audio=sound())
    assert (result.by, result.tracks) == ("nothing", ())
    assert torch.equal(result.off_screen.whole().samples, result.mixture.whole().samples)
    assert torch.equal(result.mixture.whole().samples, sound().samples[:, :3 * RATE])


def test_sound_without_a_picture(pipe: Pipeline, tmp_path: Path) -> None:
    write_audio(tmp_path / "talk.wav", sound())
    result = pipe(tmp_path / "talk.wav")
    assert result.by == "sound"
    saved = json.loads((result.save(tmp_path / "out") / "voices.json").read_text())
    assert any("no moving picture" in w or "no video" in w for w in saved["warnings"])


def test_one_face(pipe: Pipeline, short: torch.Tensor) -> None:
    result = pipe(short[..., :320].contiguous(), fps=25, audio=sound())
    assert len(result.tracks) == 1


def test_a_face_that_leaves(pipe: Pipeline) -> None:
    frames = read_video(CLIP, end_seconds=6.0).frames.clone()
    for number in range(65, 150):  # the right one fades away; all at once would be a cut
        share = min(1.0, (number - 64) / 20)
        frames[number, :, :, 320:] = torch.lerp(frames[number, :, :, 320:].float(), torch.tensor(120.0), share).byte()
    result = pipe(frames, fps=25, audio=sound(6.0))
    stays, leaves = sorted(result.tracks, key=lambda v: v.spans[-1][1])[::-1]
    assert stays.spans[-1][1] > 5.8
    assert 2.4 < leaves.spans[-1][1] < 3.6
    assert leaves.audio.samples[0, int(5.2 * RATE):].abs().max() == 0


def test_a_picture_that_stands_still(pipe: Pipeline, short: torch.Tensor) -> None:
    """A frozen picture tells nothing: the sound is not forced through it, and the result says so."""
    still = short[40:41].expand(75, -1, -1, -1).contiguous()
    result = pipe(still, fps=25, audio=sound())
    assert result.by == "sound"
    assert not result.in_domain
    assert any("stands still" in w for w in result.warnings)
    kept = Pipeline("source-separation", device="cpu", separate={"without_faces": "mixture"})(
        still, fps=25, audio=sound())
    assert torch.equal(kept.off_screen.whole().samples, kept.mixture.whole().samples)


@pytest.mark.parametrize("how", ["frozen", "blank"])
def test_one_face_that_cannot_be_read(heard: SeparatedVoices, how: str) -> None:
    """The other face keeps its voice; this one is given all that is left, and its note says so."""
    frames = read_video(CLIP, end_seconds=6.0).frames.clone()
    x0, y0, x1, y1 = (round(v) for v in heard.tracks[1].box_at(1.0))
    if how == "frozen":
        frames[:, :, :, 320:] = frames[40:41, :, :, 320:].clone()
    else:
        frames[:, :, (y0 + y1) // 2 + 10:y1, x0:x1] = 128
    boxes = [float(v) for track in heard.tracks for v in track.box_at(1.0)]
    marked = Pipeline("source-separation", device="cpu", faces={"boxes": boxes})
    result = marked(frames, fps=25, audio=sound(6.0))
    sees, blind = result.tracks
    assert not sees.note
    assert blind.note.startswith("for 6.0 s the picture of this mouth stands still or is blank")
    assert blind.note in str(result)
    assert any(blind.note in w for w in result.warnings)
    assert blind.confidence == 0 < sees.confidence
    assert result.off_screen.whole().samples.abs().max() < 1e-5
    torch.testing.assert_close(whole(result), result.mixture.whole().samples, atol=1e-5, rtol=0)


def test_a_film_of_few_pictures_a_second_can_be_read(pipe: Pipeline, short: torch.Tensor) -> None:
    slow = short[torch.arange(75) // 3 * 3]  # eight pictures a second, written as 25
    assert not any(v.note for v in pipe(slow, fps=25, audio=sound()).tracks)


def test_eight_faces(pipe: Pipeline) -> None:
    said = sound(3.0).samples[0]
    frames = np.stack(list(film([said] * 4, [5, 4, 9, 13], width=1000, side=90)))
    frames = np.concatenate([frames, frames[:, :, ::-1]], 1)
    result = pipe(torch.from_numpy(frames.copy()).permute(0, 3, 1, 2), fps=25, audio=sound())
    assert len(result.tracks) == 8
    torch.testing.assert_close(whole(result), result.mixture.whole().samples, atol=1e-5, rtol=0)


def test_a_silent_clip(pipe: Pipeline, short: torch.Tensor) -> None:
    result = pipe(short, fps=25, audio=Audio(torch.zeros(1, 3 * RATE), RATE))
    assert all(v.confidence == 0 and not v.audio.samples.any() for v in result.tracks)
    assert "the sound is silent from beginning to end" in result.warnings
    assert not result.in_domain


def test_a_corrupt_file(pipe: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(CLIP.read_bytes()[:300] + b"\0" * 2000)
    with pytest.raises(VideoDecodeError):
        pipe(tmp_path / "cut.mp4")


def test_a_file_that_was_cut_off_gives_what_is_there(pipe: Pipeline, tmp_path: Path) -> None:
    data = CLIP.read_bytes()
    (tmp_path / "half.mp4").write_bytes(data[:len(data) // 2])
    result = pipe(tmp_path / "half.mp4")
    assert len(result.tracks) == 2
    assert all(3 < voice.spans[-1][1] < 6 for voice in result.tracks)
    assert any("the file is cut" in w for w in result.warnings)
    torch.testing.assert_close(whole(result), result.mixture.whole().samples, atol=1e-5, rtol=0)


def test_the_command_says_what_is_wrong_with_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, one line, no traceback, and nothing is written."""
    write_video(tmp_path / "mute.mp4", torch.full((10, 3, 64, 64), 90, dtype=torch.uint8), fps=25)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    for name, words in {"mute.mp4": "no sound track", "noise.mp4": "noise.mp4", "absent.mp4": "absent.mp4"}.items():
        with pytest.raises(SystemExit) as stop:
            main(["separate", str(tmp_path / name), "--out", str(tmp_path / "out")])
        assert stop.value.code == 3, name
        told = capsys.readouterr().err
        assert words in " ".join(told.split()), told
        assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_a_face_too_small_to_read(pipe: Pipeline, short: torch.Tensor) -> None:
    small = torch.nn.functional.interpolate(short.float(), size=(90, 160), mode="area").byte()
    result = pipe(small, fps=25, audio=sound())
    assert result.by == "sound"
    assert any("too small to read" in w for w in result.warnings)


def test_sound_that_begins_late_stays_where_it_is(pipe: Pipeline, short: torch.Tensor) -> None:
    late = Audio(sound().samples[:, :2 * RATE], RATE, start_seconds=1.0)
    result = pipe(short, fps=25, audio=late)
    mixture = result.mixture.whole().samples[0]
    assert not mixture[:RATE].any()
    torch.testing.assert_close(mixture[RATE:3 * RATE], late.samples[0], atol=1e-6, rtol=0)


def test_a_clip_that_is_too_long_is_refused_before_work_begins(short: torch.Tensor) -> None:
    pipe = Pipeline("source-separation", device="cpu", hear={"max_seconds": 2.0})
    with pytest.raises(InvalidInput, match="at most 2 s"):
        pipe(short, fps=25, audio=sound())


def test_permuted_faces_permute_the_voices() -> None:
    first, second = [80.0, 110, 250, 280], [400.0, 110, 570, 280]
    one, two = (Pipeline("source-separation", device="cpu", faces={"boxes": boxes})(CLIP)
                for boxes in (first + second, second + first))
    by_place = [sorted(r.tracks, key=lambda v: v.box_at(1.0)[0]) for r in (one, two)]
    for a, b in zip(*by_place, strict=True):
        torch.testing.assert_close(a.audio.samples, b.audio.samples, atol=1e-5, rtol=1e-4)


def test_progress_reaches_the_hook(pipe: Pipeline, short: torch.Tensor) -> None:
    from mmvideo.hooks import Hook

    class Heard(Hook):
        shares: dict[str, list[float]] = {}  # noqa: RUF012

        def progress(self, stage: str, share: float) -> None:
            self.shares.setdefault(stage, []).append(share)

    pipe(short, fps=25, audio=sound(), hook=Heard())
    assert set(Heard.shares) == {"faces", "separate"}
    assert all(s == sorted(s) and s[-1] > 0.9 for s in Heard.shares.values())


@pytest.mark.shared
def test_a_real_interview(pipe: Pipeline, shared: Path, tmp_path: Path) -> None:
    shutil.copy(shared / "media" / "faces" / "interview.mp4", tmp_path / "a.mp4")
    frames = read_video(tmp_path / "a.mp4", end_seconds=5.0, size=(360, 640))
    write_video(tmp_path / "b.mp4", frames, audio=read_audio(tmp_path / "a.mp4", end_seconds=5.0))
    result = pipe(tmp_path / "b.mp4")
    assert len(result.tracks) == 2
    assert result.tracks[0].box_at(3.0)[0] < result.tracks[1].box_at(3.0)[0]
