"""The command line in a shell: pipes, Ctrl-C, terminals of all kinds, names that are no text, and exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import tiny
from test_cli import _run

import mmvideo
from mmvideo import cli, errors
from mmvideo.cli.common import BROKEN_PIPE
from mmvideo.cli.own_clips import stoppable
from mmvideo.hooks import Progress, show_count
from mmvideo.training import interrupts

MAIN = [sys.executable, "-m", "mmvideo"]
CHECKOUT = Path(__file__).resolve().parents[1]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_clip(tmp_path_factory.mktemp("clip") / "two.mp4")


def _shell(*words: str, env: dict[str, str] | None = None, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*MAIN, *words], capture_output=True, check=False, env={**os.environ, **(env or {})},
                          **options)


def _in_a_terminal(words: list[str], *, env: dict[str, str], stdout_too: bool = True) -> tuple[int, str]:
    """Run in a terminal; return the exit code and everything that was written to it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*MAIN, *words], stdin=subprocess.DEVNULL, stderr=theirs,
                               stdout=theirs if stdout_too else subprocess.DEVNULL, env={**os.environ, **env})
    os.close(theirs)
    written = b""
    while select.select([ours], [], [], 120)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        written += piece
    os.close(ours)
    return process.wait(), written.decode(errors="replace")


# Version, help, completion


def test_the_version_is_printed() -> None:
    assert _run("--version")[:2] == (0, f"mmvideo {mmvideo.__version__}\n")


@pytest.mark.parametrize("words", ["", "ask", "caption", "list", "jobs", "jobs status", "toybox make"])
def test_h_is_help(words: str) -> None:
    short, long = _run(*words.split(), "-h"), _run(*words.split(), "--help")
    assert short == long
    assert short[0] == 0
    assert "-h" in short[1]


def test_a_shell_can_complete_commands_and_options() -> None:
    def completed(*words: str) -> list[str]:
        env = {"_MMVIDEO_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        return _shell(env=env).stdout.decode().split()

    assert completed("mmvideo", "cap") == ["caption"]
    assert set(completed("mmvideo", "ask", "--str")) == {"--stream"}
    script = _shell("--show-completion", "bash", env={
        "SHELL": "/bin/bash", "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert b"_MMVIDEO_COMPLETE=complete_bash" in script.stdout or b"mmvideo" in script.stderr
    assert "--install-completion" in _run("--help")[1]


# Where output goes


@pytest.mark.parametrize("words", ["list", "list --json", "list encoders", "--help", "show video-qa --static"])
def test_a_reader_that_stops_ends_the_command_quietly(words: str) -> None:
    line = f"{' '.join(MAIN)} {words} | true; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, env=os.environ)
    assert int(run.stdout) in (BROKEN_PIPE, 0, 1), "0 where all was written before the reader stopped"
    assert run.stderr == ""


def test_a_closed_reader_gives_the_code_of_the_shell() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    run = subprocess.run([*MAIN, "list"], stdout=theirs, stderr=subprocess.PIPE, check=False, env=os.environ)
    os.close(theirs)
    assert (run.returncode, run.stderr) == (BROKEN_PIPE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_one_line() -> None:
    with open("/dev/full", "wb") as full:
        run = subprocess.run([*MAIN, "list"], stdout=full, stderr=subprocess.PIPE, check=False, env=os.environ)
    assert run.returncode == 9
    assert run.stderr.decode().splitlines() == ["mmvideo: The output cannot be written: No space left on device."]


def test_closed_streams_are_no_error() -> None:
    for closing in (">&-", "2>&-", ">&- 2>&-"):
        run = subprocess.run(["bash", "-c", f"{' '.join(MAIN)} list pipelines {closing}"], capture_output=True,
                             check=False, env=os.environ)
        assert run.returncode == 0
        assert run.stderr == b""


def test_ctrl_c_ends_with_130_and_no_traceback() -> None:
    process = subprocess.Popen([*MAIN, "probe", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=os.environ)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and "mmvideo-" not in _open_files(process.pid):
        time.sleep(0.1)  # until it reads standard input
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (cli.INTERRUPTED, b"", b"")


def _open_files(pid: int) -> str:
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd") if Path(f"/proc/{pid}/fd").is_dir() else ():
        try:
            found.append(os.readlink(entry.path))
        except OSError:
            continue
    return " ".join(found)


# Terminals


@pytest.mark.parametrize("env", [
    {"COLUMNS": "1"}, {"COLUMNS": "20"}, {"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}, {"LC_ALL": "C"},
    {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"FORCE_COLOR": "1"},
], ids=str)
@pytest.mark.parametrize("words", [["--help"], ["list", "models"], ["nothing"]])
def test_odd_terminals_get_words_and_no_traceback(words: list[str], env: dict[str, str]) -> None:
    for code, said in (_in_a_terminal(words, env=env), _piped(words, env)):
        assert code == (2 if words == ["nothing"] else 0)
        assert "Traceback" not in said
        assert len(said) > 50
    if env == {"NO_COLOR": "1"}:
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]", _in_a_terminal(words, env=env)[1]), "a colour"


def _piped(words: list[str], env: dict[str, str]) -> tuple[int, str]:
    run = _shell(*words, env=env)
    return run.returncode, (run.stdout + run.stderr).decode(errors="replace")


def test_a_terminal_shows_one_line_of_progress_with_a_bar_over_all_files(clip: Path, tmp_path: Path) -> None:
    model = str(tiny.make_camera(tmp_path / "camera"))
    second = tmp_path / f"a clip with a long name {'x' * 100}.mp4"
    second.write_bytes(clip.read_bytes())
    code, said = _in_a_terminal(["classify", str(clip), str(second), "--model", model, "--device", "cpu"],
                                env={"TERM": "xterm"}, stdout_too=False)
    assert code == 0
    shown = [ESCAPE.sub("", line) for line in said.split("\r")]
    assert f"[................] 1/2 {clip}: read ..."[:79] in shown
    assert any(line.startswith("[########........] 2/2 ") for line in shown)
    assert max(map(len, shown)) < 80, "a longer line would go on in the next"
    assert "\n" not in said
    assert shown[-1] == "", "the line is wiped"
    code, said = _in_a_terminal(["classify", str(clip), "--model", model, "--device", "cpu"], env={"TERM": "dumb"},
                                stdout_too=False)
    assert (code, said) == (0, "")


def test_progress_off_a_terminal_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    watching = Progress("a.mp4", 0, 2)
    watching.before("read")
    watching.progress("read", 0.5)
    watching.end()
    for done in range(1, 4):
        show_count(done, 3, "clips")
    assert capsys.readouterr().err == "3/3 clips\n"


# Names that are no text


NAMES = [b"caf\xe9.mp4", b"\xff\xfe.mp4", "naïve 中 😀.mp4".encode(), b"new\nline.mp4", b"tab\t\x1b[31m.mp4",
         b"-dash.mp4", b"$\\frac$ [1].mp4"]
EACH = """
import os, sys
from mmvideo.cli import main
names = sys.argv[1:]
for name in names:
    for words in (["probe"], ["probe", "--json"]):
        sys.argv = ["mmvideo", *words, "--", name]
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        sys.stdout.flush()
        os.write(1, b"\\0%d\\0" % code)
"""
"""Probes every name that it is given in one process; a zero byte, the exit code and a zero byte follow each output."""


@pytest.fixture(params=NAMES, ids=repr)
def odd(request: pytest.FixtureRequest, clip: Path, tmp_path: Path) -> Path:
    path = tmp_path / os.fsdecode(request.param)
    try:
        path.write_bytes(clip.read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    return path


@pytest.mark.parametrize("env", [
    {}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}], ids=str)
def test_any_name_that_the_file_system_takes_works(env: dict[str, str], clip: Path, tmp_path: Path) -> None:
    taken = []
    for name in NAMES:
        with contextlib.suppress(OSError):
            (tmp_path / os.fsdecode(name)).write_bytes(clip.read_bytes())
            taken.append(name)
    assert len(taken) >= 3
    run = subprocess.run([sys.executable.encode(), b"-c", EACH.encode(), *taken], capture_output=True, check=False,
                         cwd=tmp_path, env={**os.environ, **env})
    assert (run.returncode, run.stderr) == (0, b"")
    *told, end = run.stdout.split(b"\0")
    assert (told[1::2], end) == ([b"0"] * (2 * len(taken)), b"")
    assert b"\x1b" not in run.stdout, "a name cannot steer the terminal"
    words, rows = told[0::4], told[2::4]
    assert all(words)
    for row in map(json.loads, rows):
        assert row["duration_seconds"] == pytest.approx(2.0, abs=0.1)


def test_a_name_that_is_no_text_works_in_a_command_of_its_own(clip: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(NAMES[0])
    try:
        odd.write_bytes(clip.read_bytes())
    except OSError:
        pytest.skip("this file system takes no such name")
    run = _shell("probe", "--json", "--", odd.name, cwd=tmp_path,
                 env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert (run.returncode, run.stderr) == (0, b"")
    assert json.loads(run.stdout)["duration_seconds"] == pytest.approx(2.0, abs=0.1)


def test_any_name_works_through_a_model_into_a_picture(odd: Path, tmp_path: Path) -> None:
    model = ["--model", str(tiny.make_qa(tmp_path / "qa")), "--device", "cpu",
             "--set", "encode_video.domain=test-outside"]
    code, out, _ = _run("ask", str(odd), "costs it $\\frac$?", *model, "--save", str(tmp_path / "seen.png"))
    assert code == 0
    assert "mmvideo ask " in out
    assert (tmp_path / "seen.png").stat().st_size > 1000
    code, out, _ = _run("ask", str(odd), "what?", "--json", *model, "--save", str(tmp_path / "seen.json"))
    row = json.loads(out)
    assert row["source"].endswith(".mp4")
    assert json.loads((tmp_path / "seen.json").read_text())["source"] == row["source"]
    code, out, err = _run("caption", f"{odd}.gone.mp4", "--json", *model)
    gone = json.loads(out)
    assert (code, gone["error"], gone["message"]) == (3, "MediaNotFound", err)
    assert gone["source"] in err
    assert "\n" not in gone["source"] or b"\n" in os.fsencode(odd)


# Exit codes


def _codes() -> set[int]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MmvideoError)]
    return {0, cli.INTERRUPTED, BROKEN_PIPE, *(kind.exit_code for kind in kinds)}


def test_exit_codes_are_those_of_the_docs_and_the_help() -> None:
    table = (CHECKOUT / "docs" / "command-line.md").read_text().split("| exit code |")[1].split("\n\n")[0]
    assert {int(number) for number in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == _codes()
    words = " ".join(_run("--help")[1].replace("│", " ").split())
    listed = words.split("Exit codes: ")[1].split(". Add")[0]
    assert {int(number) for number in re.findall(r"(?:^|, )(\d+) ", listed)} == _codes()


def test_pages_name_only_codes_that_exist() -> None:
    pages = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *(CHECKOUT / "docs").rglob("*.md")]
    named = {int(number) for page in pages
             for words in re.findall(r"[Ee]xit codes?:? ((?:\d+[^\d.;:|]*)+)", page.read_text().replace("\n", " "))
             for number in re.findall(r"(?:^|, )(\d+)", words)}
    assert {6, 8, 9, 70} < named <= _codes()


def test_every_error_is_raised_somewhere() -> None:
    """A class that nothing raises, and its exit code, would be a promise that is not kept."""
    sources = "".join(path.read_text() for path in (CHECKOUT / "mmvideo").rglob("*.py") if path.name != "errors.py")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.MmvideoError)]
    bases = {base for kind in kinds for base in kind.__bases__}
    unused = [kind.__name__ for kind in kinds if kind not in bases and not re.search(
        rf"\b{kind.__name__}\b", sources)]
    assert unused == []


def test_each_class_keeps_its_code() -> None:
    assert {kind: getattr(errors, kind).exit_code for kind in (
        "MmvideoError", "InvalidInput", "UnknownName", "RecipeError", "MediaError", "MediaNotFound", "VideoDecodeError",
        "DownloadRefused", "MissingExtra", "WeightsError", "ModelUnavailable", "UnsupportedModel",
        "TrainingInterrupted", "OutOfMemory", "JobIncomplete", "OutputError", "InternalError")} == {
            "MmvideoError": 1, "InvalidInput": 2, "UnknownName": 2, "RecipeError": 2, "MediaError": 3,
            "MediaNotFound": 3, "VideoDecodeError": 3, "DownloadRefused": 3, "MissingExtra": 4, "WeightsError": 5,
            "ModelUnavailable": 5, "UnsupportedModel": 5, "TrainingInterrupted": 6, "OutOfMemory": 7,
            "JobIncomplete": 8, "OutputError": 9, "InternalError": 70}


def _main(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(word) for word in words])
    return int(stop.value.code or 0), capsys.readouterr().err


def test_codes_2_to_5_come_from_their_faults(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    assert _main(capsys, "list")[0] == 0
    assert _main(capsys, "list", "nothing")[0] == 2
    assert _main(capsys, "list", "--nothing")[0] == 2
    assert _main(capsys, "caption", "gone.mp4") == (3, "mmvideo: gone.mp4: no such file.\n")
    model = tiny.make_camera(tmp_path / "camera")
    (model / "model.safetensors").write_bytes(b"damaged")
    code, err = _main(capsys, "classify", clip, "--model", model)
    assert (code, err.count("\n")) == (5, 1)
    monkeypatch.setattr("mmvideo.cli.serve.find_spec", lambda name: None)
    code, err = _main(capsys, "serve")
    assert code == 4
    assert 'pip install "mmvideo[serve]"' in err


def test_code_6_is_a_training_that_was_stopped_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = tmp_path / "mine.yaml", tmp_path / "run"
    config.write_text("trainer: toybox-language\nlevels: {easy: 1.0}\nnum_questions: 2\n"
                      "schedule: {steps: 100000, batch_size: 2, learning_rate: 0.001, save_every: 1, log_every: 1}\n")

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def stop(number: int) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (interrupts._STATE["active"] and (out / "checkpoint.pt").exists()):
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    for number, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")):
        stopping = threading.Thread(target=stop, args=(number,))
        stopping.start()
        code, err = _main(capsys, "train", config, "--out", out)
        stopping.join()
        assert code == 6
        assert f"{name}: saving after this step; once more to stop at once\n" in err
        assert re.fullmatch(r"mmvideo: Training was stopped after step \d+; the same command goes on from the last "
                            rf"checkpoint in {re.escape(str(out))}\.", err.splitlines()[-1])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")])
def test_the_second_signal_stops_a_training_at_once(number: int, name: str, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    """So does the first where no step is being taken: nothing would look at what it asks."""
    (tmp_path / "checkpoint.pt").touch()
    says = f"Training was stopped by {name}; the same command goes on from the last checkpoint in {tmp_path}."
    with stoppable(tmp_path), interrupts.listening():
        os.kill(os.getpid(), number)
        assert capsys.readouterr().err == f"{name}: saving after this step; once more to stop at once\n"
        assert interrupts.asked()
        with pytest.raises(errors.TrainingInterrupted) as stopped:
            os.kill(os.getpid(), number)
    assert (stopped.value.exit_code, str(stopped.value)) == (6, says)
    with stoppable(tmp_path), pytest.raises(errors.TrainingInterrupted) as stopped:
        os.kill(os.getpid(), number)
    assert str(stopped.value) == says


def test_code_7_is_memory_and_code_8_a_job_with_failures(clip: Path, tmp_path: Path,
                                                         capsys: pytest.CaptureFixture[str],
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.make_qa(tmp_path / "qa")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video at all" * 100)
    code, err = _main(capsys, "caption", clip, bad, "--out", tmp_path / "job", "--model", model, "--workers", 1,
                      "--set", "encode_video.domain=test-inside", "--device", "cpu")
    assert code == 8
    assert "1 of 2 items failed" in err

    def full(*_: object, **__: object) -> None:
        raise errors.OutOfMemory("The model does not fit.")

    monkeypatch.setattr("mmvideo.pipeline.Pipeline.__call__", full)
    assert _main(capsys, "caption", clip, "--model", model, "--set", "encode_video.domain=test-inside") == (
        7, "mmvideo: The model does not fit.\n")


def test_code_9_is_a_result_that_cannot_be_written(clip: Path, tmp_path: Path,
                                                        capsys: pytest.CaptureFixture[str],
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "seen.json")

    monkeypatch.setattr("mmvideo.results.Result.save", full)
    code, err = _main(capsys, "classify", clip, "--model", tiny.make_camera(tmp_path / "camera"), "--save",
                      tmp_path / "seen.json")
    assert code == 9
    assert err.splitlines()[-1] == f"mmvideo: {tmp_path / 'seen.json'} cannot be written: No space left on device."
