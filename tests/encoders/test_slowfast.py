"""SlowFast: what each pathway sees, the lateral connections, its tokens."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders.slowfast import Lateral, SlowFast
from mmvideo.errors import InvalidInput


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.rand(2, 16, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_the_slow_pathway_sees_every_alpha_th_frame_or_frames_spread_to_the_last() -> None:
    frames = torch.arange(32).view(1, 32, 1, 1, 1)
    encoder = SlowFast.create("slowfast-tiny")
    assert encoder.slow_frames(frames).flatten().tolist() == list(range(0, 32, 4))
    encoder.spread = True
    assert encoder.slow_frames(frames).flatten().tolist() == torch.linspace(0, 31, 8).long().tolist()


def test_time_to_channel_loses_nothing_and_keeps_the_order() -> None:
    x = torch.rand(2, 3, 8, 2, 2)
    lateral = Lateral(3, alpha=4, kind="to-channel")
    y = lateral(x)
    assert y.shape == (2, lateral.channels, 2, 2, 2)
    for channel in range(3):
        for frame in range(4):
            assert torch.equal(y[:, channel * 4 + frame], x[:, channel, frame::4])
    assert torch.equal(Lateral(3, alpha=4, kind="sample")(x), x[:, :, ::4])


@pytest.mark.parametrize("kind", ["conv", "to-channel", "sample"])
def test_the_slow_pathway_learns_of_frames_that_only_the_fast_one_sees(kind: str, clip: torch.Tensor) -> None:
    encoder = SlowFast.create("slowfast-tiny", lateral=kind).eval()
    other = clip.clone()
    # Frame 5 is not among the slow pathway's. "sample" takes every fourth frame of maps that have looked around.
    other[:, 5] = 1 - other[:, 5]
    with torch.inference_mode():
        before, after = (encoder(x).tokens[..., :encoder.slow.dim] for x in (clip, other))
    assert before.shape == after.shape
    assert not torch.allclose(before, after, atol=1e-6)


def test_the_fast_pathway_knows_nothing_of_the_slow_one(clip: torch.Tensor) -> None:
    encoder, x = SlowFast.create("slowfast-tiny").eval(), clip.transpose(1, 2)
    with torch.inference_mode():
        slow, fast = encoder.paths(x[:, :, ::4], x)
        other, same = encoder.paths(1 - x[:, :, ::4], x)
    assert torch.equal(fast, same)
    assert not torch.allclose(slow, other)


def test_pooled_features_are_the_means_of_both_last_maps(clip: torch.Tensor) -> None:
    encoder = SlowFast.create("slowfast-tiny").eval()
    with torch.inference_mode():
        seen, x = encoder(clip), encoder.prepare(clip).transpose(1, 2)
        means = torch.cat([maps.mean((2, 3, 4)) for maps in encoder.paths(x[:, :, ::4], x)], 1)
    assert seen.grid == (4, 2, 2)
    assert torch.allclose(seen.pooled, means, atol=1e-5)


def test_a_new_non_local_block_changes_nothing_and_a_trained_one_does(clip: torch.Tensor) -> None:
    options = {"non_local": {2: (0,)}, "non_local_options": {"kind": "dot-product"}}
    encoder = SlowFast.create("slowfast-tiny", **options).eval()
    plain = SlowFast.create("slowfast-tiny").eval()
    plain.load_state_dict({k: v for k, v in encoder.state_dict().items() if "non_local" not in k})
    with torch.inference_mode():
        expected = plain.logits(clip)
        assert torch.allclose(encoder.logits(clip), expected, atol=1e-6)
        for name, parameter in encoder.named_parameters():
            if name.endswith("non_local.norm.weight"):
                parameter.fill_(5.0)
        assert not torch.allclose(encoder.logits(clip), expected, atol=1e-4)


def test_mistakes_are_refused() -> None:
    with pytest.raises(InvalidInput, match="to-channel"):
        SlowFast.create("slowfast-tiny", lateral="sum")
    with pytest.raises(InvalidInput, match="multiple of 5"):
        SlowFast.create("slowfast-tiny", alpha=5)
