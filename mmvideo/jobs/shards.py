"""WebDataset shards: a tar in which files with one stem are one sample. Only headers are read here."""

from __future__ import annotations

import dataclasses
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mmvideo.errors import InvalidInput

_NOT_VIDEO = {".json", ".txt", ".cls", ".jpg", ".jpeg", ".png", ".npy", ".srt", ".vtt", ".wav", ".flac", ".mp3"}
_MOST_JSON = 1024 * 1024


def members(path: Path, prefix: str, build: Callable[..., Any]) -> Iterator[Any]:
    """Yield an item for each sample of a shard; its .json may hold id, question, prompt, start and end.

    Args:
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
        item = build(row, base=Path(), where=f"{path.name}: {video.name}")
        yield dataclasses.replace(item, offset=video.offset_data, num_bytes=video.size)

    try:
        with tarfile.open(path, "r:") as tar:
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
    except (tarfile.TarError, EOFError) as error:
        raise InvalidInput(f"{path} cannot be read as a shard: {error}. Shards are plain, uncompressed .tar files.") \
            from error
    except ValueError as error:
        raise InvalidInput(f"{path}: the .json of {key!r} cannot be read: {error}.") from error


__all__ = ["members"]
