"""How relevant frames are to a text, by a text-image model of the hub (CLIP, SigLIP and others that score pairs)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmvideo.errors import UnsupportedModel, translated
from mmvideo.hub.load import local, memory_for, quiet
from mmvideo.hub.resolve import reading


class TextImageRelevance:
    """A text-image model, loaded when it is first asked.

    Args:
        name: on the hub, as openai/clip-vit-base-patch32, or a local folder.
    """

    def __init__(self, name: str, device: torch.device | None = None):
        self.name, self.device = name, device or torch.device("cpu")
        self._model: Any = None
        self._processor: Any = None

    def _load(self) -> None:
        from transformers import AutoModel, AutoProcessor

        with reading(self.name, "weights and processor"), quiet(), memory_for(f"loading {self.name}"):
            self._processor = AutoProcessor.from_pretrained(local(self.name))
            self._model = AutoModel.from_pretrained(local(self.name)).to(self.device).eval()

    def __call__(self, frames: Tensor, text: str) -> Tensor:
        """Score frames.

        Args:
            frames: uint8 (N, C, H, W).
            text: a question or description; cut where the model reads less.

        Returns:
            float32 (N,), higher is more relevant.

        Raises:
            ModelUnavailable: the model cannot be fetched.
            UnsupportedModel: it does not compare texts and images.
        """
        if self._model is None:
            self._load()
        with translated(self.name, "processor", f"{len(frames)} frames"):
            given = self._processor(text=[text], images=list(frames), return_tensors="pt", padding=True,
                                    truncation=True)
        with torch.inference_mode():
            out = self._model(**given.to(self.device))
        if not hasattr(out, "logits_per_image"):
            raise UnsupportedModel(f"{self.name} does not compare texts and images; name one that does, such as "
                                   "openai/clip-vit-base-patch32 or google/siglip-base-patch16-224.")
        return out.logits_per_image[:, 0].float().cpu()


__all__ = ["TextImageRelevance"]
