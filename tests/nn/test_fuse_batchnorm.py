"""Folding batch normalisation: the same logits, and nothing is folded that must not be."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput
from mmvideo.nn.fuse_batchnorm import NORMS, fuse


def disturbed(network: nn.Module) -> nn.Module:
    for part in network.modules():
        if isinstance(part, NORMS):
            for tensor, low, high in ((part.running_mean, -0.2, 0.2), (part.running_var, 0.5, 1.5),
                                      (part.weight.data, 0.5, 1.5), (part.bias.data, -0.2, 0.2)):
                tensor.uniform_(low, high)
    return network.eval()


@pytest.mark.parametrize("name", ["slowfast-tiny", "x3d-tiny", "r2plus1d-tiny", "tsm-tiny", "movinet-tiny-stream"])
def test_fused_encoders_give_the_same(name: str) -> None:
    encoder, clip = disturbed(zoo.create(name)), torch.rand(2, 16, 3, 64, 64)
    before = encoder.logits(clip)
    count = sum(isinstance(m, NORMS) for m in encoder.modules())
    assert count
    assert fuse(encoder, clip[:1]) == count
    assert not any(isinstance(m, NORMS) for m in encoder.modules())
    after = encoder.logits(clip)
    assert (after - before).abs().max() <= 1e-5 * before.abs().max()


def test_a_convolution_that_another_module_reads_stays() -> None:
    class Forked(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.other = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU()

        def forward(self, x):
            y = self.conv(x)
            return self.norm(y) + self.other(y)

    network = disturbed(Forked())
    assert fuse(network, torch.rand(1, 3, 8, 8)) == 0
    assert isinstance(network.norm, nn.BatchNorm2d)


def test_training_mode_is_refused() -> None:
    with pytest.raises(InvalidInput, match="eval"):
        fuse(zoo.create("tsm-tiny"), torch.rand(1, 16, 3, 64, 64))
