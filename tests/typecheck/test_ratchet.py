"""The ratchet of types: errors are counted a part, more than allowed fail, and fewer ask for a lower number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import ratchet
from ratchet import CHECKOUT, NUMBERS, PUBLIC, compared, errors_by_part

REPORT = """\
mmvideo/media/api.py:3:5: error: Incompatible types in assignment  [assignment]
mmvideo/media/api.py:3:5: note: Possible overload variants:
mmvideo/types.py:9: error: Name "x" is not defined  [name-defined]
tests/typecheck/public.py:1:1: error: elsewhere  [misc]
Found 3 errors in 3 files (checked 9 source files)
"""


def test_errors_are_counted_by_part() -> None:
    assert {part: len(lines) for part, lines in errors_by_part(REPORT).items()} == {"media": 1, "types": 1}


def test_more_errors_than_allowed_fail_and_are_shown() -> None:
    failures, fallen = compared(errors_by_part(REPORT), {"media": 1})
    assert failures[0].startswith("mmvideo/types.py:9: error:")
    assert failures[-1].startswith("types: 1 type error, 0 allowed")
    assert fallen == {}


def test_fewer_errors_give_the_number_to_record() -> None:
    assert compared(errors_by_part(REPORT), {"media": 3, "types": 1, "cli": 2}) == ([], {"media": 1, "cli": 0})


@pytest.mark.parametrize("line", ["1:1: error: Expression is of type Any, not Answer  [assert-type]",
                                  '7: error: Unused "type: ignore" comment  [unused-ignore]'])
def test_an_error_in_the_public_interface_always_fails(
        line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = tmp_path / "ratchet.json"
    numbers.write_text("{}")
    monkeypatch.setattr(ratchet, "NUMBERS", numbers)
    monkeypatch.setattr(ratchet, "_report", lambda: ("Found 3 errors in 2 files", 1))
    assert ratchet.main([]) == 0
    monkeypatch.setattr(ratchet, "_report", lambda: (f"{PUBLIC}:{line}\nFound 1 error in 1 file", 1))
    assert ratchet.main([]) == 1
    assert line in capsys.readouterr().out


def test_the_public_interface_is_there_to_be_checked() -> None:
    text = (CHECKOUT / PUBLIC).read_text(encoding="utf-8")
    assert text.count("assert_type(") > 20
    assert "# type: ignore[" in text, "mistakes that must be found"


def test_lower_writes_what_has_fallen_and_never_what_has_risen(tmp_path, monkeypatch) -> None:
    numbers = tmp_path / "ratchet.json"
    numbers.write_text(json.dumps({"media": 3, "cli": 2}))
    monkeypatch.setattr(ratchet, "NUMBERS", numbers)
    monkeypatch.setattr(ratchet, "_report", lambda: (REPORT, 1))
    assert ratchet.main([]) == 1
    assert json.loads(numbers.read_text()) == {"media": 3, "cli": 2}
    assert ratchet.main(["--lower"]) == 1
    assert json.loads(numbers.read_text()) == {"media": 1}


def test_every_recorded_part_exists() -> None:
    package = CHECKOUT / "mmvideo"
    for part, number in json.loads(NUMBERS.read_text(encoding="utf-8")).items():
        assert number > 0, part
        assert (package / part).is_dir() or (package / f"{part}.py").is_file(), part
