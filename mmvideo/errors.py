"""The vocabulary of errors: each says what was given, what is allowed and the next step.

Everything a user can cause is a :class:`MmvideoError`; the command line turns it into one line and the
class's ``exit_code``. A bug is an ``AssertionError`` or whatever Python raises, never one of these; a batch job
that one ends says so by an `InternalError`.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmvideo.redaction import clean

MAX_MESSAGE = 16_000
"""Characters of an error's message; the middle of a longer one is left out."""
_LONGEST_GUESSED = 100
"""Characters of a misspelt name that are compared with those that exist."""
_MOST_LISTED = 24
"""Names that a message lists; of more it gives the nearest three."""
_LIKELY, _AS_LIKELY = 0.6, 0.08
"""Similarity from which a name may have been meant, and how much less similar others may be to be given too."""
_SYNONYMS = {
    "data": ("manifest", "task"), "dataset": ("manifest", "task", "data"), "train": ("manifest",),
    "csv": ("manifest",),
    "val": ("validation",), "test": ("validation",), "lr": ("learning_rate",), "rate": ("learning_rate",),
    "bs": ("batch_size",), "batch": ("batch_size",), "epochs": ("steps",), "iterations": ("steps",),
    "iters": ("steps",),
    "warmup_steps": ("warmup",), "wd": ("weight_decay",), "preset": ("encoder",), "backbone": ("encoder",),
    "arch": ("encoder",), "model": ("weights", "init", "encoder"), "checkpoint": ("init", "weights"),
    "pretrained": ("init", "weights"), "weights": ("init", "model"), "frames": ("num_frames",),
    "clips": ("num_clips",), "fp16": ("precision",), "amp": ("precision",), "bf16": ("precision",),
    "num_query": ("num_queries", "num_slots"), "queries": ("num_queries", "num_slots"),
    "num_queries": ("num_slots",), "prompt": ("request", "text"), "text": ("prompt",),
    "start": ("start_seconds",), "end": ("end_seconds",), "classes": ("labels",), "resolution": ("size",),
    "image_size": ("size",),
}
"""What other programs call an option -> what it may be called here."""


class _Short(reprlib.Repr):
    """repr() whose work and length are bounded, whatever the value holds."""

    def __init__(self, characters: int):
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, characters, characters, 60
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = self.maxarray = 8

    def repr_int(self, x: int, level: int) -> str:
        if x.bit_length() > 1000:  # Python refuses to write such numbers out
            return f"<a whole number of {x.bit_length()} bits>"
        return super().repr_int(x, level)


def shown(value: Any, characters: int = 160) -> str:
    """Return repr(value), shortened to about so many characters: how error messages quote what was given."""
    text = _Short(characters).repr(value)
    return text if len(text) <= characters + 2 else f"{text[:characters]}..."


def _bounded(message: Any) -> Any:
    if not isinstance(message, str) or len(message) <= MAX_MESSAGE:
        return message
    half = MAX_MESSAGE // 2
    return f"{message[:half]} ... ({len(message) - 2 * half:,} characters left out) ... {message[-half:]}"


class MmvideoError(Exception):
    """Base of every error that a user can cause and mend; it can be pickled and copied.

    Its text holds no password and no signature of an address.
    """

    exit_code = 1

    def __init__(self, *arguments: Any):
        super().__init__(*map(_bounded, arguments))

    def __str__(self) -> str:
        return clean(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[MmvideoError], arguments: tuple[Any, ...]) -> MmvideoError:
    """Rebuild an error whose constructor takes other arguments than its message."""
    error = kind.__new__(kind)
    error.args = arguments
    return error


class InvalidInput(MmvideoError, ValueError):
    """An argument that cannot be used: wrong type, shape, range or combination."""

    exit_code = 2


class ContextExceeded(InvalidInput):
    """Video, question and reply need more tokens than the language model can follow."""


class UnknownName(InvalidInput):
    """A name that no registry, recipe folder or vocabulary holds; guesses the one that was meant, of many up to three.

    Attributes:
        guesses: the names that may have been meant, the likeliest first.
    """

    def __init__(self, what: str, name: Any, allowed: Iterable[str], *, hint: str = "", where: str = ""):
        self.name, self.allowed = name, sorted(map(str, allowed))
        many = len(self.allowed) > _MOST_LISTED
        self.guesses = _guesses(name, self.allowed, at_least=3 if many else 0)
        words = [repr(guess) for guess in self.guesses]
        joined = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
        guess = f" Did you mean {joined}?" if words else ""
        known = f"{len(self.allowed)} names are known." if many else f"Known: {', '.join(self.allowed) or 'none'}."
        said = f"Unknown {what} {shown(name, 300)}.{guess} {known}{' ' + hint if hint else ''}"
        super().__init__(f"{where}: {said}" if where else said)


def _guesses(name: Any, allowed: list[str], *, at_least: int) -> list[str]:
    """Return up to three names that are about as likely meant as the likeliest; of many, the nearest anyway."""
    if not isinstance(name, str):
        return []
    asked = name[:_LONGEST_GUESSED]
    meant = [other for other in _SYNONYMS.get(asked.casefold().replace("-", "_"), ()) if other in allowed]
    matcher = difflib.SequenceMatcher()
    matcher.set_seq2(asked)
    ratios = {}
    for other in allowed:
        matcher.set_seq1(other)
        if at_least or matcher.quick_ratio() >= _LIKELY:
            ratios[other] = matcher.ratio()
    ranked = sorted(ratios, key=lambda other: (-ratios[other], other))
    best = ratios[ranked[0]] if ranked else 0.0
    if at_least or best < _LIKELY:
        return list(dict.fromkeys([*(meant if best < 0.8 else ()), *ranked[:at_least]]))[:3]
    close = [other for other in ranked if ratios[other] >= max(_LIKELY, best - _AS_LIKELY)]
    return list(dict.fromkeys([*(meant if best < 0.8 else ()), *close]))[:3]


class RecipeError(InvalidInput):
    """A recipe that does not fit together; the message names the file, the stage and the option."""


class UnknownKey(UnknownName, RecipeError):
    """A key of a recipe or config that nobody knows."""


class PluginError(RecipeError):
    """A registered part that cannot be imported, or is none; the message names its package and the line that mends it.

    Attributes:
        reason: what went wrong, in one line.
        mend: the line to type.
    """

    exit_code = 4

    def __init__(self, what: str, reason: str, mend: str, *, package: str = ""):
        self.reason, self.mend = reason, mend
        out = f", or take it out: pip uninstall {package}" if package else ""
        super().__init__(f"{what} cannot be used: {reason}. Mend it: {mend}{out}")


class MediaError(MmvideoError):
    """Something about the file itself."""

    exit_code = 3


class MediaNotFound(MediaError, FileNotFoundError):
    """No such file, or an address that does not answer."""


class VideoDecodeError(MediaError, ValueError):
    """The file cannot be opened or decoded, or is damaged and ``strict=True`` was asked for."""


class NoVideoTrack(MediaError, ValueError):
    """The file holds no moving picture (audio only, or cover art)."""


class StreamStalled(MediaError, TimeoutError):
    """A live source sent no frame for the longest time allowed; it may go on later."""


class NoAudioTrack(MediaError, ValueError):
    """Sound was required and the file has none."""


class UnsuitableClip(MediaError, ValueError):
    """A clip whose frames or sound a model's preprocessing, or a library beneath it, does not take."""


class SoundOutOfSync(MediaError, ValueError):
    """The sound of a clip is early or late against its mouths, and `sync="refuse"` was asked for."""


class UnreadableClips(MediaError, ValueError):
    """Labelled clips that are missing or cannot be decoded; the message lists the first of them.

    Attributes:
        count: how many.
    """

    def __init__(self, message: str, count: int = 0):
        super().__init__(message)
        self.count = count


class DownloadRefused(MediaError):
    """A URL over the limits on size, time, redirects or address."""


class BudgetExceeded(MediaError, ValueError):
    """More frames, pixels or seconds than the given limit allows."""


class MissingExtra(MmvideoError, ImportError):
    """An optional package is needed; the message holds the line that installs it."""

    exit_code = 4

    def __init__(self, package: str, extra: str, what_for: str):
        super().__init__(f'{what_for} needs {package}: pip install "mmvideo[{extra}]"')


class WeightsError(MmvideoError):
    """Weights that are missing, damaged (sha256), or do not fit the architecture."""

    exit_code = 5


class RunChanged(InvalidInput, WeightsError):
    """A run cannot go on with what is asked now; the message lists each change with its old and new value.

    Attributes:
        changes: the keys, as "schedule.batch_size", with the old and the new value.
    """

    exit_code = InvalidInput.exit_code

    def __init__(self, message: str, changes: Mapping[str, tuple[Any, Any]] | None = None):
        super().__init__(message)
        self.changes = dict(changes or {})


class ModelUnavailable(WeightsError):
    """A model that cannot be fetched: no such name, no network, or a licence that has to be accepted first."""


class ModelNotFound(ModelUnavailable, InvalidInput):
    """A path at which there is no folder of a model."""


class UnsupportedModel(WeightsError):
    """A model that is there but cannot do what was asked: unknown architecture, text only, no processor."""


class LicenceRefused(WeightsError):
    """A model with a licence that `allow_licences` does not name; nothing of it was loaded."""


class ServerUnavailable(MmvideoError):
    """The server of a model gives no usable answer, however often it is asked."""

    exit_code = 5


class RequestRefused(MmvideoError):
    """The server of a model does not take a request about a clip, or would not answer it."""

    exit_code = 3


class OutOfMemory(MmvideoError):
    """The model or the video does not fit into memory; the message says what to make smaller."""

    exit_code = 7


class TimeLimitExceeded(MmvideoError):
    """Work on a clip took longer than its time limit allows; the message names the stage and what to change.

    Attributes:
        seconds: the limit.
        stage: of the pipeline, in which the time was over; empty outside one.
    """

    exit_code = 3

    def __init__(self, message: str, *, seconds: float | None = None, stage: str = ""):
        super().__init__(message)
        self.seconds, self.stage = seconds, stage


class TrainingInterrupted(MmvideoError):
    """A training run stopped before its end; the message says how to resume it."""

    exit_code = 6


class TooShort(MediaError, ValueError):
    """The clip has fewer frames than a job was told to accept."""


class WorkerTimeout(MediaError):
    """A clip took longer than its time limit allows and did not stop; its worker was ended."""


class WorkerCrashed(MediaError):
    """Reading a clip ended its worker process, every time it was tried."""


class OutputError(MmvideoError, OSError):
    """A file of results cannot be written: the disk is full, read-only or out of reach."""

    exit_code = 9


class JobIncomplete(MmvideoError):
    """A job ended with items that failed; the message counts them and says how to try them again."""

    exit_code = 8


class InternalError(MmvideoError):
    """A bug of this package ended a batch job in order: finished clips are kept, and the same command goes on."""

    exit_code = 70


def lacks_memory(error: BaseException) -> bool:
    """Say whether an error of Python, torch or a library means that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("can't allocate memory", "out of memory"))


@contextmanager
def contained(error_of: Callable[[Exception], MmvideoError]) -> Iterator[None]:
    """Turn whatever exception a library raises into one typed error, with the cause kept.

    Libraries raise classes of their own, which no list holds, on a caller's clip, words or files. This is where every
    exception is caught; it belongs around single calls of a library, never around code of this package. Errors of this
    package and a lack of memory go through as they are.

    Args:
        error_of: makes the error of what was raised.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, MmvideoError) or lacks_memory(error):
            raise
        raise error_of(error) from error


@contextmanager
def translated(model: str, step: str, about: str, *, kind: type[MmvideoError] = UnsuitableClip) -> Iterator[None]:
    """Turn whatever a library raises on a caller's clip or words into one typed error (see `contained`).

    Args:
        model: named in the message, as is `step`.
        step: the part of the model that was called, such as "video processor".
        about: what it was called on: the name of the clip with its geometry, or "this question".
        kind: the error that is raised.

    Raises:
        UnsuitableClip: or the given kind; what was raised is its `__cause__`.
    """
    def error_of(error: Exception) -> MmvideoError:
        line = (str(error).strip().splitlines() or [""])[0]
        why = f"{type(error).__name__}: {line}" if line else type(error).__name__
        return kind(f"The {step} of {model} does not take {about} ({why}).")

    with contained(error_of):
        yield
