"""Speech models of transformers: sound of up to 30 s in, text with the times of its words out.

The text is that of transformers' own pipeline on the same weights (beams, lengths and features are the same); times of
words come from where the model listened, for any model with an encoder and a decoder, or from the frames of CTC.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, UnknownName, UnsupportedModel, translated
from mmvideo.hub.load import LoadOptions, load_model, local, memory_for
from mmvideo.hub.resolve import SPEECH, Found, reading
from mmvideo.sounds.waveform import RATE
from mmvideo.speech.alignment import TimedText, timed_words, token_starts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NUM_BEAMS, MAX_NEW_TOKENS = 5, 256
"""Those of transformers' pipeline."""
_WHISPER_FRAME = 0.02
TASKS = ("transcribe", "translate")


@dataclass(frozen=True, kw_only=True)
class SpokenOptions:
    """How speech is written down."""

    language: str | None = None
    """Code of the language, as "en" or "de"; None lets a multilingual model find it out."""
    task: str = "transcribe"
    """transcribe, or translate: into English, by models that can."""
    num_beams: int = NUM_BEAMS
    word_times: bool = True


@dataclass(frozen=True)
class Recognized:
    """What is said in a piece of sound."""

    text: str
    words: tuple[TimedText, ...] = ()
    """Times in seconds from the start of the piece; empty where the model tells none."""
    confidence: float = 1.0
    language: str | None = None


class Recognizer:
    """Base of recognizers: a model with what prepares its sound and reads its tokens.

    Args:
        model: of transformers.
        features: its feature extractor.
        tokenizer: its tokenizer.
    """

    def __init__(self, model: PreTrainedModel, features: Any, tokenizer: Any, name: str):
        self.model: Any = model
        self.features, self.tokenizer, self.name = features, tokenizer, name
        self._about = ""

    def check(self, options: SpokenOptions) -> None:
        """Refuse a language or task that the model does not know.

        Raises:
            InvalidInput: it does not.
        """
        if options.language is not None or options.task != TASKS[0]:
            raise InvalidInput(f"{self.name} writes one language only, as it was trained: leave language= and task= "
                               "out, or name a multilingual model, such as openai/whisper-small.")

    @torch.inference_mode()
    def recognize(self, samples: Tensor, options: SpokenOptions, source: str = "<memory>") -> Recognized:
        """Return what is said in a piece (S,), float32 at 16 kHz.

        Args:
            source: named by errors.

        Raises:
            UnsuitableClip: the model does not take the sound; with its reason.
            OutOfMemory: it does not fit into memory.
        """
        check()
        self._about = f"{len(samples) / RATE:.1f} s of sound of {source}"
        with _silent():
            return self._recognize(self._inputs(samples), samples, options)

    @contextlib.contextmanager
    def _step(self, step: str) -> Iterator[None]:
        """Turn what a single call of transformers raises into a typed error."""
        with translated(self.name, step, self._about), memory_for(f"{self.name} hears {self._about}"):
            yield

    def _inputs(self, samples: Tensor) -> dict[str, Tensor]:
        with self._step("feature extractor"):
            given = self.features(samples.numpy(), sampling_rate=RATE, return_tensors="pt", return_attention_mask=True)
        return {name: value.to(self.model.device, self.model.dtype if value.is_floating_point() else None)
                for name, value in given.items() if isinstance(value, Tensor)}

    def _recognize(self, given: dict[str, Tensor], samples: Tensor, options: SpokenOptions) -> Recognized:
        raise NotImplementedError

    def _decoded(self, ids: Sequence[int]) -> str:
        return self.tokenizer.decode(list(ids), skip_special_tokens=True)


class Seq2SeqRecognizer(Recognizer):
    """Encoder and decoder: Whisper, Moonshine, Speech2Text and their kin."""

    @property
    def _whisper(self) -> bool:
        return self.model.config.model_type == "whisper"

    @property
    def _languages(self) -> dict[str, int]:
        """Code of a language -> its token; empty for a model that writes one."""
        found = getattr(self.model.generation_config, "lang_to_id", None) or {}
        return {mark.strip("<|>"): number for mark, number in found.items()}

    def check(self, options: SpokenOptions) -> None:
        """Refuse a language or task that the model does not know."""
        if options.task not in TASKS:
            raise UnknownName("task", options.task, TASKS)
        if not self._languages:
            super().check(options)
        elif options.language is not None and options.language not in self._languages:
            raise UnknownName("language", options.language, self._languages)

    def _recognize(self, given: dict[str, Tensor], samples: Tensor, options: SpokenOptions) -> Recognized:
        main = self.model.main_input_name if self.model.main_input_name in given else next(iter(given))
        with self._step("encoder"):
            encoded = self.model.get_encoder()(given[main], **self._mask(given))
        language = options.language
        asked: dict[str, Any] = {"num_beams": options.num_beams, "max_new_tokens": self._room()}
        if self._whisper:
            if self._languages:
                if language is None:
                    with self._step("decoder"):
                        number = int(self.model.detect_language(encoder_outputs=encoded)[0])
                    language = next(code for code, one in self._languages.items() if one == number)
                asked |= {"language": language, "task": options.task}
            given = {main: given[main]}
        else:
            given = {name: value for name, value in given.items() if name in (main, "attention_mask")}
        with self._step("decoder"):
            written = self.model.generate(**given, encoder_outputs=encoded, **asked)
        ids = [int(i) for i in (written["sequences"] if isinstance(written, dict) else written)[0]]
        spoken = [i for i in ids if i not in self._specials]
        text = self._decoded(ids).strip()
        if not spoken or not options.word_times:
            return Recognized(text, language=language)
        words, sure = self._times(encoded, given, spoken, language, options, len(samples) / RATE)
        return Recognized(text, words, sure, language)

    def _mask(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {} if self._whisper or "attention_mask" not in given else {"attention_mask": given["attention_mask"]}

    def _room(self) -> int:
        """Return the most tokens that are written."""
        config = self.model.config
        most = getattr(config, "max_target_positions", None) or getattr(config, "max_position_embeddings", None)
        return MAX_NEW_TOKENS if most is None else max(1, min(MAX_NEW_TOKENS, int(most) - 8))

    @property
    def _specials(self) -> set[int]:
        config = self.model.generation_config
        marks = {getattr(config, name, None) for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id")}
        ends = config.eos_token_id
        marks |= set(ends) if isinstance(ends, list | tuple) else {ends}
        return {*self.tokenizer.all_special_ids, *(mark for mark in marks if isinstance(mark, int))}

    def _prompt(self, language: str | None, task: str) -> list[int]:
        """Return the tokens that stand before what is said."""
        config = self.model.generation_config
        begin = [int(config.decoder_start_token_id if config.decoder_start_token_id is not None
                     else config.bos_token_id)]
        if not self._whisper:
            return begin
        if language is not None:
            begin += [self._languages[language], int(config.task_to_id[task])]
        return [*begin, int(config.no_timestamps_token_id)]

    def _times(self, encoded: Any, given: dict[str, Tensor], spoken: list[int], language: str | None,
               options: SpokenOptions, seconds: float) -> tuple[tuple[TimedText, ...], float]:
        """Read what was written once more, and see where the model listens for each token."""
        prompt = self._prompt(language, options.task)
        if (most := getattr(self.model.config, "max_target_positions", None)) is not None:
            spoken = spoken[:most - len(prompt)]
        ids = torch.tensor([[*prompt, *spoken]], device=self.model.device)
        with _seeing_attention(self.model), self._step("decoder"):
            out = self.model(encoder_outputs=encoded, decoder_input_ids=ids, output_attentions=True, use_cache=False,
                             **self._mask(given))
        rows = slice(len(prompt) - 1, len(prompt) - 1 + len(spoken))
        shares = out.logits[0, rows].float().softmax(-1)
        sure = shares.gather(1, torch.tensor(spoken, device=shares.device)[:, None])[:, 0].tolist()
        layers = out.cross_attentions
        heads = getattr(self.model.generation_config, "alignment_heads", None)
        if heads:
            listened = torch.stack([layers[layer][0, head] for layer, head in heads])
        else:
            listened = torch.cat([layer[0] for layer in layers[len(layers) // 2:]])
        frames = listened.shape[-1]
        step = _WHISPER_FRAME if self._whisper else seconds / frames
        count = max(1, min(frames, round(seconds / step)))
        starts = token_starts(listened[:, len(prompt) - 1:, :count].cpu(), step)
        starts = [min(one, seconds) for one in starts] + [seconds] * (len(spoken) + 1 - len(starts))
        words = timed_words(spoken, starts, sure, self._decoded, language)
        return tuple(words), sum(sure) / len(sure)


class CTCRecognizer(Recognizer):
    """An encoder with a token a frame: wav2vec 2.0, HuBERT, Parakeet CTC."""

    def _recognize(self, given: dict[str, Tensor], samples: Tensor, options: SpokenOptions) -> Recognized:
        with self._step("network"):
            shares = self.model(**given).logits[0].float().softmax(-1)
        ids, step = shares.argmax(-1).tolist(), len(samples) / RATE / len(shares)
        blank = self.model.config.pad_token_id
        kept = [n for n, one in enumerate(ids) if one != blank and (n == 0 or ids[n - 1] != one)]
        text = self._decoded(ids).strip()
        if not kept or not options.word_times:
            return Recognized(text)
        sure = [float(shares[n, ids[n]]) for n in kept]
        last = [next((k for k in range(n, len(ids)) if ids[k] != ids[n]), len(ids)) for n in kept]
        words = timed_words([ids[n] for n in kept], [*(n * step for n in kept), last[-1] * step], sure, self._ungrouped)
        return Recognized(text, tuple(words), sum(sure) / len(sure))

    def _ungrouped(self, ids: list[int]) -> str:
        """Return the text of tokens that are already one each."""
        return self.tokenizer.decode(ids, skip_special_tokens=True, group_tokens=False)


class TransducerRecognizer(Recognizer):
    """An encoder with a predictor of tokens: Parakeet TDT and RNN-T."""

    def _recognize(self, given: dict[str, Tensor], samples: Tensor, options: SpokenOptions) -> Recognized:
        with self._step("network"):
            written = self.model.generate(**given)
        ids = (written.sequences if hasattr(written, "sequences") else written)[0]
        return Recognized(self._decoded([int(one) for one in ids]).strip())


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep transformers from remarks about options that its own files hold."""
    log = logging.getLogger("transformers")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


@contextlib.contextmanager
def _seeing_attention(model: Any) -> Iterator[None]:
    """Run attention the way that gives its weights."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def load_recognizer(found: Found, device: torch.device, options: LoadOptions) -> Recognizer:
    """Load a speech model that `resolve` has found; on a CPU in float32 where nothing else is asked for.

    Raises:
        UnsupportedModel: it is no speech model, or lacks its feature extractor or tokenizer.
        ModelUnavailable: its weights cannot be fetched.
        WeightsError: they do not fit.
        OutOfMemory: they do not fit into memory.
    """
    import transformers

    if found.kind != SPEECH:
        raise UnsupportedModel(f"{found.name} ({found.model_type}) writes no speech down; name a speech model, such as "
                               "openai/whisper-base, usefulsensors/moonshine-base or nvidia/parakeet-ctc-0.6b.")
    kind, auto = _kind_of(found.model_type)
    if options.dtype is None and device.type == "cpu":
        options = replace(options, dtype="float32")
    rest = {"revision": options.revision or "main", "trust_remote_code": options.trust_remote_code}
    parts: list[Any] = []
    for part, loader in (("feature extractor (preprocessor_config.json)", transformers.AutoFeatureExtractor),
                         ("tokenizer", transformers.AutoTokenizer)):
        with reading(found.name, part):
            parts.append(loader.from_pretrained(local(found.name), **rest))
    model = load_model(auto, found, device, options)
    return kind(model, parts[0], parts[1], found.name)


def _kind_of(model_type: str) -> tuple[type[Recognizer], Any]:
    import transformers
    from transformers.models.auto import modeling_auto as auto

    if model_type in auto.MODEL_FOR_CTC_MAPPING_NAMES:
        return CTCRecognizer, transformers.AutoModelForCTC
    if model_type in auto.MODEL_FOR_TDT_MAPPING_NAMES:
        return TransducerRecognizer, transformers.AutoModelForTDT
    if model_type in auto.MODEL_FOR_RNNT_MAPPING_NAMES:
        return TransducerRecognizer, transformers.AutoModelForRNNT
    return Seq2SeqRecognizer, transformers.AutoModelForSpeechSeq2Seq


__all__ = ["Recognized", "Recognizer", "SpokenOptions", "load_recognizer"]
