"""Single frame against timm and torchvision, run here: same weights under their own names, same frames."""

from __future__ import annotations

import fabricate
import pytest
import timm
import torch
import torchvision

from mmvideo.encoders.preset import Input
from mmvideo.encoders.single_frame import SingleFrame

CASES = [("resnet18", 64, {}), ("resnet50", 64, {"layers": (1, 1, 1, 1)}), ("efficientnet_b0", 64, {}),
         ("convnext_atto", 64, {}), ("mobilenetv3_small_050", 64, {}),
         ("vit_tiny_patch16_224", 64, {"depth": 2}), ("deit_tiny_distilled_patch16_224", 64, {"depth": 2}),
         ("swin_tiny_patch4_window7_224", 224, {"depths": (1, 1), "num_heads": (3, 6)})]


@pytest.mark.parametrize(("name", "size", "options"), CASES, ids=[case[0] for case in CASES])
def test_each_frame_gets_what_timm_gives(name: str, size: int, options: dict) -> None:
    sized = {"img_size": size} if timm.get_pretrained_cfg(name).fixed_input_size else {}
    reference = timm.create_model(name, num_classes=7, **sized, **options)
    fabricate.fill(reference)
    encoder = SingleFrame(input=Input(2, size, size), num_classes=7, backbone=name, backbone_options=options)
    encoder.load_tensors(reference.state_dict(), "timm")
    clip = fabricate.clip(1, 2, 3, size, size)
    with torch.inference_mode():
        features = encoder.encode(clip)
        theirs = reference(clip[0])
        assert fabricate.difference(encoder.frame_logits(features)[0], theirs) < 1e-4
        assert fabricate.difference(encoder.classify(features).exp(), theirs.softmax(1).mean(0, keepdim=True)) < 1e-4


def test_a_torchvision_resnet_is_read_under_its_own_names() -> None:
    reference = torchvision.models.resnet50(num_classes=5)
    fabricate.fill(reference)
    encoder = SingleFrame(input=Input(1, 64, 64), num_classes=5, backbone="resnet50")
    encoder.load_tensors(reference.state_dict(), "torchvision")
    clip = fabricate.clip(1, 1, 3, 64, 64)
    with torch.inference_mode():
        assert fabricate.difference(encoder.frame_logits(encoder.encode(clip))[0], reference(clip[0])) < 1e-4
