"""Classifiers of the hub: a fixed list of labels (VideoMAE, ViViT, ...), or labels given as texts (X-CLIP, PE)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, UnsupportedModel, WeightsError, shown, translated
from mmvideo.hub.cpu_inference import hastened
from mmvideo.hub.load import LoadOptions, load_model, local, memory_for
from mmvideo.hub.resolve import CLASSIFIER, MATCHER, Found, reading
from mmvideo.vlm.context import longest_context
from mmvideo.wording import plural

if TYPE_CHECKING:
    from transformers import PreTrainedModel

DEFAULT_FRAMES = 16
TEMPLATE = "a video of {label}"


class HubClassifier:
    """A network with the preprocessing that its own files describe.

    Args:
        model: of transformers.
        prepares: its video or image processor.
        tokenizer: for labels given as texts.
        labels: names of the classes, in the order of the logits.
    """

    def __init__(self, model: PreTrainedModel, prepares: Any, tokenizer: Any, labels: Sequence[str], name: str):
        self.model, self.prepares, self.tokenizer, self.name = model, prepares, tokenizer, name
        self.labels = tuple(labels)

    @classmethod
    def from_pretrained(cls, found: Found, device: torch.device, options: LoadOptions, labels: Sequence[str] = (),
                        template: str = TEMPLATE) -> HubClassifier:
        """Load a model that `find` has found.

        Args:
            labels: what to choose from, for models that read labels; others have their own.
            template: how a label is put to them, with {label}.

        Raises:
            InvalidInput: labels are missing, or given to a model that has its own.
            UnsupportedModel: no classifier, or without preprocessing.
            ModelUnavailable: its weights cannot be fetched.
            OutOfMemory: it does not fit.
        """
        import transformers

        if found.kind not in (CLASSIFIER, MATCHER):
            raise UnsupportedModel(f"{found.name} ({found.model_type}) has no classes; ask it: "
                                   f"Pipeline('video-qa', model={found.name!r}).")
        if found.kind == MATCHER and len(labels) < 2:
            raise InvalidInput(f"{found.name} chooses among labels of yours: give labels=['a dog runs', 'rain'].")
        if found.kind == CLASSIFIER and labels:
            raise InvalidInput(f"{found.name} has labels of its own; for labels of yours name a model that reads them, "
                               "such as microsoft/xclip-base-patch32.")
        if "{label}" not in template:
            raise InvalidInput(f"template must hold {{label}}, not {template!r}.")
        auto = transformers.AutoModelForVideoClassification if found.kind == CLASSIFIER else transformers.AutoModel
        prepares, tokenizer = preprocessing(found, options), None
        if found.kind == MATCHER:
            tokenizer = _read_labels(found, options, [template.replace("{label}", label) for label in labels])
        model = hastened(load_model(auto, found, device, options), attention=(
            found.kind == CLASSIFIER and options.attn_implementation is None))
        most = longest_context(getattr(model.config, "text_config", model.config), None)
        if tokenizer is not None and most is not None and (count := tokenizer["input_ids"].shape[1]) > most:
            raise InvalidInput(f"The longest of the labels {shown(labels)} has {count} tokens with its template; "
                               f"{found.name} reads {most}.")
        return cls(model, prepares, tokenizer, labels or _own_labels(model, found), found.name)

    @property
    def num_frames(self) -> int:
        """T of a clip, from the model's configuration."""
        places = [self.model.config, *(getattr(self.model.config, part, None) for part in ("vision_config",
                                                                                           "video_config"))]
        for config in places:
            for name in ("num_frames", "frames_per_clip"):
                if isinstance(getattr(config, name, None), int):
                    return getattr(config, name)
        return DEFAULT_FRAMES

    def prepare(self, frames: Tensor, source: str = "<memory>") -> Tensor:
        """Bring one clip, uint8 (T, C, H, W), into the shape and scale that the model reads: (1, T, C, H, W).

        Raises:
            UnsuitableClip: the processor does not take it; with its reason.
            OutOfMemory: there is not enough to prepare it.
        """
        about = _clip(source, frames)
        with translated(self.name, "processor", about), memory_for(f"preparing {about} for {self.name}"):
            if "VideoProcessor" in type(self.prepares).__name__:
                given = self.prepares([frames], do_sample_frames=False, return_tensors="pt")
            else:
                given = self.prepares(list(frames), return_tensors="pt")
            pixels = given["pixel_values"] if "pixel_values" in given else given["pixel_values_videos"]
            return pixels if pixels.ndim == 5 else pixels[None]

    def logits(self, frames: Tensor, source: str = "<memory>") -> Tensor:
        """Return the logits of clips, float32 (B, number of labels), from uint8 (B, T, C, H, W).

        Args:
            source: named by errors.

        Raises:
            UnsuitableClip: the processor or the network does not take the clips, as with a number of frames for which
                it was not made.
            OutOfMemory: they do not fit into memory.
        """
        check()
        pixels = torch.cat([self.prepare(clip, source) for clip in frames]).to(self.model.device, self.model.dtype)
        name = "pixel_values_videos" if self.model.config.model_type in ("vjepa2", "pe_video", "videoprism",
                                                                        "videoprism_vision_model") else "pixel_values"
        with translated(self.name, "network", _clip(source, frames[0])), \
                memory_for(f"{self.name} sees {len(frames)} clips"), torch.inference_mode():
            if self.tokenizer is None:
                return self.model(**{name: pixels}).logits.flatten(1).float().cpu()
            texts = {key: value.to(self.model.device) for key, value in self.tokenizer.items()
                     if key in ("input_ids", "attention_mask")}
            rows = [self.model(**texts, **{name: clip[None]}) for clip in pixels]
            scored = [row["logits_per_video"] if "logits_per_video" in row else row["logits_video_text"]
                      for row in rows]
            return torch.cat(scored).float().cpu()


def _read_labels(found: Found, options: LoadOptions, texts: list[str]) -> Any:
    """Return the tokens of labels as texts, padded to one length.

    Raises:
        InvalidInput: one that the tokenizer does not take, or of more tokens than the model reads.
    """
    import transformers

    with reading(found.name, "tokenizer"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            local(found.name), revision=options.revision or "main", trust_remote_code=options.trust_remote_code)
    with translated(found.name, "tokenizer", f"the labels {shown(texts)}", kind=InvalidInput):
        return tokenizer(texts, return_tensors="pt", padding=True)


def _clip(source: str, frames: Tensor) -> str:
    count, _, height, width = frames.shape
    return f"{source} with {plural(count, 'frame')} of {width}x{height} pixels"


def preprocessing(found: Found, options: LoadOptions) -> Any:
    """Return the video processor, else the image processor, that the model's files describe."""
    import transformers

    reasons = []
    for auto in (transformers.AutoVideoProcessor, transformers.AutoImageProcessor):
        try:
            with reading(found.name, "preprocessing"):
                return auto.from_pretrained(local(found.name), revision=options.revision or "main",
                                            trust_remote_code=options.trust_remote_code)
        except UnsupportedModel:
            raise
        except WeightsError as error:
            reasons.append((str(error.__cause__).splitlines() or [type(error.__cause__).__name__])[0])
    raise UnsupportedModel(f"{found.name} has no preprocessing ({reasons[0]}). Copy preprocessor_config.json (or "
                           "video_preprocessor_config.json) from the model that it was made from.")


def _own_labels(model: PreTrainedModel, found: Found) -> list[str]:
    labels = [label for _, label in sorted(model.config.id2label.items())]
    if not labels:
        raise UnsupportedModel(f"{found.name} has no names of classes (id2label) in its config.json.")
    return labels


__all__ = ["TEMPLATE", "HubClassifier", "preprocessing"]
