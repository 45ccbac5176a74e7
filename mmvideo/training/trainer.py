"""What a trainer is: the kind `trainers` of the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trainer:
    """A training function, and what is known of its options before data are read."""

    train: Callable[..., None]
    """`train(out, *, schedule, ...)`, whose keywords are the options of a recipe; `train(options, out)` with
    `options`."""
    check: Callable[..., None] | None = None
    """Raises on options that cannot be; takes those that it looks at, by name."""
    options: type | None = None
    """The dataclass of all options, for a trainer without a `Schedule`."""
    begin_with: tuple[str, str] | None = None
    """The option that begins with the weights of a finished run, and the folder in the run that it takes."""

    def __call__(self, *arguments: Any, **options: Any) -> None:
        """Train."""
        self.train(*arguments, **options)


__all__ = ["Trainer"]
