"""A model that sees video and answers in words: our frames and their true times go in, its own template asks."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, ModelUnavailable, UnsupportedModel, translated
from mmvideo.hub.cpu_inference import hastened
from mmvideo.hub.load import LoadOptions, load_model, local, memory_for, processor
from mmvideo.hub.resolve import CHAT, Found, reading
from mmvideo.types import Expected
from mmvideo.vlm import video_metadata
from mmvideo.vlm.context import MOST_FOR_A_QUESTION, check_room, longest_context
from mmvideo.vlm.frame_size import decoding_size
from mmvideo.vlm.token_pruning import Pruning, plan_pruning
from mmvideo.wording import plural

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_MOST_SIZES = 1000
Turns = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class VideoInput:
    """What a model is shown: frames and sound of one video."""

    frames: Tensor
    """uint8 (T, C, H, W)."""
    pts_seconds: Tensor
    """float64 (T,)."""
    duration_seconds: float
    audio: Tensor | None = None
    """float32 (S,) mono at the rate that the model hears; None for no sound."""
    source: str = "<memory>"
    """Named by errors."""

    @property
    def fps(self) -> float:
        """Mean number of frames looked at per second."""
        return len(self.frames) / max(self.duration_seconds, 1e-3)

    def __str__(self) -> str:
        count, _, height, width = self.frames.shape
        return f"{self.source} with {plural(count, 'frame')} of {width}x{height} pixels"

    def repeated(self, count: int) -> VideoInput:
        """Return it with the last frame repeated, at its own time, until there are so many frames."""
        missing = count - len(self.frames)
        if missing <= 0:
            return self
        return replace(self, frames=torch.cat((self.frames, self.frames[-1:].expand(missing, -1, -1, -1))),
                       pts_seconds=torch.cat((self.pts_seconds, self.pts_seconds[-1:].expand(missing))))


@dataclass(frozen=True)
class ProcessedPrompt:
    """A conversation as the model reads it."""

    tensors: dict[str, Any]
    """What the model's forward takes, with `input_ids` (1, L)."""
    replacements: tuple[tuple[str, str], ...] | None
    """(placeholder, what the processor put in its place) in order; None where the processor does not tell."""
    lead: str
    """What the processor wrote before the template's text (some add the token that begins a text)."""
    num_seen_tokens: int
    """Tokens that stand for pictures and sound."""
    prefix_length: int
    """Tokens up to the last of these."""
    pruning: Pruning | None = None
    """Tokens that the language model does not read."""


class ChatModel:
    """Model and processor.

    Args:
        model: a causal model of transformers that takes the processor's inputs.
        processor: its processor, with a chat template.
        name: for messages.

    Raises:
        UnsupportedModel: the processor takes no pictures, or has no chat template.
    """

    def __init__(self, model: PreTrainedModel, processor: Any, name: str):
        self.model, self.processor, self.name = model, processor, name
        self.tokenizer = processor.tokenizer
        self.video_processor = getattr(processor, "video_processor", None)
        if self.video_processor is None and getattr(processor, "image_processor", None) is None:
            raise UnsupportedModel(f"{name} has a processor without pictures ({type(processor).__name__}); name a "
                                   "model that sees video.")
        if not (getattr(processor, "chat_template", None) or self.tokenizer.chat_template):
            raise UnsupportedModel(f"{name} has no chat template, so it is not known how a question is put to it; add "
                                   "chat_template.jinja from the model that it was made from.")
        self.context = longest_context(model.config, self.tokenizer)
        """Most tokens that the model can read and write together; None where nothing says."""
        self._sizes: dict[tuple[int, int, int], tuple[int, int] | None] = {}
        self.takes = set(inspect.signature(model.forward).parameters)

    @classmethod
    def from_pretrained(cls, found: Found, device: torch.device, options: LoadOptions) -> ChatModel:
        """Load a model that `find` has found.

        Raises:
            UnsupportedModel: it is no chat model, or lacks a processor.
            ModelUnavailable: its weights cannot be fetched.
            WeightsError: they do not fit.
            OutOfMemory: there is not enough memory.
        """
        if found.kind != CHAT:
            raise UnsupportedModel(f"{found.name} ({found.model_type}) does not answer in words; use "
                                   f"Pipeline('video-classification', model={found.name!r}).")
        prepared = processor(found, options)
        model = load_model(_auto(), found, device, options, **_thinker(found, options))
        _forget_habits(model)
        return cls(hastened(model, attention=options.attn_implementation is None), prepared, found.name)

    @classmethod
    def without_weights(cls, found: Found, options: LoadOptions) -> ChatModel:
        """Load what prepares the inputs, and of the model only its configuration; it cannot answer.

        Raises:
            UnsupportedModel: it is no chat model, or lacks a processor.
        """
        import transformers

        place, revision = local(found.name), options.revision or "main"
        with reading(found.name):
            config = _thinker(found, options).get("config") or transformers.AutoConfig.from_pretrained(
                place, revision=revision, trust_remote_code=options.trust_remote_code)
            kind = _auto()._model_mapping[type(config)]
        try:
            with reading(found.name, "generation_config.json"):
                generation = transformers.GenerationConfig.from_pretrained(place, revision=revision)
        except ModelUnavailable:
            generation = None
        shell = SimpleNamespace(forward=kind.forward, config=config, generation_config=generation)
        return cls(shell, processor(found, options), found.name)

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        return self.model.get_input_embeddings().weight.device

    @property
    def sample_rate(self) -> int | None:
        """Samples per second of the sound that the model hears; None for a deaf one."""
        ears = getattr(self.processor, "audio_processor", None) or getattr(self.processor, "feature_extractor", None)
        config = self.model.config
        hears = any(getattr(config, name, None) is not None for name in ("audio_config", "sound_config"))
        return int(getattr(ears, "sampling_rate", 16_000)) if ears is not None and hears else None

    @property
    def sees_video(self) -> bool:
        """Whether the processor takes videos; else frames are given as pictures, each with its time."""
        return self.video_processor is not None

    @property
    def ends(self) -> tuple[int, ...]:
        """Token IDs that end a reply."""
        given = getattr(getattr(self.model, "generation_config", None), "eos_token_id", None)
        if given is None:
            given = self.tokenizer.eos_token_id
        return tuple(given) if isinstance(given, list | tuple) else () if given is None else (int(given),)

    def decoding_size(self, count: int, height: int, width: int, source: str = "<memory>") -> tuple[int, int] | None:
        """Return the size (height, width) at which so many frames are decoded for the processor; None for their own.

        Raises:
            UnsuitableClip: the processor would enlarge them too far.
        """
        key = (max(count, getattr(self.video_processor, "temporal_patch_size", None) or 1), height, width)
        if key not in self._sizes:
            if len(self._sizes) > _MOST_SIZES:
                self._sizes.clear()
            self._sizes[key] = decoding_size(self._dry_run, *key, model=self.name, source=source)
        return self._sizes[key]

    def _dry_run(self, frames: Tensor) -> None:
        """Call the processor on frames without pixels, as `prompt` calls it."""
        seen = VideoInput(frames, torch.arange(len(frames), dtype=torch.float64), float(len(frames)))
        self._processed(self.text("?", seen), self._arguments(seen))

    def text(self, question: str, seen: VideoInput, history: Turns = ()) -> str:
        """Return the conversation as the model's own template writes it, with a placeholder for the video."""
        asked = [*(q for q, _ in history), question]
        messages: list[dict[str, Any]] = []
        for number, words in enumerate(asked):
            content = [*(self._shown(seen) if number == 0 else []), {"type": "text", "text": words}]
            messages.append({"role": "user", "content": content})
            if number < len(history):
                messages.append({"role": "assistant", "content": [{"type": "text", "text": history[number][1]}]})
        with translated(self.name, "chat template", "this conversation", kind=InvalidInput):
            return self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)

    def _shown(self, seen: VideoInput) -> list[dict[str, Any]]:
        """Return the parts of a message that stand for the video."""
        if not self.sees_video:
            stamped = ((f"{seconds:.2f} s:", {"type": "image"}) for seconds in seen.pts_seconds.tolist())
            return [part for stamp, image in stamped for part in ({"type": "text", "text": stamp}, image)]
        separate = seen.audio is not None and not self._joins_sound
        return [{"type": "video"}, *([{"type": "audio"}] if separate else [])]

    @property
    def _joins_sound(self) -> bool:
        """Whether the processor lays the sound of a video beside its frames by itself."""
        return hasattr(self.processor, "load_audio_from_video")

    def prompt(self, question: str, seen: VideoInput, history: Turns = ()) -> ProcessedPrompt:
        """Prepare a question about a video, all of it.

        Raises:
            UnsuitableClip: the processor does not take the clip; with its reason.
            UnsupportedModel: processor and template do not fit together.
            OutOfMemory: there is not enough to prepare the frames.
        """
        text = self.text(question, seen, history)
        # some processors read frames in pairs, and refuse a single one
        seen = seen.repeated(getattr(self.video_processor, "temporal_patch_size", None) or 1)
        with translated(self.name, "processor", str(seen)), memory_for(f"preparing {seen} for {self.name}"):
            given = self._processed(text, self._arguments(seen))
        told = given.pop("text_replacement_offsets", None)
        replacements = tuple((r["text"], r["replacement"]) for r in told[0]) if told is not None and len(told) else None
        lead = ""
        if replacements:
            added = told[0][0]["span"][0] - text.index(replacements[0][0])
            starts = (self.tokenizer.bos_token, self.tokenizer.eos_token)
            lead = next((start for start in starts if start and len(start) == added), "") if added else ""
        ids = given["input_ids"]
        where = torch.isin(ids[0], torch.tensor(sorted(self._visual_ids())))
        if not bool(where.any()):
            raise UnsupportedModel(f"The chat template of {self.name} left no place for the video, so the model would "
                                   "answer blindly; its processor and template do not fit together.")
        end, closing = int(where.nonzero()[-1]) + 1, set(self.tokenizer.get_added_vocab().values())
        while int(ids[0, end]) in closing:  # the marks that end a video belong to it
            end += 1
        tensors: dict[str, Any] = {k: v for k, v in given.items() if isinstance(v, Tensor | list)}
        if seen.audio is not None and self._joins_sound and "use_audio_in_video" in self.takes:
            tensors["use_audio_in_video"] = True
        return ProcessedPrompt(tensors, replacements, lead, int(where.sum()), end)

    def _arguments(self, seen: VideoInput) -> dict[str, Any]:
        """Return what the processor is given beside the text."""
        frames = seen.frames
        if self.sees_video:
            told = video_metadata.metadata(seen.pts_seconds, seen.duration_seconds, height=frames.shape[2],
                                  width=frames.shape[3])
            shown: dict[str, Any] = {"videos": [frames], "video_metadata": [told], "do_sample_frames": False,
                                     "fps": seen.fps}
        else:
            shown = {"images": [list(frames)]}
        if seen.audio is not None:
            shown["audio"] = [seen.audio.numpy()]
            shown["sampling_rate"] = self.sample_rate
            if self._joins_sound:
                shown |= {"audio_from_video_indices": [0], "load_audio_from_video": True}
        return shown

    def fewer_frames(self, seen: VideoInput, first: ProcessedPrompt, expected: Expected) -> int | None:
        """Return a number of frames that may fit into the context beside what will be asked; None where these do.

        Args:
            first: the prompt of the question "?".
            expected: where it holds no question, an eighth of the context is left for one, 256 tokens at most.

        Raises:
            ContextExceeded: there is one frame only, and it does not fit.
        """
        if self.context is None:
            return None
        length = first.tensors["input_ids"].shape[1]
        asked = [self.ids(text, seen, expected.history, first).shape[1] for text in expected.texts]
        read = max(asked, default=length + min(MOST_FOR_A_QUESTION, self.context // 8))
        count = len(seen.frames)
        if read + expected.max_new_tokens <= self.context:
            return None
        if count == 1:
            check_room(self.context, read, expected.max_new_tokens)
        room = self.context - expected.max_new_tokens - (read - length)
        one = replace(seen, frames=seen.frames[:1], pts_seconds=seen.pts_seconds[:1])
        least = self.prompt("?", one).tensors["input_ids"].shape[1]
        each = (length - least) / (count - 1)  # with the words around a frame, such as its time
        return max(1, min(count - 1, 1 + int((room - least) / each) if each > 0 else count // 2))

    def pruned(self, first: ProcessedPrompt, seen: VideoInput, drop_below: float | None, merge_to: float
               ) -> ProcessedPrompt:
        """Return a prompt of which the language model leaves out tokens of places that did not change, or merges them.

        Raises:
            UnsupportedModel: which token shows which place is not known.
        """
        seen = seen.repeated(getattr(self.video_processor, "temporal_patch_size", None) or 1)
        merge_size = getattr(self.video_processor, "merge_size", None) or 1
        ids = first.tensors["input_ids"][:, :first.prefix_length]
        return replace(first, pruning=plan_pruning(ids, self._visual_ids(), seen.frames, first.tensors, merge_size,
                                                   drop_below, merge_to, self.name))

    def check(self, question: str) -> None:
        """Refuse a question that holds a placeholder for a picture or sound.

        Raises:
            InvalidInput: it does.
        """
        marks = (getattr(self.processor, f"{kind}_token", None) for kind in ("image", "video", "audio"))
        if held := [mark for mark in marks if isinstance(mark, str) and mark in question]:
            raise InvalidInput(f"The question holds {held[0]!r}, which stands for a picture; write it otherwise.")

    def _processed(self, text: str, shown: dict[str, Any]) -> dict[str, Any]:
        arguments = {**shown, "text": [text], "return_tensors": "pt", "return_text_replacement_offsets": True,
                     **self._special(text)}
        try:
            return dict(self.processor(**arguments))
        except TypeError:  # a processor of an earlier transformers, or of remote code
            arguments.pop("return_text_replacement_offsets")
            return dict(self.processor(**arguments))

    def _special(self, text: str) -> dict[str, bool]:
        begins = self.tokenizer.bos_token
        return {"add_special_tokens": False} if begins and text.startswith(begins) else {}

    def ids(self, question: str, seen: VideoInput, history: Turns, first: ProcessedPrompt) -> Tensor:
        """Return the token IDs (1, L) of another question about a video that has been prepared once."""
        if first.replacements is None:
            return self.prompt(question, seen, history).tensors["input_ids"]
        text, at, parts = self.text(question, seen, history), 0, []
        for placeholder, replacement in first.replacements:
            found = text.index(placeholder, at)
            parts += [text[at:found], replacement]
            at = found + len(placeholder)
        whole = "".join([first.lead, *parts, text[at:]])
        with translated(self.name, "tokenizer", "this question", kind=InvalidInput):
            return self.tokenizer(whole, return_tensors="pt", **self._special(whole))["input_ids"]

    def _visual_ids(self) -> set[int]:
        """Return the IDs of the tokens whose embeddings are replaced by what was seen or heard."""
        found: set[int] = set()
        for owner in (self.processor, self.model.config):
            for kind in ("image", "video", "audio"):
                for name in (f"{kind}_token_id", f"{kind}_token_ids", f"{kind}_token_index"):
                    value = getattr(owner, name, None)
                    found |= {int(i) for i in (value if isinstance(value, list | tuple) else [value]) if i is not None}
        return found


def _forget_habits(model: PreTrainedModel) -> None:
    """Keep only the end tokens of generation_config.json, so that a batch is decoded as single replies are."""
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig(eos_token_id=model.generation_config.eos_token_id)


def _auto() -> Any:
    import transformers

    return getattr(transformers, "AutoModelForMultimodalLM", None) or transformers.AutoModelForImageTextToText


def _thinker(found: Found, options: LoadOptions) -> dict[str, Any]:
    """Return what loads only the part of an omni model that understands and writes, without the one that speaks."""
    if "thinker_config" not in found.config:
        return {}
    from transformers import AutoConfig

    with reading(found.name):
        whole = AutoConfig.from_pretrained(local(found.name), revision=options.revision or "main",
                                           trust_remote_code=options.trust_remote_code)
    return {"config": whole.thinker_config, "key_mapping": {r"^thinker\.": ""}}


__all__ = ["ChatModel", "ProcessedPrompt", "VideoInput"]
