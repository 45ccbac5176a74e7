"""WebDataset shards: tar files in which files with one stem form a sample. Only headers are read here."""

from __future__ import annotations

import dataclasses
import difflib
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from mmvideo.errors import InvalidInput, MediaNotFound
from mmvideo.jobs.remote import opened
from mmvideo.media.download import is_url

_NOT_VIDEO = {".json", ".txt", ".cls", ".jpg", ".jpeg", ".png", ".npy", ".srt", ".vtt", ".wav", ".flac", ".mp3"}
_MOST_JSON = 1024 * 1024
_MOST_HEADER = 16 * 1024 * 1024


class _Headers:
    """A shard of which `tarfile` reads headers; it would allocate any length that one claims."""

    def __init__(self, file: BinaryIO):
        self._file, self.tell = file, file.tell

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= _MOST_HEADER:
            raise tarfile.ReadError(f"a header claims {count} bytes")
        return self._file.read(count)

    def seek(self, position: int, whence: int = 0) -> int:
        if position >= 2**63:
            raise tarfile.ReadError(f"a header leads to byte {position}")
        return self._file.seek(position, whence)


def is_member(source: str) -> bool:
    """Tell whether a source is a file inside a shard, `shard.tar::name`, and not a file of that name."""
    shard, mark, _ = source.partition("::")
    return bool(mark) and shard.lower().endswith(".tar") and (is_url(source) or not os.path.lexists(source))


def place_of(file: BinaryIO, shard: str, name: str) -> tuple[int, int]:
    """Return the byte at which a file of a shard begins, and its length.

    Raises:
        MediaNotFound: the shard holds no such file.
        InvalidInput: not a tar, or cut in its middle.
    """
    names = []
    for member in _files(file, shard):
        if member.name.removeprefix("./") == name.removeprefix("./"):
            return member.offset_data, member.size
        names.append(member.name)
    close = difflib.get_close_matches(name, names, n=1)
    raise MediaNotFound(f"{shard} holds no file {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))


def _files(file: BinaryIO, shard: str) -> Iterator[tarfile.TarInfo]:
    """Yield the plain files of a shard, in order; links, folders and devices are left out.

    Raises:
        InvalidInput: not a tar, cut in its middle, or a header that cannot be.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    with _reading(shard), tarfile.open(fileobj=cast("BinaryIO", _Headers(file)), mode="r:") as tar:
        for member in tar:
            if not member.isfile():
                continue
            if member.issparse():
                raise InvalidInput(f"{shard}: {member.name} is stored with holes; pack the shard without --sparse.")
            if member.size < 0 or member.offset_data + member.size > length:
                there = max(0, length - member.offset_data)
                raise InvalidInput(f"{shard}: {member.name} is said to have {member.size} bytes, of which {there} are "
                                   "there; copy or download the shard again.")
            yield member
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE).strip(b"\0"):  # tarfile takes what is no header for the end
            raise InvalidInput(f"{shard} is damaged at byte {tar.offset}: what should be a header is none, so the rest "
                               "cannot be read; copy or download it again.")


@contextmanager
def _reading(shard: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, OverflowError) as error:
        raise InvalidInput(f"{shard} cannot be read as a shard: {error}. Shards are plain, uncompressed .tar files.") \
            from error


def read_members(path: str, prefix: str, build: Callable[..., Any]) -> Iterator[Any]:
    """Yield an item for each sample of a shard; its .json may hold id, question, prompt, start and end.

    Where the clip is, is never taken from the .json: it is the member beside it.

    Args:
        path: a path, or an address of fsspec.
        prefix: put before the key of each sample to name it.
        build: makes an item from a mapping, `mmvideo.jobs.inputs.item_from`.

    Raises:
        InvalidInput: not a tar, cut in its middle, or JSON that cannot be read or is over 1 MiB.
    """
    video: tarfile.TarInfo | None = None
    about: dict[str, Any] = {}
    key: str | None = None

    def sample() -> Iterator[Any]:
        if video is None:
            return
        item = build(about, base="", where=f"{path}: {video.name}", source=f"{path}::{video.name}",
                     name=f"{prefix}{key}")
        yield dataclasses.replace(item, offset=video.offset_data, num_bytes=video.size)

    with opened(path) as file:
        for member in _files(file, path):
            folder, _, name = member.name.rpartition("/")
            stem, _, suffix = name.partition(".")
            here = f"{folder}/{stem}" if folder else stem
            if here != key:
                yield from sample()
                video, about, key = None, {}, here
            kind = f".{suffix.lower().rpartition('.')[2]}"
            if kind == ".json":
                about = _described(file, member, path)
            elif kind not in _NOT_VIDEO:
                video = member
        yield from sample()


def _described(file: BinaryIO, member: tarfile.TarInfo, shard: str) -> dict[str, Any]:
    """Read what the .json of a sample says; the place in the file is left as it was."""
    if member.size > _MOST_JSON:
        raise InvalidInput(f"{shard}: {member.name} has {member.size} bytes, more than the {_MOST_JSON} that are read "
                           "of a .json; keep only id, question, prompt, start and end in it.")
    place = file.tell()
    file.seek(member.offset_data)
    try:
        loaded = json.loads(file.read(member.size))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{shard}: {member.name} cannot be read: {error}.") from error
    finally:
        file.seek(place)
    return loaded if isinstance(loaded, dict) else {}


__all__ = ["is_member", "place_of", "read_members"]
