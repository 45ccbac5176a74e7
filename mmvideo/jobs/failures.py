"""What a job makes of an exception that a clip has raised: class and words of its failure."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

import torch

from mmvideo.errors import MmvideoError
from mmvideo.redaction import clean, without

ITEM_ERRORS: tuple[type[BaseException], ...] = (Exception, SystemExit)
"""What one clip may raise without harm to the others, in its worker and in the networks (docs/design.md, "A job").

Whatever Python raises fails that clip; where it is a bug it is raised on every clip, and the job stops.
"""
_MEMORY = (torch.OutOfMemoryError, MemoryError)


def told(error: BaseException, source: str, *, called: str = "") -> tuple[str, str]:
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
    name = "OutOfMemory" if isinstance(error, _MEMORY) else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return name, f"{clean(source)}: {without(words.strip(), source) or name}{where}"


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except ITEM_ERRORS:  # one that cannot even be put into words
        return ""


def is_foreign(error: BaseException) -> bool:
    """Say whether an error is none of ours, and so perhaps none of the clip's."""
    return not isinstance(error, (MmvideoError, *_MEMORY))


def is_of_the_disk(error: BaseException) -> bool:
    """Say whether an error tells that nothing more can be written, whichever clip it was raised on."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


__all__ = ["ITEM_ERRORS", "is_foreign", "is_of_the_disk", "told"]
