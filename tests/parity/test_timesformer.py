"""TimeSformer against the authors' release, in its three ways of attention: same weights, same clip."""

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
    encoder.load_tensors(weights)
    with torch.inference_mode():
        logits = encoder.classify(encoder.encode(fabricate.clip(2, 4, 3, 48, 48)))
    assert fabricate.difference(logits, golden["logits"]) < 1e-4
