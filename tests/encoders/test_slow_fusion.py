"""Slow fusion: what each layer of the Sports-1M network sees of the clip, as the paper states it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmvideo.encoders.preset import Input
from mmvideo.encoders.slow_fusion import SlowFusion
from mmvideo.errors import InvalidInput


def shapes(preset: str) -> list[tuple[int, ...]]:
    with torch.device("meta"):
        encoder = SlowFusion.create(preset).eval()
        seen: list[tuple[int, ...]] = []
        for conv in encoder.convs:
            conv.register_forward_hook(lambda _, __, y: seen.append(tuple(y.shape[1:])))
        i = encoder.input
        encoder.logits(torch.rand(1, i.num_frames, 3, i.height, i.width))
    return seen


def test_slow_fusion_gives_4_then_2_then_1_responses_in_time() -> None:
    assert shapes("slow-fusion-sports1m") == [
        (96, 4, 54, 54), (256, 2, 27, 27), (384, 1, 13, 13), (384, 1, 13, 13), (256, 1, 13, 13)]


@pytest.mark.parametrize(("name", "responses"), [("early", 1), ("late", 2), ("single", 1)])
def test_the_siblings_differ_in_time_only(name: str, responses: int) -> None:
    spatial = [(s[0], *s[2:]) for s in shapes("slow-fusion-sports1m")]
    found = shapes(f"slow-fusion-sports1m-{name}")
    assert [(s[0], *s[2:]) for s in found] == spatial
    assert found[-1][1] == responses


def test_the_first_fully_connected_layer_sees_6x6_cells_of_256_channels() -> None:
    with torch.device("meta"):
        assert SlowFusion.create("slow-fusion-sports1m").fc6.in_features == 256 * 6 * 6
        assert SlowFusion.create("slow-fusion-sports1m-late").fc6.in_features == 2 * 256 * 6 * 6


def test_the_third_convolution_sees_all_ten_frames_and_the_second_a_part() -> None:
    torch.manual_seed(0)
    encoder = SlowFusion(input=Input(10, 64, 64), width=0.1, dim_hidden=16).eval()
    clip = torch.rand(1, 10, 3, 64, 64, requires_grad=True)
    seen: dict[int, torch.Tensor] = {}
    for i, conv in enumerate(encoder.convs):
        conv.register_forward_hook(lambda _, __, y, i=i: seen.__setitem__(i, y))
    encoder(clip)
    for layer, frames in ((0, range(4)), (1, range(6)), (2, range(10))):
        gradient = torch.autograd.grad(seen[layer][:, :, 0].sum(), clip, retain_graph=True)[0]
        assert gradient.abs().sum((0, 2, 3, 4)).nonzero().flatten().tolist() == list(frames)


def test_the_normalisation_is_that_of_the_paper() -> None:
    norm = SlowFusion(input=Input(10, 64, 64), width=0.1, dim_hidden=16).norm
    assert isinstance(norm, nn.LocalResponseNorm)
    x = torch.rand(1, 9, 2, 3, 3) * 50
    window = x[:, 2:7].pow(2).sum(1)
    assert torch.allclose(norm(x)[:, 4], x[:, 4] / (2 + 1e-4 * window).sqrt(), atol=1e-4)


def test_a_clip_that_vanishes_is_refused_at_building() -> None:
    with pytest.raises(InvalidInput, match="nothing is left of 4 frames"):
        SlowFusion(input=Input(4, 64, 64))
    with pytest.raises(InvalidInput, match="pair up"):
        SlowFusion(input=Input(10, 64, 64), extents=(4, 2))
