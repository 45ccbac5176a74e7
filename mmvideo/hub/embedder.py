"""Models of the hub with a tower for video or pictures and one for texts, in one space (X-CLIP, SigLIP, CLIP ...)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, shown, translated
from mmvideo.hub.classifier import preprocessing
from mmvideo.hub.load import LoadOptions, load_model, local, memory_for
from mmvideo.hub.resolve import Found, reading
from mmvideo.vlm.context import longest_context
from mmvideo.wording import plural

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEFAULT_FRAMES = 8
"""Of a clip, for models of single pictures; their vectors are averaged."""


class HubEmbedder:
    """Two towers with the preprocessing that the model's own files describe.

    Args:
        model: of transformers, with `get_text_features` and `get_video_features` or `get_image_features`.
        prepares: its video or image processor.
        tokenizer: of the texts.
        name: for messages.
    """

    def __init__(self, model: PreTrainedModel, prepares: Any, tokenizer: Any, name: str):
        self.model, self.prepares, self.tokenizer, self.name = model, prepares, tokenizer, name

    @classmethod
    def from_pretrained(cls, found: Found, device: torch.device, options: LoadOptions) -> HubEmbedder:
        """Load a model that `resolve_embedder` has found.

        Raises:
            UnsupportedModel: without preprocessing.
            ModelUnavailable: its weights or tokenizer cannot be fetched.
            OutOfMemory: it does not fit.
        """
        import transformers

        prepares = preprocessing(found, options)
        with reading(found.name, "tokenizer"):
            tokenizer = transformers.AutoTokenizer.from_pretrained(local(found.name),
                                                                   revision=options.revision or "main")
        return cls(load_model(transformers.AutoModel, found, device, options), prepares, tokenizer, found.name)

    @property
    def num_frames(self) -> int:
        """T of a clip."""
        vision = getattr(self.model.config, "vision_config", None)
        frames = getattr(vision, "num_frames", None)
        return frames if isinstance(frames, int) else DEFAULT_FRAMES

    def clips(self, frames: Tensor, source: str = "<memory>") -> Tensor:
        """Return a vector of length 1 for every clip, float32 (B, D), from uint8 (B, T, C, H, W).

        Raises:
            UnsuitableClip: the processor or the network does not take the clips.
            OutOfMemory: they do not fit into memory.
        """
        rows = []
        for clip in frames:
            check()
            count, _, height, width = clip.shape
            about = f"{source} with {plural(count, 'frame')} of {width}x{height} pixels"
            with translated(self.name, "processor", about), memory_for(f"{self.name} sees {about}"), \
                    torch.inference_mode():
                given = self.prepares(list(clip), return_tensors="pt")
                pixels = given["pixel_values"].to(self.model.device, self.model.dtype)
                if hasattr(self.model, "get_video_features"):
                    found = _vectors(self.model.get_video_features(pixels if pixels.ndim == 5 else pixels[None]))
                else:
                    more = {key: given[key].to(self.model.device) for key in ("pixel_attention_mask", "spatial_shapes")
                            if key in given}
                    seen = _vectors(self.model.get_image_features(pixels.flatten(0, -4), **more))
                    found = F.normalize(seen.float(), dim=-1).mean(0, keepdim=True)
            rows.append(F.normalize(found.float(), dim=-1).cpu())
        return torch.cat(rows)

    def texts(self, words: Sequence[str]) -> Tensor:
        """Return a vector of length 1 for every text, float32 (N, D).

        Raises:
            InvalidInput: a text that the tokenizer does not take, or of more tokens than the model reads.
        """
        text_config = getattr(self.model.config, "text_config", self.model.config)
        most = longest_context(text_config, None)
        fixed = {"padding": "max_length", "max_length": most} if "siglip" in self.model.config.model_type else {
            "padding": True}
        with translated(self.name, "tokenizer", f"the words {shown(list(words))}", kind=InvalidInput):
            given = self.tokenizer(list(words), return_tensors="pt", **fixed)
        if most is not None and given["input_ids"].shape[1] > most:
            raise InvalidInput(f"{shown(list(words))} has {given['input_ids'].shape[1]} tokens; {self.name} reads "
                               f"{most}.")
        with torch.inference_mode():
            found = self.model.get_text_features(**{key: value.to(self.model.device) for key, value in given.items()
                                                    if key in ("input_ids", "attention_mask")})
        return F.normalize(_vectors(found).float(), dim=-1).cpu()


def _vectors(found: Any) -> Tensor:
    """Return the tensor in what a tower gives, which newer versions of transformers wrap."""
    return found if isinstance(found, Tensor) else found.pooler_output


__all__ = ["DEFAULT_FRAMES", "HubEmbedder"]
