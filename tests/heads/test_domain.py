"""The domain border: fitted on one cloud of features, it keeps most of it and refuses another."""

from __future__ import annotations

import torch

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
