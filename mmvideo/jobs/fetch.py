"""Fetch a clip to this machine, and hash its bytes (SHA-256)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmvideo import weights
from mmvideo.errors import DownloadRefused, MediaNotFound, MmvideoError, VideoDecodeError
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.remote import brought, in_our_words, opened
from mmvideo.jobs.shards import is_member, place_of
from mmvideo.media import MediaLimits
from mmvideo.media.deadline import TransferDeadline
from mmvideo.media.download import is_url


@dataclass(frozen=True)
class Fetched:
    """A clip that can be opened here."""

    media: Path | bytes
    content: str
    """SHA-256 of the whole file, in hexadecimal digits."""
    num_bytes: int
    stamp: str
    """Size and time of change of a local file, to see on resume that it is the same; empty for what is not one."""


@contextlib.contextmanager
def fetched(item: Item, options: JobOptions) -> Iterator[Fetched]:
    """Give the clip of an item, and remove what was downloaded afterwards.

    Raises:
        MediaNotFound: no such file or address.
        DownloadRefused: over the limits on bytes, seconds or redirects.
        VideoDecodeError: a pipe, device or folder.
        MissingExtra: s3 or gs without the package for it.
    """
    limits = MediaLimits(options.max_bytes, options.max_seconds, options.max_redirects)
    if is_member(item.source):
        yield _member(item, limits)
        return
    if not is_url(item.source):
        path = Path(item.source)
        yield Fetched(path, _digest(path), path.stat().st_size, stamp(item))
        return
    path = brought(item.source, limits)
    try:
        yield Fetched(path, _digest(path), path.stat().st_size, "")
    finally:
        path.unlink(missing_ok=True)


def stamp(item: Item) -> str:
    """Return size and time of change of an item's file; empty where it has none on this machine."""
    if is_url(item.source):
        return ""
    try:
        found = os.stat(item.source.partition("::")[0] if is_member(item.source) else item.source)
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}"


def _digest(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise VideoDecodeError(f"{path} is a folder, pipe or device; a job reads files.")
        return weights.sha256(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MediaNotFound(f"{path}: no such file.") from error
    except PermissionError as error:
        raise VideoDecodeError(f"{path} cannot be read: permission denied.") from error
    except (OSError, ValueError) as error:  # a name that no file can have, a disk that fails
        if isinstance(error, MmvideoError):
            raise
        raise MediaNotFound(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _member(item: Item, limits: MediaLimits) -> Fetched:
    """Read one member of a shard; where a list named it, it is looked up by its name."""
    shard = item.source.partition("::")[0]
    if is_url(shard):
        data = TransferDeadline(item.source, limits).run(lambda: _bytes_of(item, limits.max_bytes))
    else:
        data = _bytes_of(item, limits.max_bytes)
    return Fetched(data, hashlib.sha256(data).hexdigest(), len(data), stamp(item))


def _bytes_of(item: Item, max_bytes: int) -> bytes:
    shard, _, name = item.source.partition("::")
    offset, num_bytes = item.offset, item.num_bytes
    with opened(shard) as file, in_our_words(item.source):
        if offset is None or num_bytes is None:
            offset, num_bytes = place_of(file, shard, name)
        if num_bytes > max_bytes:
            raise DownloadRefused(f"{item.source} is {num_bytes} bytes, over the limit of {max_bytes} (max_bytes).")
        file.seek(offset)
        data = file.read(num_bytes)
    if len(data) < num_bytes:
        raise VideoDecodeError(f"{item.source}: the shard ends {num_bytes - len(data)} bytes too early.")
    return data


def size_of(item: Item) -> int:
    """Return the bytes of a clip that lies here, as far as they are known without opening it; else 0."""
    if item.num_bytes is not None:
        return item.num_bytes
    try:
        return 0 if is_url(item.source) else os.stat(item.source).st_size
    except (OSError, ValueError):
        return 0


__all__ = ["Fetched", "fetched", "size_of", "stamp"]
