"""Receptive fields: against formulas known for published networks, and against gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mmvideo.encoders import zoo
from mmvideo.nn.receptive_field import reach


def _tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def test_c3d_is_what_the_formula_of_its_kernels_gives() -> None:
    with torch.device("meta"):
        network = zoo.create("c3d-ucf101").eval()
        clip = torch.zeros(1, 16, 3, 112, 112)
    found = [reach(lambda x: network(x).tokens, clip, axis, (2, 7, 7), along) for along, axis in enumerate((1, 3, 4))]
    assert [r.size for r in found] == [68, 134, 134]
    assert not any(r.everything for r in found)


@pytest.mark.parametrize(("name", "pixels"), [("resnet18", 435), ("resnet50", 427), ("vgg16", 212)])
def test_known_networks(name: str, pixels: int) -> None:
    """The figures of Araujo et al. 2019, "Computing receptive fields of CNNs" (resnet50 with its stride in the 3x3)."""
    import torchvision

    with torch.device("meta"):
        network = getattr(torchvision.models, name)().eval()
        body = network.features if name == "vgg16" else nn.Sequential(*list(network.children())[:-2])
        picture = torch.zeros(1, 3, 224, 224)
    assert reach(lambda x: _tokens(body(x)), picture, 2, (7, 7), 0).size == pixels


class Odd(nn.Module):
    """Strides, dilation, one-sided padding, a branch, a shift in time written into zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv3d(2, 4, (3, 3, 3), stride=(1, 2, 1), padding=1)
        self.b = nn.Conv3d(4, 4, (3, 1, 1), dilation=(2, 1, 1), padding=(2, 0, 0))
        self.c = nn.Conv3d(4, 4, (1, 3, 5), padding=(0, 1, 2))

    def forward(self, clip: Tensor) -> Tensor:
        x = torch.nn.functional.pad(self.a(clip), (0, 0, 0, 0, 2, 0))[:, :, :-2]
        x = self.b(x) + self.c(x)
        shifted = torch.zeros_like(x)
        shifted[:, :2, 1:] = x[:, :2, :-1]
        shifted[:, 2:] = x[:, 2:]
        return _tokens(nn.functional.avg_pool3d(shifted, (1, 2, 2)))


def test_it_is_where_the_gradient_is_not_zero() -> None:
    torch.manual_seed(0)
    network, clip = Odd(), torch.rand(1, 2, 20, 24, 20, requires_grad=True)
    grid = (20, 6, 10)
    tokens = network(clip)
    centre = (10 * 6 + 3) * 10 + 5
    tokens[0, centre].sum().backward()
    touched = clip.grad[0].abs().sum(0)
    meta, shape = network.to("meta"), torch.zeros(1, 2, 20, 24, 20, device="meta")
    for axis in (2, 3, 4):
        others = [d for d in range(3) if d != axis - 2]
        where = torch.nonzero(touched.sum(others)).flatten()
        found = reach(meta, shape, axis, grid, axis - 2)
        assert (found.first, found.last) == (where.min(), where.max())


def test_attention_sees_everything_and_means_do_too() -> None:
    with torch.device("meta"):
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
        tokens = torch.zeros(1, 12, 8)
        x = reach(lambda x: layer(x) * 1.0, tokens, 1, (12,), 0)
        assert x.everything
        assert x.size == 12
        assert reach(lambda x: x * x.mean(1, keepdim=True), tokens, 1, (12,), 0).everything
        assert not reach(lambda x: x * 2, tokens, 1, (12,), 0).everything


def test_what_no_rule_covers_is_not_defined() -> None:
    clip = torch.zeros(1, 3, 8, 8, device="meta")
    up = nn.ConvTranspose2d(3, 3, 2, 2, device="meta")
    assert reach(lambda x: _tokens(up(x)), clip, 2, (16, 16), 0) is None
