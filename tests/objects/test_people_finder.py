"""Sampler `person`: frames cut to the square around people, and models that are trained on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput
from mmvideo.features.views import View
from mmvideo.media import open_source, write_video
from mmvideo.objects.people import PeopleFinder, person
from mmvideo.sampling.moving import EVERYTHING
from mmvideo.training.finetune.options import FinetuneOptions
from mmvideo.training.recipes import plan_of, run_plan
from mmvideo.weights import weights_root


def _film(path: Path, colour: int, number: int = 0) -> Path:
    """Write 1 s of grey with a coloured square on the left."""
    frames = torch.full((8, 3, 48, 96), 90, dtype=torch.uint8)
    frames[:, colour, 12 + number:36, 8:32] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, fps=8)
    return path


def test_the_square_around_a_person_is_cut_out(tmp_path: Path) -> None:
    with open_source(weights_root() / "demo" / "nasa.mp4") as source:
        left, top, right, bottom = PeopleFinder().box(source, 0.0, 2.0)
        clips = person(source, num_frames=2, size=64, start_seconds=0.0, end_seconds=2.0)
    assert 0 <= left < right <= 1
    assert (right - left) * (bottom - top) < 0.9
    assert clips.frames.shape == (1, 2, 3, 64, 64)
    assert "the people" in clips.rule
    with open_source(_film(tmp_path / "a.mp4", 0)) as source:
        assert PeopleFinder().box(source) == EVERYTHING
        with pytest.raises(InvalidInput, match="one clip and one crop"):
            person(source, crops=3)


def test_a_model_trained_on_people_looks_for_them_wherever_it_is_used(tmp_path: Path,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    monkeypatch.setattr(PeopleFinder, "box", lambda self, source, *span: looked.append(span) or (0.1, 0.25, 0.3, 0.75))
    for colour, name in enumerate(("red", "green")):
        for number in range(3):
            _film(tmp_path / "clips" / name / f"{number}.mp4", colour, number)
    made = FinetuneOptions(data=str(tmp_path / "clips"), cache=str(tmp_path / "c"), encoder="single-frame-tiny",
                           frames=2, size=32, epochs=1, batch_size=4, workers=1, augment="none", precision="no",
                           focus="person", test_share=0.0, validation_share=0.0)
    run_plan(plan_of("finetune", made, tmp_path / "run", "test"))
    assert len(looked) == 6
    assert json.loads((tmp_path / "run/model/config.json").read_text())["input"]["focus"] == "person"
    assert "around the people" in (tmp_path / "run/model/README.md").read_text()
    classify = Pipeline("video-classification", tmp_path / "run", device="cpu")
    assert "of the people in" in classify(tmp_path / "clips/red/0.mp4").rule
    assert len(looked) == 7
    assert View.of(classify.stages[-1][1].classifier.network.input).crop == "person"
