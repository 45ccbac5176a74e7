"""R(2+1)D: the planes in the middle match the parameters of a 3D convolution, in the formula and in the networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.encoders.r2plus1d import R2Plus1D, middle_channels
from mmvideo.errors import UnknownName


@pytest.mark.parametrize(("time", "side"), [(3, 3), (3, 7), (5, 3), (1, 3)])
@pytest.mark.parametrize(("dim_in", "dim"), [(3, 64), (64, 64), (64, 128), (512, 512), (7, 13)])
def test_the_factored_convolution_has_the_parameters_of_the_whole_one(time: int, side: int, dim_in: int,
                                                                      dim: int) -> None:
    whole = nn.Conv3d(dim_in, dim, (time, side, side), bias=False).weight.numel()
    middle = middle_channels(dim_in, dim, time=time, side=side)
    factored = (nn.Conv3d(dim_in, middle, (1, side, side), bias=False).weight.numel()
                + nn.Conv3d(middle, dim, (time, 1, 1), bias=False).weight.numel())
    one_plane = side**2 * dim_in + time * dim
    assert factored <= whole < factored + one_plane


def _pairs(encoder: R2Plus1D) -> list[tuple[nn.Conv3d, nn.Conv3d]]:
    found = []
    for layer in (encoder.network.layer1, encoder.network.layer2, encoder.network.layer3, encoder.network.layer4):
        for block in layer:
            found += [(part[0], part[3]) for part in (block.conv1[0], block.conv2[0])]
    return found


def test_networks_have_m_planes_in_the_middle() -> None:
    with torch.device("meta"):
        paper, theirs = zoo.create("r2plus1d-34"), zoo.create("r2plus1d-18")
    for space, time in _pairs(paper):
        assert space.out_channels == time.in_channels == middle_channels(space.in_channels, time.out_channels)
    narrow = [space for space, time in _pairs(theirs)
              if space.out_channels != middle_channels(space.in_channels, time.out_channels)]
    assert len(_pairs(paper)) == 2 * (3 + 4 + 6 + 3)
    assert len(narrow) == 3, "torchvision's second convolution of the first block of stages 2 to 4"


def test_34_layers_match_the_parameters_of_3d_ones() -> None:
    with torch.device("meta"):
        factored, whole = (zoo.create("r2plus1d-34", convolution=c) for c in ("2plus1", "3d"))
    def convs(encoder: R2Plus1D) -> int:
        layers = nn.ModuleList(getattr(encoder.network, f"layer{i}") for i in range(1, 5))
        return sum(m.weight.numel() for m in layers.modules() if isinstance(m, nn.Conv3d))
    assert abs(convs(factored) / convs(whole) - 1) < 1e-3


def test_mixed_convolutions_keep_time_and_others_do_not() -> None:
    small = Input(8, 32, 32)
    grids = {}
    for convolution in ("2plus1", "3d", "mixed"):
        encoder = zoo.create("r2plus1d-tiny", convolution=convolution, input=small).eval()
        with torch.inference_mode():
            grids[convolution] = encoder(torch.rand(1, 8, 3, 32, 32)).grid
        assert encoder.num_tokens(8, 32, 32) == torch.Size(grids[convolution]).numel()
    assert grids == {"2plus1": (1, 2, 2), "3d": (1, 2, 2), "mixed": (8, 2, 2)}
    with pytest.raises(UnknownName, match="2plus1"):
        zoo.create("r2plus1d-tiny", convolution="2plus")


def test_it_takes_flow_as_well() -> None:
    encoder = zoo.create("r2plus1d-tiny", input=Input(8, 32, 32, (0.5,) * 2, (0.5,) * 2))
    assert encoder.logits(torch.rand(1, 8, 2, 32, 32)).shape == (1, 10)
