"""Stage `encode`: clips -> features, by any registered encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo import weights as weight_files
from mmvideo.nn.interruptible import interruptible
from mmvideo.registry import find
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.types import Clips
from mmvideo.vlm.encode import check_drop_below, check_sample_rate, encode, encode_batched


@dataclass(kw_only=True)
class Encode(Stage):
    """Run a registered encoder over the clips."""

    needs: ClassVar = ("clips",)
    gives: ClassVar = ("features",)

    encoder: str
    weights: str
    batch_size: int = 16
    """Clips at a time; bounds the memory that a long video takes."""
    drop_below: float | None = None
    """Do not look again at places whose pixels changed by less than this share of their range since they were last
    looked at, as VideoLLaMA 3 (0.1 there); their tokens stay as they were. Null looks at all."""
    network: Any = set_by_load()
    device: torch.device = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the encoder's weights.

        Raises:
            InvalidInput: `drop_below` is out of range, or the encoder cannot leave places out.
        """
        kind = find("encoders", self.encoder)
        check_drop_below(kind, self.encoder, self.drop_below)
        folder = weight_files.part(self.weights, "encoder")
        self.network, self.device = interruptible(kind.from_pretrained(folder).to(device).eval()), device

    def modules(self) -> dict[str, nn.Module]:
        """Return the encoder."""
        return {"encoder": self.network} if self.network is not None else {}

    def __call__(self, *, clips: Clips) -> dict[str, Any]:
        """Return the features of every clip.

        Raises:
            RecipeError: the encoder hears at another sample rate than the clips have.
        """
        check_sample_rate(self.network, self.encoder, clips)
        return {"features": encode(self.network, clips, self.device, batch_size=self.batch_size,
                                   drop_below=self.drop_below)}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Encode the clips of several videos in passes of exactly `size` rows."""
        found = encode_batched(self.network, [fields["clips"] for fields in items], self.device, size=size,
                               drop_below=self.drop_below)
        return [{"features": features} for features in found]


__all__ = ["Encode"]
