"""Stage `embed`: a video as one vector, by any encoder, by the everyday model, or by a model of the hub."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmvideo import weights as weight_files
from mmvideo.deadline import check
from mmvideo.encoders import zoo
from mmvideo.errors import InvalidInput, UnsupportedModel
from mmvideo.hub.embedder import HubEmbedder
from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import is_hub_name, resolve_embedder
from mmvideo.nn.interruptible import interruptible
from mmvideo.registry import find
from mmvideo.results import Embedding
from mmvideo.stages.base import Stage, looked_at, set_by_load
from mmvideo.stages.facts_text import fact_words
from mmvideo.stages.measured import Measurer
from mmvideo.stages.readers import ObservedReader, Taken, ViewOptions
from mmvideo.types import NOT_JUDGED, Clips, Expected
from mmvideo.vlm.composed import Composed, read_config

_BATCH = 8
"""Clips at a time."""
_NUM_CLIPS = 3


@dataclass(kw_only=True)
class Embed(Stage):
    """Bring a video into a vector of length 1; videos that show the same have a cosine near 1.

    The everyday model also says what it found, in words. An encoder of the zoo gives the mean of its pooled features
    over clips of the video; a model of the hub with two towers gives vectors that can be compared with those of texts.
    """

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("clips", "embedding")

    weights: str | None = None
    """everyday, an embedded encoder (lite0), the folder of an encoder, or a model of the hub with towers for video and
    text."""
    num_clips: int = _NUM_CLIPS
    """Clips over the whole video whose vectors are averaged; not for everyday, which looks at every shot."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    dtype: str | None = None
    """Hub: precision of the weights."""
    revision: str | None = None
    """Hub: which version of the model."""
    speech: str | None = None
    """auto adds what is said to the words, from subtitles or by `speech_model`; subtitles and speech take only these.
    Not for models of the hub, which compare texts with vectors."""
    speech_model: str | None = None
    """A speech model of transformers, by name or folder."""
    embedder: Any = set_by_load()
    measurer: Measurer | None = field(default=None, repr=False, init=False)
    device: torch.device = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load the model.

        Raises:
            UnknownName: no such model.
            UnsupportedModel: it gives no vectors.
            InvalidInput: `speech` for a model of the hub, or `speech_model` without it.
            ModelUnavailable: it cannot be fetched.
            WeightsError: the folder is damaged.
        """
        self.device = device
        name = self.weights or "everyday"
        self._load_speech(name)
        if name not in weight_files.embedded_names() and is_hub_name(name):
            options = LoadOptions(dtype=self.dtype, revision=self.revision)
            self.embedder = HubEmbedder.from_pretrained(resolve_embedder(name, revision=self.revision), device, options)
            return
        home = weight_files.folder(name)
        if weight_files.is_encoder(home):
            self.embedder = interruptible(zoo.load(home).to(device).eval())
        elif (home / "config.json").is_file() and "parts" in weight_files.config(home) and read_config(home).observed:
            model = Composed.from_pretrained(home, device=device, only_ask=True)
            view = ViewOptions(start_seconds=self.start_seconds, end_seconds=self.end_seconds)
            self.embedder = ObservedReader(model, model.parts["observer"], view)
        else:
            raise UnsupportedModel(f"{name} gives no vectors of videos; everyday does, as do lite0, encoders of your "
                                   "own (a folder) and models of the hub with towers for video and text.")

    def _load_speech(self, name: str) -> None:
        """Load what finds out what is said."""
        if self.speech is None:
            if self.speech_model is not None:
                raise InvalidInput("speech_model= is used with speech=\"auto\"; give both.")
            return
        if name not in weight_files.embedded_names() and is_hub_name(name):
            raise InvalidInput(f"Texts are compared with the vectors of {name}, so what is said cannot be found with "
                               "it; leave out speech, or make an index with everyday.")
        self.measurer = Measurer((), self.speech, self.speech_model)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        if isinstance(self.embedder, ObservedReader):
            return self.embedder.modules()
        network = self.embedder.model if isinstance(self.embedder, HubEmbedder) else self.embedder
        return {"encoder": network} if network is not None else {}

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return what was looked at, and the vector."""
        said = self.measurer.said(media) if self.measurer is not None else ""
        if isinstance(self.embedder, ObservedReader):
            return self._observed(media, said)
        clips = self._clips(media)
        if isinstance(self.embedder, HubEmbedder):
            rows = self.embedder.clips(clips.frames, media.info.source)
        else:
            rows = self._encoded(clips.frames)
        vector = F.normalize(rows.mean(0), dim=0)
        return {"clips": clips, "embedding": self._result(vector, clips, _with_speech("", said))}

    def texts(self, words: list[str]) -> Tensor | None:
        """Return vectors of texts in the space of those of videos, float32 (N, D); None where the model has none."""
        return self.embedder.texts(words) if isinstance(self.embedder, HubEmbedder) else None

    def _clips(self, media: Any) -> Clips:
        span = {"start_seconds": self.start_seconds, "end_seconds": self.end_seconds}
        if isinstance(self.embedder, HubEmbedder):
            return find("samplers", "segments")(media, num_clips=self.num_clips,
                                                num_frames=self.embedder.num_frames, **span)
        i = self.embedder.input
        more = {} if i.fps is None else {"clip_seconds": i.num_frames / i.fps}
        return find("samplers", "segments" if i.fps is None else "dense")(
            media, num_clips=self.num_clips, num_frames=i.num_frames, size=(i.height, i.width), **span, **more)

    def _encoded(self, frames: Tensor) -> Tensor:
        found = []
        for part in frames.split(_BATCH):
            check()
            found.append(F.normalize(self.embedder(part.to(self.device)).pooled.float(), dim=1).cpu())
        return torch.cat(found)

    def _observed(self, media: Any, said: str) -> dict[str, Any]:
        """Return the mean of the image encoder's features over the shots, and what was found and said in words."""
        taken: Taken = self.embedder.take(media, Expected())
        conversation = self.embedder.read(taken).conversation
        found = conversation.observation
        vector = F.normalize(found.grids.float().mean((0, 1)), dim=0)
        captions = [one.text for one in conversation.captions]
        text = _with_speech(fact_words(found.facts, captions), said)
        return {"clips": taken.clips, "embedding": self._result(vector, taken.clips, text)}

    def _result(self, vector: Tensor, clips: Clips, text: str) -> Embedding:
        return Embedding(vector=tuple(vector.tolist()), text=text, confidence=1.0, seconds_looked_at=looked_at(clips),
                         in_domain=NOT_JUDGED, model=Path(self.weights or "everyday").name, rule=clips.rule)


def _with_speech(text: str, said: str) -> str:
    return "\n".join(line for line in (text, f"said: {said}" if said else "") if line)


__all__ = ["Embed"]
