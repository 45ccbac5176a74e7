"""Single frame: probabilities are averaged, frames do not meet, and the 2D network is timm's own."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders.preset import Input
from mmvideo.encoders.single_frame import SingleFrame
from mmvideo.errors import InvalidInput, UnknownName


@pytest.fixture(scope="module")
def encoder() -> SingleFrame:
    torch.manual_seed(0)
    return SingleFrame.create("single-frame-tiny").eval()


def test_the_clip_gets_the_mean_of_the_frames_probabilities(encoder: SingleFrame) -> None:
    clip = torch.rand(2, 5, 3, 64, 64)
    with torch.inference_mode():
        frames = torch.stack([encoder.logits(clip[:, i:i + 1]).exp() for i in range(5)])
        together = encoder.logits(clip).exp()
    assert torch.allclose(together, frames.mean(0), atol=1e-5)
    assert torch.allclose(together.sum(1), torch.ones(2), atol=1e-5)


def test_the_order_of_frames_does_not_matter(encoder: SingleFrame) -> None:
    clip = torch.rand(1, 6, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(encoder.logits(clip), encoder.logits(clip.flip(1)), atol=1e-5)


def test_frames_of_another_size_are_taken_where_the_backbone_takes_them(encoder: SingleFrame) -> None:
    with torch.inference_mode():
        features = encoder(torch.rand(1, 3, 3, 96, 65))
    assert features.grid == (3, 3, 3)
    assert encoder.num_tokens(3, 96, 65) == 27


def test_what_timm_lacks_is_told() -> None:
    with pytest.raises(UnknownName, match="resnet18"):
        SingleFrame.create("single-frame-tiny", backbone="resnet18x", backbone_options={})
    with pytest.raises(InvalidInput, match="no_such_option"):
        SingleFrame.create("single-frame-tiny", backbone="resnet18", backbone_options={"no_such_option": 1})


def test_a_transformer_refuses_another_size() -> None:
    options = {"backbone": "vit_tiny_patch16_224", "backbone_options": {"depth": 1}}
    encoder = SingleFrame(input=Input(2, 32, 48), num_classes=3, **options).eval()
    with torch.inference_mode():
        features = encoder(torch.rand(1, 2, 3, 32, 48))
    assert (features.grid, features.num_extra) == ((2, 2, 3), 2)
    with pytest.raises(InvalidInput, match="32x48"):
        encoder(torch.rand(1, 2, 3, 48, 48))
