"""Dropping what is still and merging what is alike."""

from __future__ import annotations

import pytest
import torch

from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput
from mmvideo.nn.token_reduction import dropped, evened, merged, refilled, still
from mmvideo.types import Features


def frames(moving: bool) -> torch.Tensor:
    torch.manual_seed(0)
    out = torch.randint(0, 255, (1, 3, 32, 32), dtype=torch.uint8).repeat(8, 1, 1, 1)
    if moving:
        for t in range(8):
            out[t, :, :16, :16] = 30 * t  # the upper left quarter changes with every frame
    return out


def test_a_still_picture_is_told_once() -> None:
    gone = still(frames(False), (4, 2, 2), 0.1)
    assert gone.view(4, 4).all(1).tolist() == [False, True, True, True]


def test_only_the_place_that_changes_stays() -> None:
    gone = still(frames(True), (4, 2, 2), 0.1).view(4, 2, 2)
    assert not gone[0].any()
    assert not gone[1:, 0, 0].any()
    assert gone[1:].flatten(1)[:, 1:].all()


def test_slow_change_is_kept_once_it_has_added_up() -> None:
    fading = torch.stack([torch.full((3, 8, 8), 10 * t, dtype=torch.uint8) for t in range(8)])
    gone = still(fading, (8, 1, 1), 0.1)  # 10 of 255 a frame: every third is 0.1 away from the last kept
    assert gone.tolist() == [False, True, True, False, True, True, False, True]


def test_what_stands_beside_the_grid_stays() -> None:
    tokens = torch.arange(18.0).view(1, 18, 1)
    kept = dropped(Features(tokens, (4, 2, 2), torch.zeros(1, 1), num_extra=2), frames(True), 0.1)
    assert kept.tokens.flatten().tolist() == [0, 1, 2, 3, 4, 8, 12, 16, 17]
    with pytest.raises(InvalidInput, match="0 to 1"):
        still(frames(True), (4, 2, 2), 1.5)


def test_merging_keeps_the_mean_and_joins_equal_tokens_first() -> None:
    torch.manual_seed(0)
    base = torch.randn(2, 8, 16)
    doubled = base.repeat_interleave(2, 1)
    found = merged(doubled, 0.5, rounds=1)
    torch.testing.assert_close(found, base)
    tokens = torch.randn(1, 20, 4)
    assert merged(tokens, 0.3).shape == (1, 6, 4)
    assert torch.equal(merged(tokens, 1.0), tokens)
    with pytest.raises(InvalidInput, match="above 0"):
        merged(tokens, 0.0)


def test_sizes_weigh_the_means() -> None:
    tokens = torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]])[None]
    found = merged(tokens * torch.tensor([1.0, 2, 3, 1])[None, :, None], 0.5, rounds=2)
    assert found.tolist() == [[[2.0, 0.0], [0.0, 1.0]]]


def test_dropped_tokens_read_as_the_last_kept_ones_of_their_places() -> None:
    grid, gone = (4, 2, 2), still(frames(True), (4, 2, 2), 0.1)
    tokens = torch.arange(32.0).view(2, 16, 1)
    kept = tokens[:, ~gone]
    back = refilled(kept, gone.expand(2, -1), grid).flatten(2)[..., 0].view(2, 4, 4)
    for step in range(4):
        assert back[0, step].tolist() == [4 * step, 1, 2, 3]
    assert torch.equal(back[1], back[0] + 16)
    gone = torch.tensor([False, False, True, False, False, True])  # (3, 1, 2): kept again after it was dropped
    assert refilled(torch.tensor([[[0.0], [1], [3], [4]]]), gone[None], (3, 1, 2)).flatten().tolist() == [
        0, 1, 0, 3, 4, 3]


def test_as_many_are_kept_as_fill_a_batch() -> None:
    gone = torch.tensor([[0, 0, 1, 1, 1, 1, 0, 1], [0, 1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]]).bool()
    found = evened(gone, 4)
    assert found.int().tolist() == [[0, 0, 0, 1, 1, 1, 0, 1], [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]]


@pytest.mark.parametrize("name", ["toybox-av", "videomae-tiny"])
def test_encoders_do_not_look_at_what_is_left_out(name: str) -> None:
    torch.manual_seed(0)
    encoder = zoo.create(name).eval()
    clips = torch.randint(0, 255, (2, 16, 3, 64, 64), dtype=torch.uint8)
    gone = torch.zeros(2, 8, 4, 4, dtype=torch.bool)
    gone[:, 3:, :2] = True
    other = clips.clone()
    other[:, 6:, :, :32] = 0
    with torch.no_grad():
        seen = encoder(clips, gone=gone.flatten(1))
        torch.testing.assert_close(encoder(clips, gone=torch.zeros(2, 128, dtype=torch.bool)).tokens,
                                   encoder(clips).tokens)
    assert seen.grid == (8, 4, 4)
    grid = seen.tokens[:, :128].view(2, 8, 16, -1)
    assert torch.equal(grid[:, 3:, :8], grid[:, 2:3, :8].expand(-1, 5, -1, -1))
    assert not torch.equal(grid[:, 3, 8:], grid[:, 2, 8:])
    layers, lengths = [m for m in encoder.modules() if type(m).__name__ == "VideoMAELayer"], []
    layers[0].register_forward_pre_hook(lambda _, given: lengths.append(given[0].shape[1]))
    encoder(clips, gone=gone.flatten(1))
    assert lengths == [128 - 40]
    if name == "videomae-tiny":  # it has no convolutions, so that what was left out cannot come in from the sides
        with torch.no_grad():
            torch.testing.assert_close(encoder(other, gone=gone.flatten(1)).tokens, seen.tokens)
