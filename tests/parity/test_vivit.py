"""ViViT's joint model against transformers: same weights, same clip."""

from __future__ import annotations

import fabricate
import torch

from mmvideo.encoders.preset import Input
from mmvideo.encoders.vivit import ViViT


def test_the_joint_model_is_transformers() -> None:
    from transformers import VivitConfig, VivitForVideoClassification

    reference = VivitForVideoClassification(VivitConfig(
        image_size=32, num_frames=4, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=192,
        num_labels=7))
    weights = fabricate.weights(fabricate.fill(reference))
    clip = fabricate.clip(2, 4, 3, 32, 32)
    encoder = ViViT(input=Input(4, 32, 32), num_classes=7, dim=48, depth=2, heads=4).load_tensors(weights)
    with torch.inference_mode():
        theirs = reference(clip).logits
        ours = encoder.classify(encoder.encode(clip))
    assert fabricate.difference(ours, theirs) < 1e-4
