"""Results in a notebook: HTML, a picture, tables; escaped, and without pandas where it is absent."""

from __future__ import annotations

import ast
import copy
import importlib
import json
import pickle
import sys
from pathlib import Path

import pytest
import tiny

from mmvideo.errors import MediaNotFound, MissingExtra
from mmvideo.notebook import MOST_ROWS, Results, Segments
from mmvideo.results import Answer, Caption, Evidence
from mmvideo.types import Domain, Segment

SEGMENTS = (Segment(0.0, 1.0, "a <b>ball</b>", 0.5), Segment(1.0, 2.0, "nothing"))


def _answered(text: str = "red", clip: Path | None = None, **changes: object) -> Answer:
    return Answer(**{"question": "what color?", "text": text, "confidence": 0.5, "seconds_looked_at": (0.25, 1.5),
                     "in_domain": Domain(True), "duration_seconds": 2.0, "source": str(clip or "a.mp4"),
                     "evidence": Evidence(source=str(clip)) if clip else None, **changes})


def test_a_result_is_shown_with_its_picture_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = tiny.make_clip(tmp_path / "moving.mp4")
    answer = _answered("<script>alert(1)</script>", clip)
    png = answer._repr_png_()
    assert png is not None
    assert png.startswith(b"\x89PNG")
    monkeypatch.setattr(Answer, "plot", lambda self, path=None: pytest.fail("drawn twice"))
    shown = answer._repr_html_()
    assert "data:image/png;base64," in shown
    assert "<script>" not in shown
    assert "confidence 50%" in shown
    for copied in (pickle.loads(pickle.dumps(answer)), copy.copy(answer)):
        assert copied == answer
        assert "_png" not in vars(copied)


def test_a_result_whose_file_is_gone_is_shown_without_a_picture(tmp_path: Path) -> None:
    answer = _answered(clip=tmp_path / "gone.mp4", in_domain=Domain(False, "never saw a dog"))
    assert answer._repr_png_() is None
    shown = answer._repr_html_()
    assert "<img" not in shown
    assert shown.index("never saw a dog") < shown.index("red")


def test_segments_are_a_tuple_with_a_table() -> None:
    caption = Caption(text="a ball", confidence=0.5, seconds_looked_at=(), in_domain=Domain(True), segments=SEGMENTS)
    assert caption.segments == SEGMENTS
    assert isinstance(caption.segments, Segments)
    assert "a &lt;b&gt;ball" in caption.segments._repr_html_()
    assert caption._repr_html_().count("<tr>") == 3
    frame = caption.segments.to_pandas()
    assert list(frame.columns) == ["start_seconds", "end_seconds", "text", "confidence"]
    assert frame["text"].tolist() == ["a <b>ball</b>", "nothing"]
    assert list(Segments().to_pandas().columns) == list(frame.columns)


def test_results_of_many_videos_are_one_table() -> None:
    many = Results([Results([_answered("red"), _answered("blue")]), MediaNotFound("no such file")])
    frame = many.to_pandas()
    assert frame["text"].tolist()[:2] == ["red", "blue"]
    assert frame["error"].tolist()[2] == "MediaNotFound: no such file"
    assert "warnings" not in frame.columns
    assert frame["in_domain"].tolist()[0] is True
    assert "MediaNotFound: no such file" in many._repr_html_()
    assert isinstance(many[:1], Results)
    assert many[0][1].text == "blue"
    assert len(_answered().to_pandas()) == 1
    assert "and 5 more rows" in Results([_answered()] * (MOST_ROWS + 5))._repr_html_()


def test_without_pandas_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for table in (_answered(), Results([_answered()]), Segments(SEGMENTS)):
        with pytest.raises(MissingExtra, match=r'pip install "mmvideo\[notebook\]"'):
            table.to_pandas()


NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_python_without_outputs_and_name_what_exists(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    codes = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert codes
    assert not any(cell["outputs"] for cell in cells if cell["cell_type"] == "code")
    for node in (node for code in codes for node in ast.walk(ast.parse(code))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mmvideo"):
            module = importlib.import_module(node.module or "")
            assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_cells_about_results_run(tmp_path: Path) -> None:
    """The notebook itself looks at a filmed clip with the everyday model; here its table is made of what is there."""
    (ask,) = [path for path in NOTEBOOKS if path.stem == "ask"]
    codes = ["".join(cell["source"]) for cell in json.loads(ask.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, object] = {}
    exec(compile(codes[0], str(ask), "exec"), names)
    assert Path(str(names["clip"])).is_file()
