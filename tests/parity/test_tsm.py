"""TSM against the authors' release: clips on ResNet-50 and MobileNetV2, and the online demo a frame at a time."""

from __future__ import annotations

import fabricate
import pytest
import torch

from mmvideo.encoders.preset import Input
from mmvideo.encoders.tsm import TSM

SMALL = Input(4, 64, 64)


def prepared(encoder: TSM, clip: torch.Tensor) -> torch.Tensor:
    """Return values whose normalisation gives the clip: the reference was fed it as it is."""
    return clip * encoder.std + encoder.mean


@pytest.mark.parametrize(("preset", "form", "case"), [
    ("tsm-r50-8f", "tsm-resnet", "tsm_r50"), ("tsm-mobilenetv2-8f", "tsm-mobilenetv2", "tsm_mobilenetv2")])
def test_clips_get_what_the_release_gives(preset: str, form: str, case: str) -> None:
    weights, golden = fabricate.golden(case)
    encoder = TSM.create(preset, input=SMALL).load_tensors(weights, form)
    clip = fabricate.clip(2, 4, 3, 64, 64)
    with torch.inference_mode():
        logits = encoder.logits(prepared(encoder, clip))
    assert fabricate.difference(logits, golden["logits"]) < 1e-4
    with torch.enable_grad():
        assert fabricate.difference(encoder.logits(prepared(encoder, clip)), golden["logits"]) < 1e-4


def test_a_stream_gives_what_the_online_demo_gives_for_each_frame() -> None:
    weights, golden = fabricate.golden("tsm_online_demo")
    encoder = TSM.create("tsm-mobilenetv2-online", input=SMALL).load_tensors(weights, "tsm-online-demo")
    clip, stream, logits = prepared(encoder, fabricate.clip(1, 4, 3, 64, 64)), encoder.stream(), []
    for t in range(4):
        stream.step(clip[:, t:t + 1])
        logits.append(encoder.head(stream.newest).detach())
    assert fabricate.difference(torch.stack(logits, 1), golden["logits"]) < 1e-4
