"""The fastest of several kernels: measured once for a shape, remembered, and never a guess."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from mmvideo.errors import InvalidInput
from mmvideo.nn import autotune, onednn


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(autotune.VARIABLE, raising=False)
    autotune._chosen.clear()


def ways(torch_ms: float, other_ms: float) -> tuple[dict, list[str]]:
    runs: list[str] = []

    def way(name: str, milliseconds: float) -> None:
        runs.append(name)
        time.sleep(milliseconds / 1e3)

    return {"torch": lambda: way("torch", torch_ms), "other": lambda: way("other", other_ms)}, runs


def kept(folder: Path) -> dict[str, str]:
    file, = (folder / "mmvideo" / "kernels").glob("*.json")
    return json.loads(file.read_text())


def test_the_fastest_is_chosen_and_remembered_for_other_processes(tmp_path: Path) -> None:
    given, runs = ways(20, 1)
    assert autotune.fastest("sum", (4, 8), given) == "other"
    assert kept(tmp_path) == {"sum 4 8": "other"}
    measured = len(runs)
    assert autotune.fastest("sum", (4, 8), given) == "other"
    autotune._chosen.clear()  # as another process
    assert autotune.fastest("sum", (4, 8), given) == "other"
    assert len(runs) == measured > 0, "measured again"
    slow, _ = ways(1, 20)
    assert autotune.fastest("sum", (4, 9), slow) == "torch"
    assert kept(tmp_path) == {"sum 4 8": "other", "sum 4 9": "torch"}


def test_another_way_is_only_taken_where_it_is_clearly_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, expected in ((0.99, "torch"), (0.9, "other"), (1.5, "torch")):
        monkeypatch.setattr(autotune, "_measure", lambda _, seconds=seconds: {"torch": 1.0, "other": seconds})
        assert autotune.fastest("sum", (seconds,), ways(0, 0)[0]) == expected


def test_each_number_of_threads_has_choices_of_its_own(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            autotune.fastest("sum", (1,), ways(0, 0)[0])
    finally:
        torch.set_num_threads(before)
    assert sorted(file.stem[-2:] for file in (tmp_path / "mmvideo" / "kernels").iterdir()) == ["-1", "-2"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"sum 1": "gone"}', "\x00\xff", "[" * 10_000])
def test_a_damaged_file_is_measured_anew(tmp_path: Path, content: str) -> None:
    given, runs = ways(20, 1)
    file = autotune._file()
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode("latin-1"))
    assert autotune.fastest("sum", (1,), given) == "other"
    assert runs
    assert kept(tmp_path)["sum 1"] == "other"


def test_a_choice_that_another_process_made_meanwhile_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    given, _ = ways(20, 1)
    answers = iter([{}, {"sum 1": "torch"}])
    monkeypatch.setattr(autotune, "_read", lambda _: next(answers))
    assert autotune.fastest("sum", (1,), given) == "torch"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder in which nobody may write")
def test_a_home_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    assert autotune.fastest("sum", (1,), ways(20, 1)[0]) == "other"


def test_the_environment_switches_to_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(autotune.VARIABLE, "torch")
    given, runs = ways(20, 1)
    assert autotune.fastest("sum", (1,), given) == "torch"
    assert not runs
    linear = nn.Linear(64, 64)
    assert type(onednn.pack_linears(linear)) is nn.Linear
    monkeypatch.setenv(autotune.VARIABLE, "fast")
    with pytest.raises(InvalidInput, match=r"MMVIDEO_KERNELS='fast'.*'auto'.*'torch'"):
        autotune.fastest("sum", (1,), given)


@pytest.mark.skipif(not onednn.available(), reason="this build of torch has no oneDNN")
def test_layers_are_packed_only_where_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for choice, kind in (("packed", onednn.PackedLinear), ("torch", nn.Linear)):
        monkeypatch.setattr(autotune, "fastest", lambda *_, choice=choice: choice)
        layer, x = nn.Linear(64, 32), torch.randn(3, 64)
        with torch.inference_mode():
            expected = layer(x)
            assert type(onednn.pack_linears(layer)) is kind
            torch.testing.assert_close(layer(x), expected)


def test_a_second_process_takes_what_the_first_chose() -> None:
    autotune.fastest("sum", (7,), ways(20, 1)[0])
    code = (f"import time, torch; torch.set_num_threads({torch.get_num_threads()}); from mmvideo.nn import autotune\n"
            "ways = {'torch': lambda: 0, 'other': lambda: time.sleep(0.02)}\n"
            "print(autotune.fastest('sum', (7,), ways), autotune.fastest('sum', (8,), ways))")
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["other", "torch"]
