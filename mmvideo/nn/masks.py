"""Which tokens of a clip are hidden in masked pretraining: bool (B, N) over a grid of tokens, True where hidden."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from mmvideo.errors import InvalidInput


def tube_mask(grid: tuple[int, int, int], ratio: float, *, batch: int = 1,
              generator: Generator | None = None) -> Tensor:
    """Hide the same places at all times, so that no hidden patch can be copied from its neighbour in time.

    VideoMAE (Tong et al. 2022, section 3.3), with ratios of 0.9 to 0.95.

    Args:
        grid: (t, h, w) of the tokens.
        ratio: share of the h * w places that is hidden, rounded down to whole places; each clip has its own.
        batch: number of clips, B.
        generator: where the choice comes from; torch's own by default.

    Returns:
        bool (B, t * h * w), True where hidden; as many in every row.

    Raises:
        InvalidInput: a ratio outside [0, 1), or one that hides everything.
    """
    t, h, w = grid
    hidden = int(ratio * h * w + 1e-6)
    if not 0 <= ratio < 1 or hidden >= h * w:
        raise InvalidInput(f"A tube mask hides a share of at least 0 and less than 1 of {h} x {w} places, not {ratio}.")
    order = torch.rand(batch, h * w, generator=generator).argsort(1)
    places = torch.zeros(batch, h * w, dtype=torch.bool).scatter_(1, order[:, :hidden], True)
    return places[:, None].expand(batch, t, h * w).reshape(batch, -1)


def running_cell_mask(grid: tuple[int, int, int], ratio: float = 0.5, *, batch: int = 1,
                      generator: Generator | None = None) -> Tensor:
    """Hide places of every 2 x 2 cell in turn, so that over four steps of time each place is seen.

    The decoder's mask of VideoMAE V2 (Wang et al. 2023, section 3.2): True where the decoder predicts nothing.

    Args:
        grid: (t, h, w) of the tokens; h and w even.
        ratio: share that is hidden: 0.25, 0.5 or 0.75.
        batch: number of clips, B; each begins its cells at a random turn.
        generator: where the choice comes from; torch's own by default.

    Returns:
        bool (B, t * h * w), True where hidden; as many in every row and at every time.

    Raises:
        InvalidInput: another ratio, or a grid that cells do not tile.
    """
    t, h, w = grid
    hidden = round(4 * ratio)
    if abs(4 * ratio - hidden) > 1e-6 or hidden not in (1, 2, 3):
        raise InvalidInput(f"A running cell hides 0.25, 0.5 or 0.75 of its four places, not {ratio}.")
    if h % 2 or w % 2:
        raise InvalidInput(f"Cells of 2 x 2 do not tile a grid of {h} x {w}.")
    turn = torch.randint(4, (batch, 1), generator=generator) + torch.arange(t)
    cells = (turn[..., None] + torch.arange(4)) % 4 < hidden
    return cells.view(batch, t, 2, 2).repeat(1, 1, h // 2, w // 2).view(batch, -1)
