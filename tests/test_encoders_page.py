"""docs/encoders.md is the zoo: every preset, with its published figures; a few rows are counted again."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from mmvideo.encoders import zoo
from mmvideo.evaluation import profile

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.mark.skipif(not (DOCS / "encoders.md").exists(), reason="docs/encoders.md is not written yet")
def test_the_page_is_the_zoo() -> None:
    spec = importlib.util.spec_from_file_location("encoders_page", DOCS / "encoders.py")
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    lines = [line for line in (DOCS / "encoders.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    rows = {cells[0].strip("`"): cells for cells in ([c.strip() for c in line[1:-1].split("|")] for line in lines)}
    presets = {name: kind for kind in profile.KINDS for name in zoo.presets(kind)}
    assert set(rows) == set(presets), "run python docs/encoders.py"
    for name, kind in presets.items():
        said = [cell for i, cell in enumerate(rows[name]) if i not in page.COUNTED]
        assert said == [cell for i, cell in enumerate(page.known(name, kind)) if i not in page.COUNTED], name
    for name in ("c3d-tiny", "logmel-cnn-tiny"):
        assert rows[name] == page.row(name, presets[name])
