"""The vocabulary of errors: each says what was given, what is allowed and the next step.

Everything a user can cause is a :class:`MmvideoError`; the command line turns it into one line and the
class's ``exit_code``. A bug is an ``AssertionError`` or whatever Python raises, never one of these.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MmvideoError(Exception):
    """Base of every error that a user can cause and mend."""

    exit_code = 1


class InvalidInput(MmvideoError, ValueError):
    """An argument that cannot be used: wrong type, shape, range or combination."""

    exit_code = 2


class UnknownName(InvalidInput):
    """A name that no registry, recipe folder or vocabulary holds; guesses the one that was meant."""

    def __init__(self, what: str, name: str, allowed: Iterable[str], *, hint: str = ""):
        self.name, self.allowed = name, sorted(allowed)
        close = difflib.get_close_matches(name, self.allowed, n=1)
        guess = f" Did you mean {close[0]!r}?" if close else ""
        known = ", ".join(self.allowed) or "none"
        super().__init__(f"Unknown {what} {name!r}.{guess} Known: {known}.{' ' + hint if hint else ''}")


class RecipeError(InvalidInput):
    """A recipe that does not fit together; the message names the file, the stage and the option."""


class MediaError(MmvideoError):
    """Something about the file itself."""

    exit_code = 3


class MediaNotFound(MediaError, FileNotFoundError):
    """No such file, or an address that does not answer."""


class VideoDecodeError(MediaError, ValueError):
    """The file cannot be opened or decoded, or is damaged and ``strict=True`` was asked for."""


class NoVideoTrack(MediaError, ValueError):
    """The file holds no moving picture (audio only, or cover art)."""


class NoAudioTrack(MediaError, ValueError):
    """Sound was required and the file has none."""


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


class ModelUnavailable(WeightsError):
    """A model that cannot be fetched: no such name, no network, or a licence that has to be accepted first."""


class UnsupportedModel(WeightsError):
    """A model that is there but cannot do what was asked: unknown architecture, text only, no processor."""


class OutOfMemory(MmvideoError):
    """The model or the video does not fit into memory; the message says what to make smaller."""

    exit_code = 7


class TrainingInterrupted(MmvideoError):
    """A training run stopped before its end; the message says how to resume it."""

    exit_code = 6


class TooShort(MediaError, ValueError):
    """The clip has fewer frames than a job was told to accept."""


class WorkerTimeout(MediaError):
    """Reading a clip took longer than allowed; its worker was ended."""


class WorkerCrashed(MediaError):
    """Reading a clip ended its worker process, every time it was tried."""


class JobIncomplete(MmvideoError):
    """A job ended with items that failed; the message counts them and says how to try them again."""

    exit_code = 8
