"""Stage `locate`: what happens from when to when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo import checks
from mmvideo import weights as weight_files
from mmvideo.errors import InvalidInput, UnsupportedModel
from mmvideo.hub.classifier import TEMPLATE
from mmvideo.hub.resolve import is_hub_name
from mmvideo.localization.localizer import KIND
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.stages.checkpoint import CheckpointStage
from mmvideo.stages.locate_features import PhraseLocator, TrainedLocator
from mmvideo.stages.locators import EverydayLocator, Locator, check_labels
from mmvideo.types import Clips
from mmvideo.vlm.composed import is_composed, read_config


@dataclass(kw_only=True)
class Locate(CheckpointStage):
    """Find spans of time with a label and a score; how, is up to the kind of model."""

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("clips", "localization")

    weights: str | None = None
    """A model that answers from facts, as everyday; a localiser that `mmvideo train` wrote; or a model of the hub that
    reads labels, which needs `labels`."""
    labels: list[str] | None = None
    """Everyday and trained: only segments whose label has these words. Hub: the phrases to look for."""
    kinds: list[str] | None = None
    """Everyday: only segments of these kinds (object, sound, speech, shot, picture, movement, camera)."""
    min_score: float = 0.0
    """Segments below it are left out."""
    keep_features: bool = True
    """Trained: keep the features of files in the user's cache folder, so that they are not worked out again."""
    window_seconds: float = 2.0
    """Hub: length of the windows that are scored, each of which begins half a window after the one before."""
    template: str = TEMPLATE
    """Hub: how a phrase is put to the model."""
    locator: Locator = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the model.

        Raises:
            InvalidInput: an option is out of range or has no effect on the model.
            UnknownName: no such model or kind.
            UnsupportedModel: it cannot locate.
            WeightsError: the weights are missing or damaged.
        """
        self.locator = self._made(device)

    def _made(self, device: torch.device | None) -> Locator:
        checks.number("min_score", self.min_score, low=0, high=1)
        checks.span(self.start_seconds, self.end_seconds)
        check_labels("labels", self.labels)
        check_labels("kinds", self.kinds)
        kind = self._kind()
        for option in fields(self):
            if option.init and option.name not in kind.takes | {"weights"} and (
                    getattr(self, option.name) != option.default):
                raise InvalidInput(f"{self.weights} is {kind.kind}, which takes no {option.name}; it takes "
                                   f"{', '.join(sorted(kind.takes))}.")
        return kind(self, device)

    def home(self) -> Path:
        """Return the folder of the model."""
        assert self.weights is not None
        return weight_files.folder(self.weights)

    def _kind(self) -> type[Locator]:
        if self.weights is None:
            raise InvalidInput("Name a model: everyday, a folder that mmvideo train wrote, or one of the hub.")
        if str(self.weights) not in weight_files.embedded_names() and is_hub_name(self.weights):
            return PhraseLocator
        home = self.home()
        if (home / "config.json").is_file() and weight_files.config(home).get("kind") == KIND:
            return TrainedLocator
        if is_composed(str(home)) and read_config(home).observed:
            return EverydayLocator
        raise UnsupportedModel(f"{self.weights} cannot say when something happens; give a model that answers from "
                               "facts (everyday), a localiser, or a model of the hub that reads labels.")

    def partition(self) -> tuple[Stage, Stage] | None:
        """Return the part that takes frames and sound, and the part with the networks; None where both are one."""
        if self._kind().alone:
            return None
        options = {option.name: getattr(self, option.name) for option in fields(self) if option.init}
        return TakeForLocating(**options), LocateTaken(locator=self.locator)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.locator.modules() if self.locator is not None else {}

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return the frames that were looked at, and what happens when."""
        taken = self.locator.take(media)
        return {"clips": taken[0], "localization": self.locator.locate([taken], 1)[0]}


@dataclass(kw_only=True)
class TakeForLocating(Locate):
    """First part: take what is looked at, without networks."""

    gives: ClassVar[tuple[str, ...]] = ("clips", "prepared")

    def load(self, device: torch.device) -> None:
        """Learn what is looked at."""
        self.locator = self._made(None)

    def partition(self) -> None:
        """Return None: it is a part itself."""

    def modules(self) -> dict[str, nn.Module]:
        """Return none: the networks are not here."""
        return {}

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return what is kept."""
        clips, prepared = self.locator.take(media)
        return {"clips": clips, "prepared": prepared}


@dataclass(kw_only=True)
class LocateTaken(Stage):
    """Second part: find spans in what was taken."""

    needs: ClassVar[tuple[str, ...]] = ("clips", "prepared")
    gives: ClassVar[tuple[str, ...]] = ("localization",)

    locator: Locator | None = field(default=None, repr=False)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.locator.modules() if self.locator is not None else {}

    def __call__(self, *, clips: Clips, prepared: Any) -> dict[str, Any]:
        """Return what happens when."""
        return self.batch([{"clips": clips, "prepared": prepared}], size=1)[0]

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Find spans in several videos at once."""
        assert self.locator is not None, "it was loaded before it was divided"
        taken = [(one["clips"], one["prepared"]) for one in items]
        return [{"localization": found} for found in self.locator.locate(taken, size)]


__all__ = ["Locate"]
