"""Failures of clips: whose fault an exception is, and the class and message that a job records."""

from __future__ import annotations

import errno
import sys
import traceback
from enum import StrEnum
from pathlib import Path

import torch

from mmvideo.errors import MmvideoError, lacks_memory
from mmvideo.redaction import clean, without

ITEM_ERRORS: tuple[type[BaseException], ...] = (MmvideoError, OSError, MemoryError, torch.OutOfMemoryError)
"""What fails one clip: typed errors (`errors.translated` makes them of what libraries raise), and
what the system refuses."""
CAUGHT: tuple[type[BaseException], ...] = (Exception, SystemExit)
"""What is caught around the work on one clip; `origin_of` then says whether it is the clip's."""
_NEUTRAL = sys.stdlib_module_names | {"numpy", "torch"}
"""Packages that only do what they are told: what they raise is judged by the code that called them."""


class Origin(StrEnum):
    """Whose fault the failure of a clip is."""

    CLIP = "clip"
    """The clip's: a typed error, or a lack of memory."""
    EXTERNAL = "external"
    """The system's, a library's or a plug-in's. The clip fails, unless the first clips of a job all do."""
    BUG = "bug"
    """This package's: the job stops."""


class UnusableResult(MmvideoError):
    """What came out of the networks cannot be written as a row, such as a number that is none (NaN)."""


def origin_of(error: BaseException) -> Origin:
    """Say whose fault an exception is that was raised while a job worked on a clip.

    An exception that is neither typed nor the system's belongs to the package that raised it: the one that defines its
    class, else the innermost one in the traceback, torch, numpy and the standard library left out.
    """
    if isinstance(error, UnusableResult):
        return Origin.EXTERNAL
    if isinstance(error, MmvideoError) or lacks_memory(error):
        return Origin.CLIP
    if isinstance(error, ITEM_ERRORS):
        return Origin.EXTERNAL
    frames = [frame.f_globals.get("__name__") or "" for frame, _ in traceback.walk_tb(error.__traceback__)]
    packages = (module.partition(".")[0] for module in (type(error).__module__, *reversed(frames)))
    raised_by = next((package for package in packages if package not in _NEUTRAL), _PACKAGE)
    return Origin.BUG if raised_by == _PACKAGE else Origin.EXTERNAL


_PACKAGE = __name__.partition(".")[0]


def describe_failure(error: BaseException, source: str, *, called: str = "") -> tuple[str, str]:
    """Return the class of a failure and what happened, in words that may be shown.

    Args:
        source: the clip.
        called: what the message may call it instead: the name of a temporary copy.
    """
    words = _words(error).replace("<bytes>", source)
    words = words.replace(called, source) if called else words
    if isinstance(error, MmvideoError):
        words = without(words, source)
        return type(error).__name__, words if clean(source) in words else f"{clean(source)}: {words}"
    name = "OutOfMemory" if lacks_memory(error) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return name, f"{clean(source)}: {without(words.strip(), source) or name}{where}"


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except CAUGHT:  # one that cannot even be put into words
        return ""


def show_bug(error: BaseException, origin: Origin) -> None:
    """Write the traceback of a bug to stderr; of other failures the message says enough."""
    if origin == Origin.BUG:
        sys.stderr.write(clean("".join(traceback.format_exception(error))))


def is_full_disk(error: BaseException) -> bool:
    """Say whether an error tells that nothing more can be written, whichever clip it was raised on."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


__all__ = ["CAUGHT", "ITEM_ERRORS", "Origin", "UnusableResult", "describe_failure", "is_full_disk", "origin_of",
           "show_bug"]
