"""Late fusion: pooling is blind to order, concatenation is not."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders.late_fusion import LateFusion
from mmvideo.errors import UnknownName


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.rand(1, 16, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_pooling_is_the_mean_over_space_and_time_and_blind_to_order(clip: torch.Tensor) -> None:
    encoder = LateFusion.create("late-fusion-tiny").eval()
    with torch.inference_mode():
        features = encoder(clip)
        assert torch.allclose(features.pooled, features.tokens.mean(1), atol=1e-5)
        assert torch.allclose(encoder.logits(clip), encoder.logits(clip.flip(1)), atol=1e-5)
        assert encoder.logits(clip[:, :3]).shape == (1, 10)


@pytest.mark.parametrize("name", ["late-fusion-tiny-concat", "late-fusion-tiny-maps"])
def test_concatenation_sees_the_order(name: str, clip: torch.Tensor) -> None:
    encoder = LateFusion.create(name).eval()
    with torch.inference_mode():
        forth, back = encoder.logits(clip), encoder.logits(clip.flip(1))
    assert (forth - back).abs().max() > 1e-3 * forth.abs().max()


def test_whole_maps_keep_places_that_pooling_loses(clip: torch.Tensor) -> None:
    pooled, maps = (LateFusion.create(f"late-fusion-tiny-{kind}").eval() for kind in ("concat", "maps"))
    with torch.inference_mode():
        f = pooled(clip)
        vectors = f.tokens.reshape(1, 16, 4, -1).mean(2).flatten(1)
        assert torch.allclose(f.pooled, torch.relu(pooled.hidden(vectors)), atol=1e-4)
        f = maps(clip)
        flat = f.tokens.reshape(1, 16, 4, -1).transpose(2, 3).reshape(1, -1)
        assert torch.allclose(f.pooled, torch.relu(maps.hidden(flat)), atol=1e-4)


def test_an_unknown_fusion_is_told() -> None:
    with pytest.raises(UnknownName, match="concat"):
        LateFusion.create("late-fusion-tiny", fusion="concatt")
