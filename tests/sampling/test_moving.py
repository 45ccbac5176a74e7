"""Sampler `moving`: where and when something moves, and models that are trained on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmvideo import Pipeline
from mmvideo.errors import InvalidInput
from mmvideo.features.views import View
from mmvideo.media import open_source, write_video
from mmvideo.sampling.moving import EVERYTHING, moving, moving_part
from mmvideo.training.finetune.options import FinetuneOptions
from mmvideo.training.recipes import plan_of, run_plan

FPS, SECONDS = 10, 4


def film(path: Path, *, moves: bool = True, colour: int = 0, side: int = 96) -> Path:
    """Write 4 s of a still picture in which, from 1 s to 2 s, a square crosses the left half."""
    frames = torch.randint(60, 90, (1, 3, side, 2 * side), generator=torch.Generator().manual_seed(colour),
                           dtype=torch.uint8).repeat(FPS * SECONDS, 1, 1, 1)
    for number in range(FPS * SECONDS):
        step = min(max(number - FPS, 0), FPS) if moves else 0
        at, size = side // 8 + step * side // 16, side // 6
        frames[number, :, side // 2:side // 2 + size, at:at + size] = 0
        frames[number, colour, side // 2:side // 2 + size, at:at + size] = 250
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, fps=FPS)
    return path


def test_the_box_and_the_time_of_what_moves(tmp_path: Path) -> None:
    with open_source(film(tmp_path / "a.mp4")) as source:
        part = moving_part(source)
        clips = moving(source, num_frames=4, size=64)
    left, top, right, bottom = part.box
    assert left == pytest.approx(12 / 192, abs=0.05)
    assert right == pytest.approx((12 + 60 + 16) / 192, abs=0.05)
    assert top == pytest.approx(0.5, abs=0.06)
    assert bottom == pytest.approx(0.5 + 1 / 6, abs=0.06)
    assert part.span.start_seconds == pytest.approx(1, abs=0.2)
    assert part.span.end_seconds == pytest.approx(2, abs=0.25)
    assert clips.frames.shape == (1, 4, 3, 64, 64)
    red = clips.frames[0].float()
    assert (red[:, 0] - red[:, 1]).amax((1, 2)).min() > 100  # the square is in every frame
    assert clips.pts_seconds.min() >= 1 - 0.2


def test_where_nothing_moves_everything_is_taken(tmp_path: Path) -> None:
    with open_source(film(tmp_path / "a.mp4", moves=False)) as source:
        part = moving_part(source)
        assert part.box == EVERYTHING
        assert part.span.seconds == pytest.approx(SECONDS, abs=0.05)
        part = moving_part(source, 1.0, 2.0)
        assert (part.span.start_seconds, part.span.end_seconds) == (1.0, 2.0)
        with pytest.raises(InvalidInput, match="one clip and one crop"):
            moving(source, num_clips=2)


def test_a_model_trained_on_it_looks_at_it_wherever_it_is_used(tmp_path: Path) -> None:
    for colour, name in enumerate(("red", "green")):
        for number in range(3):
            film(tmp_path / "clips" / name / f"{number}.mp4", colour=colour, side=48)
    made = FinetuneOptions(data=str(tmp_path / "clips"), cache=str(tmp_path / "c"), encoder="single-frame-tiny",
                           frames=2, size=32, epochs=2, batch_size=4, workers=1, augment="none", precision="no",
                           focus="moving", test_share=0.0, validation_share=0.0)
    run_plan(plan_of("finetune", made, tmp_path / "run", "test"))
    assert json.loads((tmp_path / "run/model/config.json").read_text())["input"]["focus"] == "moving"
    assert "in which something moves" in (tmp_path / "run/model/README.md").read_text()
    classify = Pipeline("video-classification", tmp_path / "run", device="cpu")
    found = classify(tmp_path / "clips/red/0.mp4")
    assert "of what moves in 1." in found.rule or "of what moves in 0.9" in found.rule
    assert View.of(classify.stages[-1][1].classifier.network.input).crop == "moving"
    with pytest.raises(InvalidInput, match="one of the two"):
        FinetuneOptions(data="clips", focus="moving", fps=5.0)
