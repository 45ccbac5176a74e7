"""TimeSformer against the authors' release (all ways of attention) and transformers: same weights, same clip."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.encoders.preset import Input
from mmvideo.encoders.timesformer import TimeSformer


@pytest.mark.parametrize("attention", ["divided", "joint", "space"])
def test_timesformer_gives_what_the_release_gives(attention: str) -> None:
    weights, golden = fabricate.golden(f"timesformer_{attention}")
    encoder = TimeSformer.create("timesformer-tiny", input=Input(4, 48, 48), attention=attention, dim=96, depth=3)
    encoder.load_tensors(weights, "timesformer")
    with torch.inference_mode():
        logits = encoder.classify(encoder.encode(fabricate.clip(2, 4, 3, 48, 48)))
    assert fabricate.difference(logits, golden["logits"]) < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize(("attention", "theirs"), [("divided", "divided_space_time"), ("joint", "joint_space_time")])
def test_timesformer_gives_what_transformers_gives(attention: str, theirs: str, tmp_path) -> None:
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    reference = TimesformerForVideoClassification(TimesformerConfig(
        image_size=48, num_frames=4, hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=384,
        attention_type=theirs, num_labels=7))
    fabricate.fill(reference)
    reference.save_pretrained(tmp_path)
    encoder = TimeSformer.create("timesformer-tiny", input=Input(4, 48, 48), attention=attention, dim=96, depth=3,
                                 num_classes=7)
    encoder.load_checkpoint(tmp_path / "model.safetensors", "transformers")
    clip = fabricate.clip(2, 4, 3, 48, 48)
    assert fabricate.difference(encoder.classify(encoder.encode(clip)), reference(clip).logits) < 1e-4
