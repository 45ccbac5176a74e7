"""The embedded models give what they gave; a change that is meant to change it writes the file anew."""

from __future__ import annotations

import json
from pathlib import Path

import freeze
import pytest


@pytest.mark.slow
def test_the_embedded_models_give_what_they_gave() -> None:
    kept = json.loads((Path(__file__).parent / "embedded.json").read_text())
    found = json.loads(json.dumps(freeze.everything()))
    assert freeze.differences(kept, found, tolerance=1e-3) == []


def test_differences_are_seen() -> None:
    a = {"x": [1.0, {"sha256": "a", "size": 2.0}], "text": "ball"}
    assert freeze.differences(a, a) == []
    assert freeze.differences(a, {"x": [1.0, {"sha256": "b", "size": 2.0}], "text": "ball"}, tolerance=1e-3) == []
    for other in ({"x": [1.0, {"sha256": "b", "size": 2.0}], "text": "ball"}, {"x": a["x"], "text": "cube"},
                  {"x": a["x"]}, {"x": [1.0], "text": "ball"}, {"x": [1.01, a["x"][1]], "text": "ball"}):
        assert len(freeze.differences(a, other)) == 1
    assert freeze.differences(a, {"x": [1.01, a["x"][1]], "text": "ball"}, tolerance=1e-3) == ["/x/0: 1.0 and 1.01"]
