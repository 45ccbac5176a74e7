"""`mmvideo eval --model A --model B --data TABLE`: figures against scikit-learn and by hand, rows, the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics

from mmvideo import cli
from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput, JobIncomplete
from mmvideo.evaluation.labelled_clips import EvaluationOptions, evaluate_clips
from mmvideo.labelled import measures
from mmvideo.media import write_video

LABELS = ("a", "b", "c")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write six clips of two people and a table, in a folder whose name says what they are."""
    home = tmp_path_factory.mktemp("waves")
    lines = ["clip,label,person"]
    for number in range(6):
        frames = torch.from_numpy(np.random.default_rng(number).integers(0, 255, (4, 3, 32, 32), np.uint8))
        write_video(home / f"{number}.mp4", frames, fps=4)
        lines.append(f"{number}.mp4,{LABELS[number % 3]},{'ann' if number < 3 else 'bob'}")
    (home / "clips.csv").write_text("\n".join(lines) + "\n")
    return home / "clips.csv"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Write two runs with random weights."""
    home = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("first", "second")):
        torch.manual_seed(seed)
        seen = Input(2, 32, 32)
        zoo.create("single-frame-tiny", labels=LABELS, input=seen).eval().save_pretrained(home / name / "model")
    return [str(home / "first"), str(home / "second")]


def test_two_models_are_measured_compared_and_shown(table, models, tmp_path, capsys) -> None:
    out = tmp_path / "report"
    with pytest.raises(SystemExit) as done:
        cli.main(["eval", "--model", models[0], "--model", models[1], "--data", str(table), "--out", str(out)])
    assert not done.value.code
    said = capsys.readouterr().out
    assert "first minus second: top1" in said
    figures = json.loads((out / "figures.json").read_text())
    assert list(figures["models"]) == ["first", "second"], "models are named by their runs"
    assert figures["models"]["first"]["clips"] == 6
    assert [group["name"] for group in figures["models"]["first"]["per_group"]] == ["ann", "bob"]
    page = (out / "report.html").read_text()
    assert f"<title>{table.parent.name}: first and second</title>" in page
    assert "src=\"http" not in page
    assert "href=" not in page
    assert page.count("data:image/jpeg") == round(6 * (1 - figures["models"]["first"]["top1"]))
    rows = [json.loads(line) for line in (out / "rows" / "first" / "results.jsonl").read_text().splitlines()]
    assert {"id", "labels", "frame_times", "weights_sha256"} <= set(rows[0])
    best = {row["id"]: row["labels"][0]["name"] for row in rows}
    right = np.mean([best[str(number)] == LABELS[number % 3] for number in range(6)])
    assert figures["models"]["first"]["top1"] == pytest.approx(right)
    assert len((out / "predictions.tsv").read_text().splitlines()) == 7


def test_what_cannot_be_measured_is_said(table, models, tmp_path) -> None:
    with pytest.raises(InvalidInput, match="different models"):
        list(evaluate_clips([models[0], models[0]], table, out=tmp_path / "a"))
    text = table.read_text()
    other = table.with_name("other.csv")
    other.write_text("\n".join(text.splitlines()[:3]).replace("0.mp4,a", "0.mp4,dance").replace("1.mp4", "gone.mp4"))
    with pytest.raises(JobIncomplete, match="--skip-unreadable"):
        list(evaluate_clips(models[:1], other, out=tmp_path / "b"))
    with pytest.raises(InvalidInput, match="dance"):
        list(evaluate_clips(models[:1], other, out=tmp_path / "b", options=EvaluationOptions(skip_unreadable=True)))
    with pytest.raises(InvalidInput, match="split"):
        list(evaluate_clips(models[:1], table, out=tmp_path / "c", options=EvaluationOptions(split="test")))


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.integers(0, 7, 120), rng.dirichlet(np.ones(7), 120)
    scores[np.arange(120), truth] += 0.1
    scores /= scores.sum(1, keepdims=True)
    names = [str(i) for i in range(7)]
    found = measures.measure_predictions(truth, scores, names, "classes")
    guess = scores.argmax(1)
    assert found["top1"] == pytest.approx(metrics.accuracy_score(truth, guess))
    assert found["top5"] == pytest.approx(metrics.top_k_accuracy_score(truth, scores, k=5))
    assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, guess))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(truth, guess, average="macro"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(truth, scores))
    assert found["confusion"] == metrics.confusion_matrix(truth, guess).tolist()
    for name, (low, high) in found["intervals"].items():
        assert low <= found[name] <= high or name == "calibration_error", "which chance makes larger"
    tags = (rng.random((80, 4)) < 0.3).astype(int)
    sure = np.clip(tags * 0.3 + rng.random((80, 4)) * 0.7, 0, 1)
    assert measures.mean_average_precision(tags, sure) == pytest.approx(
        metrics.average_precision_score(tags, sure, average="macro"))
    numbers, guesses = rng.random((50, 1)), rng.random((50, 1))
    told = measures.measure_predictions(numbers, guesses, ["x"], "numbers")
    assert told["r_squared"] == pytest.approx(metrics.r2_score(numbers, guesses))
    assert told["mean_absolute_error"] == pytest.approx(metrics.mean_absolute_error(numbers, guesses))


def test_a_pair_is_compared_on_the_same_clips_and_by_groups() -> None:
    truth = np.zeros(40, int)
    good, bad = np.tile([0.9, 0.1], (40, 1)), np.tile([0.9, 0.1], (40, 1))
    bad[:12] = [0.1, 0.9]
    found = measures.paired(truth, good, bad, "classes")
    assert found["difference"] == pytest.approx(0.3)
    assert (found["only_first"], found["only_other"]) == (12, 0)
    assert found["p"] == pytest.approx(2 / 2**12)
    assert found["interval"][0] > 0.1
    groups = [str(i // 12) for i in range(40)]
    wide = measures.paired(truth, good, bad, "classes", groups)["interval"]
    assert wide[1] - wide[0] > found["interval"][1] - found["interval"][0], "one person makes all the difference"
    assert measures.mcnemar(0, 0) == 1.0
    assert measures.expected_calibration_error(np.zeros(10, int), np.tile([0.7, 0.3], (10, 1))) == pytest.approx(0.3)
