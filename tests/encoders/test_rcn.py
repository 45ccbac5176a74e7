"""RCN: the equations of the convolutional GRU, written out once more, plainly."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmvideo.encoders.rcn import RCN, ConvRecurrence
from mmvideo.errors import InvalidInput, UnknownName


def conv(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


@pytest.mark.parametrize("dim_below", [0, 3])
def test_the_gru_is_the_papers(dim_below: int) -> None:
    torch.manual_seed(0)
    cell = ConvRecurrence(5, 4, dim_below=dim_below)
    x, below = torch.randn(2, 4, 5, 6, 6), torch.randn(2, 4, 3, 12, 12)
    (w_z, w_r, w), (b_z, b_r, b) = cell.inputs.weight.split(4), cell.inputs.bias.split(4)
    u_z, u_r = cell.gates.weight.split(4)
    h = torch.zeros(2, 4, 6, 6)
    with torch.inference_mode():
        found = cell(x, below if dim_below else None)
        for t in range(4):
            in_z, in_r = conv(x[:, t], w_z, b_z), conv(x[:, t], w_r, b_r)
            if dim_below:
                v_z, v_r = cell.below.weight.split(4)
                under = F.max_pool2d(below[:, t], 2)
                in_z, in_r = in_z + conv(under, v_z), in_r + conv(under, v_r)
            z, r = torch.sigmoid(in_z + conv(h, u_z)), torch.sigmoid(in_r + conv(h, u_r))
            h = (1 - z) * h + z * torch.tanh(conv(x[:, t], w, b) + conv(r * h, cell.state.weight))
            assert torch.allclose(found[:, t], h, atol=1e-5), t


@pytest.mark.parametrize("dim_below", [0, 3])
def test_the_tanh_recurrence(dim_below: int) -> None:
    torch.manual_seed(0)
    cell = ConvRecurrence(5, 4, recurrence="tanh", dim_below=dim_below)
    x, below = torch.randn(1, 3, 5, 6, 6), torch.randn(1, 3, 3, 12, 12)
    h = torch.zeros(1, 4, 6, 6)
    with torch.inference_mode():
        found = cell(x, below if dim_below else None)
        for t in range(3):
            drive = conv(x[:, t], cell.inputs.weight, cell.inputs.bias) + conv(h, cell.state.weight)
            if dim_below:
                drive = drive + conv(F.max_pool2d(below[:, t], 2), cell.below.weight)
            h = torch.tanh(drive)
            assert torch.allclose(found[:, t], h, atol=1e-5), t


@pytest.mark.parametrize("options", [{}, {"stacked": True}, {"recurrence": "tanh"}])
def test_the_order_matters_and_a_state_knows_its_past_only(options: dict) -> None:
    torch.manual_seed(0)
    encoder = RCN.create("rcn-tiny", **options).eval()
    clip = torch.rand(1, 5, 3, 64, 64)
    changed = clip.clone()
    changed[:, 2] = 0
    with torch.inference_mode():
        before, after = encoder(clip), encoder(changed)
        forth, back = encoder.logits(clip), encoder.logits(clip.flip(1))
    differs = (before.tokens - after.tokens).abs().reshape(5, -1).amax(1) > 1e-6
    assert differs.tolist() == [False, False, True, True, True]
    assert (forth - back).abs().max() > 1e-4


def test_the_clip_gets_the_mean_of_the_layers_probabilities() -> None:
    encoder = RCN.create("rcn-tiny").eval()
    with torch.inference_mode():
        features = encoder(torch.rand(2, 3, 3, 64, 64))
        states = features.pooled.split(encoder.dims, 1)
        expected = sum(head(x).softmax(1) for head, x in zip(encoder.heads, states, strict=True)) / 4
        assert torch.allclose(encoder.classify(features).exp(), expected, atol=1e-5)


def test_vgg_is_read_after_its_poolings() -> None:
    with torch.device("meta"):
        encoder = RCN.create("rcn-vgg16").eval()
        seen: list[tuple[int, ...]] = []
        for recurrence in encoder.recurrences:
            recurrence.register_forward_hook(lambda _, x, __: seen.append(tuple(x[0].shape[2:])))
        encoder(torch.rand(1, 1, 3, 224, 224))
    assert seen == [(128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7), (4096, 1, 1)]


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(UnknownName, match="tanh"):
        RCN.create("rcn-tiny", recurrence="lstm")
    with pytest.raises(InvalidInput, match="4 recurrences"):
        RCN.create("rcn-tiny", dims=(8, 8))
    with pytest.raises(InvalidInput, match="stages"):
        RCN.create("rcn-tiny", levels=(1, 2, 3, 9))
