"""MViT against the blocks of PySlowFast, under PySlowFast's names: same weights, same clip."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.encoders.mvit import MViT
from mmvideo.encoders.preset import Input


@pytest.mark.parametrize("version", [1, 2])
def test_mvit_gives_what_pyslowfast_gives(version: int) -> None:
    weights, golden = fabricate.golden(f"mvit_v{version}")
    encoder = MViT.create("mvit-tiny", input=Input(4, 64, 64), version=version, depth=6, widen_at=(1, 3, 4), dim=16,
                          stride_kv=8, dropout=0.5)
    encoder.load_tensors(weights, "pyslowfast")
    with torch.inference_mode():
        logits = encoder.classify(encoder.encode(fabricate.clip(2, 4, 3, 64, 64)))
    assert fabricate.difference(logits, golden["logits"]) < 1e-4
