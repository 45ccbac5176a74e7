"""Fewer tokens: those of places that did not change are dropped, or those that are alike are merged.

- `still` compares the pixels of a patch with those of the same patch last kept, as VideoLLaMA 3's differential frame
  pruner does (Zhang et al. 2025, Apache-2.0; written from the paper's section 2.2).
- `merged` is the bipartite soft matching of Token Merging (Bolya et al. 2023, algorithm 1; the release is CC BY-NC, and
  this is written from the paper).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mmvideo.errors import InvalidInput
from mmvideo.types import Features


def still(frames: Tensor, grid: tuple[int, int, int], threshold: float) -> Tensor:
    """Find the tokens of places that look as they did when they were last kept.

    Args:
        frames: uint8 (T, C, H, W) of one clip.
        grid: (t, h, w) of its tokens.
        threshold: mean absolute difference of a patch's pixels, as a share of the full range, below which it is still;
            VideoLLaMA 3 uses 0.1.

    Returns:
        bool (t * h * w): True where a token may be dropped; never in the first step of time.

    Raises:
        InvalidInput: a threshold outside [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise InvalidInput(f"drop_below is a share of the range of a pixel, 0 to 1, not {threshold}.")
    t, h, w = grid
    pictures = frames.float().transpose(0, 1)[None] / 255
    # every token's own pixels: the mean over its steps of time, on a grid fine enough to see motion within a patch
    small = F.adaptive_avg_pool3d(pictures, (t, h * 4, w * 4))[0]
    patches = small.unflatten(2, (h, 4)).unflatten(4, (w, 4)).permute(1, 2, 4, 0, 3, 5).flatten(3)
    reference, gone = patches[0], [torch.zeros(h, w, dtype=torch.bool, device=frames.device)]
    for step in patches[1:]:
        same = (step - reference).abs().mean(-1) < threshold
        gone.append(same)
        reference = torch.where(same[..., None], reference, step)
    return torch.stack(gone).flatten()


def evened(gone: Tensor, multiple: int) -> Tensor:
    """Keep so many more tokens that the number kept is a multiple: clips that keep as many go through in one batch.

    Args:
        gone: bool (B, N), True where a token may be dropped; N is a multiple of `multiple`.

    Returns:
        bool (B, N): `gone` without the first few of each row.
    """
    lacking = -(~gone).sum(1, keepdim=True) % multiple
    return gone & (gone.cumsum(1) > lacking)


def dropped(features: Features, frames: Tensor, threshold: float) -> Features:
    """Leave out the still tokens of one clip (B = 1); what stands beside the grid stays.

    Returns:
        Features whose tokens no longer lie on a grid: grid (0, 0, 0), all of them counted in `num_extra`.
    """
    t, h, w = features.grid
    keep = ~still(frames, features.grid, threshold)
    kept = torch.cat((features.tokens[:, :t * h * w][:, keep], features.tokens[:, t * h * w:]), 1)
    return Features(kept, (0, 0, 0), features.pooled, num_extra=kept.shape[1])


def refilled(tokens: Tensor, gone: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Put tokens back onto their grid: a dropped one reads as the one last kept at its place.

    Args:
        tokens: float (B, K, D), those that were kept, in the order of the grid.
        gone: bool (B, t * h * w), True where one was dropped; as many in every row, none in the first step of time.
        grid: (t, h, w).

    Returns:
        float (B, t * h * w, D).
    """
    t, h, w = grid
    kept = ~gone.view(-1, t, h * w)
    steps = torch.arange(t, device=gone.device)[:, None]
    last = torch.where(kept, steps, 0).cummax(1).values
    places = last * (h * w) + torch.arange(h * w, device=gone.device)
    rank = kept.flatten(1).cumsum(1) - 1
    source = rank.gather(1, places.flatten(1))
    return tokens.gather(1, source[..., None].expand(-1, -1, tokens.shape[-1]))


def merged(tokens: Tensor, keep: float, *, rounds: int = 4) -> Tensor:
    """Merge the tokens that are most alike into their means, each weighted by how many it stands for.

    Args:
        tokens: float (B, N, D).
        keep: share of the tokens that is left, in (0, 1].
        rounds: steps in which the number falls to it; each can at most halve it.

    Returns:
        (B, M, D) with M = round(keep * N), in the order in which the tokens stood.

    Raises:
        InvalidInput: a share outside (0, 1].
    """
    return merged_with_places(tokens, keep, rounds=rounds)[0]


def merged_with_places(tokens: Tensor, keep: float, *, rounds: int = 4) -> tuple[Tensor, Tensor]:
    """Merge tokens as `merged`, and say where those that are left stand.

    Returns:
        The tokens (B, M, D), and float (B, M), ascending: the place of each among the N, that of the token into which
        others were merged.

    Raises:
        InvalidInput: a share outside (0, 1].
    """
    if not 0 < keep <= 1:
        raise InvalidInput(f"merge_to is the share of tokens that is left, above 0 and up to 1, not {keep}.")
    b, n, _ = tokens.shape
    target = max(1, round(keep * n))
    sizes = tokens.new_ones(b, n)
    places = torch.arange(n, device=tokens.device, dtype=torch.float32).expand(b, n)
    left = rounds
    while tokens.shape[1] > target:
        now = tokens.shape[1]
        fewer = min(-(-(now - target) // max(left, 1)), now // 2)
        tokens, sizes, places = _round(tokens, sizes, places, max(fewer, 1))
        left -= 1
    order = places.argsort(1)
    return tokens.gather(1, order[..., None].expand_as(tokens)), places.gather(1, order)


def _round(tokens: Tensor, sizes: Tensor, places: Tensor, fewer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Merge the `fewer` best pairs between tokens of even and of odd place."""
    unit = F.normalize(tokens.float(), dim=-1)
    scores = unit[:, ::2] @ unit[:, 1::2].transpose(1, 2)
    best, partner = scores.max(-1)
    order = best.argsort(1, descending=True)
    gone, stay = order[:, :fewer], order[:, fewer:]
    goal = partner.gather(1, gone)
    even, odd = slice(0, None, 2), slice(1, None, 2)

    def picked(x: Tensor, rows: Tensor) -> Tensor:
        return x.gather(1, rows if x.ndim == 2 else rows[..., None].expand(-1, -1, x.shape[-1]))

    weighted = tokens * sizes[..., None]
    into = weighted[:, odd].clone()
    into.scatter_add_(1, goal[..., None].expand(-1, -1, tokens.shape[-1]), picked(weighted[:, even], gone))
    count = sizes[:, odd].clone().scatter_add_(1, goal, picked(sizes[:, even], gone))
    return (torch.cat((picked(tokens[:, even], stay), into / count[..., None]), 1),
            torch.cat((picked(sizes[:, even], stay), count), 1),
            torch.cat((picked(places[:, even], stay), places[:, odd]), 1))


__all__ = ["dropped", "evened", "merged", "merged_with_places", "refilled", "still"]
