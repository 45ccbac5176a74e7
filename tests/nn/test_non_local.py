"""The non-local block: the identity at first, equation 1 afterwards, and at home in any 3D network here."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.nn.non_local import KINDS, NonLocal3d, insert_non_local
from mmvideo.nn.resnet3d import ResNet3d, temporal_kernels


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_block_is_the_identity_and_learns(kind: str) -> None:
    block, x = NonLocal3d(8, kind=kind), torch.rand(2, 8, 3, 4, 4)
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert block.norm.weight.grad.abs().max() > 0


def test_every_position_sees_every_other_by_the_equation() -> None:
    block, x = NonLocal3d(4, pool=(1, 1, 1)).eval(), torch.rand(1, 4, 2, 3, 3)
    block.norm.weight.data.fill_(1)
    with torch.inference_mode():
        z = block(x)
        places = x.flatten(2)[0].T
        theta, phi, g, out = (getattr(block, n).weight.flatten(1) for n in ("theta", "phi", "g", "out"))
        biases = [getattr(block, n).bias for n in ("theta", "phi", "g", "out")]
        for i in range(places.shape[0]):
            query = theta @ places[i] + biases[0]
            f = torch.stack([(query @ (phi @ p + biases[1]) * 2**-0.5).exp() for p in places])
            y = sum(w * (g @ p + biases[2]) for w, p in zip(f / f.sum(), places, strict=True))
            expected = places[i] + (out @ y + biases[3]) / (1 + block.norm.eps) ** 0.5
            assert torch.allclose(z.flatten(2)[0, :, i], expected, atol=1e-5)


@pytest.mark.parametrize(("build", "after"), [
    (lambda: zoo.create("i3d-tiny"), {"network.stages.1": 96, "network.stages.2.0": 192}),
    (lambda: zoo.create("i3d-inception-tiny"), {"network.blocks.4b": 128}),
    (lambda: zoo.create("r2plus1d-tiny"), {"network.layer2": 24, "network.layer3.0": 48}),
    (lambda: zoo.create("c3d-tiny"), {"convs.3": 32}),
])
def test_it_is_put_into_any_network_here_and_changes_nothing_at_first(build, after: dict[str, int]) -> None:
    encoder = build().eval()
    clip = torch.rand(1, encoder.input.num_frames, 3, encoder.input.height, encoder.input.width)
    names = set(encoder.state_dict())
    with torch.inference_mode():
        before = encoder.logits(clip)
        insert_non_local(encoder, after)
        encoder.eval()
        assert torch.equal(encoder.logits(clip), before)
        assert names < set(encoder.state_dict())
        for name in after:
            block = encoder.get_submodule(name).non_local
            block.norm.weight.fill_(1)
            block.out.weight.normal_()
        assert not torch.allclose(encoder.logits(clip), before)


def test_mistakes_are_told() -> None:
    network = torchvision.models.video.r3d_18()
    with pytest.raises(UnknownName, match="layer7"):
        insert_non_local(network, {"layer7": 64})
    insert_non_local(network, {"layer1": 64})
    with pytest.raises(InvalidInput, match="already"):
        insert_non_local(network, {"layer1": 64})
    with pytest.raises(InvalidInput, match="dot-product"):
        NonLocal3d(8, kind="gaussian")


def test_the_trunk_has_kernels_channels_and_blocks_as_told() -> None:
    assert temporal_kernels((3, 1), 4) == (3, 1, 3, 1)
    assert temporal_kernels((3,), 4, limit=2) == (3, 3, 1, 1)
    with torch.device("meta"):
        trunk = ResNet3d(width=8, depths=(1, 2, 1, 1), kernels=((3,), (3, 1), (1,), (1,)), extra_channels=(2, 4, 0, 0),
                         non_local={1: (1,)}, dilations=(1, 1, 1, 2), strides=(1, 2, 2, 1))
        assert trunk.stages[0][0].conv_a.in_channels == 10
        assert trunk.stages[1][0].conv_a.in_channels == 36
        assert [block.conv_a.kernel_size[0] for block in trunk.stages[1]] == [3, 1]
        assert isinstance(trunk.stages[1][1].non_local, NonLocal3d)
        assert trunk.stages[3](torch.rand(1, 128, 2, 4, 4)).shape == (1, 256, 2, 4, 4), "dilated instead of strided"
        assert trunk.dim == 256
    with pytest.raises(InvalidInput, match="not there"):
        ResNet3d(width=4, depths=(1, 1, 1, 1), non_local={2: (1,)})
    with pytest.raises(InvalidInput, match="odd"):
        ResNet3d(width=4, stem_kernel=4)


def test_a_bottleneck_begins_as_the_way_around_it() -> None:
    stage = ResNet3d(width=4, depths=(1, 2, 1, 1)).stages[1]
    x = torch.rand(1, 32, 2, 4, 4)
    assert isinstance(stage, nn.Sequential)
    assert torch.equal(stage[1](x), x)
