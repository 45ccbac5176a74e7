"""Names of sidecars: as short as the clip's own, and unique within a job."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmvideo.jobs.inputs import SUFFIXES
from mmvideo.jobs.shards import is_member
from mmvideo.media.download import is_url

ENDS = {"txt": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt", "chapters": ".chapters.txt"}
"""Kind of sidecar -> how its name ends."""
_MOST_BYTES = 255 - len(".chapters.txt")
"""Longest name without its end, in bytes: what file systems take."""
_MOST_IN_PATH = 3000
_LEVELS = 4
_ODD = re.compile(r'[*?"<>|]')


def bases(items: Iterable[tuple[str, str]], folder: Path, *, beside: bool) -> dict[str, Path]:
    """Return the path of each item's sidecars without its end.

    It is that of the clip without its suffix (`clip`); where two items would share a file, that with the suffix
    (`clip.mp4`), then with the id (`clip.mp4#0-1.5`, `clip.mp4-ID`), at last with a hash of the id.

    Args:
        items: (id, source) of all items that the job ever had.
        folder: for those that lie in no file of their own.
        beside: beside the clip where that is a file of its own.
    """
    given = dict(items)
    levels = dict.fromkeys(given, 0)
    found = {name: _base(name, source, folder, beside, 0) for name, source in given.items()}
    while shared := _shared(found):
        raised = [name for name in shared if levels[name] < _LEVELS - 1]
        if not raised:
            return found
        for name in raised:
            levels[name] += 1
            found[name] = _base(name, given[name], folder, beside, levels[name])
    return found


def _shared(found: Mapping[str, Path]) -> list[str]:
    """Name the items one of whose files would be that of another, or a folder of another."""
    files = Counter(key for base in found.values() for key in _keys(base))
    folders = {_folded(parent) for base in set(map(os.path.dirname, found.values())) for parent in _parents(base)}
    return [name for name, base in found.items()
            if any(files[key] > 1 or key in folders for key in _keys(base))]


def _keys(base: Path) -> list[str]:
    return [_folded(f"{base}{end}") for end in ENDS.values()]


def _folded(path: str) -> str:
    """Return what a file system that knows no case, as those of macOS, takes for the same name."""
    return unicodedata.normalize("NFC", path).casefold()


def _parents(folder: str) -> Iterable[str]:
    while folder and folder != os.path.dirname(folder):
        yield folder
        folder = os.path.dirname(folder)


def _base(name: str, source: str, folder: Path, beside: bool, level: int) -> Path:
    if beside and not is_url(source) and not is_member(source):
        home = Path(os.path.realpath(os.path.dirname(source) or "."))
        parts = [os.path.basename(source)]
    else:
        home = folder
        parts = [_ODD.sub("_", part) for part in name.replace("://", "/").replace("::", "/").split("/")
                 if part not in ("", ".", "..")] or ["clip"]
    last = parts[-1]
    if level == 0 and os.path.splitext(last)[1].lower() in SUFFIXES:
        last = os.path.splitext(last)[0] or last
    elif level == 2:
        end = _ODD.sub("_", name.rpartition("/")[2])
        last = end if end.startswith(last) else f"{last}-{end}"
    elif level == 3:
        last = f"{last}-{_digest(name)}"
    made = home.joinpath(*map(_fitting, parts[:-1]), _fitting(last))
    return made if len(os.fsencode(made)) < _MOST_IN_PATH else home / _digest(name)


def _fitting(part: str) -> str:
    """Shorten a name that a file system would refuse; a hash of the whole keeps it apart from others."""
    data = os.fsencode(part)
    if len(data) <= _MOST_BYTES:
        return part
    end = f"~{hashlib.sha256(data).hexdigest()[:12]}"
    return data[:_MOST_BYTES - len(end)].decode(errors="ignore") + end


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:16]


__all__ = ["ENDS", "bases"]
