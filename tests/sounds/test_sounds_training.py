"""The tagger's trainer and evaluator on recordings made here: what is held out and drawn, resuming, and the report."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
import yaml

from mmvideo.errors import InvalidInput, MediaNotFound, RecipeError
from mmvideo.evaluation.recipes import check_evaluation, run_evaluation
from mmvideo.sounds.labels import EVENTS
from mmvideo.sounds.tagger import Tagger
from mmvideo.sounds.training import recordings as module
from mmvideo.sounds.training.batches import SoundBatches, reverberant, short
from mmvideo.sounds.training.recordings import made_noise, read_recordings
from mmvideo.sounds.training.trainer import divided
from mmvideo.training.recipes import check_training, run_training

SCHEDULE = {"steps": 2, "batch_size": 2, "learning_rate": 0.001, "warmup": 1, "precision": "no", "save_every": 1}


def tone(hertz: float, seconds: float = 1.0) -> bytes:
    """Return a .wav, whose content tells what it is whatever its name."""
    sound = 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(16_000 * seconds)) / 16_000)
    with io.BytesIO() as out:
        with wave.open(out, "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
            file.writeframes((sound * 32767).astype("<i2").tobytes())
        return out.getvalue()


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two events of ESC-10 in five folds; UrbanSound8K with one upload of ESC-10's in either fold."""
    monkeypatch.setattr(module, "MADE_NOISES", 6)
    home = tmp_path / "sounds"
    home.mkdir()
    with ZipFile(home / "esc10.zip", "w") as archive:
        for fold in range(1, 6):
            archive.writestr(f"rooster/{fold}-10{fold}-A.opus", tone(1000 + fold))
            archive.writestr(f"rain/{fold}-20{fold}-A.opus", tone(200 + fold))
    with ZipFile(home / "urban.zip", "w") as archive:
        archive.writestr("fold1/101-8-0-0.opus", tone(700))
        archive.writestr("fold1/900-9-0-0.opus", tone(400))
        archive.writestr("fold10/205-3-0-0.opus", tone(300))
        archive.writestr("fold10/901-9-0-0.opus", tone(410))
    return home


def test_nothing_is_learned_from_an_upload_that_is_held_out(sounds: Path, tmp_path: Path) -> None:
    recordings = read_recordings(sounds, "", tmp_path / "cache")
    assert len(recordings) == 10 + 4 + 6
    again = read_recordings(sounds, "", tmp_path / "cache")
    assert [r.name for r in again] == [r.name for r in recordings]
    learned, held = divided(recordings, 1)
    assert {r.origin for r in held["esc10"]} == {"101", "201"}
    assert {r.event for r in held["urban"]} == {"dog bark", "music"}
    names = {r.name for r in learned}
    assert "rain/5-205-A.opus" not in names, "UrbanSound8K's fold 10 has a clip of that upload"
    assert "fold1/101-8-0-0.opus" not in names, "and ESC-10's fold 1 of this one"
    assert {"fold1/900-9-0-0.opus", "rain/2-202-A.opus", "noise-0"} <= names
    assert "rain/1-201-A.opus" in {r.name for r in divided(recordings, 0)[0]}


def test_batches_follow_from_their_numbers(sounds: Path, tmp_path: Path) -> None:
    learned, _ = divided(read_recordings(sounds, "", tmp_path / "cache"), 0)
    batches = SoundBatches(learned, seed=3)
    energies, heard, origins = batches.drawn(7, 24)
    again, _ = SoundBatches(learned, seed=3).batch(7, 24)
    assert torch.equal(energies, again)
    assert not torch.equal(energies, batches.batch(8, 24)[0])
    assert energies.shape == (24, 128, 64)
    assert torch.isfinite(energies).all()
    assert ((heard > 0).sum(1) <= torch.tensor([len(one) for one in origins])).all()
    assert (heard.sum(1) == 0).any(), "noise has no event"
    assert {EVENTS[i] for i in heard.sum(0).nonzero().flatten().tolist()} <= {"rooster", "rain", "siren", "music"}


def test_what_is_done_to_energies() -> None:
    click = torch.full((128, 64), -12.0)
    click[10] = 0.0
    assert reverberant(click, 2.0)[20].mean() == pytest.approx(-10 * 2 * np.log(10) / 10, abs=0.05)
    rng = np.random.default_rng(0)
    lengths = [(short(torch.zeros(128, 64), rng) == 0).all(1).sum().item() for _ in range(50)]
    assert 15 <= min(lengths) < max(lengths) < 100
    for number in range(12):
        assert made_noise(number).abs().max() <= 0.2, "-14 dB"


def test_a_run_is_resumed_and_gives_a_tagger(sounds: Path, tmp_path: Path) -> None:
    recipe = {"trainer": "sounds", "sounds": str(sounds), "cache": str(tmp_path / "cache"), "frozen_blocks": 5,
              "windows": 8, "held_out_fold": 2, "schedule": SCHEDULE}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    out = run_training(tmp_path / "mine.yaml", out=tmp_path / "run", steps=1)
    run_training(tmp_path / "mine.yaml", out=tmp_path / "run", accept_changes=True)
    tagger = Tagger(out / "model")
    assert tagger.labels == EVENTS
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert "accuracy_esc10" in logged[-1]["evaluation"]


def test_folds_are_measured_beside_baselines(sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    training = {"trainer": "sounds", "sounds": "absent", "frozen_blocks": 6, "windows": 8, "schedule": SCHEDULE}
    (tmp_path / "folds.yaml").write_text(yaml.safe_dump(training))
    config = {"evaluator": "sounds", "sounds": str(sounds), "cache": str(tmp_path / "cache"), "training": "folds.yaml",
              "folds": str(tmp_path / "folds")}
    (tmp_path / "eval.yaml").write_text(yaml.safe_dump(config))
    rows = {row["row"]: row for row in run_evaluation(tmp_path / "eval.yaml", out=tmp_path / "out")}
    assert [*rows] == [*(f"esc10 fold {k}" for k in range(1, 6)), "esc10", "urban fold 10"]
    assert rows["esc10"]["recordings"] == 10
    assert rows["esc10"]["neighbour"] == 1.0, "tones of 200 and 1000 Hz are told by the mean spectrum"
    assert rows["esc10"]["frequent"] == 0.5
    assert rows["esc10"]["low"] <= rows["esc10"]["accuracy"] <= rows["esc10"]["high"]
    assert rows["urban fold 10"]["recordings"] == 2
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"sounds.json", "confusion-esc10.png",
                                                             "confusion-urban.png"}


def test_options_that_cannot_be_are_refused_before_data_are_read(tmp_path: Path) -> None:
    for change, error in (({"held_out_fold": 6}, InvalidInput), ({"windows": 5}, InvalidInput),
                          ({"preset": "ast-tiny"}, InvalidInput), ({"sounds": ""}, InvalidInput)):
        recipe = {"trainer": "sounds", "sounds": "absent", "schedule": SCHEDULE, **change}
        (tmp_path / "bad.yaml").write_text(yaml.safe_dump(recipe))
        with pytest.raises(error):
            check_training(tmp_path / "bad.yaml")
    (tmp_path / "eval.yaml").write_text("evaluator: sounds\n")
    with pytest.raises(RecipeError, match="missing sounds"):
        check_evaluation(tmp_path / "eval.yaml")
    with pytest.raises(MediaNotFound, match=r"esc10\.zip"):
        read_recordings(tmp_path, "", tmp_path / "cache")
