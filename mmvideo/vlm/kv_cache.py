"""What a language model has read: keys and values, under the name that the installed transformers has for them.

`past_key_values` became `cache` in 5.x and goes away in 5.40; 5.0 knows only the older name.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAMES = ("cache", "past_key_values")
"""Newest first."""


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


def cache_of(out: Any) -> Any:
    """Return the keys and values in a model's output."""
    return next(out[name] for name in NAMES if name in out)


def with_cache(model: PreTrainedModel, cache: Any) -> dict[str, Any]:
    """Return the argument that makes a model of transformers, wrapped by peft or not, go on from `cache`."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    takes = inspect.signature(plain.forward).parameters
    return {next((name for name in NAMES if name in takes), NAMES[-1]): cache}


def copied(cache: Any) -> Any:
    """Return a cache that can be added to without changing the one given, sharing what is never changed in place."""
    if hasattr(cache, "shared_copy"):  # of our own models, for which transformers is not imported
        return cache.shared_copy()
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    layers = getattr(cache, "layers", None)
    if layers is None:
        return copy.deepcopy(cache)
    fresh = copy.copy(cache)
    fresh.layers = [copy.copy(layer) if type(layer) in (DynamicLayer, DynamicSlidingWindowLayer)
                    else copy.deepcopy(layer) for layer in layers]
    return fresh


def keep_cached(cache: Any, rows: Tensor) -> None:
    """Go on with these of a cache's rows, int64 (B,), in this order; a row may come more than once."""
    getattr(cache, "reorder_cache", cache.batch_select_indices)(rows)


def last_logits_only(model: Any) -> dict[str, Any]:
    """Return the argument that makes a model give the logits of the last token only; none where it takes none."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(plain.forward).parameters else {}


__all__ = ["Step", "cache_of", "copied", "keep_cached", "last_logits_only", "with_cache"]
