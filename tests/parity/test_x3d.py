"""X3D against pytorchvideo and PySlowFast: same weights, same clip."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.encoders.preset import Input
from mmvideo.encoders.x3d import X3D

CLIP = fabricate.clip(1, 3, 4, 96, 96).transpose(1, 2)


@pytest.mark.parametrize(("case", "form"), [("x3d", "pytorchvideo"), ("x3d_pyslowfast", "pyslowfast")])
def test_x3d_gives_what_the_references_give(case: str, form: str) -> None:
    weights, golden = fabricate.golden(case)
    encoder = X3D.create("x3d-xs", input=Input(4, 96, 96)).load_tensors(weights, form)
    with torch.inference_mode():
        logits = encoder.classify(encoder.encode(CLIP))
    assert fabricate.difference(logits, golden["logits"]) < 1e-4


def test_larger_frames_are_seen_in_windows_of_the_presets_size() -> None:
    encoder = X3D.create("x3d-tiny").eval()
    with torch.inference_mode():
        features = encoder(torch.rand(1, 16, 3, 96, 64))
        maps = features.tokens.unflatten(1, features.grid)
        windows = [maps[:, :, i:i + 2].mean((1, 2, 3)) @ encoder.lin_5.weight.flatten(1).T for i in range(2)]
    assert features.grid == (16, 3, 2)
    torch.testing.assert_close(features.pooled, torch.stack(windows).relu().mean(0))
