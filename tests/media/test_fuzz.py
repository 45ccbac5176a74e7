"""A short run of the fuzz in benchmarks/fuzz_media.py."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def test_broken_files_neither_crash_nor_lose_in_silence():
    path = Path(__file__).parents[2] / "benchmarks" / "fuzz_media.py"
    spec = importlib.util.spec_from_file_location("fuzz_media", path)
    fuzz_media = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz_media)
    results = fuzz_media.fuzz(18, seed=7, workers=1)
    assert len(results) == 18
    assert [result for result in results if result["outcome"] not in fuzz_media.GOOD or "noise" in result] == []
    assert len({result["outcome"] for result in results}) > 1
