"""The video ResNets of 18 layers against torchvision's, run beside ours."""

from __future__ import annotations

import fabricate
import pytest
import torch
from torchvision.models import video

from mmvideo.encoders.preset import Input
from mmvideo.encoders.r2plus1d import R2Plus1D


@pytest.mark.parametrize(("preset", "build"), [
    ("r2plus1d-18", video.r2plus1d_18), ("r2plus1d-r3d-18", video.r3d_18), ("r2plus1d-mc3-18", video.mc3_18)])
def test_it_gives_what_torchvision_gives(preset: str, build) -> None:
    reference = build()
    fabricate.fill(reference)
    encoder = R2Plus1D.create(preset, input=Input(8, 32, 32)).load_tensors(reference.state_dict())
    clip = fabricate.clip(1, 3, 8, 32, 32)
    with torch.inference_mode():
        ours, theirs = encoder.classify(encoder.encode(clip.transpose(1, 2))), reference(clip)
    assert fabricate.difference(ours, theirs) < 1e-5
