"""What a stage is: a thin adapter that reads named fields and fills others, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import torch
from torch import nn

from mmvideo.recipes import options_from
from mmvideo.types import Clips, Expected, GenerationOptions

LISTENER: ContextVar[Callable[[float], None] | None] = ContextVar("mmvideo_progress", default=None)
"""Who wants to know how far the running stage is; the pipeline sets it."""


def report(share: float) -> None:
    """Say how much of a long stage is done, 0 to 1."""
    listener = LISTENER.get()
    if listener is not None:
        listener(share)


def set_by_load() -> Any:
    """Return the field of a stage that `load` sets; it is None until then, and no option of a recipe."""
    return field(default=None, repr=False, init=False)


@dataclass(kw_only=True)
class Stage:
    """Base of every stage; its dataclass fields are the options that a recipe may set.

    A stage is called with the fields in `needs` as keyword arguments and returns those in `gives`. Making one is
    cheap; `load` reads weights.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    """Fields that are given too where they are there; a stage does not wait for them, and is not run again for them."""
    pictures_done: ClassVar[bool] = False
    """Whether no later stage looks at the pictures of `clips`."""
    imports: ClassVar[tuple[str, ...]] = ()
    """Modules that take long to import and that the stage will need; whoever forks workers imports them once."""

    @classmethod
    def imports_for(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the `imports` that a stage with these options needs."""
        return cls.imports

    @classmethod
    def from_options(cls, options: Mapping[str, Any], where: str) -> Self:
        """Build the stage from the options of a recipe.

        Raises:
            RecipeError: an unknown or missing option, or one of another type.
        """
        return options_from(cls, options, where)

    def load(self, device: torch.device) -> None:
        """Read the weights that the stage needs and put them on a device; nothing by default."""

    def modules(self) -> dict[str, nn.Module]:
        """Return the loaded networks by name, for counting and moving them."""
        return {}

    @property
    def costly(self) -> bool:
        """Whether the loaded networks are so large that decoding is a small part of the work."""
        return False

    def client(self) -> Any:
        """Return the client of the server that computes instead of networks here; None where there is none."""
        return None

    def partition(self) -> tuple[Stage, Stage] | None:
        """Return the part that needs the opened video and no network, and the rest; None where both are one."""
        return None

    def live(self) -> Any:
        """Return what judges a video frame by frame as it comes (`mmvideo.stages.live_labels`); None where the stage
        needs a span of time to look at, which a live stream then cuts for it."""
        return None

    def with_fewer_frames(self, halvings: int) -> tuple[Stage, str] | None:
        """Return a copy that takes half as many frames, so many times over, and a note of it; None if it cannot."""
        return None

    def check(self, texts: Sequence[str], generation: GenerationOptions) -> None:
        """Refuse questions, or options of their replies, that the loaded stage cannot serve; before any work is done.

        Raises:
            InvalidInput: with what can be asked.
            MissingExtra: an option needs a package that is absent.
        """

    def inputs(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Pick what the stage is called with out of all fields that there are."""
        return {name: fields[name] for name in (*self.needs, *(name for name in self.optional if name in fields))}

    def __call__(self, *arguments: Any, **fields: Any) -> dict[str, Any]:
        """Read the fields in `needs`, return those in `gives`."""
        raise NotImplementedError

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Do for several videos at once what `__call__` does for each; stages that gain by it override this.

        What is returned for a video must not depend on its neighbours: networks always see `size` rows.

        Args:
            items: the fields in `needs`, for each video.
            size: rows (clips) in one forward pass of a network.
        """
        return [self(**fields) for fields in items]


def looked_at(clips: Clips) -> tuple[float, ...]:
    """Return the time of every frame that a model saw, ascending, each once, padding left out."""
    return tuple(sorted(set(clips.pts_seconds[clips.valid].tolist())))


def expected(stages: Sequence[tuple[str, Stage]], texts: Sequence[str], generation: GenerationOptions) -> Expected:
    """Return what is known of what a video will be asked before any stage has run.

    Args:
        stages: of the recipe; those that describe know their request, those that answer how long a reply may be.
        texts: the questions; may be empty.
    """
    requests = tuple(vars(stage)["request"] for _, stage in stages if isinstance(vars(stage).get("request"), str))
    longest = max((vars(stage).get("max_new_tokens") or 0 for _, stage in stages), default=0)
    return Expected(tuple(texts) or requests, generation.history, generation.max_new_tokens or longest)


__all__ = ["LISTENER", "Stage", "expected", "looked_at", "report", "set_by_load"]
