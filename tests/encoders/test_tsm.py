"""The temporal shift: its equation, what it leaves alone, every residual CNN, and the stream."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders.preset import Input
from mmvideo.encoders.single_frame import SingleFrame
from mmvideo.encoders.tsm import TSM
from mmvideo.errors import InvalidInput
from mmvideo.nn.temporal_shift import Clock, Shifted, shifted


def trained(preset: str, **options) -> TSM:
    """Build an encoder whose residual branches are not zero, as they are before training."""
    torch.manual_seed(0)
    encoder = TSM.create(preset, **options).eval()
    for module in encoder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
    return encoder


def test_an_eighth_comes_from_each_neighbour_and_zeros_from_outside() -> None:
    maps = torch.arange(1, 4).float().view(3, 1, 1, 1).expand(3, 16, 1, 1)  # frame t holds t + 1
    out = shifted(maps, 3, 2)[:, :, 0, 0]
    assert out[:, 0].tolist() == [2, 3, 0]
    assert out[:, 2].tolist() == [0, 1, 2]
    assert torch.equal(out[:, 4:], maps[:, 4:, 0, 0])
    online = shifted(maps, 3, 2, online=True)[:, :, 0, 0]
    assert online[:, 1].tolist() == [0, 1, 2]
    assert torch.equal(online[:, 2:], maps[:, 2:, 0, 0])


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_without_gradients_the_same_is_read_and_the_input_is_as_it_was(online: bool, layout) -> None:
    torch.manual_seed(0)
    maps = torch.randn(6, 16, 5, 7).to(memory_format=layout)
    conv = torch.nn.Conv2d(16, 4, 1)
    unit = Shifted(conv, Clock(num_frames=3), number=0, online=online)
    kept = maps.clone()
    with torch.no_grad():
        out = unit(maps)
        wanted = conv(shifted(kept, 3, 2, online=online))
    assert torch.equal(maps, kept)
    assert torch.allclose(out, wanted, atol=1e-6)
    assert torch.allclose(unit(maps), wanted, atol=1e-6)


def test_one_frame_alone_reads_zeros_and_without_moving_channels_it_is_the_2d_network() -> None:
    encoder = trained("tsm-tiny", fraction=10_000)
    plain = SingleFrame.create("single-frame-tiny", num_classes=0).eval()
    tensors = {n.replace(".net.weight", ".weight") if "conv1.net" in n else n: t
               for n, t in encoder.frames.state_dict().items()}
    plain.frames.load_state_dict(tensors)
    clip = torch.rand(1, 4, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(encoder(clip).tokens, plain(clip).tokens, atol=1e-5)


def test_the_order_of_frames_matters_only_with_the_shift() -> None:
    clip = torch.rand(1, 6, 3, 64, 64)
    with torch.inference_mode():
        for fraction, differs in ((8, True), (10_000, False)):
            encoder = trained("tsm-tiny", fraction=fraction)
            a, b = encoder(clip).pooled, encoder(clip.flip(1)).pooled
            assert torch.allclose(a, b, atol=1e-5) != differs


@pytest.mark.parametrize(("backbone", "first"), [
    ("resnet50", "layer1.0.conv1"), ("regnety_002", "s1.b1.conv1.conv"), ("convnext_atto", "stages.0.blocks.0.conv_dw"),
    ("efficientnet_b0", "blocks.1.1.conv_pw"), ("resnetv2_50", "stages.0.blocks.0.conv1")])
def test_any_residual_network_of_timm(backbone: str, first: str) -> None:
    with torch.device("meta"):
        encoder = TSM(input=Input(4, 64, 64), num_classes=3, backbone=backbone).eval()
        assert encoder.shifts.names[0] == first
        assert encoder.logits(torch.rand(1, 4, 3, 64, 64)).shape == (1, 3)


def test_every_block_of_resnet50_and_every_second_of_resnet101() -> None:
    with torch.device("meta"):
        assert len(TSM.create("tsm-r50-8f").shifts.names) == 16
        assert len(TSM.create("tsm-r101-8f").shifts.names) == 2 + 2 + 12 + 2
        assert len(TSM.create("tsm-mobilenetv2-8f").shifts.names) == 10


def test_a_network_without_residual_blocks_is_refused() -> None:
    with pytest.raises(InvalidInput, match="residual"), torch.device("meta"):
        TSM(input=Input(4, 64, 64), backbone="vgg11")


@pytest.mark.parametrize("steps", [(1,) * 6, (2, 1, 3)])
def test_a_stream_gives_what_the_clip_gives_up_to_that_time(steps: tuple[int, ...]) -> None:
    encoder, clip = trained("tsm-tiny-online"), torch.rand(2, 6, 3, 64, 64)
    stream, done = encoder.stream(), 0
    with torch.inference_mode():
        each = encoder.frame_logits(clip)
    for n in steps:
        features = stream.step(clip[:, done:done + n])
        done += n
        with torch.inference_mode():
            assert torch.allclose(encoder.head(stream.newest), each[:, done - 1], atol=1e-5)
            assert torch.allclose(encoder.classify(features), encoder.logits(clip[:, :done]), atol=1e-5)
            whole = encoder(clip[:, :done]).tokens.unflatten(1, (done, -1))
        assert torch.allclose(features.tokens.unflatten(1, (n, -1)), whole[:, -n:], atol=1e-4)


def test_a_stream_remembers_a_constant_amount_and_streams_do_not_mix() -> None:
    encoder = trained("tsm-tiny-online")
    a, b, frames = encoder.stream(), encoder.stream(), torch.rand(1, 8, 3, 64, 64)
    sizes = []
    for t in range(8):
        a.step(frames[:, t:t + 1])
        sizes.append(a.memory_bytes())
    assert len(set(sizes)) == 1
    first = b.step(frames[:, :1])
    with torch.inference_mode():
        assert torch.allclose(first.pooled, encoder(frames[:, :1]).pooled, atol=1e-5)


def test_streams_refuse_what_they_cannot_do() -> None:
    with pytest.raises(InvalidInput, match="looks ahead"):
        TSM.create("tsm-tiny").stream()
    stream = trained("tsm-tiny-online").stream()
    stream.step(torch.rand(1, 1, 3, 64, 64))
    with pytest.raises(InvalidInput, match="began with"):
        stream.step(torch.rand(2, 1, 3, 64, 64))
    with pytest.raises(InvalidInput, match="evaluation mode"):
        TSM.create("tsm-tiny-online").stream().step(torch.rand(1, 1, 3, 64, 64))


def test_gradients_do_not_flow_back_in_time_but_flow_from_the_past() -> None:
    encoder, clip = trained("tsm-tiny-online"), torch.rand(1, 3, 3, 64, 64, requires_grad=True)
    encoder.frame_logits(clip)[:, 1].sum().backward()
    strength = clip.grad.abs().amax((0, 2, 3, 4))
    assert strength[2] == 0
    assert strength[0] > 0
    assert strength[1] > 0
