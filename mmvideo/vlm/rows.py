"""The tokens of one reply, while it is generated, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Row:
    """The tokens of one reply, while it is generated."""

    ids: list[int] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    finished: bool = False
    """Whether the model ended it."""
    cut: bool = False
    """Whether it ended at max_new_tokens."""


@dataclass(frozen=True)
class Step:
    """Reads tokens and gives the logits of those that may follow; it keeps what it has read."""

    read: Callable[[Tensor], Tensor]
    """Token IDs (B, L) that follow what was read -> logits (B, 1 or L, V)."""
    keep: Callable[[Tensor], None]
    """Go on with these of the rows, int64 (B',), in this order; a row may come more than once."""

    def __call__(self, ids: Tensor) -> Tensor:
        """Read tokens; see `read`."""
        return self.read(ids)


__all__ = ["Row", "Step"]
