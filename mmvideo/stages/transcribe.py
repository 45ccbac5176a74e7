"""Stage `transcribe`: write down what is said, from subtitles that are there or with a speech model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo import checks
from mmvideo.hub.load import LoadOptions
from mmvideo.hub.resolve import resolve
from mmvideo.separation.voices import SeparatedVoices
from mmvideo.separation.voices.speakers import name_speakers
from mmvideo.sounds.speech import speech_network
from mmvideo.speech.recognizer import NUM_BEAMS, TASKS, Recognizer, SpokenOptions, load_recognizer
from mmvideo.speech.result import Transcript
from mmvideo.speech.transcript import SOURCES, transcript_of
from mmvideo.stages.base import Stage, report, set_by_load


@dataclass(kw_only=True)
class Transcribe(Stage):
    """Write down what is said, with times of sentences and words."""

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("transcript",)
    imports: ClassVar[tuple[str, ...]] = ("transformers.models.auto", "transformers.modeling_utils",
                                          "transformers.generation")

    weights: str | None = None
    """A speech model of the hub, or a folder of one; null reads subtitles only."""
    origin: str = "auto"
    """auto takes subtitles of the file or beside it where there are some; subtitles; speech."""
    language: str | None = None
    """Code of the language, as "en"; null lets a multilingual model find it out."""
    task: str = "transcribe"
    """transcribe, or translate: into English, by models that can."""
    num_beams: int = NUM_BEAMS
    word_times: bool = True
    dtype: str | None = None
    """float32, bfloat16 or float16; on a CPU float32."""
    device_map: str | None = None
    attn_implementation: str | None = None
    quantize: str | None = None
    adapter: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    recognizer: Recognizer = set_by_load()

    @classmethod
    def imports_for(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what a speech model is loaded with, where one is named."""
        return cls.imports if options.get("weights") else ()

    def load(self, device: torch.device) -> None:
        """Load the speech model, if one is named.

        Raises:
            InvalidInput: an option out of range, or a language or task that the model does not know.
            UnsupportedModel: it is no speech model.
            ModelUnavailable: it cannot be fetched.
            WeightsError: its weights do not fit.
            OutOfMemory: it does not fit into memory.
        """
        checks.one_of("origin", self.origin, SOURCES)
        checks.one_of("task", self.task, TASKS)
        checks.whole("num_beams", self.num_beams, low=1, high=64)
        speech_network()
        if self.weights is not None:
            found = resolve(self.weights, revision=self.revision, trust_remote_code=self.trust_remote_code)
            options = LoadOptions(**{one.name: getattr(self, one.name) for one in fields(LoadOptions)})
            self.recognizer = load_recognizer(found, device, options)
            self.recognizer.check(self.spoken())

    def spoken(self) -> SpokenOptions:
        """Return how speech is written down."""
        return SpokenOptions(language=self.language, task=self.task, num_beams=self.num_beams,
                             word_times=self.word_times)

    def modules(self) -> dict[str, nn.Module]:
        """Return the speech model."""
        model = self.recognizer.model if self.recognizer is not None else None
        return {"model": model} if isinstance(model, nn.Module) else {}

    def __call__(self, *, media: Any) -> dict[str, Any]:
        """Return the transcript.

        Raises:
            NoAudioTrack: there is nothing to hear, and no subtitles.
            WeightsError: somebody speaks, and no speech model was named.
            UnsuitableClip: the model does not take the sound.
        """
        return {"transcript": transcript_of(media, self.recognizer, self.spoken(), origin=self.origin, report=report)}


@dataclass(kw_only=True)
class NameSpeakers(Stage):
    """Say of every sentence of a transcript which of the separated voices says it."""

    needs: ClassVar[tuple[str, ...]] = ("transcript", "voices")
    gives: ClassVar[tuple[str, ...]] = ("named_transcript",)

    def __call__(self, *, transcript: Transcript, voices: SeparatedVoices) -> dict[str, Any]:
        """Return the transcript with "person 1: " and the like before each segment."""
        if voices.by == "nothing":
            return {"named_transcript": transcript}
        return {"named_transcript": replace(
            transcript, segments=tuple(name_speakers(transcript.segments, voices.turns)),
            rule=f"{transcript.rule}; who speaks is read from the turns of the separated voices",
            warnings=(*transcript.warnings, *voices.warnings))}


__all__ = ["NameSpeakers", "Transcribe"]
