"""What a benchmark is: how its annotation files are read, how an item is asked, and how a reply is scored."""

from __future__ import annotations

import csv
import json
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mmvideo.errors import InvalidInput, MediaNotFound, shown
from mmvideo.media.subtitle_tracks import read_subtitles
from mmvideo.subtitles import timecode

LETTERS = string.ascii_uppercase
SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")
_LETTER = re.compile(r"^\s*\**\s*(?:(?:(?:the|my)\s+)?(?:(?:best|correct|right|final)\s+)?(?:answer|option|choice)\s*"
                     r"(?:is)?\s*:?\s*)?[(\[*]*([A-Z])(?:[)\].:,*]+(?=\s|$)|\s*$|[ \t]*\n)", re.IGNORECASE)


@dataclass(frozen=True)
class BenchmarkItem:
    """One question about one video."""

    id: str
    video: Path
    question: str
    options: tuple[str, ...] = ()
    """What is chosen from, in the order of the letters; empty for an open question."""
    answer: Any = None
    """The index of the right option, a text, several, or spans of time."""
    group: str = ""
    """Items that are scored together."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Kinds by which results are counted apart, as {"duration": "short"}."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    subtitles: str = ""
    """What is said, as it is put before the question."""


@dataclass(frozen=True)
class Scored:
    """An item with what was replied, how it was understood, and what that is worth, 0 to 1."""

    item: BenchmarkItem
    reply: str
    parsed: Any
    """None where the reply could not be understood; it is then wrong and counted as unparsed."""
    score: float


class VideoBenchmark:
    """Base of benchmarks; this one's items are questions with options."""

    about: ClassVar[str] = ""
    source: ClassVar[str] = ""
    """Where data and rules come from."""
    recipe: ClassVar[str] = "video-qa"
    max_new_tokens: ClassVar[int] = 16

    def read(self, data: Path, *, subtitles: bool = False) -> list[BenchmarkItem]:
        """Read the annotation files.

        Args:
            data: the folder with annotations and videos, as it is published.
            subtitles: put what is said before the questions, where the benchmark has that.

        Raises:
            MediaNotFound: an annotation file is absent.
            InvalidInput: it is not in the published format.
        """
        raise NotImplementedError

    def prompt(self, item: BenchmarkItem) -> str:
        """Return what the model is asked."""
        if not item.options:
            return f"{item.subtitles}{item.question}"
        listed = "\n".join(f"{LETTERS[n]}. {text}" for n, text in enumerate(item.options))
        return (f"{item.subtitles}{item.question}\n{listed}\nAnswer with the letter of the right option alone.")

    def parse(self, item: BenchmarkItem, reply: str) -> Any:
        """Return how a reply is understood; None where it is not."""
        return letter_of(reply, item.options) if item.options else reply.strip() or None

    def score(self, item: BenchmarkItem, parsed: Any) -> float:
        """Return what an understood reply is worth, 0 to 1."""
        return float(parsed == item.answer)

    def summary(self, scored: Sequence[Scored]) -> dict[str, float]:
        """Return the benchmark's own figures beside the mean; none by default."""
        return {}


def letter_of(reply: str, options: Sequence[str]) -> int | None:
    """Return the option that a reply names by its letter, or word for word; None for anything else.

    Nothing is guessed: a reply with an explanation and no letter at its beginning is not understood.
    """
    found = _LETTER.match(reply)
    if found and (found[1].isupper() or len(re.findall(r"\w", reply)) == 1):
        place = LETTERS.index(found[1].upper())
        return place if place < len(options) else None
    said = _plain(reply)
    same = [n for n, option in enumerate(options) if _plain(option) == said]
    return same[0] if len(same) == 1 else None


def _plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def read_json(data: Path, *names: str) -> Any:
    """Return what the first of several files holds that is there; .jsonl as a list.

    Raises:
        MediaNotFound: none is.
        InvalidInput: it is no JSON.
    """
    path = first_file(data, *names)
    text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}.") from error


def read_table(data: Path, *names: str, delimiter: str = ",", columns: Sequence[str] | None = None
               ) -> list[dict[str, str]]:
    """Return the rows of the first of several CSV files that is there.

    Args:
        columns: names, where the file has no header.
    """
    path = first_file(data, *names)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [dict(row) for row in csv.DictReader(file, fieldnames=columns, delimiter=delimiter)]


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a Parquet file.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    from mmvideo.errors import MissingExtra

    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "jobs", f"Reading {path.name}") from error
    return parquet.read_table(path).to_pylist()


def first_file(data: Path, *names: str) -> Path:
    """Return the first of several files, or patterns of them, that is in a folder.

    Raises:
        MediaNotFound: none is; names what was looked for.
    """
    for name in names:
        for path in sorted(data.glob(name)):
            if path.is_file():
                return path
    raise MediaNotFound(f"{data} holds none of {', '.join(names)}; give --data the folder with the annotations as they "
                        "are published.")


def video_file(data: Path, name: str, *folders: str) -> Path:
    """Return where a video lies: in one of some folders of the data, with or without its suffix.

    The path is returned even where there is no file: the job then counts the item as failed, by name.
    """
    names = [name] if Path(name).suffix.lower() in SUFFIXES else [f"{name}{suffix}" for suffix in SUFFIXES]
    for folder in (*folders, "", "videos", "video", "data"):
        for one in names:
            if (data / folder / one).is_file():
                return data / folder / one
    return data / (folders[0] if folders else "videos") / names[0]


def value(row: Mapping[str, Any], *names: str, where: str = "an item") -> Any:
    """Return the first of several keys that a row has.

    Raises:
        InvalidInput: it has none.
    """
    for name in names:
        if row.get(name) is not None:
            return row[name]
    raise InvalidInput(f"{where} has no {' or '.join(map(repr, names))}, but {', '.join(map(str, row))}; the "
                       "annotations are not in the published format.")


def option_index(answer: Any, options: Sequence[str], where: str) -> int:
    """Return the index of the right option from a letter, a number or its text.

    Raises:
        InvalidInput: it is none of the options.
    """
    if isinstance(answer, int | float) and 0 <= int(answer) < len(options):
        return int(answer)
    text = str(answer).strip()
    letter = text.strip("().").upper()
    if len(letter) == 1 and letter in LETTERS[:len(options)]:
        return LETTERS.index(letter)
    same = [n for n, option in enumerate(options) if option.strip() == text]
    if not same and text.isdigit() and int(text) < len(options):
        return int(text)
    if not same:
        raise InvalidInput(f"{where}: the answer {shown(answer)} is none of the options {shown(list(options))}.")
    return same[0]


def without_letter(options: Iterable[str]) -> tuple[str, ...]:
    """Return options without the letters that they may be written with, as "A. a dog" or "(A) a dog"."""
    return tuple(re.sub(r"^\s*\(?[A-Z][.):]\s*", "", str(option)).strip() for option in options)


def subtitles_text(path: Path) -> str:
    """Return a subtitle file as it is put before a question; empty where there is none."""
    if not path.is_file():
        return ""
    lines = [f"{timecode(one.start_seconds)[:8]} {one.text}" for one in read_subtitles(path)]
    return "This video's subtitles are listed below:\n" + "\n".join(lines) + "\n" if lines else ""


__all__ = ["LETTERS", "BenchmarkItem", "Scored", "VideoBenchmark", "first_file", "letter_of", "option_index",
           "read_json", "read_parquet", "read_table", "subtitles_text", "value", "video_file", "without_letter"]
