"""Keys and values under the name that the installed transformers has for them.

`past_key_values` became `cache` in 5.x and goes away in 5.40; 5.0 knows only the older name.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAMES = ("cache", "past_key_values")
"""Newest first."""


def cache_of(out: Any) -> Any:
    """Return the keys and values in a model's output."""
    return next(out[name] for name in NAMES if name in out)


def with_cache(model: PreTrainedModel, cache: Any) -> dict[str, Any]:
    """Return the argument that makes a model of transformers, wrapped by peft or not, go on from `cache`."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    takes = inspect.signature(plain.forward).parameters
    return {next((name for name in NAMES if name in takes), NAMES[-1]): cache}


__all__ = ["cache_of", "with_cache"]
