"""Training classifiers: tasks and lists of files, exact resume after a kill, several processes, options of the loop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, MediaNotFound, RecipeError, UnknownName, WeightsError
from mmvideo.media import write_video
from mmvideo.toybox import tasks
from mmvideo.training import classifier, recipes
from mmvideo.training.clip_data import LabelledClips, Manifest
from mmvideo.training.loop import Schedule, TrainingRun

SMALL = {"width": 0.05, "dim_hidden": 24, "dropout": 0.0}


def schedule(**other) -> Schedule:
    return Schedule(**{"steps": 2, "batch_size": 2, "learning_rate": 0.003, "warmup": 2, "log_every": 1,
                       "save_every": 2, "precision": "no"} | other)


def test_a_film_and_the_same_backwards_differ_in_their_label_only() -> None:
    made = tasks.draw_clips(range(32), tasks=["direction", "speed", "order"], split="test")
    for kind, task in enumerate(("direction", "order")):
        first, second = made.frames[kind::4], made.frames[kind + 2::4]
        assert torch.equal(first, second.flip(1))
        one, other = made.labels[task][kind::4], made.labels[task][kind + 2::4]
        assert (one != other).all()
        assert (one != tasks.NONE).all()
    assert torch.equal(made.labels["speed"][0::4], made.labels["speed"][2::4])
    assert (made.frames[0::4, 0] != made.frames[0::4, -1]).flatten(1).any(1).all(), "something moves"


def test_the_label_is_what_the_frames_show() -> None:
    made = tasks.draw_clips(range(40), tasks=["direction"], split="test")
    for frames, label in zip(made.frames.float(), made.labels["direction"].tolist(), strict=True):
        ground = frames.median(0).values
        moving = (frames - ground).abs().amax(1) > 40  # (T, H, W)
        places = torch.stack([m.nonzero().float().mean(0) for m in moving if m.sum() > 8])
        dy, dx = (places[-1] - places[0]).tolist()
        seen = (("up", "down")[dy > 0] if abs(dy) > abs(dx) else ("left", "right")[dx > 0])
        assert seen == tasks.LABELS["direction"][label] or max(abs(dx), abs(dy)) < 6, "a slow toy hides its own ground"


def test_what_sounds_is_never_seen_and_labels_are_balanced() -> None:
    made = tasks.draw_clips(range(120), tasks=["sounding"], split="test")
    assert torch.equal(made.frames[:, 0], made.frames[:, -1]), "nothing in sight moves"
    assert (made.audio.abs().amax(1) > 0.05).all(), "but something is heard"
    shares = made.labels["sounding"].bincount() / 120
    assert (shares - 1 / 3).abs().max() < 0.13
    again = tasks.draw_clips(range(7, 9), tasks=["sounding"], split="test")
    assert torch.equal(again.frames, made.frames[7:9])
    with pytest.raises(UnknownName, match="direction"):
        tasks.draw_clips([0], tasks=["directon"])


def config(path: Path, **other) -> Path:
    raw = {"trainer": "classifier", "encoder": "c3d-tiny", "task": "direction", "options": SMALL, "evaluated": 0,
           "schedule": {"steps": 8, "batch_size": 2, "learning_rate": 0.01, "warmup": 2, "log_every": 1,
                        "save_every": 2, "precision": "no"}}
    raw["schedule"] |= other.pop("schedule", {})
    path.write_text(yaml.safe_dump(raw | other))
    return path


def started(*command: str, **env: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True,
                            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | env)


def test_a_killed_run_ends_with_the_same_bits(tmp_path) -> None:
    made = config(tmp_path / "c.yaml", mixup=0.4, cutmix=0.4, schedule={"ema": 0.9, "accumulate": 2, "steps": 12})
    whole = started("-m", "mmvideo.training", str(made), "--out", str(tmp_path / "whole"))
    killed = started("-m", "mmvideo.training", str(made), "--out", str(tmp_path / "killed"))
    log = tmp_path / "killed" / "log.jsonl"
    until = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= 5) and time.monotonic() < until:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model").exists(), "killed in the middle"
    again = started("-m", "mmvideo.training", str(made), "--out", str(tmp_path / "killed"))
    assert "resuming" in again.communicate()[1]
    whole.communicate()
    ends = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed")]
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


def test_two_processes_learn_as_one_with_batches_twice_as_large(tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = {"optimizer": "sgd", "steps": 3}
    two = config(tmp_path / "two.yaml", schedule=options)
    one = config(tmp_path / "one.yaml", schedule=options | {"batch_size": 4})
    ranks = [started("-m", "mmvideo.training", str(two), "--out", str(tmp_path / "two"), RANK=r, LOCAL_RANK=r,
                     WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port) for r in ("0", "1")]
    recipes.run_training(one, out=tmp_path / "one")
    errors = [process.communicate()[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], errors
    ends = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two")]
    torch.manual_seed(0)
    begin = classifier.build_encoder("c3d-tiny", data=classifier.data_for("c3d-tiny", task="direction"), options=SMALL)
    moved = max(float((ends[0][name] - x).abs().max()) for name, x in begin.state_dict().items())
    apart = max(float((ends[1][name] - x).abs().max()) for name, x in ends[0].items())
    assert moved > 1e-3
    assert apart < 1e-5


def test_accumulated_batches_are_one_large_batch(tmp_path) -> None:
    for name, options in {"whole": {"batch_size": 4}, "parts": {"accumulate": 2}}.items():
        classifier.train_classifier(tmp_path / name, schedule=schedule(optimizer="sgd", **options), encoder="c3d-tiny",
                                    task="order", options=SMALL, evaluated=0)
    ends = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "parts")]
    assert all(torch.allclose(x, ends[1][name], atol=1e-6) for name, x in ends[0].items())


def test_the_average_of_the_weights_is_what_is_evaluated_and_left(tmp_path) -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    run = TrainingRun(tmp_path, nn.ModuleDict({"layer": layer}),
                      schedule(steps=3, learning_rate=1.0, optimizer="sgd", ema=0.5, weight_decay=0.0, decay=0.001,
                               warmup=1))
    path, told = [], []

    def loss(step):
        path.append(layer.weight.item())
        return -layer.weight.sum(), {}

    run.train(lambda step: step, loss, evaluate=lambda: told.append(layer.weight.item()) or {}, evaluate_every=1)
    assert path[0] == 0
    assert path[1] > path[0], "training goes on from the weights, not from their average"
    average = 0.0
    for step, weight in enumerate(path[1:]):
        average += (1 - min(0.5, (1 + step) / (10 + step))) * (weight - average)
        assert told[step] == pytest.approx(average, abs=1e-6)
    assert layer.weight.item() == pytest.approx(told[-1])


def test_layers_near_the_input_learn_more_slowly(tmp_path) -> None:
    parts = nn.ModuleDict({"patch_embed": nn.Linear(2, 2), "blocks": nn.ModuleList(nn.Linear(2, 2) for _ in range(2)),
                           "head": nn.Linear(2, 2)})
    run = TrainingRun(tmp_path, nn.ModuleDict({"encoder": parts}), schedule(layer_decay=0.5, optimizer="adamw"))
    rates = {id(p): g["rate"] / 0.003 for o in run.optimizers for g in o.param_groups for p in g["params"]}
    found = {name: rates[id(p)] for name, p in parts.named_parameters() if name.endswith("weight")}
    assert found == {"patch_embed.weight": 0.125, "blocks.0.weight": 0.25, "blocks.1.weight": 0.5, "head.weight": 1.0}


@pytest.mark.parametrize("wrong", [{"optimizer": "adam"}, {"accumulate": 0}, {"ema": 1.0}, {"layer_decay": 0.0}])
def test_a_schedule_refuses_what_it_cannot_do(wrong) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        schedule(**wrong)


def test_mixing_keeps_the_shares_that_it_tells() -> None:
    torch.manual_seed(0)
    frames = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1, 1).expand(2, 4, 3, 32, 32).contiguous()
    clips = LabelledClips(frames, {"t": torch.tensor([0, 1])})
    for options in ({"mixup": 1.0, "cutmix": 0.0}, {"mixup": 0.0, "cutmix": 1.0}):
        swapped = False
        for _ in range(8):
            out, partner, share = classifier.mixed_clips(clips, **options)
            bright = (out.frames.float() / (255 if out.frames.dtype == torch.uint8 else 1)).mean((1, 2, 3, 4))
            if partner.tolist() == [1, 0]:
                assert bright.tolist() == pytest.approx([1 - share, share], abs=1e-5)
                swapped = True
        assert swapped
    same, _, share = classifier.mixed_clips(clips, mixup=0.0, cutmix=0.0)
    assert same is clips
    assert share == 1


def test_a_list_of_files_is_learned_and_saved_with_its_labels(tmp_path) -> None:
    rows = []
    for i in range(6):
        frames = torch.full((8, 3, 32, 32), 40 if i % 2 else 210, dtype=torch.uint8)
        write_video(tmp_path / f"{i}.mp4", frames, fps=8)
        rows.append({"path": f"{i}.mp4", "label": "dark" if i % 2 else "bright"})
    (tmp_path / "train.csv").write_text("path,label\n" + "".join(f"{r['path']},{r['label']}\n" for r in rows))
    (tmp_path / "held.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows[:2]))
    data = Manifest(tmp_path / "train.csv", num_frames=4, height=16, width=16)
    epoch = data.draw(range(6), "train")
    assert epoch.frames.shape == (6, 4, 3, 16, 16)
    assert ((epoch.frames.float().mean((1, 2, 3, 4)) < 128).long() == epoch.labels["label"]).all()
    assert torch.equal(epoch.frames, data.draw(range(6), "train").frames)
    classifier.train_classifier(tmp_path / "run",
                                schedule=schedule(steps=12, batch_size=4, learning_rate=0.01, tensorboard=True),
                                encoder="c3d-tiny", options=SMALL, manifest=str(tmp_path / "train.csv"),
                                validation=str(tmp_path / "held.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["evaluation"] == {"label": 1.0}
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    saved = zoo.load(tmp_path / "run" / "model")
    assert saved.labels == ("bright", "dark")
    more = classifier.data_for("c3d-tiny", task="speed")
    again = classifier.build_encoder("c3d-tiny", data=more, init=str(tmp_path / "run" / "model"), options=SMALL)
    assert torch.equal(again.fc6.weight, saved.fc6.weight)
    assert again.num_classes == 3
    with pytest.raises(WeightsError):
        classifier.build_encoder("c3d-tiny", data=more, init=str(tmp_path / "run" / "model"))


def test_lists_that_cannot_be_used_are_refused(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("file,label\nx.mp4,a\n")
    with pytest.raises(RecipeError, match="path,label"):
        Manifest(tmp_path / "a.csv")
    with pytest.raises(MediaNotFound, match=r"none\.csv"):
        Manifest(tmp_path / "none.csv")
    with pytest.raises(RecipeError, match="neither"):
        classifier.data_for("c3d-tiny")
    (tmp_path / "a.csv").write_text("path,label\nx.mp4,a\n")
    (tmp_path / "b.csv").write_text("path,label\nx.mp4,b\n")
    with pytest.raises(InvalidInput, match="b"):
        Manifest(tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(MediaNotFound, match=r"x\.mp4"):
        Manifest(tmp_path / "a.csv").draw([0], "train")
