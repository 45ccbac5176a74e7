"""How separated voices are measured: fixed lists, scores that move the right way, and one row through video files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvideo.errors import MediaNotFound, RecipeError, UnknownName
from mmvideo.separation import evaluation as separation


def test_lists_are_fixed_and_of_different_speakers() -> None:
    files = [Path(f"speaker{s}/{s}-{n}.flac") for s in range(4) for n in range(5)]
    listed = separation.mixtures(files, 40)
    assert listed == separation.mixtures(files, 40)
    assert all(a.split("-")[0] != b.split("-")[0] for a, b in (m.clips for m in listed))
    assert all(set(m.strangers).isdisjoint(m.clips) for m in listed)
    assert len({m.clips for m in listed}) > 30


def test_scores_know_good_from_bad_and_absent_from_present() -> None:
    pytest.importorskip("torchmetrics")
    pytest.importorskip("pesq")
    judge = separation.judge_of_voices()
    clock = torch.arange(32000) / 16000
    beat = (torch.sin(2 * torch.pi * 3 * clock) > 0).float()
    targets = torch.stack((beat * torch.randn(32000), (1 - beat) * torch.randn(32000))) * 0.1
    mixed = targets.sum(0)
    good, swapped = judge(targets[0] + 0.1 * targets[1], targets, 0, mixed), judge(targets[1], targets, 0, mixed)
    assert good["si_sdri"] == pytest.approx(20, abs=1.5)
    assert good["sdri"] > 10
    assert good["right"] == 1
    assert swapped["right"] == 0
    assert swapped["si_sdri"] < 0
    unchanged = judge(mixed, targets, 0, mixed)
    assert unchanged["si_sdri"] == unchanged["sdri"] == 0
    absent = judge(mixed / 10, torch.stack((targets[0] * 0, targets[1])), 0, mixed)
    assert absent == {"absent_db": pytest.approx(-20, abs=0.01)}
    told = separation.summary_of_voices([good, swapped, absent])
    assert told["outputs"] == 2
    assert told["low"] <= told["si_sdri"] <= told["high"]
    assert told["below_0"] == told["right"] == 0.5


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    with pytest.raises(RecipeError, match="Did you mean 'rows'"):
        next(separation.evaluate_separation({"row": []}, out=tmp_path, where="x"))
    with pytest.raises(UnknownName, match="Did you mean 'stranger'"):
        next(separation.evaluate_separation({"rows": ["strangers"]}, out=tmp_path, where="x"))
    with pytest.raises(MediaNotFound, match=r"no \.flac"):
        next(separation.evaluate_separation({"voices": str(tmp_path), "rows": ["own"]}, out=tmp_path, where="x"))


@pytest.mark.shared
def test_films_of_talkers_go_through_the_pipeline(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchmetrics")
    raw = {"voices": str(shared / "data" / "librispeech" / "dev"), "num": 1, "seconds": 3.0, "rows": ["own", "no-face"]}
    own, blind = separation.evaluate_separation(raw, out=tmp_path, where="x")
    assert own["outputs"] == 2
    assert own["right"] == 1
    assert own["real_time_factor"] > own["without_faces"] > 0
    assert blind["si_sdri"] == pytest.approx(0, abs=0.05), "without a face the sound comes back as it was"
    assert len(json.loads((tmp_path / "mixtures.json").read_text())["voices"]) == 1
    assert [r["row"] for r in json.loads((tmp_path / "separation.json").read_text())] == ["own", "no-face"]
