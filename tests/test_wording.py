"""Numbers with their nouns, and text that every stream takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmvideo.wording import plural, printable

PACKAGE = Path(__file__).resolve().parents[1] / "mmvideo"


@pytest.mark.parametrize(("given", "said"), [
    ((0, "clip"), "0 clips"), ((1, "clip"), "1 clip"), ((2, "clip"), "2 clips"), ((1204, "class"), "1204 classes"),
    ((1, "person", "people"), "1 person"), ((2, "person", "people"), "2 people"), ((3, "box"), "3 boxes")])
def test_one_is_one_and_two_are_several(given: tuple, said: str) -> None:
    assert plural(*given) == said


def test_a_name_that_is_no_text_is_escaped_and_comes_back_from_json() -> None:
    name = b"caf\xe9 \xe4\xb8.mp4".decode("utf-8", "surrogateescape")
    assert printable(name) == "caf\\udce9 \\udce4\\udcb8.mp4"
    assert json.loads(printable(json.dumps(name, ensure_ascii=False))) == name
    assert printable("naïve 中", "ascii") == "na\\u00efve \\u4e2d"
    for text in (name, "naïve 中 😀"):
        assert json.loads(printable(json.dumps(text, ensure_ascii=False), "ascii")) == text
    assert printable("naïve 中\n\t") == "naïve 中\n\t"
    assert printable("\x1b[31m\x00\x7f\x9b") == "\\u001b[31m\\u0000\\u007f\\u009b"
    assert json.loads(printable(json.dumps("\x1b\x7f\x9b", ensure_ascii=False))) == "\x1b\x7f\x9b"


def test_plurals_are_made_in_one_place() -> None:
    """A noun after a counted thing goes through `plural`; no file makes its own plural with an s."""
    own = re.compile(r"""['"]e?s['"] ?(\*|if)""")
    found = [path.name for path in sorted(PACKAGE.rglob("*.py")) if own.search(path.read_text(encoding="utf-8"))]
    assert found == ["wording.py"]
