"""I3D: what the paper says of its grid, its padding and its two streams; checkpoints from a file."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmvideo.encoders import zoo
from mmvideo.encoders.i3d import I3D
from mmvideo.encoders.preset import Input
from mmvideo.errors import InvalidInput, UnknownName, WeightsError
from mmvideo.nn.inception3d import Inception3d, Unit3d, max_pool_same, same_padding


@pytest.mark.parametrize(("size", "kernel", "stride", "expected"), [
    (224, 7, 2, (2, 3)), (112, 3, 2, (0, 1)), (7, 2, 2, (0, 1)), (15, 7, 2, (3, 3)), (9, 3, 1, (1, 1)),
    (4, 1, 1, (0, 0))])
def test_padding_is_tensorflows_same(size: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    sides = same_padding((size,) * 3, (kernel,) * 3, (stride,) * 3)
    assert sides == [expected] * 3
    assert (size + sum(expected) - kernel) // stride + 1 == -(-size // stride)


def test_both_ways_of_padding_agree() -> None:
    unit, x = Unit3d(2, 3, 3, 2).eval(), torch.rand(1, 2, 6, 7, 8)
    with torch.inference_mode():
        y = unit(x)
        padded = F.pad(x, (0, 1, 1, 1, 0, 1))
        assert torch.allclose(y, F.relu(unit.norm(F.conv3d(padded, unit.conv.weight, stride=2))), atol=1e-6)
        assert torch.equal(max_pool_same(x, (3, 3, 3), (2, 2, 2)), F.max_pool3d(padded, 3, 2))


@pytest.mark.parametrize(("frames", "height", "width"), [(16, 64, 64), (9, 33, 70)])
def test_tokens_are_the_grid_rounded_up(frames: int, height: int, width: int) -> None:
    encoder = zoo.create("i3d-inception-tiny", input=Input(frames, height, width)).eval()
    with torch.inference_mode():
        features = encoder(torch.rand(1, frames, 3, height, width))
    assert features.grid == (-(-frames // 8), -(-height // 32), -(-width // 32))
    assert features.tokens.shape[1] == encoder.num_tokens(frames, height, width)


def test_an_inception_that_is_inflated_from_a_picture_says_the_same_of_a_still_clip_away_from_the_border() -> None:
    """The paper's boring-video fixed point, on the trunk's own layers: K equal copies of 1 / K along time."""
    torch.manual_seed(0)
    trunk = Inception3d(width=0.1).eval()
    for part in trunk.modules():
        if isinstance(part, Unit3d):
            part.conv.weight.data = part.conv.weight.data.mean(2, keepdim=True).expand_as(part.conv.weight).clone()
    frame = torch.rand(1, 3, 1, 48, 48)
    with torch.inference_mode():
        maps = trunk(frame.expand(-1, -1, 256, -1, -1))
    middle = maps[:, :, 12:20]
    assert torch.allclose(middle, middle[:, :, :1].expand_as(middle), atol=1e-5 * float(middle.abs().max()))


def test_two_streams_average_their_logits_and_load_each_its_own_file(tmp_path) -> None:
    encoder = zoo.create("i3d-two-stream-tiny").eval()
    clip = torch.rand(2, 16, 5, 64, 64)
    with torch.inference_mode():
        logits = encoder.logits(clip)
        colour, flow = encoder.colour.logits(clip[:, :, :3]), encoder.flow.logits(clip[:, :, 3:])
    assert torch.allclose(logits, (colour + flow) / 2, atol=1e-5)
    other = zoo.create("i3d-two-stream-tiny").eval()
    # The streams' tables of names are those of I3D; here its own names go through a file.
    for name in ("colour", "flow"):
        state = {f"module.{k}": v for k, v in getattr(encoder, name).state_dict().items()}
        torch.save({"state_dict": state}, tmp_path / f"{name}.pth")
    other.load_streams(tmp_path / "colour.pth", tmp_path / "flow.pth", form="pytorchvideo")
    with torch.inference_mode():
        assert torch.equal(other.logits(clip), logits)
    with pytest.raises(WeightsError, match="of another shape"):
        other.load_streams(tmp_path / "flow.pth", tmp_path / "colour.pth", form="pytorchvideo")
    with pytest.raises(InvalidInput, match="C = 5"):
        encoder(clip[:, :, :3])


def test_any_network_of_timm_is_inflated_by_name() -> None:
    encoder = zoo.create("i3d-inflated-resnet50", num_classes=3, model="resnet10t", rule="pointwise",
                         input=Input(4, 64, 64)).eval()
    with torch.inference_mode():
        features = encoder(torch.rand(1, 1, 3, 64, 64))
    assert features.grid == (4, 2, 2)
    for wrong, match in (({"model": "resnet51x"}, "resnet5"), ({"rule": "cubik"}, "cubic")):
        with pytest.raises(UnknownName, match=match):
            zoo.create("i3d-inflated-resnet50", **wrong)
    with pytest.raises(UnknownName, match="inception"):
        I3D.create("i3d-tiny", trunk="inceptoin")


def test_a_c2d_sees_no_order_and_an_i3d_does() -> None:
    torch.manual_seed(0)
    clip = torch.rand(1, 8, 3, 64, 64)
    for preset, sees in (("i3d-c2d-r50", False), ("i3d-r50-8x8", True)):
        encoder = zoo.create(preset, num_classes=0, width=8, depths=(1, 1, 1, 1), input=Input(8, 64, 64)).eval()
        for stage in encoder.network.stages:
            stage[0].norm_c.weight.data.fill_(1)
        with torch.inference_mode():
            apart = (encoder(clip).pooled - encoder(clip.flip(1)).pooled).abs().max() / encoder(clip).pooled.abs().max()
        assert (float(apart) > 1e-3) == sees
