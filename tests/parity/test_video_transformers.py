"""MViT and Video Swin against torchvision, V-JEPA 2 against transformers: same weights, same clip."""

from __future__ import annotations

import fabricate
import pytest
import torch
from torch import nn

from mmvideo.encoders.mvit import MViT
from mmvideo.encoders.preset import Input
from mmvideo.encoders.video_swin import VideoSwin
from mmvideo.encoders.vjepa2 import VJEPA2

CLIP = fabricate.clip(1, 4, 3, 64, 64)
INPUT = Input(4, 64, 64)


def compare(encoder, reference: nn.Module, form: str, clip: torch.Tensor) -> None:
    weights = fabricate.weights(fabricate.fill(reference))
    encoder.load_tensors(weights, form)
    with torch.inference_mode():
        theirs = reference(clip)
        logits = encoder.classify(encoder.encode(CLIP))
    assert fabricate.difference(logits, getattr(theirs, "logits", theirs)) < 1e-4


@pytest.mark.parametrize(("preset", "name"), [("mvit-v1-b-16x4", "mvit_v1_b"), ("mvit-v2-s-16x4", "mvit_v2_s")])
def test_mvit_is_torchvisions(preset: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models.video import mvit

    build = mvit._mvit
    # The builders fix 16 frames of 224x224; their settings are wanted on a clip that takes less time.
    monkeypatch.setattr(mvit, "_mvit", lambda **given: build(**{**given, "spatial_size": (64, 64), "temporal_size": 4}))
    reference = getattr(mvit, name)()
    compare(MViT.create(preset, input=INPUT), reference, "torchvision", CLIP.transpose(1, 2))


def test_video_swin_is_torchvisions() -> None:
    from torchvision.models.video import swin3d_t

    compare(VideoSwin.create("video-swin-t", input=INPUT), swin3d_t(), "torchvision", CLIP.transpose(1, 2))


def test_vjepa2_is_transformers() -> None:
    from transformers import VJEPA2Config, VJEPA2ForVideoClassification

    reference = VJEPA2ForVideoClassification(VJEPA2Config(
        crop_size=64, frames_per_clip=4, hidden_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_pooler_layers=1, pred_num_hidden_layers=1, num_labels=10, attn_implementation="eager"))
    encoder = VJEPA2.create("vjepa2-tiny", input=INPUT, dim=96, depth=2)
    compare(encoder, reference, "transformers", CLIP)
