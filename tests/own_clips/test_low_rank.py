"""LoRA of encoders: which layers change, that they learn, and that merging leaves an ordinary network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, MissingExtra
from mmvideo.training.finetune.low_rank import add_low_rank, linear_layers, merge_low_rank
from mmvideo.training.finetune.options import FinetuneOptions
from mmvideo.training.recipes import plan_of, run_plan
from tests.own_clips.test_own_training import COLOURS, write_clip

TRANSFORMERS = ("videomae-tiny", "timesformer-tiny", "vivit-tiny", "mvit-tiny", "video-swin-tiny")


def names_of(network: nn.Module) -> set[str]:
    return {name for name, _ in network.named_parameters()}


def clip_for(network: Any) -> torch.Tensor:
    seen = network.input
    return torch.randint(0, 256, (1, seen.num_frames, 3, seen.height, seen.width), dtype=torch.uint8)


@pytest.mark.parametrize("preset", TRANSFORMERS)
def test_every_changed_layer_learns_and_merging_changes_nothing(preset: str) -> None:
    pytest.importorskip("peft")
    torch.manual_seed(0)
    network = zoo.create(preset, labels=("a", "b")).eval()
    before = names_of(network)
    filled = {name for name in before if not name.startswith(("head.", "classifier."))}
    with torch.no_grad():  # as after a training: some layers begin with zeros
        for part in network.parameters():
            part.add_(torch.randn_like(part) * 0.02)
    clips = clip_for(network)
    layers = add_low_rank(network, 2, filled, clips)
    network.logits(clips)[0, 0].backward()
    changes = {name: part for name, part in network.named_parameters() if "lora_B" in name}
    assert len(changes) == len(layers) >= 4
    with torch.no_grad():
        still = [name for name, part in changes.items() if part.grad is None or not part.grad.any()]
        assert not still
        for part in changes.values():
            part.normal_(0, 0.02)
    learning = {name for name, part in network.named_parameters() if part.requires_grad and "lora_" not in name}
    assert learning == before - filled
    expected = network.logits(clips).detach()
    merge_low_rank(network)
    assert names_of(network) == before
    torch.testing.assert_close(network.logits(clips).detach(), expected, atol=1e-4, rtol=1e-3)


def test_a_run_goes_on_with_lora_and_saves_an_ordinary_model(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    for name, colour in COLOURS.items():
        for number in range(3):
            write_clip(tmp_path / "clips" / name / f"{number}.mp4", colour, number)

    def train(out: Path, **more: object) -> dict[str, torch.Tensor]:
        made = FinetuneOptions(data=str(tmp_path / "clips"), cache=str(tmp_path / "c"), encoder="vivit-tiny", size=32,
                               epochs=1, batch_size=4, workers=1, augment="none", precision="no", test_share=0.0,
                               validation_share=0.0, **more)
        run_plan(plan_of("finetune", made, out, "test"))
        return load_file(out / "model" / "model.safetensors")

    base = train(tmp_path / "base")
    tuned = train(tmp_path / "tuned", pretrained=str(tmp_path / "base"), lora=2)
    assert base.keys() == tuned.keys()
    network = zoo.load(tmp_path / "base" / "model")
    changed = {name for name, tensor in tuned.items() if not torch.equal(tensor, base[name])}
    assert changed <= {f"{name}.weight" for name in linear_layers(network, names_of(network), clip_for(network))}
    assert len(changed) >= 4
    assert "LoRA of rank 2" in (tmp_path / "tuned" / "model" / "README.md").read_text()


def test_lora_without_weights_layers_or_peft_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    network = zoo.create("vivit-tiny", labels=("a", "b"))
    with pytest.raises(InvalidInput, match="--pretrained"):
        add_low_rank(network, 2, set(), clip_for(network))
    with pytest.raises(InvalidInput, match="choose a transformer"):
        add_low_rank(network, 2, {"position"}, clip_for(network))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r"mmvideo\[hub\]"):
        add_low_rank(network, 2, names_of(network), clip_for(network))
    with pytest.raises(InvalidInput, match="one of the two"):
        FinetuneOptions(data="clips", lora=4, freeze="backbone")
