"""What a command takes for a clip: a file, an address, a folder, a pattern, or `-` for standard input."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmvideo.errors import DownloadRefused, InvalidInput, MediaError, MediaNotFound, MmvideoError, shown
from mmvideo.redaction import clean, redacted
from mmvideo.wording import plural

STDIN, _STDIN_NAME = "-", "<stdin>"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*$")
_PATH = re.compile(r"(/|~|\.\.?/)\S*$")
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Clip:
    """One clip of a command line."""

    path: str
    """What is opened."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of `mmvideo.media.open_source`."""
    error: MmvideoError | None = None
    """Why it cannot be read, where that is known before work."""
    is_stdin: bool = False

    @property
    def name(self) -> str:
        """What words and JSON call it, without passwords and bytes that are no text."""
        return _STDIN_NAME if self.is_stdin else clean(self.path)

    @property
    def argument(self) -> str:
        """What names it on a command line, without passwords."""
        return STDIN if self.is_stdin else redacted(self.path)

    def named(self, result: Any) -> Any:
        """Return a result with the name of the clip in place of the temporary file that it was read from."""
        if not self.is_stdin:
            return result
        changes: dict[str, Any] = {"source": self.name}
        domain = getattr(result, "in_domain", None)
        if domain is not None:
            named = domain.suggestion.replace(self.path, self.name)
            changes["in_domain"] = dataclasses.replace(domain, suggestion=named)
        return dataclasses.replace(result, **changes)

    def message(self, error: MmvideoError) -> str:
        """Return the words of an error with the name of the clip."""
        return str(error).replace(self.path, self.name) if self.is_stdin else str(error)


def split_arguments(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide the words after `ask` into clips and questions: clips come first, the first word is one.

    Raises:
        InvalidInput: no question, or a clip after a question.
    """
    count = next((number for number, word in enumerate(words) if number and not _is_clip(word)), len(words))
    clips, questions = list(words[:count]), list(words[count:])
    if not questions:
        named = f"{shown(words[-1])} is a clip" if len(words) > 1 else "there is none"
        raise InvalidInput(f"ask needs a question after the clips, and {named}: "
                           "mmvideo ask clip.mp4 'what happens next?'")
    if late := [word for word in questions if _ADDRESS.match(word) or os.path.exists(word)]:
        raise InvalidInput(f"{shown(late[0])} is a clip and stands after the question {shown(questions[0])}: name all "
                           "clips first, then the questions.")
    return clips, questions


def _is_clip(word: str) -> bool:
    from mmvideo.jobs.inputs import SUFFIXES

    return (word == STDIN or bool(_ADDRESS.match(word) or _PATH.match(word)) or os.path.exists(word)
            or Path(word).suffix.lower() in SUFFIXES)


@contextmanager
def understood(arguments: Sequence[str], fps: float | None = None, *, job: str = "run PIPELINE", images: bool = True,
               ) -> Iterator[list[Clip]]:
    """Find the clips that arguments mean: all clips of a folder or pattern; the images of a folder with `fps`.

    What is sent to standard input lies in a temporary file until the block ends.

    Args:
        fps: rate of the images of a folder.
        job: the command and pipeline that reads what only batch jobs read, for messages.
        images: whether a folder of images can be a clip.

    Raises:
        InvalidInput: an argument that can be no clip here, whatever the file holds.
    """
    if list(arguments).count(STDIN) > 1:
        raise InvalidInput("- stands for standard input, which can be read once.")
    with tempfile.TemporaryDirectory(prefix="mmvideo-") as folder:
        yield [clip for argument in arguments for clip in _found(argument, _Ways(fps, job, images, Path(folder)))]


@dataclass(frozen=True)
class _Ways:
    """How arguments are understood: see `understood`."""

    fps: float | None
    job: str
    images: bool
    folder: Path
    """Where standard input is kept."""


def _found(text: str, ways: _Ways) -> list[Clip]:
    """Return the clips of an argument; one that names nothing is a clip with an error, so that others are read."""
    try:
        return _meant(text, ways)
    except MediaError as error:
        return [Clip(text, error=error)]


def _meant(text: str, ways: _Ways) -> list[Clip]:
    from mmvideo import tables
    from mmvideo.jobs.shards import is_member

    if os.path.isdir(text):
        return _folder(text, ways)
    if ways.fps is not None:
        raise InvalidInput(f"--fps is for a folder of images, and {text} is none; a video has its own clock.")
    if text == STDIN:
        return [_from_stdin(ways.folder / "stdin")]
    if _ADDRESS.match(text):
        return [_address(text, ways.job)]
    if Path(text).suffix.lower() in (*tables.READERS, ".tar") or is_member(text):
        raise InvalidInput(f"{text} is a list or shard of clips, which batch jobs read: mmvideo {ways.job} {text} "
                           "--out FOLDER.")
    if os.path.exists(text):
        return [Clip(text)]
    if any(mark in text for mark in "*?["):
        return _several(text, ways.job)
    raise MediaNotFound(f"{text}: no such file.")


def _folder(text: str, ways: _Ways) -> list[Clip]:
    from mmvideo.media.memory import image_files

    images = len(image_files(Path(text))) if ways.images else 0
    if ways.fps is not None:
        if not images:
            raise InvalidInput(f"--fps is for a folder of images, and {text} holds none.")
        return [Clip(text, {"fps": ways.fps})]
    try:
        return _several(text, ways.job)
    except MediaNotFound as error:
        if images:
            raise InvalidInput(f"{text} holds {plural(images, 'image')} and no clip: say how many were taken a second, "
                               "as in --fps 25.") from error
        raise


def _several(text: str, job: str) -> list[Clip]:
    """Return the clips of a folder or pattern, as a job finds them."""
    from mmvideo.jobs.inputs import read_inputs
    from mmvideo.jobs.shards import is_member

    found = list(read_inputs(text))
    if inner := next((item for item in found if is_member(item.source)), None):
        raise InvalidInput(f"{text} holds a shard, {inner.source.partition('::')[0]}, which batch jobs read: mmvideo "
                           f"{job} {text} --out FOLDER.")
    return [Clip(item.source) for item in found]


def _address(text: str, job: str) -> Clip:
    scheme = text.partition("://")[0].lower()
    if scheme in ("s3", "gs", "gcs"):
        raise InvalidInput(f"{text}: batch jobs read {scheme}, as in mmvideo {job} {text} --out FOLDER; here a clip is "
                           "a file or an http(s) address.")
    if scheme not in ("http", "https"):
        raise DownloadRefused(f"Cannot read {shown(text)}: only http and https addresses are allowed, not {scheme!r}.")
    return Clip(text)


def _from_stdin(path: Path) -> Clip:
    """Copy standard input into a file, so that it can be read more than once and in any order.

    Raises:
        InvalidInput: a terminal, not a file or pipe.
        DownloadRefused: over `MediaLimits.max_bytes`.
    """
    from mmvideo.media import MediaLimits

    stream = getattr(sys.stdin, "buffer", sys.stdin)
    if stream is None or stream.isatty():
        raise InvalidInput("- reads a clip from standard input, and nothing is sent there; as in: "
                           "mmvideo caption - < clip.mp4")
    left = MediaLimits().max_bytes
    with path.open("wb") as file:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise DownloadRefused(f"Standard input is over the limit of {MediaLimits().max_bytes} bytes.")
            file.write(chunk)
    return Clip(str(path), is_stdin=True)


__all__ = ["STDIN", "Clip", "split_arguments", "understood"]
