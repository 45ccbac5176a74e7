"""Stage `encode_video`: a model that answers in words looks at a video and reads it once, for any number of questions.

Which frames are looked at, and how they are read, is up to the kind of model (`mmvideo.stages.readers`): a chat model
of the Hugging Face hub sees one clip with its times; a composed model, as the embedded ones are, sees windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo import checks, licences
from mmvideo import weights as weight_files
from mmvideo.errors import InvalidInput
from mmvideo.hub.cpu_inference import hastened
from mmvideo.hub.resolve import is_hub_name
from mmvideo.nn.interruptible import interruptible
from mmvideo.registry import find
from mmvideo.remote.address import ServerAddress, server_address
from mmvideo.remote.client import Client
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.stages.checkpoint import LOADING, CheckpointStage
from mmvideo.stages.measured import Measurer, with_context
from mmvideo.stages.readers import (
    ChatReader,
    ObservedReader,
    Reader,
    Taken,
    ViewOptions,
    WindowReader,
    budget_of,
    without_pictures,
)
from mmvideo.stages.remote_reader import RemoteReader
from mmvideo.stages.spans import RULES, SpanParts, SpanReader
from mmvideo.types import Clips, Expected, GenerationOptions
from mmvideo.vlm.chat import ChatModel
from mmvideo.vlm.composed import Composed, is_composed, read_config
from mmvideo.vlm.encode import check_drop_below

SEGMENTS = frozenset(("segments", "segment_seconds"))
HINTS = frozenset(("hints", "speech", "speech_model"))


@dataclass(kw_only=True)
class EncodeVideo(CheckpointStage):
    """Choose frames within every given limit, and let the model read them once."""

    needs: ClassVar[tuple[str, ...]] = ("media",)
    gives: ClassVar[tuple[str, ...]] = ("clips", "spans", "domains", "conversation")
    optional: ClassVar[tuple[str, ...]] = ("expected",)
    imports: ClassVar[tuple[str, ...]] = (
        "transformers.models.auto", "transformers.modeling_utils", "transformers.generation",
        "transformers.processing_utils", "transformers.video_processing_utils",
        "transformers.image_processing_backends")

    num_frames: int | None = None
    """Chat models. Alone: so many frames, spread evenly. With fps: no more than so many."""
    fps: float | None = None
    """Chat models: a frame every 1 / fps seconds. Without num_frames and fps, the model's own habit."""
    max_frames: int | None = None
    max_tokens: int | None = None
    """Chat models: most tokens that the frames may take up; fewer frames are taken until they fit."""
    sound: bool = True
    """Chat models: whether one that can hear is given the sound."""
    frames_as: str = "images"
    """Models behind a server (openai://HOST:PORT/NAME): `images`, each behind its time, or one `video`."""
    sampler: str | None = None
    """Chat models: what chooses the frames: salient (where most happens), audio-preview (where most is heard) or
    question (those with most to do with the question); null spreads them evenly."""
    relevance_model: str | None = None
    """Chat models: a text-image model of the hub for the sampler question, as openai/clip-vit-base-patch32."""
    max_windows: int | None = None
    """Composed models: most windows; null for the model's own number."""
    batch_size: int | None = None
    """Composed models: windows at a time; bounds the memory that a long video takes."""
    drop_below: float | None = None
    """Do not look again at places whose pixels changed by less than this share of their range since they were last
    looked at, as VideoLLaMA 3 (0.1 there). Null looks at all. Chat models see them, but do not read them."""
    merge_to: float = 1.0
    """Share of the visual tokens that is left once those most alike are merged (ToMe)."""
    domain: str | None = None
    """Composed models: registered head that says whether a window looks like what the model was trained on; null for
    the model's own, if it has one."""
    segments: str | None = None
    """For captions of models that read a whole video: shots (between cuts and dissolves; auto is the same; transnet
    finds them by TransNetV2) or windows, each captioned by itself; none, and null, for one caption. Others caption
    shots or windows anyway."""
    segment_seconds: float = 30.0
    """The longest of them."""
    hints: list[str] | None = None
    """Chat models: what is measured and told before every question: camera, speech, sounds, objects, faces."""
    speech: str | None = None
    """Chat models: auto tells what is said, from subtitles or by `speech_model`, before every question; subtitles and
    speech take only these."""
    speech_model: str | None = None
    """A speech model of transformers, by name or folder."""
    reader: Reader = set_by_load()
    measurer: Measurer | None = field(default=None, repr=False, init=False)
    halvings: int = field(default=0, repr=False, init=False)
    """How many times the number of frames was halved for lack of memory."""

    @classmethod
    def imports_for(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what prepares the inputs of a chat model; windows are taken without it."""
        name = options.get("weights")
        windows = name is None or str(name) in weight_files.embedded_names() or is_composed(str(name))
        return () if windows or weight_files.is_server_name(name) else cls.imports

    def load(self, device: torch.device) -> None:
        """Load the model.

        Raises:
            InvalidInput: no model was named, an option is out of range, or the model does not take it.
            ModelUnavailable: it cannot be fetched.
            UnsupportedModel: it cannot do this.
            WeightsError: its weights do not fit.
            OutOfMemory: it does not fit into memory.
        """
        if weight_files.is_server_name(self.weights):
            self.measurer = self.measuring()
            address = self.server()
            licences.check_licences(address.name, licences.licences_of(""), data_stated=False)
            client = Client(address)
            client.check()
            self.reader = self.in_spans(RemoteReader(client, self.view(), frames_as=self.frames_as))
            return
        home = self.composed_home()
        if home is None:
            self.refuse_others(ChatReader.takes | LOADING | SEGMENTS | HINTS, "a chat model")
            budget_of(self.view())
            self.measurer = self.measuring()
            self.reader = self.in_spans(ChatReader(
                ChatModel.from_pretrained(self.found("model"), device, self.load_options()), self.view()))
            return
        config = read_config(home)
        if config.observed:
            self.refuse_others(ObservedReader.takes | self._automatic(), "a model that answers from facts")
            model = interruptible(Composed.from_pretrained(home, device=device, only_ask=True))
            encoder: Any = model.parts["encoder"]
            model.parts["encoder"] = encoder.fold() if hasattr(encoder, "fold") else encoder
            self.reader = ObservedReader(model, model.parts["observer"], self.view())
            self.reader.modules()  # loads what has weights of its own
            return
        spans = self._automatic() if config.separate else SEGMENTS | HINTS
        self.refuse_others(WindowReader.takes | {"domain"} | spans, "a composed model")
        check_drop_below(find("encoders", config.parts["encoder"]), config.parts["encoder"], self.drop_below)
        model = Composed.from_pretrained(home, device=device, parts={"domain": self.domain} if self.domain else None)
        if not config.separate:  # the rows of separate windows are too short to gain
            hastened(model.language, attention=False)
        interruptible(model)
        self.measurer = self.measuring()
        reader = WindowReader(model, model.look, self.view(), separate=config.separate)
        self.reader = reader if config.separate else self.in_spans(reader)

    def _automatic(self) -> frozenset[str]:
        """Return the option `segments` where it asks for nothing that such a model does not do anyway."""
        return frozenset(("segments",)) if self.segments in (None, "auto") else frozenset()

    def measuring(self) -> Measurer | None:
        """Return what measures the hints that are asked for; None where none is.

        Raises:
            UnknownName: no such hint.
            InvalidInput: `speech_model` without anything to use it for.
        """
        if not self.hints and self.speech is None:
            if self.speech_model is not None:
                raise InvalidInput("speech_model= is used with speech=\"auto\" or hints=[\"speech\"]; give one of "
                                   "them.")
            return None
        return Measurer(self.hints or (), self.speech, self.speech_model)

    def context(self, media: Any) -> str:
        """Return what stands before every question about a video."""
        return self.measurer.words(media) if self.measurer is not None else ""

    def in_spans(self, reader: ChatReader | WindowReader | RemoteReader) -> Reader:
        """Return a reader that shows span after span, where that is asked for.

        Raises:
            InvalidInput: an unknown rule, or spans of no length.
        """
        if self.segments is not None:
            checks.one_of("segments", self.segments, RULES)
        checks.number("segment_seconds", self.segment_seconds, above=0)
        return reader if self.segments in (None, "none") else SpanReader(reader, self.segments, self.segment_seconds)

    def server(self) -> ServerAddress:
        """Return where a model answers that is named by its server.

        Raises:
            InvalidInput: no such address, or an option that has no effect on such a model.
        """
        self.refuse_others(RemoteReader.takes | SEGMENTS | HINTS, "a model behind a server")
        budget_of(self.view())
        return server_address(str(self.weights))

    def composed_home(self) -> Any:
        """Return the folder of a composed model, an embedded one among them; None for another kind of model."""
        if self.weights is None:
            raise InvalidInput("This recipe runs a model of yours: give model=NAME or FOLDER (--model).")
        if str(self.weights) not in weight_files.embedded_names() and is_hub_name(self.weights):
            return None
        return weight_files.folder(self.weights)

    def view(self) -> ViewOptions:
        """Return what of a video is shown."""
        return ViewOptions(**{f.name: getattr(self, f.name) for f in fields(ViewOptions)} | self.asked_view())

    def check(self, texts: Sequence[str], generation: GenerationOptions) -> None:
        """Refuse questions and options of replies that the model cannot serve."""
        self.reader.check(texts, generation)

    @property
    def costly(self) -> bool:
        """Whether it is a chat model."""
        inner = self.reader.inner if isinstance(self.reader, SpanReader) else self.reader
        return isinstance(inner, ChatReader)

    def partition(self) -> tuple[Stage, Stage] | None:
        """Return the part that needs the opened video and no network, and the rest; None where both are one."""
        if weight_files.is_server_name(self.weights):
            return PrepareRemote(**self._options()), ReadRemote(reader=self.reader)
        home = self.composed_home()
        if home is None:
            return None if self.trust_remote_code else (PrepareChat(**self._options()), ReadChat(reader=self.reader))
        config = read_config(home)
        if config.observed:
            return TakeLooks(**self._options()), ReadLooks(reader=self.reader)
        if not config.separate:
            return None
        return TakeWindows(**self._options()), ReadWindows(reader=self.reader)

    def _options(self) -> dict[str, Any]:
        return {option.name: getattr(self, option.name) for option in fields(self) if option.init}

    def looking(self, options: Mapping[str, Any]) -> EncodeVideo:
        """Return a copy, with the same model, that looks at other frames.

        Raises:
            InvalidInput: an option out of range.
        """
        other: Any = replace(self, **options)
        other.reader = copy(self.reader)
        other.reader.view = other.view()
        budget_of(other.view())
        return other

    def with_fewer_frames(self, halvings: int) -> tuple[Stage, str] | None:
        """Return a copy, with the same model, that takes fewer frames than the limits allow."""
        fewer = copy(self)
        fewer.halvings, fewer.reader = halvings, copy(self.reader)
        fewer.reader.view = fewer.view()
        return fewer, f"out of memory: 1/{1 << halvings} of the frames"

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.reader.modules() if self.reader is not None else {}

    def __call__(self, *, media: Any, expected: Expected | None = None) -> dict[str, Any]:
        """Return what was looked at, and the model's conversation about it.

        `spans` and `domains` have an entry a window for a model that is asked about each window by itself.

        Raises:
            InvalidInput: limits that allow not even one frame, or a span that holds nothing.
            ContextExceeded: one frame does not fit into the model's context beside what will be asked.
        """
        context = self.context(media)
        asked = expected or Expected()
        taken, reading = self.reader.look(media, with_context(asked, context) if context else asked)
        clips = replace(taken.clips, context=context) if context else taken.clips
        return {"clips": clips, "spans": taken.spans, "domains": reading.domains,
                "conversation": reading.conversation}


@dataclass(kw_only=True)
class PrepareChat(EncodeVideo):
    """First part for chat models: choose frames and let the processor prepare them, without the model."""

    gives: ClassVar[tuple[str, ...]] = ("clips", "spans", "prepared")
    pictures_done: ClassVar[bool] = True

    def load(self, device: torch.device) -> None:
        """Load the processor, and of the model only what its configuration says."""
        self.measurer = self.measuring()
        self.reader = self.in_spans(
            ChatReader(ChatModel.without_weights(self.found("model"), self.load_options()), self.view()))

    def partition(self) -> None:
        """Return None: it is a part itself."""

    def __call__(self, *, media: Any, expected: Expected | None = None) -> dict[str, Any]:
        """Return the one clip that was looked at, and what the model would be given."""
        context = self.context(media)
        taken = self.reader.take(media, with_context(expected or Expected(), context))
        taken = replace(taken, clips=replace(taken.clips, context=context)) if context else taken
        assert taken.prepared is not None, "a ChatReader prepares what it takes"
        if isinstance(taken.prepared, SpanParts):
            return {"clips": taken.clips, "spans": taken.spans, "prepared": taken.prepared.without_pictures()}
        return {"clips": taken.clips, "spans": taken.spans, "prepared": without_pictures(taken.prepared)}


@dataclass(kw_only=True)
class PrepareRemote(EncodeVideo):
    """First part for models behind a server: choose frames and write them as they are sent."""

    gives: ClassVar[tuple[str, ...]] = ("clips", "spans", "prepared")
    pictures_done: ClassVar[bool] = True

    def load(self, device: torch.device) -> None:
        """Check the options; nobody is called."""
        self.server()
        self.measurer = self.measuring()
        self.reader = self.in_spans(RemoteReader(None, self.view(), frames_as=self.frames_as))

    def partition(self) -> None:
        """Return None: it is a part itself."""

    def __call__(self, *, media: Any, expected: Expected | None = None) -> dict[str, Any]:
        """Return the one clip that was looked at, and what is sent of it."""
        context = self.context(media)
        taken = self.reader.take(media, with_context(expected or Expected(), context))
        clips = replace(taken.clips, context=context) if context else taken.clips
        prepared = taken.prepared.without_pictures() if isinstance(taken.prepared, SpanParts) else taken.prepared
        return {"clips": clips, "spans": taken.spans, "prepared": prepared}


@dataclass(kw_only=True)
class TakeWindows(EncodeVideo):
    """First part for composed models: take windows."""

    gives: ClassVar[tuple[str, ...]] = ("clips", "spans")

    def load(self, device: torch.device) -> None:
        """Read what the model looks at."""
        config = read_config(self.composed_home())
        self.reader = WindowReader(None, config.look, self.view(), separate=config.separate)

    def partition(self) -> None:
        """Return None: it is a part itself."""

    def __call__(self, *, media: Any, expected: Expected | None = None) -> dict[str, Any]:
        """Return the windows."""
        taken = self.reader.take(media, expected or Expected())
        return {"clips": taken.clips, "spans": taken.spans}


@dataclass(kw_only=True)
class TakeLooks(EncodeVideo):
    """First part for models that answer from facts: keep frames and sound."""

    gives: ClassVar[tuple[str, ...]] = ("clips", "spans", "prepared")

    def load(self, device: torch.device) -> None:
        """Find out what keeps them."""
        config = read_config(self.composed_home())
        self.reader = ObservedReader(None, find("observers", config.parts["observer"]), self.view())

    def partition(self) -> None:
        """Return None: it is a part itself."""

    def __call__(self, *, media: Any, expected: Expected | None = None) -> dict[str, Any]:
        """Return what is kept."""
        taken = self.reader.take(media, expected or Expected())
        return {"clips": taken.clips, "spans": taken.spans, "prepared": taken.prepared}


@dataclass(kw_only=True)
class ReadChat(Stage):
    """Second part for chat models: let the model read what was prepared."""

    needs: ClassVar[tuple[str, ...]] = ("prepared",)
    gives: ClassVar[tuple[str, ...]] = ("domains", "conversation")

    reader: Reader | None = field(default=None, repr=False)

    def modules(self) -> dict[str, nn.Module]:
        """Return the networks."""
        return self.reader.modules() if self.reader is not None else {}

    def _taken(self, given: Mapping[str, Any]) -> Taken:
        clips: Any = given.get("clips")
        return Taken(clips, prepared=given["prepared"])

    def __call__(self, **given: Any) -> dict[str, Any]:
        """Return a conversation about it."""
        assert self.reader is not None, "it was loaded before it was divided"
        reading = self.reader.read(self._taken(given))
        return {"domains": reading.domains, "conversation": reading.conversation}

    def batch(self, items: Sequence[Mapping[str, Any]], *, size: int) -> list[dict[str, Any]]:
        """Leave the reading to the stage that asks: it knows which videos go through the model together."""
        assert self.reader is not None, "it was loaded before it was divided"
        return [{"domains": reading.domains, "conversation": reading.conversation}
                for reading in self.reader.read_later([self._taken(given) for given in items], size)]


@dataclass(kw_only=True)
class ReadRemote(ReadChat):
    """Second part for models behind a server."""

    def client(self) -> Client | None:
        """Return the client, whose concurrency says how many videos are asked about at once."""
        return self.reader.client if isinstance(self.reader, RemoteReader | SpanReader) else None


@dataclass(kw_only=True)
class ReadWindows(ReadChat):
    """Second part for composed models: encode the windows and let the language model read them."""

    needs: ClassVar[tuple[str, ...]] = ("clips",)

    def _taken(self, given: Mapping[str, Any]) -> Taken:
        clips: Clips = given["clips"]
        return Taken(clips)


@dataclass(kw_only=True)
class ReadLooks(ReadChat):
    """Second part for models that answer from facts: find them in several videos at once."""


__all__ = ["EncodeVideo"]
