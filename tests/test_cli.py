"""The command line: results on stdout, remarks on stderr, exit codes that say what went wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from typer.testing import CliRunner

from mmvideo import cli, recipes, registry, weights
from mmvideo.cli.common import overrides
from mmvideo.errors import InvalidInput, MmvideoError

NEXT = "what happens next?"


@pytest.fixture(scope="module")
def qa(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that put a small model into the question-answering pipelines."""
    model = tiny.make_qa(tmp_path_factory.mktemp("model") / "qa")
    return ["--model", str(model), "--set", "encode_video.domain=test-inside"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.make_clip(tmp_path_factory.mktemp("clip") / "two.mp4"))


def _run(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return exit code, stdout and stderr."""
    runner = CliRunner()
    result = runner.invoke(cli.app, list(arguments))
    if isinstance(result.exception, MmvideoError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def _shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "mmvideo", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["ask", "caption", "classify", "probe", "list", "show", "doctor", "demo", "train",
                                     "eval", "profile", "import"])
def test_every_command_has_help(command: str) -> None:
    code, out, _ = _run(command, "--help")
    assert code == 0
    assert "Usage" in out
    assert "--debug" in out


def test_ask_prints_the_answer_and_json_holds_it_all(qa: list[str], clip: str, tmp_path: Path) -> None:
    code, out, _ = _run("ask", clip, NEXT, *qa)
    assert code == 0
    assert "looked at 16 frames, 0.00-1.80 s" in out
    save = ["--json", "--save", str(tmp_path / "a.json")]
    code, out, err = _run("ask", clip, NEXT, "what color is the ball?", *save, *qa)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["question"] for line in lines] == [NEXT, "what color is the ball?"]
    assert all(line["source"] == clip and line["in_domain"] is True for line in lines)
    assert "wrote" in err
    assert json.loads((tmp_path / "a-2.json").read_text()).keys() == lines[1].keys()


def test_caption_goes_on_after_a_bad_file_and_says_so_in_its_exit_code(qa: list[str], clip: str) -> None:
    code, out, err = _run("caption", "nowhere.mp4", clip, "--json", *qa)
    assert code == 3
    first, second = [json.loads(line) for line in out.splitlines()]
    assert first["type"] == "MediaNotFound"
    assert first["exit_code"] == 3
    assert second["type"] == "Caption"
    assert "nowhere.mp4: no such file" in err


def test_classify_saves_a_picture(clip: str, tmp_path: Path) -> None:
    model = tiny.make_camera(tmp_path / "camera")
    code, out, err = _run("classify", clip, "--model", str(model), "--save", str(tmp_path / "shots.png"))
    assert code == 0
    assert "looked at 16 frames" in out
    assert (tmp_path / "shots.png").read_bytes()[:4] == b"\x89PNG"
    assert "shots.png" in err


@pytest.mark.parametrize(("arguments", "code", "says"), [
    (["caption", "nowhere.mp4"], 3, "no such file"),
    (["ask", "{clip}", ""], 2, "needs a question"),
    (["ask", "{clip}", NEXT, "--set", "encode_vidoe.size=3"], 2, "Did you mean 'encode_video'"),
    (["ask", "{clip}", NEXT, "--set", "size=3"], 2, "STAGE.OPTION=VALUE"),
    (["ask", "{clip}", NEXT, "--recipe", "video-q"], 2, "Did you mean 'video-qa'"),
    (["ask", "{clip}", NEXT, "--device", "gpu9"], 2, "Unknown device"),
])
def test_errors_have_their_exit_code(qa: list[str], clip: str, arguments: list[str], code: int, says: str) -> None:
    found, out, err = _run(*[argument.format(clip=clip) for argument in arguments], *qa)
    assert (found, out) == (code, "")
    assert says in err


def test_an_unknown_model_is_refused_with_the_reason(clip: str) -> None:
    code, _, err = _run("ask", clip, NEXT, "--model", "qwen")
    assert code == 2
    assert "a model of the Hugging Face hub" in err


def test_from_the_shell_an_error_is_one_line_and_debug_shows_the_traceback() -> None:
    plain, debug = _shell("probe", "nowhere.mp4"), _shell("probe", "nowhere.mp4", "--debug")
    assert plain.returncode == 3
    assert plain.stdout == ""
    assert plain.stderr == "mmvideo: nowhere.mp4: no such file.\n"
    assert debug.returncode != 0
    assert "Traceback" in debug.stderr
    assert "MediaNotFound" in debug.stderr


def test_probe_says_what_a_file_holds(clip: str) -> None:
    code, out, _ = _run("probe", clip)
    assert code == 0
    assert "h264" in out
    assert "aac" in out
    code, out, _ = _run("probe", clip, "nowhere.mp4", "--json")
    good, bad = [json.loads(line) for line in out.splitlines()]
    assert code == 3
    assert good["duration_seconds"] == pytest.approx(2.0, abs=0.1)
    assert bad["type"] == "MediaNotFound"


def test_probe_says_what_is_damaged(clip: str, tmp_path: Path) -> None:
    data = bytearray(Path(clip).read_bytes())
    begin = data.index(b"mdat") + len(data) // 3
    for at in range(begin, begin + 2000):
        data[at] ^= 0x55
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    for options in ((), ("--full",)):
        code, out, _ = _run("probe", str(broken), *options)
        assert code == 0
        assert "warning:" in out
    assert "warning:" not in _run("probe", clip)[1]


def test_list_names_everything_a_recipe_can_name() -> None:
    code, out, _ = _run("list", "--json")
    listed = json.loads(out)
    assert code == 0
    assert set(listed["pipelines"]) == set(recipes.recipe_names())
    assert set(listed["models"]) == set(weights.embedded_names())
    assert set(listed["stages"]) == set(registry.names("stages"))
    assert _run("list", "samplers")[1].split()[0] == sorted(registry.names("samplers"))[0]
    code, _, err = _run("list", "sampler")
    assert code == 2
    assert "Did you mean 'samplers'" in err


@pytest.mark.parametrize("name", recipes.recipe_names())
def test_show_lists_the_stages_with_needs_and_gives(name: str) -> None:
    code, out, _ = _run("show", name, "--static", "--json")
    shown = json.loads(out)
    assert code == 0
    assert [stage["stage"] for stage in shown["stages"]] == [spec.name for spec in recipes.load_recipe(name).stages]
    assert all(stage["gives"] for stage in shown["stages"])
    assert "video -> media" in _run("show", name, "--static")[1]


def test_show_knows_encoders_and_guesses() -> None:
    code, out, _ = _run("show", "camera-motion")
    assert code == 0
    assert "538080" in out
    code, _, err = _run("show", "video-qq")
    assert code == 2
    assert "Did you mean 'video-qa'" in err


def test_overrides_are_read_as_yaml() -> None:
    assert overrides(["a.b=3", "a.c=[1, 2]", "d.e=x=y", "d.f=null"]) == {
        "a": {"b": 3, "c": [1, 2]}, "d": {"e": "x=y", "f": None}}
    with pytest.raises(InvalidInput, match="STAGE"):
        overrides(["a=3"])


def test_toybox_make_writes_clips(tmp_path: Path) -> None:
    code, out, _ = _run("toybox", "make", str(tmp_path / "toys"), "--num", "1", "--size", "64", "--level", "easy")
    assert code == 0
    assert Path(out.strip()).is_file()
    assert len(list((tmp_path / "toys").glob("*.mp4"))) == 1
    code, _, err = _run("toybox", "make", str(tmp_path / "toys"), "--level", "esy")
    assert code == 2
    assert "Did you mean 'easy'" in err


def test_train_and_eval_refuse_what_is_no_config(tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("about: nothing to run\n")
    for command, key in (("train", "trainer"), ("eval", "evaluator")):
        code, _, err = _run(command, str(config))
        assert code == 2
        assert key in err
    assert _run("train", "nowhere.yaml")[0] == 3
    assert _run("train", "toybox-nothing")[0] == 2


@pytest.mark.skipif("COLUMNS" in os.environ, reason="width is set from outside")
def test_help_shows_examples() -> None:
    assert "mmvideo ask clip.mp4 'what happens next?'" in _run("ask", "--help")[1]
