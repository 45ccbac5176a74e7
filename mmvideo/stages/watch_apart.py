"""The stage `watch` in two halves, for jobs: workers prepare videos, and the model reads many of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo.stages.base import Stage
from mmvideo.stages.watch import Watch
from mmvideo.types import Expected
from mmvideo.vlm.batch import Prepared, Unread
from mmvideo.vlm.chat import ChatModel


@dataclass(kw_only=True)
class Prepare(Watch):
    """Choose frames and let the model's processor prepare them, without the model."""

    gives: ClassVar = ("clips", "prepared")
    pictures_done: ClassVar = True

    def load(self, device: torch.device) -> None:
        """Load the processor, and of the model only what its configuration says."""
        self.chat = ChatModel.without_weights(self.found("model"), self.load_options())

    def modules(self) -> dict[str, nn.Module]:
        """Return none: the model is not here."""
        return {}

    def __call__(self, *, media: Any, expected: Expected | None = None) -> dict[str, Any]:
        """Return the one clip that was looked at, and what the model would be given."""
        clips, seen, first = self.prepared(media, expected or Expected())
        if first.replacements is not None:
            seen = replace(seen, frames=seen.frames[:, :, :1, :1])
        return {"clips": clips, "prepared": Prepared(seen, first)}


@dataclass(kw_only=True)
class Read(Stage):
    """Put what was prepared before the model."""

    needs: ClassVar = ("prepared",)
    gives: ClassVar = ("conversation",)

    chat: ChatModel = field(repr=False)

    def modules(self) -> dict[str, nn.Module]:
        """Return the model."""
        return {"model": self.chat.model}

    def __call__(self, *, prepared: Prepared) -> dict[str, Any]:
        """Return a conversation about it."""
        return {"conversation": Unread(self.chat, prepared).conversation()}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Leave the reading to the stage that asks: it knows which videos are asked one question each."""
        return [{"conversation": Unread(self.chat, fields["prepared"])} for fields in items]


def halves(watch: Watch) -> tuple[Stage, Stage]:
    """Return what of a stage `watch` needs the opened video, and what needs the model."""
    options = {option.name: getattr(watch, option.name) for option in fields(watch) if option.init}
    return Prepare(**options), Read(chat=watch.chat)


__all__ = ["Prepare", "Read", "halves"]
