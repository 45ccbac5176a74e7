"""The comparison of encoders: from a config to a table, a picture and verdicts; finished families are kept."""

from __future__ import annotations

import json

import pytest
import torch

from mmvideo.errors import RecipeError, UnknownName
from mmvideo.evaluation.intervals import difference_interval, wilson
from mmvideo.toybox.evaluation import encoders
from mmvideo.toybox.evaluation.encoder_claims import ABSENT, OPEN, REFUTED, SEEN, verdicts

CONFIG = {"families": ["c3d-tiny", "videomae-tiny"], "tasks": ["direction", "sounding"], "steps": 2, "batch_size": 2,
          "num": 8, "warmup": 1}


def test_a_comparison_is_written_and_resumed(tmp_path, monkeypatch) -> None:
    reports = list(encoders.compare_encoders(CONFIG, out=tmp_path, where="here"))
    assert [r["family"] for r in reports if "family" in r] == CONFIG["families"]
    assert {r["verdict"] for r in reports if "claim" in r} == {ABSENT}
    written = json.loads((tmp_path / "encoders.json").read_text())
    for rows in written["families"].values():
        assert rows[0]["counts"]["direction"][1] == rows[0]["counts"]["sounding"][1] == 4
        assert rows[0]["params_millions"] > 0
        assert rows[0]["latency_ms"] > 0
    table = (tmp_path / "encoders.md").read_text()
    assert all(name in table for name in CONFIG["families"])
    assert (tmp_path / "encoders.png").stat().st_size > 1000
    monkeypatch.setattr(encoders.classifier, "fit_classifier", lambda *_, **__: pytest.fail("trained again"))
    assert list(encoders.compare_encoders(CONFIG, out=tmp_path, where="here")) == reports
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        list(encoders.compare_encoders(CONFIG | {"steps": 3}, out=tmp_path, where="here"))


def test_the_time_of_a_resumed_training_is_that_of_all_its_steps(tmp_path) -> None:
    lines = [{"step": 50, "per_second": 8.0}, {"step": 100, "per_second": 4.0}, {"step": 100, "evaluation": {"a": 1.0}},
             {"step": 100, "per_second": 16.0}]  # the second fifty again, after a kill
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    schedule = encoders.Schedule(steps=100, batch_size=16, learning_rate=0.1, log_every=50)
    run = encoders.TrainingRun(tmp_path, torch.nn.ModuleDict({"encoder": torch.nn.Linear(2, 2)}), schedule)
    assert encoders._logged_seconds(run) == pytest.approx(100 + 50)


def test_configs_are_checked_before_anything_is_trained(tmp_path) -> None:
    for raw, error, words in (({}, RecipeError, "families"), ({**CONFIG, "stps": 3}, RecipeError, "steps"),
                              ({**CONFIG, "families": ["c3d-tny"]}, UnknownName, "c3d-tiny"),
                              ({**CONFIG, "tasks": ["order!"]}, UnknownName, "order")):
        with pytest.raises(error, match=words):
            list(encoders.compare_encoders(raw, out=tmp_path, where="here"))


def test_intervals_are_those_of_the_papers() -> None:
    assert wilson((81, 263)) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, paper I, method 3
    assert wilson((0, 20)) == pytest.approx((0.0, 0.1611), abs=1e-4)
    # paper II, example a, method 10
    assert difference_interval((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_verdicts_follow_from_the_intervals() -> None:
    def verdict(tsm: int, single: int, gmacs: float = 0.2) -> dict[str, str]:
        counts = {"tsm-tiny": {"direction": (tsm, 200), "order": (tsm, 200)},
                  "single-frame-tiny": {"direction": (single, 200), "order": (single, 200)}}
        return {v.claim: v.verdict for v in verdicts(counts, {"tsm-tiny": gmacs, "single-frame-tiny": 0.2})}

    def of(claims: dict[str, str], word: str) -> str:
        return next(v for c, v in claims.items() if word in c)

    assert of(verdict(190, 100), "TSM") == SEEN
    assert of(verdict(142, 100), "TSM") == OPEN
    assert of(verdict(102, 100), "TSM") == REFUTED
    assert of(verdict(190, 100, gmacs=0.3), "TSM") == REFUTED, "not at the same cost"
    assert of(verdict(190, 105), "at chance (50%) on order") == SEEN
    assert of(verdict(190, 130), "at chance (50%) on order") == REFUTED
    assert of(verdict(190, 55), "at chance (25%) on direction") == SEEN
    assert of(verdict(190, 83), "at chance (25%) on direction") == REFUTED
    assert of(verdict(190, 83), "backwards allow (50%)") == SEEN
    assert of(verdict(190, 130), "backwards allow (50%)") == REFUTED
    assert of(verdict(190, 100), "slow fusion") == ABSENT
