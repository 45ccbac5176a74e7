"""Two processes with split layers learn what two with whole copies learn, and go on from each other's checkpoints."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmvideo.toybox.training import parts as toybox_parts
from mmvideo.training import recipes
from mmvideo.training.sharding import fsdp_requested, wait_for_ranks
from mmvideo.training.trainer import Trainer
from tests.tiny import make_clip

SIZES = toybox_parts.Sizes(dim=32, depth=1, dim_llm=48, depth_llm=2)
RANK = """
import json, sys
from pathlib import Path
from torch.distributed.tensor import DTensor
from mmvideo.training import composed, sharding
from mmvideo.training.loop import Schedule

home, split, gather = Path(sys.argv[1]), [], sharding.gather_weights
def noting(modules):
    named = dict(modules.named_parameters())
    split.append([name for name, p in named.items() if isinstance(p, DTensor)])
    split.append(sum(p.to_local().numel() if isinstance(p, DTensor) else 0 for p in named.values()))
    split.append(sum(p.numel() if isinstance(p, DTensor) else 0 for p in named.values()))
    gather(modules)
sharding.gather_weights = noting
for out, steps, shard in (("whole", 4, False), ("split", 2, True), ("split", 4, True)):
    plan = Schedule(steps=steps, batch_size=1, learning_rate=0.5, warmup=1, decay=0.001, log_every=1, precision="no",
                    optimizer="sgd", shard=shard, clip=0.1, ema=0.5)
    composed.train_composed(home / out, schedule=plan, learn=["projector", "language"], projector="mlp2x",
                            encoder_weights=str(home / "eyes"), language=str(home / "language"),
                            data=str(home / "data.jsonl"),
                            evaluate_every=2, samples=1)
print(json.dumps(split))
sharding.wait_for_ranks()
"""


def test_split_layers_learn_as_whole_ones(tmp_path: Path) -> None:
    torch.manual_seed(0)
    toybox_parts.new_encoder(SIZES).save_pretrained(tmp_path / "eyes" / "encoder")
    toybox_parts.new_language(SIZES).save_pretrained(tmp_path / "language")
    rows = []
    for i, color in enumerate(("red", "green", "blue", "cyan")):
        make_clip(tmp_path / f"{i}.mp4", seconds=1)
        rows.append({"video": f"{i}.mp4", "conversations": [
            {"from": "human", "value": "what color is the ball?"}, {"from": "gpt", "value": color}]})
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    env = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1",
                        "CUDA_VISIBLE_DEVICES": ""}
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(tmp_path)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True,  # sets are in another order in each process
                              env=env | {"RANK": r, "LOCAL_RANK": r, "PYTHONHASHSEED": str(int(r) + 1)})
             for r in ("0", "1")]
    said = [process.communicate() for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], said[0][1][-3000:]
    names, mine, all_of_them = json.loads(said[0][0].splitlines()[-1])[:3]
    assert names
    assert all(".layers." in name for name in names)
    assert mine == all_of_them / 2
    ends = [load_file(tmp_path / run / "model" / "language" / "model.safetensors") for run in ("whole", "split")]
    begin = load_file(tmp_path / "language" / "model.safetensors")
    moved = max(float((ends[0][name] - x).abs().max()) for name, x in begin.items())
    apart = max(float((ends[1][name] - x).abs().max()) for name, x in ends[0].items())
    assert moved > 1e-3, (moved, apart)
    assert apart < 1e-5 + moved * 1e-3
    logs = [[json.loads(line) for line in (tmp_path / run / "log.jsonl").read_text().splitlines()]
            for run in ("whole", "split")]
    for ours, theirs in zip(*([line["loss"] for line in log if "loss" in line] for log in logs), strict=True):
        assert abs(ours - theirs) < 2e-3
    kept = torch.load(tmp_path / "split" / "checkpoint.pt", weights_only=True)
    assert type(next(iter(kept["modules"].values()))) is torch.Tensor


def test_the_launcher_is_asked_and_kept_from_wrapping(monkeypatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with fsdp_requested() as asked:
        assert asked
        assert os.environ["ACCELERATE_USE_FSDP"] == "false"
    assert os.environ["ACCELERATE_USE_FSDP"] == "true"
    monkeypatch.delenv("ACCELERATE_USE_FSDP")
    with fsdp_requested() as asked:
        assert not asked
    assert "ACCELERATE_USE_FSDP" not in os.environ


def test_ranks_of_a_training_end_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    waited: list[str] = []
    monkeypatch.setattr(torch.distributed, "barrier", lambda: waited.append("here"))
    wait_for_ranks()
    assert not waited, "nobody to wait for"
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    trainer = Trainer(lambda out, *, schedule: waited.append("trained"))
    monkeypatch.setattr(recipes, "find", lambda kind, name: trainer)
    monkeypatch.setattr(recipes, "check_training", lambda config, **_: recipes.TrainingPlan(
        "any", tmp_path, "here", None, {}))
    recipes.run_training("any")
    assert waited == ["trained", "here"]
