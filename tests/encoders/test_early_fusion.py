"""Early fusion: the first convolution sees every frame, in order."""

from __future__ import annotations

import torch

from mmvideo.encoders.early_fusion import EarlyFusion


def test_the_first_convolution_sees_all_frames_and_time_is_gone_after_it() -> None:
    encoder = EarlyFusion.create("early-fusion-tiny").eval()
    assert encoder.frames.net.conv1.in_channels == 16 * 3
    clip = torch.rand(1, 16, 3, 64, 64)
    with torch.inference_mode():
        assert encoder(clip).grid == (1, 2, 2)
        logits, back = encoder.logits(clip), encoder.logits(clip.flip(1))
    assert (logits - back).abs().max() > 1e-4 * logits.abs().max()


def test_the_first_response_is_the_sum_over_frames_of_their_own_filters() -> None:
    encoder = EarlyFusion.create("early-fusion-tiny").eval()
    clip, conv = torch.rand(1, 16, 3, 64, 64), encoder.frames.net.conv1
    with torch.inference_mode():
        parts = [torch.nn.functional.conv2d(clip[:, t], conv.weight[:, 3 * t:3 * t + 3], stride=2, padding=3)
                 for t in range(16)]
        assert torch.allclose(conv(clip.flatten(1, 2)), sum(parts), atol=1e-4)
