"""What a job works on: folders, globs, lists, manifests and shards, read into items."""

from __future__ import annotations

import glob
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmvideo import tables
from mmvideo.errors import InvalidInput, MediaNotFound, UnknownName, shown
from mmvideo.jobs.remote import SCHEMES, brought, is_remote, listed, scheme_of
from mmvideo.jobs.shards import is_member, read_members
from mmvideo.media import MediaLimits
from mmvideo.media.download import is_url
from mmvideo.redaction import clean, escaped, redacted, tag
from mmvideo.tables import CLIP_SUFFIXES

SUFFIXES = CLIP_SUFFIXES
"""Files of a folder that count as clips; a list or manifest may name any file."""

SOURCES = ("path", "url", "source", "video", "file")
"""Columns of a manifest that can hold where the clip is."""
COLUMNS = {"id": "id", **dict.fromkeys(SOURCES, "source"), "start_seconds": "start_seconds", "start": "start_seconds",
           "end_seconds": "end_seconds", "end": "end_seconds", "question": "text", "questions": "text",
           "prompt": "prompt"}
"""Column of a manifest -> field of an item."""


@dataclass(frozen=True)
class Item:
    """One piece of work: a clip, or a span of one, and what is asked of it."""

    id: str
    """Names the row; unique in the job."""
    source: str
    """A path, an http(s), s3 or gs address, or `shard.tar::member`."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    text: tuple[str, ...] = ()
    """The questions, for pipelines that take text."""
    prompt: str | None = None
    """What to write instead of the pipeline's own caption request."""
    offset: int | None = None
    """Byte at which the member of a shard begins."""
    num_bytes: int | None = None
    columns: Mapping[str, Any] | None = field(default=None, hash=False)
    """Other columns of the manifest, which go into the row and decide nothing."""

    def asked(self) -> dict[str, Any]:
        """Return what of this item, beside its content, decides the result."""
        return {"start": self.start_seconds, "end": self.end_seconds, "text": list(self.text), "prompt": self.prompt}


def read_inputs(inputs: Any, *, questions: Iterable[str] = (), prompt: str | None = None) -> Iterator[Item]:
    """Yield the items of whatever the caller gave, in a stable order.

    Args:
        inputs: a folder (all clips below it), a glob, a text list (.txt), a manifest (.csv, .tsv, .jsonl, .parquet),
            a WebDataset shard (.tar), one file or address; or a list of these, of mappings, or of items.
        questions: asked of every item that brings none of its own.
        prompt: used for every item that brings none of its own.

    Raises:
        MediaNotFound: no such file or folder, or nothing in it.
        InvalidInput: a manifest without a column for the clip, a bad value, or two items with one id.
    """
    asked = (questions,) if isinstance(questions, str) else tuple(questions)
    for question in (*asked, *([] if prompt is None else [prompt])):
        _check_text(question, "The question or prompt")
    seen: set[str] = set()
    for item in _expand(inputs):
        item = replace(item, id=_own_id(item, seen), text=item.text or asked, prompt=item.prompt or prompt)
        seen.add(item.id)
        yield item
    if not seen:
        named = ", ".join(map(str, inputs)) if isinstance(inputs, list | tuple) else str(inputs)
        raise MediaNotFound(f"{shown(named) if named else 'An empty list'} holds no clip. Clips in a folder end in: "
                            f"{' '.join(sorted(SUFFIXES))}.")


def _own_id(item: Item, seen: set[str]) -> str:
    """Return an id that can be printed and written: without the secrets of an address, odd bytes escaped.

    Raises:
        InvalidInput: another item has it.
    """
    name = escaped(redacted(item.id))
    if name in seen and name != item.id and (end := tag(item.source)):  # addresses that differ in what is hidden
        name = f"{name}#{end}"
    if name in seen:
        raise InvalidInput(f"Two items are called {name!r}; give each its own id, as in an 'id' column.")
    return name


def videos_of(text: str) -> list[str]:
    """Return the videos that one path or address names without a job: the clips below a folder, else itself.

    Raises:
        InvalidInput: a glob, list, manifest or shard, which only a job reads.
    """
    path = os.path.expanduser(text)
    if not is_url(text) and os.path.isdir(path):
        clips = list(_from_folder(Path(path)))
        if any(is_member(clip.source) for clip in clips):
            raise InvalidInput(f"{text} holds shards (.tar), which only a batch job reads; add out=FOLDER.")
        return [clip.source for clip in clips] or [text]
    pattern = not is_url(text) and not os.path.exists(path) and any(mark in text for mark in "*?[")
    if pattern or is_member(text) or _suffix(text) in {".tar", *tables.READERS}:
        raise InvalidInput(f"{text}: lists, manifests, shards and globs are read by a batch job; add out=FOLDER.")
    return [text]


def _expand(inputs: Any) -> Iterator[Item]:
    if isinstance(inputs, Item):
        yield inputs
    elif isinstance(inputs, Mapping):
        yield item_from(inputs, base="", where="input")
    elif isinstance(inputs, str | os.PathLike):
        yield from _from_path(os.fspath(inputs))
    elif isinstance(inputs, Iterable):
        yield from _from_several(inputs)
    else:
        raise InvalidInput(f"A job reads paths, addresses, mappings or lists of them, not {type(inputs).__name__}.")


def _from_several(entries: Iterable[Any]) -> Iterator[Item]:
    """Expand entries one after another; clips of two places that share a name are called by where they are."""
    seen: set[str] = set()
    for entry in entries:
        ours = isinstance(entry, str | os.PathLike) and _suffix(os.fspath(entry)) not in tables.READERS
        for item in _expand(entry):
            if ours and item.id in seen:
                item = replace(item, id=item.source)
            seen.add(item.id)
            yield item


def _from_path(text: str) -> Iterator[Item]:
    if not text.strip():
        raise InvalidInput("An input is empty; give a folder, glob, list, manifest, shard, file or address.")
    if is_member(text):
        yield Item(text, text)
    elif is_url(text):
        yield from _from_address(text)
    elif os.path.isdir(path := Path(os.path.expanduser(text))):
        yield from _from_folder(path)
    elif not (exists := os.path.exists(path)) and "\0" not in text and any(mark in text for mark in "*?["):
        yield from _from_glob(text)
    elif not exists:
        raise MediaNotFound(f"{text}: no such file or folder.")
    elif path.suffix.lower() == ".tar":
        yield from read_members(str(path), "", item_from)
    elif path.suffix.lower() in tables.READERS:
        yield from _from_table(path, str(path.parent), path.name, path.suffix.lower())
    else:
        yield Item(path.name, str(path))


def _from_address(url: str) -> Iterator[Item]:
    """Read a folder, glob, manifest or shard that lies elsewhere, or name one clip."""
    suffix = _suffix(url)
    found = listed(url) if is_remote(url) else None
    if found is not None:
        for name in found:
            if _suffix(name) in SUFFIXES:
                yield Item(name, name)
            elif _suffix(name) == ".tar":
                yield from read_members(name, f"{name}::", item_from)
    elif suffix == ".tar" and is_remote(url):
        yield from read_members(url, "", item_from)
    elif suffix == ".tar":
        raise InvalidInput(f"{url}: shards are read from files, s3 and gs, where a part of them can be had; download "
                           "this one first.")
    elif suffix in tables.READERS:
        path = brought(url, MediaLimits())
        try:
            yield from _from_table(path, _plain(url).rpartition("/")[0], url, suffix)
        finally:
            path.unlink(missing_ok=True)
    else:
        yield Item(url, url)


def _suffix(text: str) -> str:
    """Return the suffix of a path or address, small."""
    return Path(_plain(text)).suffix.lower()


def _plain(text: str) -> str:
    """Return an http address without its query, such as a signature; anything else as it is."""
    return re.split("[?#]", text, maxsplit=1)[0] if is_url(text) and not is_remote(text) else text


def _from_folder(folder: Path) -> Iterator[Item]:
    seen: set[str] = set()
    for home, folders, names in os.walk(folder, followlinks=True):
        seen.add(os.path.realpath(home))
        folders[:] = sorted(name for name in folders if os.path.realpath(os.path.join(home, name)) not in seen)
        for name in sorted(names):
            path = Path(home, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Item(path.relative_to(folder).as_posix(), str(path))
            elif path.suffix.lower() == ".tar":
                yield from read_members(str(path), f"{path.relative_to(folder).as_posix()}::", item_from)


def _from_glob(pattern: str) -> Iterator[Item]:
    """Take the clips and shards that a pattern matches; other files only where it names their suffix."""
    found = sorted(name for name in glob.glob(os.path.expanduser(pattern), recursive=True) if Path(name).is_file())
    wanted = Path(pattern).suffix.lower()
    found = [name for name in found if _suffix(name) in SUFFIXES | {".tar"} or _suffix(name) == wanted]
    if not found:
        raise MediaNotFound(f"{pattern}: no clip matches.")
    for name in found:
        if _suffix(name) == ".tar":
            yield from read_members(name, f"{name}::", item_from)
        elif _suffix(name) in tables.READERS:
            yield from _from_path(name)
        else:
            yield Item(name, name)


def _from_table(path: Path, base: str, name: str, suffix: str) -> Iterator[Item]:
    """Read a list or manifest; `name` is for messages."""
    for where, row in tables.rows(path, name, suffix):
        if isinstance(row, str):
            yield Item(row, resolve_source(row, base, where))
        else:
            yield item_from(row, base=base, where=where)


def item_from(row: Mapping[str, Any], *, base: str, where: str, source: str | None = None,
              name: str | None = None) -> Item:
    """Build an item from a row of a manifest; columns that nobody knows go into the row as they are.

    Args:
        base: folder or address that relative paths start from.
        where: what messages call the row.
        source: where the clip is, whatever the row says about that; None takes it from the row.
        name: the id of a row that brings none; None takes what the row names as its clip, and the span.

    Raises:
        InvalidInput: no column for the clip, a value of the wrong kind, or a list from elsewhere that names what is
            here.
    """
    found: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for column, value in row.items():
        known = COLUMNS.get(str(column).strip().casefold())
        if known is None and column is not None:
            others[escaped(str(column).strip())] = _plain_value(value)
        elif known and not _absent(value):
            found.setdefault(known, value)
    named = found.pop("source", None)
    if source is None:
        named = _named(named, row, where)
        source = resolve_source(named, base, where)
    seconds = {name: _seconds(found.pop(name), f"{where}: {name}") for name in ("start_seconds", "end_seconds")
               if name in found}
    start, end = seconds.get("start_seconds"), seconds.get("end_seconds")
    if start is not None and end is not None and end <= start:
        raise InvalidInput(f"{where}: the span {start:g} to {end:g} s is empty.")
    questions = _questions(found.get("text", ()), where)
    span = f"#{start or 0:g}-{'' if end is None else f'{end:g}'}" if seconds else ""
    prompt = found.get("prompt")
    if prompt is not None:
        prompt = _check_text(str(prompt), f"{where}: the prompt")
    return Item(str(found.get("id", name or f"{named}{span}")), source, text=questions, prompt=prompt,
                start_seconds=start, end_seconds=end, columns=others or None)


def _plain_value(value: Any) -> Any:
    """Return a value of a manifest as JSON can hold it, without secrets; what JSON does not know becomes text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return escaped(clean(value))
    if isinstance(value, Mapping):
        return {escaped(str(name)): _plain_value(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_value(one) for one in value]
    return escaped(clean(value.isoformat() if hasattr(value, "isoformat") else str(value)))


def _named(value: Any, row: Mapping[str, Any], where: str) -> str:
    """Return what a row names as its clip."""
    if value is None:
        missing = UnknownName("column", "path", [str(key) for key in row])
        raise InvalidInput(f"{where} names no clip: {missing} Name it path or url (also: {', '.join(SOURCES[2:])}).")
    if not isinstance(value, str | os.PathLike):
        raise InvalidInput(f"{where}: a clip is named by its path or address, not by {_short(value)}.")
    return os.fspath(value)


def resolve_source(source: str, base: str, where: str) -> str:
    """Resolve a name of a list or manifest against the folder or address that holds it.

    Raises:
        InvalidInput: a list from elsewhere names a file of this machine, an address made of several, or one of a kind
            that is not in `SCHEMES`.
    """
    if not is_url(base):
        return source if is_url(source) or os.path.isabs(source) else os.path.join(base, os.path.expanduser(source))
    source = source.strip()
    if "::" in source:
        raise InvalidInput(f"{where} names {_short(source)}: a list from elsewhere may not name addresses made of "
                           "several (::).")
    if os.path.isabs(source) or re.match(r"[~/\\]|[A-Za-z]:[/\\]", source):
        raise InvalidInput(f"{where} names {_short(source)}: a list from elsewhere may not name files of this machine; "
                           "use addresses, or names relative to the list.")
    if not is_url(source):
        return f"{base}/{source}"
    if scheme_of(source) not in (*SCHEMES, scheme_of(base)):
        raise InvalidInput(f"{where} names {_short(source)}: a list from elsewhere may name addresses of the kinds "
                           f"{', '.join(SCHEMES)}.")
    return source


def _absent(value: Any) -> bool:
    return value is None or value == "" or value != value  # NaN is how data frames say that there is none


def _questions(value: Any, where: str) -> tuple[str, ...]:
    """Return the questions of a cell: one, a list, or a list in JSON, as a table of text holds it."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"{where}: the questions {_short(value)} are no list in JSON: {error}.") from error
    asked = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(question, str) and question.strip() for question in asked):
        raise InvalidInput(f"{where}: questions are text, not {_short(value)}.")
    return tuple(_check_text(question, f"{where}: the question") for question in asked)


def _check_text(text: str, what: str) -> str:
    """Refuse text that no model can read.

    Raises:
        InvalidInput: it is no text, or holds half a character (a lone surrogate).
    """
    if not isinstance(text, str):
        raise InvalidInput(f"{what} must be text, not {_short(text)}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{what} {_short(text)} is no text in Unicode: {error.reason}.") from error
    return text


def _short(value: Any) -> str:
    words = repr(value)
    return words if len(words) < 80 else f"{words[:76]} ..."


def _seconds(value: Any, where: str) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{where} must be a number of seconds, not {value!r}.") from error
    if not 0 <= seconds < float("inf"):
        raise InvalidInput(f"{where} must be 0 or more seconds, not {value!r}.")
    return seconds


__all__ = ["COLUMNS", "SUFFIXES", "Item", "item_from", "read_inputs", "videos_of"]
