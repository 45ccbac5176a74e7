"""Flat 3D convolutions: the sums of conv3d, forwards and backwards, in every kind, layout and precision."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import nn

from mmvideo.encoders import zoo
from mmvideo.nn import flat_conv
from mmvideo.nn.costs import multiply_adds
from mmvideo.nn.flat_conv import FlatConv3d, flatten, is_flat

KINDS = {
    "time": {"kernel_size": (3, 1, 1), "padding": (1, 0, 0)},
    "time, strided": {"kernel_size": (7, 1, 1), "padding": (3, 0, 0), "stride": (4, 1, 1), "bias": False},
    "time, dilated, grouped": {"kernel_size": (3, 1, 1), "padding": (2, 0, 0), "dilation": (2, 1, 1), "groups": 4},
    "space": {"kernel_size": (1, 3, 3), "padding": (0, 1, 1)},
    "space, strided": {"kernel_size": (1, 3, 5), "padding": (0, 1, 2), "stride": (1, 2, 2), "bias": False},
    "space, grouped": {"kernel_size": (1, 3, 3), "groups": 8},
    "point": {"kernel_size": 1},
    "point, strided": {"kernel_size": 1, "stride": (2, 2, 3), "bias": False},
}


def pair(kind: str) -> tuple[nn.Conv3d, nn.Conv3d]:
    torch.manual_seed(0)
    plain = nn.Conv3d(8, 16, **KINDS[kind])
    return plain, flatten(copy.deepcopy(plain))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_it_gives_what_conv3d_gives(kind: str, batch: int, layout: torch.memory_format) -> None:
    plain, ours = pair(kind)
    assert type(ours) is FlatConv3d
    x = torch.randn(batch, 8, 9, 12, 10).contiguous(memory_format=layout)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), plain(x), rtol=1e-5, atol=1e-5)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    outputs = [layer(given) for layer, given in zip((ours, plain), inputs, strict=True)]
    pull = torch.randn(outputs[1].shape)
    grads = [torch.autograd.grad(y, [given, *layer.parameters()], pull)
             for layer, given, y in zip((ours, plain), inputs, outputs, strict=True)]
    for mine, theirs in zip(*grads, strict=True):
        assert float((mine - theirs).abs().max() / theirs.abs().max()) < 1e-5


@pytest.mark.parametrize("time", [1, 2, 5])
def test_gradients_in_bfloat16_are_finite_and_right_where_oneDNNs_of_3d_are_not(time: int) -> None:
    layer = flatten(nn.Conv3d(32, 32, (3, 1, 1), padding=(1, 0, 0)))
    x, grads = torch.rand(4, 32, time, 4, 4), []
    for half in (False, True):
        stale = torch.full((layer.weight.numel(),), float("nan"))  # what an unwritten gradient may find in memory
        del stale
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            y = layer(x)
        grads.append(torch.autograd.grad(y.float().square().sum(), layer.weight)[0])
    assert torch.isfinite(grads[1]).all()
    assert float((grads[1] - grads[0]).abs().max() / grads[0].abs().max()) < 0.02


def test_a_small_clip_goes_past_the_rule_of_torch_and_a_batch_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    whole = flat_conv.over_space
    monkeypatch.setattr(flat_conv, "over_space", lambda conv, x: (seen.append(tuple(x.shape)), whole(conv, x))[1])
    layer = flatten(nn.Conv3d(8, 8, (1, 3, 3), padding=(0, 1, 1)))
    for shape in ((1, 8, 32, 64, 2), (1, 8, 32, 96, 2), (2, 8, 4, 4, 4)):
        layer(torch.rand(shape))
    assert seen == [(1, 8, 32, 64, 2)]


def test_what_sees_both_or_is_of_another_kind_stays() -> None:
    class Own(nn.Conv3d):
        pass

    assert not is_flat(nn.Conv3d(2, 2, 3))
    assert not is_flat(nn.Conv3d(2, 2, (3, 1, 1), padding=(1, 1, 0)))
    assert not is_flat(nn.Conv3d(2, 2, (1, 3, 3), stride=(2, 1, 1)))
    assert not is_flat(nn.Conv3d(2, 2, 1, groups=2))
    assert not is_flat(nn.Conv3d(2, 2, (3, 1, 1), padding=(1, 0, 0), padding_mode="replicate"))
    assert not is_flat(nn.Conv3d(2, 2, (1, 3, 3), padding="same"))
    assert not is_flat(Own(2, 2, 1))
    assert not is_flat(nn.Conv2d(2, 2, 1))


def test_networks_of_the_zoo_and_of_libraries_in_it_use_it_and_keep_their_names() -> None:
    for name in ("slowfast-tiny", "r2plus1d-tiny"):
        encoder = zoo.create(name).eval()
        flat = [part for part in encoder.modules() if isinstance(part, FlatConv3d)]
        assert flat
        plain = copy.deepcopy(encoder)
        for part in plain.modules():
            if isinstance(part, FlatConv3d):
                part.__class__ = nn.Conv3d
        assert plain.state_dict().keys() == encoder.state_dict().keys()
        clip = torch.rand(1, 16, 3, 64, 64)
        with torch.inference_mode():
            torch.testing.assert_close(encoder.logits(clip), plain.logits(clip), rtol=1e-4, atol=1e-5)
        shapes = clip.to("meta")
        counts = [multiply_adds(partial(network.to("meta").logits, shapes)) for network in (encoder, plain)]
        assert counts[0] == counts[1]
