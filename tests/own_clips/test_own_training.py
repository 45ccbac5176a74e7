"""`mmvideo train DATA`: data as users have them, a tiny network, kills, changes and bad clips."""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mmvideo import Pipeline, cli, weights
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, MmvideoError, RunChanged, TrainingInterrupted, UnreadableClips
from mmvideo.labelled import clip_cache, measures
from mmvideo.media import write_video
from mmvideo.training import interrupts, recipes
from mmvideo.training.finetune import pretrained, trainer
from mmvideo.training.finetune.options import FinetuneOptions
from mmvideo.training.finetune.progress import write_curves

COLOURS = {"red": 0, "green": 1, "blue": 2}
FAST = {"encoder": "single-frame-tiny", "frames": 2, "size": 32, "epochs": 2, "batch_size": 4, "workers": 1,
        "augment": "light", "label_smoothing": 0.0, "precision": "no"}


def write_clip(path: Path, colour: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 60, (4, 36, 48, 3), np.uint8)
    frames[..., colour] += 150
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, torch.from_numpy(frames).permute(0, 3, 1, 2), fps=4)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with a folder a colour, six clips each."""
    home = tmp_path_factory.mktemp("colours")
    for name, colour in COLOURS.items():
        for number in range(6):
            write_clip(home / name / f"{number}.mp4", colour, 10 * colour + number)
    return home


@pytest.fixture
def table(clips: Path, tmp_path: Path) -> Path:
    """Write a table of the same clips, under columns of its own."""
    rows = ["movie\tkind\tday"]
    rows += [f"{clips / name / f'{number}.mp4'}\t{name}\t{number % 3}" for name in COLOURS for number in range(6)]
    path = tmp_path / "colours.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(autouse=True)
def _fewer_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes longest and is looked at in one test alone: intervals and curves."""
    monkeypatch.setattr(measures, "SAMPLES", 10)
    monkeypatch.setattr(trainer, "write_curves", lambda folder, schedule: None)


def options(data: Path, cache: Path, **other) -> FinetuneOptions:
    return FinetuneOptions(**{**FAST, "data": str(data), "cache": str(cache)} | other)


def train(made: FinetuneOptions, out: Path) -> dict[str, torch.Tensor]:
    recipes.run_plan(recipes.plan_of("finetune", made, out, "test"))
    return load_file(out / "model" / "model.safetensors")


def test_one_command_makes_a_model_that_classifies(clips, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(trainer, "write_curves", write_curves)
    words = [f"--{name.replace('_', '-')}={value}" for name, value in FAST.items()]
    out = tmp_path / "run"
    with pytest.raises(SystemExit) as done:
        cli.main(["train", str(clips), "--out", str(out), "--cache", str(tmp_path / "c"), *words, "--epochs=8"])
    assert not done.value.code
    assert str(out) in capsys.readouterr().out
    for name in ("run.json", "splits.tsv", "curves.csv", "curves.png", "figures.json", "log.jsonl"):
        assert (out / name).stat().st_size, name
    assert not weights.verify(out / "model")
    card = (out / "model" / "README.md").read_text()
    assert "# run" in card
    assert "blue, green, red" in card
    result = Pipeline("video-classification", model=out)(clips / "red" / "0.mp4")
    assert {label.name for label in result.labels} == set(COLOURS)
    assert result.model == "run"
    assert Pipeline("video-classification", model=out / "model")(clips / "red" / "0.mp4").model == "run"
    record = json.loads((out / "run.json").read_text())
    assert record["data"]["labels"] == ["blue", "green", "red"]
    assert {"torch", "mmvideo"} <= set(record["versions"])
    assert json.loads((out / "figures.json").read_text())["top1"] > 0.6, "colours are easy"


def test_a_run_killed_at_any_step_ends_with_the_same_weights(clips, tmp_path, monkeypatch) -> None:
    made = options(clips, tmp_path / "c", epochs=2, mixup=0.2, ema=0.9, repeats=2)
    whole = train(made, tmp_path / "whole")
    steps = json.loads((tmp_path / "whole" / "run.json").read_text())["schedule"]["steps"]
    kill_at = 1 + np.random.default_rng().integers(1, steps - 1)
    taken = []
    draw = trainer.TableClips.draw

    def dying(self, indices, split):
        if split == "train":
            taken.append(1)
        if len(taken) == kill_at + 1:  # batches are drawn one ahead
            raise MemoryError("killed")
        return draw(self, indices, split)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.TableClips, "draw", dying)
        with pytest.raises(MemoryError):
            train(made, tmp_path / "killed")
    assert not (tmp_path / "killed" / "model").exists()
    again = train(made, tmp_path / "killed")
    assert all(torch.equal(tensor, again[name]) for name, tensor in whole.items()), f"killed at step {kill_at}"


def test_ctrl_c_saves_and_the_same_command_goes_on(clips, tmp_path, monkeypatch) -> None:
    made = options(clips, tmp_path / "c", epochs=3)
    whole = train(made, tmp_path / "whole")
    mixed = trainer.Targets.mixed
    seen = []

    def interrupted(self, batch):
        seen.append(1)
        if len(seen) == 2:
            assert interrupts.ask()
            assert not interrupts.ask(), "the second Ctrl-C is not asked for, but stops at once"
        return mixed(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.Targets, "mixed", interrupted)
        with pytest.raises(TrainingInterrupted, match="after step 2"):
            train(made, tmp_path / "stopped")
    assert torch.load(tmp_path / "stopped" / "checkpoint.pt", weights_only=True)["step"] == 2
    again = train(made, tmp_path / "stopped")
    assert all(torch.equal(tensor, again[name]) for name, tensor in whole.items())


def test_a_renamed_label_is_refused_and_more_epochs_are_not(table, tmp_path) -> None:
    made = options(table, tmp_path / "c", clip_column="movie", label_column=("kind",))
    train(made, tmp_path / "run")
    text = table.read_text()
    table.write_text(text.replace("\tred\t", "\tcrimson\t"))
    with pytest.raises(RunChanged, match="crimson") as caught:
        train(made, tmp_path / "run")
    assert "data.labels" in caught.value.changes
    table.write_text(text.replace("\tred\t0", "\tgreen\t0", 1))
    with pytest.raises(RunChanged, match=r"data\."):
        train(made, tmp_path / "run")
    lines = text.splitlines()
    table.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    with pytest.raises(RunChanged, match="encoder"):
        train(options(table, tmp_path / "c", clip_column="movie", label_column=("kind",), encoder="tsm-tiny"),
              tmp_path / "run")
    longer = options(table, tmp_path / "c", clip_column="movie", label_column=("kind",), epochs=3, patience=4)
    train(longer, tmp_path / "run")
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"] == 9


def test_missing_and_corrupt_clips_are_listed_and_skipped_by_choice(clips, tmp_path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no film" * 99)
    rows = [{"clip": str(clips / name / f"{number}.mp4"), "label": name} for name in COLOURS for number in range(5)]
    rows += [{"clip": "gone.mp4", "label": "red"}, {"clip": "bad.mp4", "label": "blue"}]
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UnreadableClips, match="--skip-unreadable") as caught:
        train(options(path, tmp_path / "c", epochs=1), tmp_path / "run")
    assert caught.value.count == 2
    assert caught.value.exit_code == 3
    assert not (tmp_path / "run" / "model").exists()
    train(options(path, tmp_path / "c", epochs=1, skip_unreadable=True), tmp_path / "run")
    listed = (tmp_path / "run" / "unreadable.tsv").read_text()
    assert "gone.mp4" in listed
    assert "bad.mp4" in listed
    rows.append({"clip": "gone.mp4", "label": "only here"})
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InvalidInput, match="only here"):
        train(options(path, tmp_path / "c", epochs=1, skip_unreadable=True), tmp_path / "other")


def test_a_class_with_one_clip_is_learned_and_said(clips, tmp_path, caplog) -> None:
    rows = [{"clip": str(clips / name / f"{number}.mp4"), "label": name} for name in ("red", "blue")
            for number in range(6)] + [{"clip": str(clips / "green" / "0.mp4"), "label": "green"}]
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with caplog.at_level(logging.INFO, logger="mmvideo.training"):
        train(options(path, tmp_path / "c", epochs=1), tmp_path / "run")
    assert "one clip only to learn from: green" in caplog.text
    assert "green" in json.loads((tmp_path / "run" / "model" / "config.json").read_text())["labels"]


def test_a_full_disk_closes_the_cache_and_stops_the_run_in_order(clips, tmp_path, monkeypatch, caplog) -> None:
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device", "somewhere")

    made = options(clips, tmp_path / "c", epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr(clip_cache.np, "save", full)
        train(made, tmp_path / "uncached")
    assert "No space left" in caplog.text
    assert not list((tmp_path / "c").rglob("*.npy"))
    save = torch.save

    def late(state, file):
        return full() if state["step"] > 3 else save(state, file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", late)
        with pytest.raises(TrainingInterrupted, match="No space left"):
            train(made, tmp_path / "stopped")
    ends = train(made, tmp_path / "stopped"), load_file(tmp_path / "uncached" / "model" / "model.safetensors")
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


def test_early_stopping_keeps_the_best_and_stays_stopped(clips, tmp_path) -> None:
    made = options(clips, tmp_path / "c", epochs=20, patience=1, learning_rate=1e-7)
    train(made, tmp_path / "run")
    step = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["step"]
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert step < 20 * 3
    assert best["step"] < step
    log = (tmp_path / "run" / "log.jsonl").read_text()
    train(made, tmp_path / "run")
    assert (tmp_path / "run" / "log.jsonl").read_text() == log, "no further step was taken"


def test_tags_and_numbers_are_learned(clips, tmp_path) -> None:
    tags = [{"clip": str(clips / name / f"{n}.mp4"), "labels": [name, "bright"] if n % 2 else [name]}
            for name in COLOURS for n in range(6)]
    path = tmp_path / "tags.jsonl"
    path.write_text("\n".join(map(json.dumps, tags)))
    train(options(path, tmp_path / "c"), tmp_path / "tags")
    result = Pipeline("video-classification", model=tmp_path / "tags", classify={"top": None})(clips / "red" / "1.mp4")
    assert sum(label.confidence for label in result.labels) > 1.05, "tags do not share one"
    numbers = [{"clip": str(clips / name / f"{n}.mp4"), "score": 100.5 + 10 * colour}
               for name, colour in COLOURS.items() for n in range(6)]
    path.write_text("\n".join(map(json.dumps, numbers)))
    train(options(path, tmp_path / "c", epochs=4), tmp_path / "numbers")
    result = Pipeline("video-classification", model=tmp_path / "numbers")(clips / "red" / "1.mp4")
    assert 90 < result.labels[0].confidence < 135, "in their own units"
    assert result.text.startswith("score 1")


def test_frozen_frames_are_computed_once(clips, tmp_path, monkeypatch) -> None:
    made = options(clips, tmp_path / "c", encoder="frame-transformer-tiny", freeze="frames", norm="frozen", views=2,
                   epochs=5)
    first = train(made, tmp_path / "run")
    kept = sorted((tmp_path / "run").glob("features-*.npy"))
    assert len(kept) == 3
    assert np.load(kept[1]).shape[1:3] == (2, 2), "two views, two frames"
    (tmp_path / "run" / "checkpoint.pt").unlink()
    (tmp_path / "run" / "best.json").unlink()
    monkeypatch.setattr(trainer.KeptFeatures, "_computed", None)
    again = train(made, tmp_path / "run")
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())


@pytest.mark.parametrize(("words", "told"), [
    (["--encoder", "tsm-tinny"], "tsm-tiny"), (["--label-column", "sort"], "Known: day, kind, movie"),
    (["--freeze", "nothing"], "no parameter is meant"), (["--pretrained", "imagenet"], "takes no weights of ImageNet"),
    (["--epochs", "0"], "epochs"), (["--report-to", "fax"], "tracker")])
def test_options_that_cannot_be_are_typed_errors(table, tmp_path, capsys, words, told) -> None:
    given = ["--clip-column", "movie", "--label-column", "kind"] if "--label-column" not in words else []
    fast = [f"--{name.replace('_', '-')}={value}" for name, value in FAST.items()]
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", str(table), "--out", str(tmp_path / "r"), "--cache", str(tmp_path / "c"), *fast,
                  "--clip-column", "movie", *given, *words])
    assert caught.value.code == InvalidInput.exit_code
    assert told in capsys.readouterr().err


def test_a_run_or_a_checkpoint_is_begun_with(clips, tmp_path) -> None:
    cache = tmp_path / "c"
    first = train(options(clips, cache, epochs=1), tmp_path / "first")
    made = options(clips, cache, epochs=1, learning_rate=1e-9, pretrained=str(tmp_path / "first"), norm="frozen")
    again = train(made, tmp_path / "second")
    assert all(torch.allclose(tensor, again[name], atol=1e-4) for name, tensor in first.items())
    assert "began with" in (tmp_path / "second" / "model" / "README.md").read_text()
    with pytest.raises(MmvideoError, match="does not fit"):
        train(options(clips, cache, epochs=1, encoder="tsm-tiny", pretrained=str(tmp_path / "first")), tmp_path / "x")
    with pytest.raises(MmvideoError, match="nobody/nothing"):
        train(options(clips, cache, epochs=1, encoder="videomae-tiny", frames=0, size=0, pretrained="nobody/nothing"),
              tmp_path / "y")


@pytest.mark.parametrize("preset", pretrained.imagenet_presets())
def test_imagenet_weights_make_every_family_see_as_the_shipped_network(preset) -> None:
    torch.manual_seed(0)
    clip = torch.randint(0, 256, (1, 1, 3, 32, 32), dtype=torch.uint8).expand(-1, 3, -1, -1, -1)
    seen = pretrained.training_input(preset, frames=3, size=32, fps=0)
    encoder, filled, _ = pretrained.build_pretrained(preset, ("a", "b"), seen, pretrained="imagenet",
                                                     clips=torch.randint(0, 256, (2, 3, 3, 32, 32), dtype=torch.uint8))
    encoder.eval()
    shipped = zoo.load(weights.folder("lite0")).eval()
    assert len(filled) > 90
    with torch.inference_mode():
        expected = shipped(clip).pooled
        if hasattr(encoder, "frame_vectors"):
            found = encoder.frame_vectors(encoder.prepare(clip)).mean(1)
        else:
            found = encoder(clip).pooled
    if preset == "tsm-lite0":  # zeros come in at the ends of a clip, so only the shape is the same
        assert found.shape == expected.shape
    else:  # a still clip looks alike in every frame: inflated kernels add up to the 2D ones
        assert torch.allclose(found, expected, atol=2e-3 * float(expected.abs().max()))


def test_ten_thousand_rows_are_checked_in_one_go(tmp_path, capsys) -> None:
    path = tmp_path / "many.csv"
    path.write_text("clip,label,person\n" + "".join(f"{i}.mp4,c{i % 50},p{i % 200}\n" for i in range(10_000)))
    with pytest.raises(SystemExit) as done:
        cli.main(["train", str(path), "--check", "--out", str(tmp_path / "r")])
    assert not done.value.code
    assert "10000 clips, 50 labels" in capsys.readouterr().out


def test_options_of_clips_are_refused_for_a_config(capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["train", "train/toybox-language", "--encoder", "tsm-tiny"])
    assert caught.value.code == 2
    assert "--encoder goes with labelled clips" in capsys.readouterr().err
    assert issubclass(UnreadableClips, MmvideoError)
