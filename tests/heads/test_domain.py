"""The domain border: fitted on one cloud of features, it keeps most of it and refuses another."""

from __future__ import annotations

import pytest
import torch

from mmvideo.errors import InvalidInput
from mmvideo.heads.domain import DomainHead, statistics
from mmvideo.types import Features


def features(num: int, shift: float, seed: int) -> Features:
    generator = torch.Generator().manual_seed(seed)
    basis = torch.randn(8, 8, generator=torch.Generator().manual_seed(9))
    tokens = torch.randn(num, 12, 8, generator=generator) @ basis + shift * torch.arange(8.0)
    return Features(tokens=tokens, grid=(2, 2, 2), pooled=tokens.mean(1), num_extra=4)


def test_inside_and_outside(tmp_path) -> None:
    head = DomainHead(dim=8)
    head.fit(statistics(features(2000, 0.0, 1)), statistics(features(500, 0.0, 2)), keep=0.95)
    score, inside = head(features(500, 0.0, 3))
    assert 0.9 < inside.float().mean() < 0.99
    assert ((score > 0.5) == inside).all()
    _, outside = head(features(500, 3.0, 4))
    assert outside.float().mean() < 0.05
    head.save_pretrained(tmp_path)
    again = DomainHead.from_pretrained(tmp_path)
    torch.testing.assert_close(again(features(9, 0.5, 5))[0], head(features(9, 0.5, 5))[0])


def test_sound_tokens_do_not_count() -> None:
    x = features(3, 0.0, 6)
    louder = x.tokens.clone()
    louder[:, 8:] += 100
    changed = Features(tokens=louder, grid=x.grid, pooled=x.pooled, num_extra=4)
    torch.testing.assert_close(statistics(x), statistics(changed))


def faint(num: int, seed: int) -> Features:
    """Clips with hardly anything in them: near the middle of the cloud, always on the same side."""
    found = features(num, 0.0, seed)
    return Features(tokens=found.tokens * 0.6 + 0.25, grid=found.grid, pooled=found.pooled, num_extra=4)


def test_a_second_border_finds_empty_clips_near_the_middle(tmp_path) -> None:
    samples, held_out = statistics(features(2000, 0.0, 1)), statistics(features(500, 0.0, 2))
    alone, both = DomainHead(dim=8), DomainHead(dim=8, contrast=True)
    alone.fit(samples, held_out, keep=0.98)
    both.fit(samples, held_out, statistics(faint(1500, 3)), keep=0.98)
    assert alone(faint(500, 4))[1].float().mean() > 0.95, "the distance alone takes them for its own"
    score, inside = both(faint(500, 4))
    assert inside.float().mean() < 0.02
    assert ((score >= 0.5) == inside).all()
    assert both(features(500, 0.0, 5))[1].float().mean() > 0.94
    assert both(features(500, 3.0, 6))[1].float().mean() < 0.02
    both.save_pretrained(tmp_path)
    again = DomainHead.from_pretrained(tmp_path)
    torch.testing.assert_close(again(faint(9, 7))[0], both(faint(9, 7))[0])


def test_a_head_is_fitted_with_clips_outside_only_if_it_has_a_second_border() -> None:
    inside = statistics(features(50, 0.0, 1))
    with pytest.raises(InvalidInput, match="contrast=True"):
        DomainHead(dim=8, contrast=True).fit(inside, inside)
    with pytest.raises(InvalidInput, match="contrast=False"):
        DomainHead(dim=8).fit(inside, inside, inside)
