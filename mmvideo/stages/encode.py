"""Stages `encode`, `project` and `domain`: clips -> features -> embeddings, and whether the clip is known ground."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.errors import RecipeError
from mmvideo.registry import find
from mmvideo.stages.base import Stage
from mmvideo.stages.remedy import remedy
from mmvideo.types import Clips, Domain, Features


@dataclass(kw_only=True)
class Encode(Stage):
    """Run a registered encoder over the clips."""

    needs: ClassVar = ("clips",)
    gives: ClassVar = ("features",)

    encoder: str
    weights: str
    batch_size: int = 16
    """Clips at a time; bounds the memory that a long video takes."""
    network: nn.Module | None = field(default=None, repr=False, init=False)
    device: torch.device | None = field(default=None, repr=False, init=False)

    def load(self, device: torch.device) -> None:
        """Load the encoder's weights."""
        folder = weight_files.part(self.weights, "encoder")
        self.network, self.device = find("encoders", self.encoder).from_pretrained(folder).to(device).eval(), device

    def modules(self) -> dict[str, nn.Module]:
        """Return the encoder."""
        return {"encoder": self.network} if self.network is not None else {}

    def __call__(self, *, clips: Clips) -> dict[str, Any]:
        """Return the features of every clip.

        Raises:
            RecipeError: the encoder hears at another sample rate than the clips have.
        """
        wanted = getattr(self.network, "sample_rate", None)
        if clips.audio is not None and wanted not in (None, clips.sample_rate):
            raise RecipeError(f"{self.encoder} hears at {wanted} Hz: set sample_rate: {wanted} in the sample stage, "
                              f"not {clips.sample_rate}.")
        hears = "audio" in inspect.signature(self.network.forward).parameters
        parts = []
        for start in range(0, clips.frames.shape[0], self.batch_size):
            chosen = slice(start, start + self.batch_size)
            frames = clips.frames[chosen].to(self.device)
            if not hears:
                parts.append(self.network(frames))
                continue
            sound = None if clips.audio is None else clips.audio[chosen].to(self.device)
            heard = torch.full((frames.shape[0],), clips.has_audio, device=self.device)
            parts.append(self.network(frames, audio=sound, has_audio=heard))
        return {"features": joined(parts)}


def joined(parts: list[Features]) -> Features:
    """Concatenate features of one geometry along B."""
    if len(parts) == 1:
        return parts[0]
    return Features(tokens=torch.cat([p.tokens for p in parts]), grid=parts[0].grid,
                    pooled=torch.cat([p.pooled for p in parts]), num_extra=parts[0].num_extra)


@dataclass(kw_only=True)
class Project(Stage):
    """Bring features into the width of the language model."""

    needs: ClassVar = ("features",)
    gives: ClassVar = ("embeddings",)

    projector: str
    weights: str
    network: nn.Module | None = field(default=None, repr=False, init=False)

    def load(self, device: torch.device) -> None:
        """Load the projector's weights."""
        folder = weight_files.part(self.weights, "projector")
        self.network = find("projectors", self.projector).from_pretrained(folder).to(device).eval()

    def modules(self) -> dict[str, nn.Module]:
        """Return the projector."""
        return {"projector": self.network} if self.network is not None else {}

    def __call__(self, *, features: Features) -> dict[str, Tensor]:
        """Return embeddings, float (B, N, D of the language model)."""
        return {"embeddings": self.network(features)}


@dataclass(kw_only=True)
class KnownDomain(Stage):
    """Say of each clip whether it looks like what the model was trained on."""

    needs: ClassVar = ("features",)
    gives: ClassVar = ("domains",)

    weights: str
    head: str = "domain"
    task: str = "video-qa"
    """Which remedy is offered outside the domain."""
    network: nn.Module | None = field(default=None, repr=False, init=False)

    def load(self, device: torch.device) -> None:
        """Load the calibrated head."""
        folder = weight_files.part(self.weights, "domain")
        self.network = find("heads", self.head).from_pretrained(folder).to(device).eval()

    def modules(self) -> dict[str, nn.Module]:
        """Return the head."""
        return {"domain": self.network} if self.network is not None else {}

    def __call__(self, *, features: Features) -> dict[str, tuple[Domain, ...]]:
        """Return one Domain a clip."""
        scores, inside = self.network(features)
        return {"domains": tuple(
            Domain(True, score=score) if known else Domain(
                False, f"the picture does not look like what {self.weights} was trained on", remedy(self.task), score)
            for score, known in zip(scores.tolist(), inside.tolist(), strict=True)
        )}
