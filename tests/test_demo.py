"""The models that ship, end to end, on the clip that ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mmvideo import Pipeline, weights
from mmvideo.cli import app
from mmvideo.cli.make import NEXT, demo_clip

MODELS = ("camera-motion", "toybox-qa")


@pytest.fixture(scope="module")
def qa() -> Pipeline:
    return Pipeline("video-qa", model="toybox-qa", device="cpu")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_ships_has_a_card_and_matches_its_checksums(name: str) -> None:
    home = weights.weights_root() / name
    assert weights.verify(home) == []
    assert len(weights.card(home)) > 400


def test_all_models_together_are_under_80_mb() -> None:
    files = [path for path in weights.weights_root().rglob("*") if path.is_file() and path.parent.name != "demo"]
    assert sum(path.stat().st_size for path in files) <= 80e6


def test_the_demo_shows_a_filmed_clip_first_then_the_toybox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pipeline in ("VIDEO_QA", "VIDEO_CAPTIONING"):
        monkeypatch.delenv(f"MMVIDEO_MODEL_{pipeline}")
    run = CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--device", "cpu"])
    assert run.exit_code == 0, run.stderr
    filmed, toys = run.stdout.index("nasa.mp4: 13.1 s"), run.stdout.index("toybox.mp4: 2.0 s")
    assert filmed < toys
    for title in ("caption:", "camera:", NEXT):
        assert run.stdout.count(title) == 2
    caption, camera, answer = json.loads((tmp_path / "demo.json").read_text())
    assert caption["model"] == answer["model"] == "everyday"
    assert "person" in {box["label"] for box in answer["evidence"]["boxes"]} or answer["evidence"]["intervals"]
    caption, camera, answer = json.loads((tmp_path / "demo-toybox.json").read_text())
    assert caption["model"] == answer["model"] == "toybox-qa"
    assert camera["label"] == "static"
    assert all(len(result["seconds_looked_at"]) == 16 for result in (caption, camera, answer))
    assert caption["in_domain"]
    assert answer["in_domain"]
    for name in ("demo.png", "demo-toybox.png"):
        picture = np.asarray(Image.open(tmp_path / name).convert("RGB"))
        assert picture.shape[1] > 1200
        assert picture.std() > 10


def test_answers_do_not_change_from_run_to_run(qa: Pipeline) -> None:
    clip = demo_clip()
    first, second = qa(clip, NEXT), qa(clip, NEXT)
    assert first.text == second.text
    assert first.confidence == pytest.approx(second.confidence, rel=1e-5)


def test_the_model_tells_what_the_clip_shows(qa: Pipeline) -> None:
    """True things about the demo clip, which was never trained on; one may fail, chance gets few of them."""
    facts = {
        "the rubber toy is what kind of toy?": "triangle", "how many toys are there?": "two",
        "how many boxes are there?": "zero", "of which material is the blue ball?": "metal",
        "what is the fastest toy?": "the blue ball", "does the large rubber triangle spin?": "no",
        "which event comes first?": "the green triangle hits the blue ball",
    }
    answers = qa(demo_clip(), list(facts))
    wrong = {answer.question: answer.text for answer in answers if answer.text != facts[answer.question]}
    assert len(wrong) <= 2, wrong


def test_words_that_the_model_never_saw_are_named(qa: Pipeline) -> None:
    answer = qa(demo_clip(), "does the astronaut yodel?")
    assert not answer.in_domain
    assert "'astronaut', 'yodel'" in answer.in_domain.reason
    assert "Pipeline('video-qa', model='HuggingFaceTB/" in answer.in_domain.suggestion


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_pristine.mp4"])
def test_real_footage_is_outside_the_toybox(qa: Pipeline, shared: Path, name: str) -> None:
    answer = qa(shared / "media" / "actions" / name, NEXT)
    assert not answer.in_domain
    assert answer.in_domain.reason
    assert len(answer.seconds_looked_at) >= 16
