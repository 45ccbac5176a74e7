"""WebDataset shards: a tar in which files with one stem are one sample. Only headers are read here."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from mmvideo.errors import InvalidInput, MediaNotFound, MmvideoError
from mmvideo.jobs.remote import opened

_NOT_VIDEO = {".json", ".txt", ".cls", ".jpg", ".jpeg", ".png", ".npy", ".srt", ".vtt", ".wav", ".flac", ".mp3"}
_MOST_JSON = 1024 * 1024


def is_member(source: str) -> bool:
    """Tell whether a source is a file inside a shard, `shard.tar::name`."""
    return "::" in source and source.partition("::")[0].lower().endswith(".tar")


def place_of(file: BinaryIO, shard: str, name: str) -> tuple[int, int]:
    """Return the byte at which a file of a shard begins, and its length.

    Raises:
        MediaNotFound: the shard holds no such file.
        InvalidInput: not a tar, or cut in its middle.
    """
    with _reading(shard), tarfile.open(fileobj=file, mode="r:") as tar:
        names = []
        for member in tar:
            if member.name.removeprefix("./") == name.removeprefix("./") and member.isfile():
                return member.offset_data, member.size
            names.append(member.name)
    close = difflib.get_close_matches(name, names, n=1)
    raise MediaNotFound(f"{shard} holds no file {name!r}." + (f" Did you mean {close[0]!r}?" if close else ""))


@contextmanager
def _reading(shard: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError) as error:
        raise InvalidInput(f"{shard} cannot be read as a shard: {error}. Shards are plain, uncompressed .tar files.") \
            from error


def members(path: str, prefix: str, build: Callable[..., Any]) -> Iterator[Any]:
    """Yield an item for each sample of a shard; its .json may hold id, question, prompt, start and end.

    Args:
        path: a path, or an address of fsspec.
        prefix: put before the key of each sample to name it.
        build: makes an item from a mapping, `mmvideo.jobs.inputs.item_from`.

    Raises:
        InvalidInput: not a tar, cut in its middle, or JSON that cannot be read.
    """
    video: tarfile.TarInfo | None = None
    about: dict[str, Any] = {}
    key: str | None = None

    def sample() -> Iterator[Any]:
        if video is None:
            return
        told = {name: value for name, value in about.items() if name not in ("path", "url", "source", "video", "file")}
        row = {"id": f"{prefix}{key}", **told, "path": f"{path}::{video.name}"}
        item = build(row, base="", where=f"{path}: {video.name}")
        yield dataclasses.replace(item, offset=video.offset_data, num_bytes=video.size)

    try:
        with opened(path) as file, _reading(path), tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if not member.isfile():
                    continue
                stem, _, suffix = member.name.rpartition("/")[2].partition(".")
                folder = member.name.rpartition("/")[0]
                here = f"{folder}/{stem}" if folder else stem
                if here != key:
                    yield from sample()
                    video, about, key = None, {}, here
                kind = f".{suffix.lower().rpartition('.')[2]}"
                if kind == ".json" and member.size <= _MOST_JSON:
                    loaded = json.loads(tar.extractfile(member).read())
                    about = loaded if isinstance(loaded, dict) else {}
                elif kind not in _NOT_VIDEO:
                    video = member
            yield from sample()
    except MmvideoError:
        raise
    except ValueError as error:
        raise InvalidInput(f"{path}: the .json of {key!r} cannot be read: {error}.") from error


__all__ = ["is_member", "members", "place_of"]
