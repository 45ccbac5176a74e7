"""Jobs over the other pipelines, and the commands that run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from typer.testing import CliRunner

from mmvideo import Pipeline, cli
from mmvideo.errors import InvalidInput, JobIncomplete, MmvideoError
from mmvideo.hooks import Hook
from mmvideo.jobs import status
from mmvideo.media import probe, read_audio, read_video, write_video
from mmvideo.weights import weights_root

VOICES = weights_root() / "demo" / "voices.mp4"


def _run(*arguments: str | Path) -> tuple[int, str, str]:
    """Run a command in this process; return exit code, stdout and stderr or the error."""
    result = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    if isinstance(result.exception, MmvideoError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def few(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the clips."""
    home = tmp_path_factory.mktemp("few")
    for number in range(2):
        (home / f"clip{number}.mp4").symlink_to(clips / f"clip{number:04}.mp4")
    return home


def test_classification(few: Path, tmp_path: Path) -> None:
    model = tiny.make_camera(tmp_path / "camera")
    code, out, _ = _run("run", "video-classification", few, "--out", tmp_path / "job", "--model", model, "--device",
                        "cpu", "--workers", "1", "--parquet", "--json")
    assert code == 0
    assert json.loads(out)["counts"]["done"] == 2
    pipe = Pipeline("video-classification", str(model), "cpu")
    for row in _rows(tmp_path / "job"):
        alone = pipe(row["source"])
        assert [label["name"] for label in row["labels"]] == [label.name for label in alone.labels]
        assert [label["confidence"] for label in row["labels"]] == pytest.approx(
            [label.confidence for label in alone.labels], abs=2e-4)
        assert row["text"] == row["labels"][0]["name"] == alone.label
        assert [span["end_seconds"] for span in row["spans"]] == pytest.approx(
            [segment.end_seconds for segment in alone.segments])
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "job" / "results.parquet").to_pylist()
    assert [row["labels"] for row in table] == [row["labels"] for row in _rows(tmp_path / "job")]


def test_several_questions_for_every_clip(few: Path, model: Path, tmp_path: Path) -> None:
    asked = ["what happens?", "what color is it?", "what happens next?"]
    code, out, _ = _run("run", "video-qa", few, "--out", tmp_path / "job", "--model", model, "--device", "cpu",
                        "--set", "encode_video.domain=test-inside", "--set", "answer.max_new_tokens=6",
                        "--workers", "1",
                        *(part for question in asked for part in ("--question", question)))
    assert code == 0
    assert "2 of 2 done, 0 failed" in out
    pipe = Pipeline("video-qa", str(model), "cpu", encode_video={"domain": "test-inside"}, answer={"max_new_tokens": 6})
    for row in _rows(tmp_path / "job"):
        answers = pipe(row["source"], asked)
        assert [(one["question"], one["text"]) for one in row["answers"]] == [(a.question, a.text) for a in answers]
        assert [one["confidence"] for one in row["answers"]] == pytest.approx([a.confidence for a in answers],
                                                                              abs=2e-4)
        assert row["questions"] == asked
    code, _, error = _run("run", "video-qa", few, "--out", tmp_path / "none", "--model", model, "--device", "cpu",
                          "--set", "encode_video.domain=test-inside")
    assert (code, (tmp_path / "none").exists()) == (2, False)
    assert "--question" in error


@pytest.mark.slow
def test_separation_writes_rows_and_files(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    frames = read_video(VOICES, end_seconds=2.0).frames
    write_video(clips / "talk.mp4", frames, fps=25,
                audio=read_audio(VOICES, sample_rate=16000, mono=True, end_seconds=2.0))
    write_video(clips / "mute.mp4", frames[:25], fps=25)
    pipe = Pipeline("source-separation", device="cpu")
    summary = pipe.map(clips, out=tmp_path / "job", parquet=True, sidecars=("srt",))
    assert summary.counts["done"] == 1
    assert [(name, kind) for name, _, kind, _ in summary.failures] == [("mute.mp4", "NoAudioTrack")]
    (row,) = summary.rows()
    alone = pipe(clips / "talk.mp4")
    assert row["text"] == "2 faces"
    assert [span["text"] for span in row["spans"]] == ["person 1", "person 2"]
    assert row["confidence"] == pytest.approx(alone.confidence, abs=2e-4)
    found = {Path(name).name: summary.folder / name for name in row["files"]}
    assert found.keys() == {"person-1.wav", "person-1.png", "person-2.wav", "person-2.png", "off-screen.wav",
                            "mixture.wav", "voices.json", "voices.png", "who-speaks-when.rttm"}
    first = read_audio(found["person-1.wav"]).samples[0]
    assert len(first) == alone.mixture.num_samples
    assert float((first - alone.tracks[0].audio.samples[0]).abs().max()) < 1e-3
    assert probe(found["mixture.wav"]).audio[0].sample_rate == 16000
    assert json.loads(found["voices.json"].read_text())["source"] == str(clips / "talk.mp4")
    assert not list((summary.folder / "files").rglob(".*")), "nothing half written is left"
    assert status(summary.folder)["runs"][0]["whole"]
    assert "Each worker holds the networks" in (summary.folder / "report.html").read_text()
    assert "person 2" in (summary.folder / "sidecars" / "talk.srt").read_text()
    from pyarrow import parquet

    assert parquet.read_table(summary.folder / "results.parquet").to_pylist()[0]["files"] == row["files"]
    with pytest.raises(JobIncomplete, match="NoAudioTrack 1"):
        summary.check()


def test_a_job_from_the_command_line_from_failure_to_mended(few: Path, model: Path, tmp_path: Path) -> None:
    home, job = tmp_path / "clips", tmp_path / "job"
    home.mkdir()
    (home / "good.mp4").write_bytes((few / "clip0.mp4").read_bytes())
    (home / "bad.mp4").write_text("not a film")
    command = ("caption", home, "--out", job, "--model", model, "--device", "cpu",
               "--set", "encode_video.domain=test-inside",
               "--set", "caption.max_new_tokens=6", "--workers", "1")
    code, out, error = _run(*command)
    assert code == 8
    assert "1 of 2 done, 1 failed" in out
    assert "VideoDecodeError 1" in error
    assert "--retry-failed" in error
    code, out, _ = _run("jobs", "status", job)
    assert (code, out.splitlines()[0]) == (0, f"{job}: 1 done, 1 failed")
    assert "bad.mp4: VideoDecodeError" in out
    code, out, _ = _run("jobs", "status", job, "--json")
    told = json.loads(out)
    assert (told["counts"]["failed"], told["classes"]) == (1, {"VideoDecodeError": 1})
    (home / "bad.mp4").write_bytes((few / "clip1.mp4").read_bytes())
    code, out, _ = _run(*command, "--retry-failed", "--json")
    told = json.loads(out)
    assert (code, told["done_now"], told["counts"]["done"], told["interrupted"]) == (0, 1, 2, False)
    code, out, _ = _run(*command)
    assert (code, "0 in this run" in out) == (0, True)


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (("caption", "{clips}", "--out", "{job}", "--engine", "loca"), 2, "Did you mean 'local'"),
    (("caption", "{clips}", "--out", "{job}", "--sidecar", "str"), 2, "Did you mean 'srt'"),
    (("caption", "{clips}", "--out", "{job}", "--batch-size", "0"), 2, "batch_size must be"),
    (("caption", "{clips}", "--out", "{job}", "--fps", "3"), 2, "single videos"),
    (("classify", "{clips}", "--out", "{job}", "--fps", "3"), 2, "single videos"),
    (("classify", "{clips}", "--out", "{job}", "--engine", "loca"), 2, "Did you mean 'local'"),
    (("classify", "{clips}/clip0.mp4", "--parquet"), 2, "--parquet: only a batch job understands this"),
    (("track", "{clips}", "--out", "{job}", "--fps", "3"), 2, "single videos"),
    (("locate", "{clips}", "--out", "{job}", "--label", "ball", "--save", "{job}/a.srt"), 2, "single videos"),
    (("locate", "{clips}/clip0.mp4", "--retry-failed"), 2, "--retry-failed: only a batch job understands this"),
    (("actions", "{clips}/clip0.mp4", "--batch-size", "2"), 2, "--batch-size: only a batch job understands this"),
    (("run", "video-captionin", "{clips}", "--out", "{job}"), 2, "Did you mean 'video-captioning'"),
    (("run", "video-captioning", "{job}/nowhere", "--out", "{job}"), 3, "no such file or folder"),
    (("run", "video-captioning", "{clips}", "--question", "who?", "--out", "{job}"), 2, "takes no question"),
    (("caption", "{clips}", "--out", "{clips}/clip0.mp4"), 2, "is a file; a job is kept in a folder"),
    (("caption", "{clips}", "--out", "{job}", "--beside"), 2, "--sidecar"),
    (("caption", "{clips}/clip0.mp4", "--sidecar", "vtt"), 2, "subtitles of one clip with --save FILE.srt."),
    (("caption", "{clips}/clip0.mp4", "--beside"), 2, "add --out FOLDER to run one."),
    (("caption", "{clips}", "--out", "{job}", "--timeout", "nan"), 2, "timeout_seconds must be"),
    (("run", "video-captioning", "{clips}"), 2, "add --out FOLDER"),
    (("jobs", "status", "{job}"), 2, "holds no job"),
    *[(("caption", "{clips}/clip0.mp4", *option), 2, f"{option[0]}: only a batch job understands this; add --out")
      for option in (("--sidecar", "srt"), ("--parquet",), ("--prompt", "Who?"), ("--beside",), ("--overwrite",),
                     ("--engine", "local"), ("--workers", "1"), ("--batch-size", "8"), ("--processes", "2"),
                     ("--address", "x"), ("--retry-failed",), ("--retry", "OutOfMemory"), ("--dry-run",),
                     ("--allow-reduce",), ("--allow-damage",), ("--need-audio",),
                     ("--min-frames", "1"), ("--max-bytes", "9"), ("--max-seconds", "9"))]])
def test_what_cannot_run_is_said_with_an_exit_code(arguments: tuple[str, ...], code: int, words: str, few: Path,
                                                   model: Path, tmp_path: Path) -> None:
    filled = [one.format(clips=few, job=tmp_path / "job") for one in arguments]
    if arguments[:2] == ("run", "video-captioning"):
        filled += ["--model", str(model), "--set", "encode_video.domain=test-inside", "--device", "cpu"]
    found, _, error = _run(*filled)
    assert found == code
    assert words in error
    assert not (tmp_path / "job").exists()


@pytest.mark.parametrize("option", [
    {"sidecars": ("srt",)}, {"parquet": True}, {"prompt": "Who?"}, {"retry_failed": True}, {"batch_size": 4},
    {"dry_run": True}, {"workers": 1, "beside": True}])
def test_options_of_a_job_without_a_folder_are_refused(captioning: Pipeline, few: Path, option: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=f"{next(iter(option))}=.*only a batch job understands.*out=FOLDER"):
        captioning.map([few / "clip0.mp4"], **option)


def test_map_takes_a_folder_of_clips_for_its_clips(captioning: Pipeline, few: Path, tmp_path: Path) -> None:
    """One path is one path, never a list of its letters."""
    found = captioning.map(few)
    assert [one.source for one in found] == [str(few / "clip0.mp4"), str(few / "clip1.mp4")]
    assert [one.text for one in captioning.map(f"{few}/")] == [one.text for one in found]
    assert [one.text for one in captioning.map(str(few / "clip1.mp4"))] == [found[1].text]
    (missing,) = captioning.map("no/such/clip.mp4")
    assert isinstance(missing, MmvideoError)
    for given, words in ((f"{few}/*.mp4", "out=FOLDER"), ("clips.csv", "out=FOLDER"), (b"bytes", "not bytes"),
                         (few.joinpath("clip0.mp4").open("rb"), "for one video"), (3, "not int")):
        with pytest.raises(InvalidInput, match=words):
            captioning.map(given)
    with pytest.raises(InvalidInput, match="hook="):
        captioning.map(few, out=tmp_path / "job", hook=Hook())


def test_dry_run_from_the_command_line(few: Path, model: Path, tmp_path: Path) -> None:
    command = ("caption", few, "--out", tmp_path / "job", "--model", model, "--device", "cpu", "--set",
               "encode_video.domain=test-inside", "--dry-run")
    code, out, _ = _run(*command)
    assert (code, out) == (0, "2 clips: 2 new\n")
    code, out, _ = _run(*command, "--json")
    assert (code, json.loads(out)["new"], (tmp_path / "job").exists()) == (0, 2, False)
