"""ViViT: who sees whom in each of the four models, and how tubelets begin."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mmvideo.encoders.preset import Input
from mmvideo.encoders.vivit import SplitHeads, ViViT, tubelets_from_patches
from mmvideo.errors import InvalidInput

SMALL = {"input": Input(8, 32, 32), "dim": 32, "depth": 1, "heads": 4, "num_classes": 3}


def reached(attention: str) -> torch.Tensor:
    """Return which tubelets (t, h * w) the last tubelet's token depends on after one layer."""
    encoder = ViViT(**SMALL, attention=attention).eval()
    frames = torch.rand(1, 8, 3, 32, 32, requires_grad=True)
    features = encoder.encode(frames)
    last = features.tokens[0, 4 * 4 - 1] @ torch.randn(32)  # not its sum, which normalisation makes zero
    (gradient,) = torch.autograd.grad(last, frames)
    parts = gradient.abs().reshape(4, 2, 3, 2, 16, 2, 16).sum((1, 2, 4, 6))
    return parts.reshape(4, 4) > 1e-7


def test_joint_sees_everything() -> None:
    assert reached("joint").all()


def test_factorised_encoder_stays_within_a_step() -> None:
    seen = reached("factorised-encoder")
    assert seen[3].all()
    assert not seen[:3].any()


def test_space_then_time_sees_everything_in_one_layer() -> None:
    assert reached("factorised-self-attention").all()


def test_split_heads_see_their_step_and_their_place() -> None:
    seen = reached("factorised-dot-product")
    assert seen[3].all()
    assert seen[:, 3].all()
    assert not seen[:3, :3].any()


def test_each_half_of_the_heads_is_plain_attention_over_its_axis() -> None:
    layer = SplitHeads(32, 4).eval()
    x = torch.randn(1, 3, 5, 32)
    query, key, value = layer.attn.qkv(layer.norm1(x)).chunk(3, -1)

    def heads(part: torch.Tensor, t: int, n: int) -> list[torch.Tensor]:
        return [y[..., t, n, :] for y in part.split(8, -1)]

    mixed = torch.zeros(1, 3, 5, 32)
    for t in range(3):
        for n in range(5):
            for h in range(4):
                along = (0, t, slice(None)) if h < 2 else (0, slice(None), n)
                q = query[0, t, n, 8 * h: 8 * h + 8]
                k, v = (p[along][..., 8 * h: 8 * h + 8] for p in (key, value))
                mixed[0, t, n, 8 * h: 8 * h + 8] = F.softmax(k @ q / 8**0.5, 0) @ v
    after = x + layer.attn.proj(mixed)
    assert torch.allclose(layer(x), after + layer.mlp(layer.norm2(after)), atol=1e-5)


def test_tubelets_begin_as_patches() -> None:
    patches, frame = torch.randn(6, 3, 4, 4), torch.rand(1, 3, 4, 4)
    still = frame[:, :, None].expand(-1, -1, 2, -1, -1)
    for how in ("central", "inflate"):
        given = F.conv3d(still, tubelets_from_patches(patches, 2, how))
        assert torch.allclose(given[:, :, 0], F.conv2d(frame, patches), atol=1e-5)
    moving = torch.cat((torch.zeros_like(still[:, :, :1]), still[:, :, :1]), 2)
    given = F.conv3d(moving, tubelets_from_patches(patches, 2))
    assert torch.allclose(given[:, :, 0], F.conv2d(frame, patches), atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInput, match="factorised-encoder"):
        ViViT(**SMALL, attention="divided")
    with pytest.raises(InvalidInput, match="multiples"):
        ViViT(**{**SMALL, "input": Input(7, 32, 32)})
