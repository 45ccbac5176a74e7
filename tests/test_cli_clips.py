"""What the commands take for a clip and for a question, and what they refuse before a model is loaded."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import tiny
from PIL import Image
from test_cli import _run

from mmvideo import Pipeline
from mmvideo.cli.clips import Clip, split_arguments
from mmvideo.cli.output import check_file, check_folder, names_of
from mmvideo.errors import InvalidInput

NEXT = "what happens next?"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Command -> options that give it a small model."""
    home = tmp_path_factory.mktemp("models")
    qa = ["--model", str(tiny.make_qa(home / "qa")), "--device", "cpu", "--set", "encode_video.domain=test-outside"]
    return {"ask": qa, "caption": qa, "classify": ["--model", str(tiny.make_camera(home / "camera"))]}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.mp4, sub/b.mkv and c.txt."""
    folder = tmp_path_factory.mktemp("clips")
    tiny.make_clip(folder / "a.mp4")
    (folder / "sub").mkdir()
    shutil.copy(folder / "a.mp4", folder / "sub" / "b.mkv")
    (folder / "c.txt").write_text("a.mp4\n")
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(12):
        Image.new("RGB", (64, 48), (20 * number, 90, 120)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(*_: object, **__: object) -> None:
        raise AssertionError("a model is loaded")

    monkeypatch.setattr(Pipeline, "__init__", loaded)


def rows(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def verb_and_words(verb: str, *clips: object) -> list[str]:
    return [verb, *map(str, clips), *([NEXT] if verb == "ask" else [])]


# Which words are clips


def test_existing_files_come_first_and_the_rest_are_questions(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clips)
    for words, expected in {
        ("a.mp4", NEXT): (1, 1), ("a.mp4", "sub/b.mkv", NEXT): (2, 1), ("a.mp4", "sub", NEXT, "and then?"): (2, 2),
        ("-", "what?"): (1, 1), ("http://host/x", "https://host/y.mp4", "what is at http://host?"): (2, 1),
        ("gone.mp4", "gone.mkv", "what?"): (2, 1), ("a.mp4", "sub/*.mkv", "what?"): (2, 1),
        ("a.mp4", "./gone", "../gone", "/gone", "left/right?"): (4, 1), ("any", "what"): (1, 1),
    }.items():
        videos, questions = split_arguments(words)
        assert (len(videos), len(questions)) == expected, words
        assert (*videos, *questions) == words


@pytest.mark.parametrize(("words", "says"), [
    (["a.mp4"], "needs a question after the clips, and there is none"),
    (["a.mp4", "sub/b.mkv"], "'sub/b.mkv' is a clip"),
    (["a.mp4", NEXT, "sub/b.mkv"], "'sub/b.mkv' is a clip and stands after the question"),
    (["a.mp4", NEXT, "http://host/b.mkv"], "name all clips first"),
])
def test_words_that_are_no_clips_and_questions_are_refused(words: list[str], says: str, clips: Path,
                                                           nothing_is_loaded: None,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clips)
    code, out, err = _run("ask", *words)
    assert (code, out) == (2, "")
    assert says in err


def test_several_clips_are_each_asked_everything(models: dict, clips: Path) -> None:
    code, out, _ = _run("ask", str(clips / "a.mp4"), str(clips / "sub" / "b.mkv"), NEXT, "and then?", "--json",
                        *models["ask"])
    assert code == 0
    assert [(Path(row["source"]).name, row["question"]) for row in rows(out)] == [
        ("a.mp4", NEXT), ("a.mp4", "and then?"), ("b.mkv", NEXT), ("b.mkv", "and then?")]


def test_a_name_with_a_line_break_is_a_heading_of_one_line(models: dict, clips: Path, tmp_path: Path) -> None:
    odd = tmp_path / "two\nlines.mp4"
    shutil.copy(clips / "a.mp4", odd)
    code, out, _ = _run("ask", str(odd), str(clips / "a.mp4"), NEXT, *models["ask"])
    assert code == 0
    assert any(line.endswith(r"two\x0alines.mp4") for line in out.splitlines())


# Folders, patterns, lists, images, standard input


@pytest.mark.parametrize("verb", ["ask", "caption", "classify", "probe"])
def test_a_folder_means_all_its_clips_and_a_pattern_those_that_match(verb: str, models: dict, clips: Path) -> None:
    options = models.get(verb, [])
    for given, expected in ((clips, ["a.mp4", "b.mkv"]), (clips / "*.mp4", ["a.mp4"]),
                            (clips / "**" / "*.mkv", ["b.mkv"])):
        code, out, _ = _run(*verb_and_words(verb, given), "--json", *options)
        assert code == 0
        assert [Path(row["source"]).name for row in rows(out)] == expected


@pytest.mark.parametrize("verb", ["ask", "caption", "classify", "probe"])
def test_a_folder_or_pattern_that_holds_no_clip_is_named(verb: str, tmp_path: Path, nothing_is_loaded: None) -> None:
    (tmp_path / "note.md").write_text("no clip")
    for given in (tmp_path, tmp_path / "*.mp4", tmp_path / "gone.mp4", f"{tmp_path}/gone/"):
        code, out, err = _run(*verb_and_words(verb, given), "--json")
        (row,) = rows(out)
        assert code == 3
        assert str(given) in err
        assert (row["error"], row["source"], row["message"]) == ("MediaNotFound", str(given), err)


@pytest.mark.parametrize("verb", ["ask", "caption", "classify"])
def test_what_only_jobs_read_is_refused_with_the_next_step(verb: str, clips: Path, tmp_path: Path,
                                                           nothing_is_loaded: None) -> None:
    (tmp_path / "shards").mkdir()
    shutil.make_archive(str(tmp_path / "shards" / "x"), "tar", clips)
    recipe = {"ask": "video-qa", "caption": "video-captioning", "classify": "video-classification"}[verb]
    for given in (clips / "c.txt", tmp_path / "list.csv", tmp_path / "shards" / "x.tar", tmp_path / "shards",
                  "s3://bucket/clips", f"{tmp_path}/shards/x.tar::a.mp4"):
        code, out, err = _run(*verb_and_words(verb, given))
        assert (code, out) == (2, "")
        assert f"mmvideo run {recipe} {given} --out FOLDER" in err


def test_a_folder_of_images_is_one_clip_and_needs_its_rate(models: dict, images: Path, clips: Path) -> None:
    code, out, _ = _run("classify", str(images), "--fps", "6", "--json", *models["classify"])
    assert code == 0
    assert [row["duration_seconds"] for row in rows(out)] == [2.0]
    code, out, err = _run("classify", str(images), *models["classify"])
    assert (code, out) == (2, "")
    assert "12 images and no clip: say how many were taken a second, as in --fps 25" in err


def test_a_rate_is_for_images_alone(images: Path, clips: Path, nothing_is_loaded: None) -> None:
    for given in (clips / "a.mp4", clips, "http://host/a.mp4", "-"):
        code, _, err = _run("classify", str(images), str(given), "--fps", "6")
        assert code == 2
        assert "--fps is for a folder of images" in err
        assert str(given) in err


@pytest.mark.parametrize("verb", ["ask", "caption", "classify", "probe"])
def test_a_clip_can_be_sent_to_standard_input(verb: str, models: dict, clips: Path, tmp_path: Path) -> None:
    content = (clips / "a.mp4").read_bytes()
    options = [*models.get(verb, []), *([] if verb == "probe" else ["--save", str(tmp_path / "seen.png")])]
    code, out, err = _invoke(content, *verb_and_words(verb, "-"), "--json", *options)
    (row,) = rows(out)
    assert code == 0, err
    assert row["source"] == "<stdin>"
    assert row["duration_seconds"] == pytest.approx(2.0, abs=0.01)
    assert "mmvideo-" not in out, "the temporary file is not named"
    if verb != "probe":
        assert (tmp_path / "seen.png").read_bytes()[:4] == b"\x89PNG"
    if verb == "ask":
        _, out, _ = _invoke(content, "ask", "-", NEXT, *models["ask"])
        assert f"mmvideo ask - '{NEXT}' --model" in out


def _invoke(content: bytes, *arguments: str) -> tuple[int, str, str]:
    from typer.testing import CliRunner

    from mmvideo import cli
    from mmvideo.errors import MmvideoError

    result = CliRunner().invoke(cli.app, list(arguments), input=content)
    if isinstance(result.exception, MmvideoError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_standard_input_that_is_no_clip_is_named(models: dict) -> None:
    for content in (b"", b"no video at all" * 100):
        code, out, err = _invoke(content, "caption", "-", "--json", *models["caption"])
        (row,) = rows(out)
        assert code == 3
        assert row["source"] == "<stdin>"
        assert "mmvideo-" not in out + err, "the temporary file is not named"
    code, _, err = _invoke(b"", "caption", "-", "-")
    assert code == 2
    assert "can be read once" in err


# Errors that can be known before


@pytest.mark.parametrize("verb", ["ask", "caption", "classify"])
@pytest.mark.parametrize(("save", "says"), [
    ("a.txt", ".json .srt .vtt .png .jpg .jpeg .pdf .svg"), ("x.gif", "'.gif' is none of them"),
    ("plain", "it has no suffix"), ("folder.png", "is a folder"), ("file.txt/a.png", "is a file"),
    ("/proc/none/a.png", "cannot be"),
])
def test_a_result_that_could_not_be_written_is_refused_before_work(verb: str, save: str, says: str, clips: Path,
                                                                   tmp_path: Path, nothing_is_loaded: None,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.txt").write_text("")
    code, out, err = _run(*verb_and_words(verb, clips / "a.mp4"), "--save", save)
    assert (code, out) == (2, "")
    assert says in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", "folder.png"]


def test_a_folder_that_is_absent_is_made(models: dict, clips: Path, tmp_path: Path) -> None:
    check_folder(tmp_path / "new" / "deep")
    check_file(tmp_path / "new" / "a.json", (".json",))
    assert list(tmp_path.iterdir()) == [], "a check leaves nothing"
    code, _, _ = _run("caption", str(clips / "a.mp4"), "--save", str(tmp_path / "new" / "a.json"), *models["caption"])
    assert code == 0
    assert json.loads((tmp_path / "new" / "a.json").read_text())["type"] == "Caption"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InvalidInput, match="Permission denied"):
        check_file(tmp_path / "a.json", (".json",))


@pytest.mark.parametrize("arguments", [
    ["--stream"], ["--choice", "yes", "--choice", "no"], ["--temperature", "0.5", "--seed", "1"],
    ["--max-new-tokens", "5"],
])
def test_options_of_replies_hold_for_an_embedded_model(arguments: list[str], models: dict, clips: Path) -> None:
    code, out, _ = _run("ask", str(clips / "a.mp4"), NEXT, *arguments, *models["ask"])
    assert code == 0
    if "--choice" in arguments:
        assert {"yes", "no"} & set(out.split())


def test_a_closed_vocabulary_holds_to_no_schema(models: dict, clips: Path, tmp_path: Path) -> None:
    pytest.importorskip("llguidance")
    (tmp_path / "s.json").write_text('{"type": "boolean"}')
    code, out, err = _run("ask", str(clips / "a.mp4"), NEXT, "--schema", str(tmp_path / "s.json"), *models["ask"])
    assert (code, out) == (2, "")
    assert "cannot be held to a JSON schema" in err
    assert "give choices= instead" in err


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (["ask", "{clip}", NEXT, "--stream", "--json"], 2, "give one of them"),
    (["ask", "{clip}", NEXT, "--choice", "yes"], 2, "two or more"),
    (["ask", "{clip}", NEXT, "--schema", "gone.json"], 3, "no such file"),
    (["ask", "{clip}", NEXT, "--schema", "{clip}"], 2, "is not JSON"),
    (["ask", "{clip}", NEXT, "  "], 2, "needs a question"),
    (["ask", "{clip}", NEXT, "caf\udce9?"], 2, "must be text"),
    (["ask", "{clip}", NEXT, "--choice", "a", "--choice", "\udce9"], 2, "must"),
    (["ask", "{clip}", NEXT, "--recipe", "video-captioning"], 2, "takes no question"),
    (["caption", "{clip}", "--recipe", "video-qa"], 2, "needs a question"),
    (["caption", "{clip}", "--model", "nothing"], 2, "nothing"),
    (["separate", "{clip}", "--out", "{clip}"], 2, "is a file"),
    (["separate", "{clip}", "--out", "/proc/none"], 2, "cannot be"),
    (["separate", "{folder}", "--out", "voices"], 2, "holds 2 clips, and separate takes one"),
    (["separate", "gone.mp4", "--out", "voices"], 3, "no such file"),
    (["demo", "--out", "{clip}"], 2, "is a file"),
    (["demo", "--video", "gone.mp4"], 3, "no such file"),
    (["train", "train/toybox-language", "--out", "{clip}"], 2, "is a file"),
    (["eval", "eval/toybox", "--out", "{clip}"], 2, "is a file"),
    (["toybox", "make", "{clip}"], 2, "is a file"),
])
def test_other_faults_are_refused_before_work(arguments: list[str], code: int, says: str, clips: Path,
                                              nothing_is_loaded: None) -> None:
    found, out, err = _run(*[word.format(clip=clips / "a.mp4", folder=clips) for word in arguments])
    assert (found, out) == (code, "")
    assert says in err


# What is written


def test_every_line_of_json_has_a_source_and_every_error_its_class_and_message(models: dict, clips: Path,
                                                                               tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all" * 100)
    for verb in ("ask", "caption", "classify", "probe"):
        given = verb_and_words(verb, "gone.mp4", clips / "a.mp4", bad)
        code, out, err = _run(*given, "--json", *models.get(verb, []))
        gone, good, broken = rows(out)
        assert code == 3
        assert [row["source"] for row in (gone, good, broken)] == ["gone.mp4", str(clips / "a.mp4"), str(bad)]
        assert "error" not in good
        assert (gone["error"], gone["message"], gone["exit_code"]) == ("MediaNotFound", "gone.mp4: no such file.", 3)
        assert broken["error"] == "VideoDecodeError"
        assert f"mmvideo: {broken['message']}" in err
        assert verb == "probe" or good["text"] is not None


def test_when_no_clip_is_there_nothing_is_loaded(nothing_is_loaded: None) -> None:
    code, out, err = _run("caption", "gone.mp4", "away.mp4")
    assert (code, out) == (3, "")
    assert err.splitlines() == ["mmvideo: gone.mp4: no such file.", "mmvideo: away.mp4: no such file."]


def test_pictures_are_named_by_their_clips(models: dict, clips: Path, tmp_path: Path) -> None:
    save = str(tmp_path / "seen.json")
    _, _, err = _run("ask", str(clips), NEXT, "and then?", "--save", save, *models["ask"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "seen-a-1.json", "seen-a-2.json", "seen-b-1.json", "seen-b-2.json"]
    assert json.loads((tmp_path / "seen-b-2.json").read_text())["source"] == str(clips / "sub" / "b.mkv")
    assert f"wrote {tmp_path / 'seen-a-1.json'}" in err


@pytest.mark.parametrize(("names", "expected"), [
    (["a.mp4"], ["s.png"]), (["a.mp4", "b.mp4"], ["s-a.png", "s-b.png"]),
    (["a.mp4", "a.avi", "c.mp4"], ["s-a.mp4.png", "s-a.avi.png", "s-c.png"]),
    (["x/a.mp4", "y/a.mp4", "z/A.mp4"], ["s-a.mp4.png", "s-a.mp4-2.png", "s-A.mp4-3.png"]),
    (["<stdin>", "frames/", "http://host/v/b.mp4?key=1", "http://host/"],
     ["s-stdin.png", "s-frames.png", "s-b.png", "s-clip.png"]),
])
def test_names_of_pictures_do_not_collide(names: list[str], expected: list[str]) -> None:
    clips = [Clip("/tmp/x", is_stdin=True) if name == "<stdin>" else Clip(name) for name in names]
    found = names_of(Path("out/s.png"), clips)
    assert [path.name for path in found] == expected
    assert {path.parent for path in found} == {Path("out")}


def test_outside_the_domain_the_caveat_comes_first_once_a_clip_with_a_command(models: dict, clips: Path) -> None:
    a, b = str(clips / "a.mp4"), str(clips / "sub" / "b.mkv")
    code, out, _ = _run("ask", a, NEXT, "what is it?", *models["ask"])
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("outside what qa knows: the picture does not look like")
    assert lines[1] == (f"  a model that may know: mmvideo ask {a} '{NEXT}' 'what is it?' --model "
                        "HuggingFaceTB/SmolVLM2-500M-Video-Instruct  # or for good: mmvideo models get "
                        "HuggingFaceTB/SmolVLM2-500M-Video-Instruct --default")
    assert lines[2] == NEXT
    assert out.count("outside what") == out.count("a model that may know") == 1
    assert "%" not in out
    assert "from mmvideo import" not in out
    _, out, _ = _run("caption", a, b, *models["caption"])
    assert [line for line in out.splitlines() if line.startswith(("outside", "/"))][0::2] == [a, b]
    assert f"  a model that may know: mmvideo caption {b} --model HuggingFaceTB/" in out
    assert out.count("outside what") == 2


def test_a_question_that_is_outside_alone_has_its_own_caveat(models: dict, clips: Path) -> None:
    inside = [*models["ask"][:-2], "--set", "encode_video.domain=test-inside"]
    _, out, _ = _run("ask", str(clips / "a.mp4"), NEXT, "does the astronaut yodel?", "does it roll?", *inside)
    lines = out.splitlines()
    assert lines[0] == NEXT
    at = lines.index("does the astronaut yodel?")
    assert lines[at + 1].startswith("outside what qa knows: the question has words that the model never saw: 'astro")
    assert "'does the astronaut yodel?' --model" in lines[at + 2]
    assert NEXT not in lines[at + 2]
    assert "confidence" in out.split("does it roll?")[1]
    _, out, _ = _run("ask", str(clips / "a.mp4"), NEXT, "does the astronaut yodel?", *models["ask"])
    assert out.count("the picture does not look like") == 1
    assert out.count("outside what") == 2
