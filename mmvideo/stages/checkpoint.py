"""What the stages share that run a checkpoint of the hub: which one, how its weights are held, what it looks at."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from mmvideo.errors import InvalidInput
from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import Found, resolve
from mmvideo.stages.base import Stage

LOADING = frozenset(option.name for option in fields(LoadOptions))
"""Options about how the weights of a checkpoint of the hub are held."""


@dataclass(kw_only=True)
class CheckpointStage(Stage):
    """Base of a stage with a checkpoint; its options are those of `LoadOptions`, the span, and the size of frames."""

    weights: str | None = None
    size: int | list[int] | None = None
    """Pixels to which frames are brought before the model's own preprocessing; null decodes them at the size that the
    processor of a chat model makes of them, and leaves them as they are for a classifier."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    dtype: str | None = None
    device_map: str | None = None
    attn_implementation: str | None = None
    quantize: str | None = None
    adapter: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False

    def found(self, kind: str) -> Found:
        """Return the checkpoint that was named.

        Args:
            kind: what the message calls it where none was.

        Raises:
            InvalidInput: none was named.
            ModelUnavailable: it cannot be fetched.
        """
        if self.weights is None:
            raise InvalidInput(f"This recipe runs a {kind} of yours: give model=NAME or FOLDER (--model).")
        return resolve(self.weights, revision=self.revision, trust_remote_code=self.trust_remote_code)

    def load_options(self) -> LoadOptions:
        """Return how the weights are held."""
        return LoadOptions(**{option.name: getattr(self, option.name) for option in fields(LoadOptions)})

    def refuse_others(self, takes: frozenset[str], kind: str) -> None:
        """Refuse options that have no effect on a kind of model.

        Args:
            takes: options that have one.
            kind: for the message, as "a chat model".

        Raises:
            InvalidInput: one is set.
        """
        for option in fields(self):
            if option.init and option.name not in takes | {"weights"} and getattr(self, option.name) != option.default:
                raise InvalidInput(f"{self.weights} is {kind}, which takes no {option.name}; it takes "
                                   f"{', '.join(sorted(takes))}.")

    def asked_view(self) -> dict[str, Any]:
        """Return the size and the span, as samplers take them."""
        return {"size": tuple(self.size) if isinstance(self.size, list) else self.size,
                "start_seconds": self.start_seconds, "end_seconds": self.end_seconds}


__all__ = ["LOADING", "CheckpointStage"]
