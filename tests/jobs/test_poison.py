"""Damaged clips, endless streams, decoders that hang or end their process: all named, none in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from mmvideo import Pipeline


@pytest.mark.slow
def test_every_kind_of_damage_is_named(model: Path, tmp_path: Path, benchmark: Callable[[str], ModuleType]) -> None:
    poison = benchmark("jobs_poison")
    with poison.unruly(), poison.endless_stream() as stream:
        manifest = poison.make(tmp_path / "clips", 5, 1, stream)
        pipeline = Pipeline("video-captioning", str(model), "cpu", encode_video={"domain": "test-inside"},
                            caption={"max_new_tokens": 4})
        summary = poison.run(pipeline, manifest, tmp_path / "job", timeout_seconds=6.0)
    found = poison.verdict(summary)
    assert found.pop("good") == {"captioned": 5}
    assert found == {kind: {error: 1} for kind, error in poison.EXPECTED.items()}
    assert (summary.counts["failed"], summary.counts["quarantined"]) == (9, 1)
    messages = {name: message for name, _, _, message in summary.failures}
    assert "SIGSEGV" in next(message for name, message in messages.items() if name.startswith("deadly"))
    assert "--timeout" in next(message for name, message in messages.items() if name.startswith("hanging"))
