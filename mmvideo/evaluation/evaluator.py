"""What an evaluator is: the kind `evaluators` of the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Evaluator:
    """A function that measures a model, and one that checks a config before data or weights are read."""

    evaluate: Callable[..., Iterator[dict[str, Any]]]
    """`evaluate(raw, *, out, where)` yields reports."""
    check: Callable[[dict[str, Any], str], Any]
    """`check(raw, where)` raises on options that cannot be."""

    def __call__(self, raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
        """Measure a model as a config says; yield reports."""
        return self.evaluate(raw, out=out, where=where)


__all__ = ["Evaluator"]
