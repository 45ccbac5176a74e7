"""Stage `flow`: clips -> where each pixel goes from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from mmvideo.errors import RecipeError
from mmvideo.flow.base import FlowMethod
from mmvideo.registry import find
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.types import Clips


@dataclass(kw_only=True)
class OpticalFlow(Stage):
    """Run a registered method of optical flow over the clips."""

    needs: ClassVar = ("clips",)
    gives: ClassVar = ("flow",)

    method: str = "dis"
    """A name of the registry's "flows"."""
    options: dict = field(default_factory=dict)
    """Of the method."""
    flow: FlowMethod = set_by_load()
    device: torch.device = set_by_load()

    def load(self, device: torch.device) -> None:
        """Build the method, and read its weights where it has some.

        Raises:
            UnknownName: no such method.
            RecipeError: the method has no such option.
            MissingExtra: the method needs a package that is absent.
        """
        try:
            self.flow, self.device = find("flows", self.method)(**self.options), device
        except TypeError as error:
            raise RecipeError(f"flow: {self.method} does not take these options: {error}.") from error

    def __call__(self, *, clips: Clips) -> dict[str, Tensor]:
        """Return flow, float32 (B, T - 1, 2, H, W) in pixels per frame step."""
        return {"flow": self.flow(clips.frames.to(self.device))}


__all__ = ["OpticalFlow"]
