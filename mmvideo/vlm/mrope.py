"""Where words stand after a video, for models that count positions in time, height and width (M-RoPE of Qwen and kin).

Such a model works out the positions of a whole prompt at once, and remembers only how far later tokens are shifted. A
question that comes after the video was read needs both: its own positions, and the shift for the reply.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_PER_TOKEN = {"attention_mask": 1, "mm_token_type_ids": 0, "token_type_ids": 0}
"""Arguments with one entry a token, and what they are for a word."""


class Places:
    """The positions of one video's conversation; of no effect for models that count tokens one by one."""

    def __init__(self, model: nn.Module):
        self.module: Any = next(
            (m for m in model.modules() if hasattr(m, "rope_deltas") and hasattr(m, "get_rope_index")), None)
        self._given: dict[str, Any] | None = None
        self.last: Tensor | None = None
        """Positions (3, B, 1) of the last token of each row that was read; None for models that count one by one."""

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Take note of what positions are worked out from while the model reads the video."""
        if self.module is None:
            yield
            return
        work_out = self.module.get_rope_index
        signature = inspect.signature(work_out)

        def noting(*arguments: Any, **named: Any) -> Any:
            self._given = dict(signature.bind(*arguments, **named).arguments)
            found = work_out(*arguments, **named)
            self.last = found[0][..., -1:]
            return found

        self.module.get_rope_index = noting
        try:
            yield
        finally:
            del self.module.get_rope_index

    def of(self, ids: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the positions (3, 1, L) of a whole prompt, and the shift of what follows; None where not needed.

        Args:
            ids: token IDs (1, L) that begin with those that the model has read.
        """
        if self._given is None:
            return None
        given = {**self._given, "input_ids": ids}
        more = ids.shape[1] - self._given["input_ids"].shape[1]
        for name, word in _PER_TOKEN.items():
            if isinstance(given.get(name), Tensor):
                old = given[name]
                given[name] = torch.cat((old, old.new_full((1, more), word)), 1)
        flat = {name: value for name, value in given.items() if name != "kwargs"} | given.get("kwargs", {})
        return self.module.get_rope_index(**flat)

    def shift(self, deltas: Tensor) -> None:
        """Tell the model how far the tokens to come are shifted."""
        self.module.rope_deltas = deltas


__all__ = ["Places"]
