"""RTFS-Net: its published size and cost, any length, a frozen lip network, and that its loss falls."""

from __future__ import annotations

import pytest
import torch

from mmvideo.nn.costs import multiply_adds, num_params, shapes_only
from mmvideo.separation.losses import negative_snr
from mmvideo.separation.rtfs_net import RTFSNet
from mmvideo.separation.sru import BiSRU
from mmvideo.types import Cues
from separation import voices


def test_size_and_cost_are_the_published_ones() -> None:
    counted = {}
    for repeats in (4, 6):
        with shapes_only():
            net = RTFSNet.create(f"rtfs-net-{repeats}")
            spectrum, lips = torch.zeros(1, 129, 251, dtype=torch.complex64), torch.zeros(1, 512, 50)  # of 2 s
        counted[repeats] = multiply_adds(lambda: net.separate_spectra(spectrum, lips)) / 1e9  # noqa: B023
        assert num_params(net.lips) / 1e6 == pytest.approx(11.2, rel=0.005)
        assert (num_params(net) - num_params(net.lips)) / 1e6 == pytest.approx(0.74, rel=0.005)
    counted[12] = counted[6] + 3 * (counted[6] - counted[4])  # all passes cost the same
    for repeats, cost in counted.items():
        assert cost == pytest.approx(RTFSNet.PRESETS[f"rtfs-net-{repeats}"].published.gflops, rel=0.02)


@pytest.mark.parametrize("samples", [12_345, 500])
def test_any_length_and_any_order_of_the_faces(samples: int) -> None:
    net = RTFSNet(repeats=2, channels=16, width=16).eval()
    waves, cues = voices.talkers(1, 50, samples=samples)
    with torch.no_grad():
        out = net(waves.sum(1), cues)
        swapped = net(waves.sum(1), Cues(cues.mouths.flip(1), cues.valid.flip(1)))
    assert out.shape == (1, 2, samples)
    assert torch.allclose(swapped.flip(1), out, atol=1e-5)


def test_the_recurrent_units_are_the_loop_of_the_definition() -> None:
    layer = BiSRU(10, 4, 1).layers[0]
    x = torch.randn(7, 3, 10)
    u = (x @ layer.weight).view(7, 3, 2, 4, 4)
    (fw, rw), (fb, rb) = layer.weight_c.view(2, 2, 4), layer.bias.view(2, 2, 4)
    for way, steps in ((0, range(7)), (1, range(6, -1, -1))):
        c = torch.zeros(3, 4)
        for t in steps:
            now = u[t, :, way]
            f = torch.sigmoid(now[..., 1] + c * fw[way] + fb[way])
            r = torch.sigmoid(now[..., 2] + c * rw[way] + rb[way])
            c = f * c + (1 - f) * now[..., 0]
            h = r * c + (1 - r) * now[..., 3]
            assert torch.allclose(layer(x)[t, :, way * 4:way * 4 + 4], h, atol=1e-6)


def test_training_lowers_the_loss_and_leaves_frozen_lips_alone() -> None:
    torch.manual_seed(0)
    net = RTFSNet(repeats=2, channels=16, width=16).train()
    before = {name: value.clone() for name, value in net.lips.state_dict().items()}
    waves, cues = voices.talkers(1, 10)
    optimiser = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], 2e-3)
    losses = []
    for _ in range(4):
        loss = negative_snr(net(waves.sum(1), cues), waves).mean()
        optimiser.zero_grad()
        loss.backward()
        losses.append(float(loss))
        optimiser.step()
    assert losses[-1] < losses[0] - 0.3, losses
    assert losses[1] < losses[0]
    assert all(torch.equal(value, before[name]) for name, value in net.lips.state_dict().items())
    silent = [name for name, p in net.named_parameters() if p.requires_grad and p.grad is None]
    assert not silent


def test_it_learns_in_bfloat16_too() -> None:
    """The trainer takes bfloat16 where the hardware has it; the state of the recurrent units stays float32."""
    torch.manual_seed(0)
    net = RTFSNet(repeats=2, channels=16, width=16).eval()
    waves, cues = voices.talkers(1, 10)
    whole = net(waves.sum(1), cues)
    with torch.autocast("cpu", torch.bfloat16):
        half = net(waves.sum(1), cues)
    assert (half - whole).norm() < 0.15 * whole.norm()
    negative_snr(half, waves).mean().backward()
    learning = [p for p in net.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in learning)
