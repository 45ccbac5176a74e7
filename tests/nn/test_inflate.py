"""Inflation: a clip of one frame gives what the 2D network gives, at every time, for networks of two libraries."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.inflate import InflatedConv, cubic, inflate, inflate_pointwise

NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "torchvision resnet18": (torchvision.models.resnet18, 48),
    "torchvision resnet50": (torchvision.models.resnet50, 48),
    "torchvision mobilenet_v2": (torchvision.models.mobilenet_v2, 48),
    "torchvision googlenet": (lambda: torchvision.models.googlenet(init_weights=False), 48),
    "torchvision inception_v3": (lambda: torchvision.models.inception_v3(init_weights=False), 80),
    "torchvision vgg11_bn": (lambda: torchvision.models.vgg11_bn(init_weights=False).features, 48),
    "timm mobilenetv3 (squeeze and excitation)": (lambda: timm.create_model("mobilenetv3_small_100"), 48),
    "timm tf_efficientnet (padding by hand)": (lambda: timm.create_model("tf_efficientnet_lite0"), 45),
}


def _lively(network: nn.Module) -> nn.Module:
    """Give normalisations statistics of their own, so that a wrong border or scale shows."""
    generator = torch.Generator().manual_seed(0)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.copy_(0.1 * torch.randn(part.num_features, generator=generator))
            part.running_var.copy_(0.5 + torch.rand(part.num_features, generator=generator))
            with torch.no_grad():
                part.bias.copy_(0.1 * torch.randn(part.num_features, generator=generator))
    return network.eval()


def _still(frames: Tensor, length: int) -> Tensor:
    return frames.unsqueeze(2).expand(-1, -1, length, -1, -1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_static_clip_gives_the_2d_output_at_every_time(name: str) -> None:
    build, size = NETWORKS[name]
    network, frames = _lively(build()), torch.rand(2, 3, size, size)
    inflated = inflate(network)
    assert sum(isinstance(m, InflatedConv) for m in inflated.modules()) > 3
    with torch.inference_mode():
        flat, video = network(frames), inflated(_still(frames, 3))
    assert video.shape == (2, 3, *flat.shape[1:])
    assert torch.allclose(video, flat.unsqueeze(1).expand_as(video), atol=2e-5 * float(flat.abs().max()))


@pytest.mark.parametrize("rule", [cubic, inflate_pointwise])
def test_weights_are_copies_along_time_that_sum_to_the_2d_weights(rule) -> None:
    network = torchvision.models.resnet50()
    own = network.state_dict()
    inflated = inflate(network, rule=rule)
    state = inflated.network.state_dict()
    assert state.keys() == own.keys()
    grown = [n for n in own if state[n].shape != own[n].shape]
    assert grown
    for name in grown:
        copies = state[name].unbind(2)
        assert all(torch.equal(copies[0], c) for c in copies)
        assert torch.allclose(sum(copies), own[name], atol=1e-6)
    sides = {own[n].shape[-1] for n in grown}
    assert sides == ({3, 7} if rule is cubic else {1})
    assert own["conv1.weight"].ndim == 4, "the given network stays"


def test_time_is_seen_and_order_matters_once_the_copies_differ() -> None:
    inflated = inflate(torchvision.models.resnet18().eval())
    clip = torch.rand(1, 3, 5, 32, 32)
    other = clip.clone()
    other[:, :, 4] = 0
    with torch.inference_mode():
        first, second = inflated(clip), inflated(other)
        assert (first[:, 0] - second[:, 0]).abs().max() > 1e-4, "the last frame changes what is said of the first"
        symmetric = inflated(clip.flip(2)).flip(1)
        assert torch.allclose(symmetric, first, atol=1e-4), "equal copies cannot tell the order"
        inflated.network.conv1.weight[:, :, 0] *= 2
        assert (inflated(clip.flip(2)).flip(1) - inflated(clip)).abs().max() > 1e-3


def test_zeros_change_the_border_only() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).eval()
    frames = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        video = inflate(network, padding="zeros")(_still(frames, 5))
        flat = network(frames)
    inside = torch.allclose(video[:, 1:4], flat.unsqueeze(1).expand(-1, 3, -1, -1, -1), atol=1e-6)
    assert inside
    assert not torch.allclose(video[:, 0], flat, atol=1e-3)


def test_normalisation_in_training_is_that_of_3d() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)).train()
    inflated, clip = inflate(network), torch.rand(2, 3, 5, 6, 6)
    conv = nn.Conv3d(3, 4, 3, padding=(0, 1, 1), bias=False)
    conv.weight.data.copy_(inflated.network[0].weight)
    whole = nn.BatchNorm3d(4)(conv(torch.cat((clip[:, :, :1], clip, clip[:, :, -1:]), 2)))
    assert torch.allclose(inflated(clip).transpose(1, 2), whole, atol=1e-5)


def test_time_can_be_pooled_and_looked_over_inside() -> None:
    inflated = inflate(torchvision.models.resnet18().eval(), rule=pointwise_or_three)
    inflated.pool_time_after("layer2")
    inflated.insert_non_local({"layer3": 256})
    clip = torch.rand(2, 3, 6, 32, 32)
    with torch.inference_mode():
        before = inflated.eval()(clip)
        assert before.shape == (2, 3, 1000)
        inflated.network.layer3.non_local.part.norm.weight.fill_(1)
        assert not torch.allclose(inflated(clip), before)
    with pytest.raises(UnknownName, match="layer9"):
        inflated.pool_time_after("layer9")


def pointwise_or_three(name: str, conv: nn.Conv2d) -> int:
    return 3 if name.startswith("layer1") else 1


def test_what_cannot_be_inflated_is_refused() -> None:
    class Own(nn.Conv2d):
        pass

    with pytest.raises(InvalidInput, match="Own"):
        inflate(nn.Sequential(Own(3, 4, 3)))
    with pytest.raises(InvalidInput, match="odd"):
        inflate(nn.Sequential(nn.Conv2d(3, 4, 3)), rule=lambda name, conv: 2)
    with pytest.raises(InvalidInput, match="no convolution"):
        inflate(nn.Sequential(nn.Conv2d(3, 4, 1)))
    with pytest.raises(InvalidInput, match="replicate"):
        inflate(nn.Sequential(nn.Conv2d(3, 4, 3)), padding="mirror")
