"""VideoMAE pretraining on the toybox: the loss falls, a stopped run goes on exactly, the encoder is one of the zoo."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from mmvideo.encoders import masked_autoencoder, zoo
from mmvideo.encoders.masked_autoencoder import MaskedAutoencoder
from mmvideo.encoders.videomae import VideoMAE
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.toybox.training import videomae
from mmvideo.training import recipes
from mmvideo.training.loop import Schedule, TrainingRun

LEVELS = {"easy": 1.0}
CONFIG = Path(__file__).resolve().parents[2] / "configs" / "train" / "videomae-toybox.yaml"


@pytest.fixture(autouse=True)
def _few_validation_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videomae, "EVALUATED", 4)
    monkeypatch.setattr(videomae, "CHUNK", 4)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name a preset of the family with two layers."""
    preset = replace(VideoMAE.PRESETS["videomae-tiny"],
                     options={"dim": 96, "depth": 2, "heads": 3, "attention": "eager"})
    monkeypatch.setitem(VideoMAE.PRESETS, "videomae-small", preset)
    monkeypatch.setitem(masked_autoencoder.DECODERS, "videomae-small", (48, 3))
    return "videomae-small"


def schedule(steps: int, **other) -> Schedule:
    return Schedule(**{"steps": steps, "batch_size": 4, "learning_rate": 0.002, "warmup": 2, "log_every": 2,
                       "save_every": 2, "precision": "no"} | other)


def losses(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line}


def test_a_few_steps_lower_the_loss(tmp_path, small: str) -> None:
    videomae.pretrain_videomae(tmp_path, schedule=schedule(60, log_every=10, save_every=60, learning_rate=0.005),
                               levels=LEVELS, mask_ratio=0.5, depth_decoder=1, encoder=small)
    told = list(losses(tmp_path).values())
    assert told[-1] < 0.965 * told[0]
    assert told[-1] < 0.99, "always telling the mean would lose 1"
    encoder = zoo.load(tmp_path / "encoder")
    assert encoder.norm_first
    assert encoder(torch.rand(1, 16, 3, 64, 64)).tokens.shape == (1, 128, 96)
    assert MaskedAutoencoder.from_pretrained(tmp_path / "autoencoder").config["depth_decoder"] == 1
    videomae.pretrain_videomae(tmp_path / "on", schedule=schedule(2), levels=LEVELS, init=str(tmp_path / "autoencoder"),
                               mask_ratio=0.5, first_scene=240, encoder=small)
    assert losses(tmp_path / "on")[2] < 0.97 * told[0]


def test_a_stopped_run_goes_on_exactly(tmp_path, small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"encoder": small, "levels": LEVELS, "decoder_mask_ratio": 0.5, "depth_decoder": 1}
    videomae.pretrain_videomae(tmp_path / "whole", schedule=schedule(4), **options)
    save = TrainingRun._save

    def save_then_stop(self, done: int) -> None:
        save(self, done)
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "_save", save_then_stop)
    with pytest.raises(KeyboardInterrupt):
        videomae.pretrain_videomae(tmp_path / "halves", schedule=schedule(4), **options)
    monkeypatch.setattr(TrainingRun, "_save", save)
    videomae.pretrain_videomae(tmp_path / "halves", schedule=schedule(4), **options)
    assert losses(tmp_path / "whole") == losses(tmp_path / "halves")
    whole, halves = (zoo.load(tmp_path / name / "encoder").state_dict() for name in ("whole", "halves"))
    for name, tensor in whole.items():
        assert torch.equal(tensor, halves[name]), name


def test_the_recipe_runs(tmp_path) -> None:
    recipe = yaml.safe_load(CONFIG.read_text())
    recipe["levels"], recipe["schedule"]["batch_size"] = LEVELS, 4
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    assert recipes.run_training(tmp_path / "mine.yaml", out=tmp_path, steps=1) == tmp_path
    assert (tmp_path / "encoder" / "config.json").is_file()


def test_what_cannot_be_trained_is_refused(tmp_path) -> None:
    with pytest.raises(InvalidInput, match="224x224"):
        videomae.pretrain_videomae(tmp_path, schedule=schedule(1), levels=LEVELS, encoder="videomae-s")
    with pytest.raises(InvalidInput, match="mask_ratio"):
        videomae.pretrain_videomae(tmp_path, schedule=schedule(1), levels=LEVELS, mask_ratio=0.0)
    with pytest.raises(InvalidInput, match="running cell"):
        videomae.pretrain_videomae(tmp_path, schedule=schedule(1), levels=LEVELS, decoder_mask_ratio=0.9)
    with pytest.raises(UnknownName, match="videomae-tiny"):
        videomae.pretrain_videomae(tmp_path, schedule=schedule(1), levels=LEVELS, encoder="videomae-tny")
