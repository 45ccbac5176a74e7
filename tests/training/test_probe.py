"""Probes: the encoder stays as it is, its features are computed once, and both kinds learn."""

from __future__ import annotations

import json

import pytest
import torch

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput
from mmvideo.training import probe
from mmvideo.training.loop import Schedule


@pytest.mark.parametrize("kind", ["linear", "attentive"])
def test_a_probe_learns_from_kept_features(tmp_path, kind: str, monkeypatch) -> None:
    settings = Schedule(steps=60, batch_size=16, learning_rate=0.01, warmup=5, log_every=20, save_every=60,
                        optimizer="adamw", precision="no")
    options = {"encoder": "videomae-tiny", "task": ["speed"], "probe": kind, "clips": 48, "evaluated": 8}
    probe.train_probe(tmp_path, schedule=settings, **options)
    losses = [line["loss"] for line in map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
              if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    kept = zoo.load(tmp_path / "encoder")
    torch.manual_seed(0)
    fresh = zoo.create("videomae-tiny", labels=("slow", "medium", "fast"))
    assert all(torch.equal(x, kept.state_dict()[name]) for name, x in fresh.state_dict().items())
    read = probe.Probe.from_pretrained(tmp_path / "probe")
    shape = (2, 128, kept.dim) if kind == "attentive" else (2, kept.dim_pooled)
    assert read(torch.randn(shape)).shape == (2, 3)

    def never(*_):
        raise AssertionError("features are computed again")

    monkeypatch.setattr(zoo.find("encoders", "videomae"), "forward", never)
    probe.train_probe(tmp_path, schedule=settings, **options)


def test_a_probe_refuses_what_it_cannot_be() -> None:
    with pytest.raises(InvalidInput, match="attentive"):
        probe.Probe(kind="quadratic", dim=8, num_classes=2)
    with pytest.raises(InvalidInput, match="heads"):
        probe.Probe(kind="attentive", dim=10, num_classes=2, heads=4)
