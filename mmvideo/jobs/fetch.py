"""A clip brought to this machine, and the SHA-256 of its bytes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmvideo import weights
from mmvideo.errors import DownloadRefused, MediaNotFound, MissingExtra, VideoDecodeError
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions
from mmvideo.media import MediaLimits
from mmvideo.media.download import download, is_url

_CHUNK = 1024 * 1024


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
    if item.offset is not None:
        yield _member(item)
        return
    if not is_url(item.source):
        path = Path(item.source)
        yield Fetched(path, _digest(path), path.stat().st_size, stamp(item))
        return
    scheme = item.source.partition("://")[0].lower()
    path = download(item.source, limits=MediaLimits(options.max_bytes, options.max_seconds, options.max_redirects)) \
        if scheme in ("http", "https") else _through_fsspec(item.source, options)
    try:
        yield Fetched(path, _digest(path), path.stat().st_size, "")
    finally:
        path.unlink(missing_ok=True)


def stamp(item: Item) -> str:
    """Return size and time of change of an item's file; empty where it has none on this machine."""
    if is_url(item.source):
        return ""
    try:
        found = os.stat(item.source.partition("::")[0] if item.offset is not None else item.source)
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}"


def _digest(path: Path) -> str:
    if not path.exists():
        raise MediaNotFound(f"{path}: no such file.")
    if not path.is_file():
        raise VideoDecodeError(f"{path} is a folder, pipe or device; a job reads files.")
    try:
        return weights.sha256(path)
    except PermissionError as error:
        raise VideoDecodeError(f"{path} cannot be read: permission denied.") from error


def _member(item: Item) -> Fetched:
    shard = item.source.partition("::")[0]
    try:
        with open(shard, "rb") as file:
            file.seek(item.offset)
            data = file.read(item.num_bytes)
    except FileNotFoundError as error:
        raise MediaNotFound(f"{shard}: no such shard.") from error
    if len(data) < (item.num_bytes or 0):
        raise VideoDecodeError(f"{item.source}: the shard ends {item.num_bytes - len(data)} bytes too early.")
    return Fetched(data, hashlib.sha256(data).hexdigest(), len(data), stamp(item))


def _through_fsspec(url: str, options: JobOptions) -> Path:
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtra("fsspec", "jobs", f"Reading {url}") from error
    deadline = time.monotonic() + options.max_seconds
    handle, name = tempfile.mkstemp(prefix="mmvideo-", suffix=Path(url).suffix[:10])
    path, total = Path(name), 0
    try:
        with os.fdopen(handle, "wb") as out, fsspec.open(url, "rb") as file:
            while data := file.read(_CHUNK):
                total += len(data)
                if total > options.max_bytes:
                    raise DownloadRefused(f"{url} is over the limit of {options.max_bytes} bytes (--max-bytes).")
                if time.monotonic() > deadline:
                    raise DownloadRefused(f"{url} took longer than {options.max_seconds:g} s (--max-seconds).")
                out.write(data)
    except FileNotFoundError as error:
        path.unlink(missing_ok=True)
        raise MediaNotFound(f"{url}: no such file.") from error
    except ImportError as error:
        path.unlink(missing_ok=True)
        raise MissingExtra(f"the package for {url.partition('://')[0]} ({error})", "jobs", f"Reading {url}") from error
    except ValueError as error:  # fsspec's word for an unknown scheme
        path.unlink(missing_ok=True)
        raise MediaNotFound(f"{url} cannot be fetched: {error}.") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path




__all__ = ["Fetched", "fetched", "stamp"]
