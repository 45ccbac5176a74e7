"""Readers of EPIC-KITCHENS-100 and Ego4D annotation files.

EPIC: `EPIC_100_train.csv` and `EPIC_100_validation.csv` (https://github.com/epic-kitchens/epic-kitchens-100-annotations).
Ego4D: `fho_lta_train.json` and its like, long-term anticipation of the hands-and-objects benchmark
(https://ego4d-data.org/docs/data/annotations-schemas/).
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo.errors import MediaNotFound, RecipeError, shown

EPIC_COLUMNS = ("video_id", "start_timestamp", "stop_timestamp", "verb", "verb_class", "noun", "noun_class")
EGO4D_KEYS = ("clip_uid", "action_clip_start_sec", "action_clip_end_sec", "verb", "noun")
_TIME = re.compile(r"(\d+):([0-5]?\d):([0-5]?\d(?:\.\d+)?)$")


@dataclass(frozen=True)
class VerbNounSegment:
    """An action in a video."""

    video: str
    """Name of the file without its ending."""
    start_seconds: float
    end_seconds: float
    verb: str
    noun: str
    narration: str = ""
    row: int = 0
    """Where it stands in its file, from 1, without the header."""


def read_annotations(path: str | Path) -> list[VerbNounSegment]:
    """Read a list of actions, of EPIC-KITCHENS (.csv) or Ego4D (.json).

    Raises:
        MediaNotFound: no such file.
        RecipeError: no such list, a missing column or key, or a row whose times or names cannot be; it says which row.
    """
    path = Path(path)
    if not path.is_file():
        raise MediaNotFound(f"{path} is not a file; give a list of EPIC-KITCHENS (.csv) or Ego4D (.json).")
    found = list(_ego4d(path) if path.suffix.lower() == ".json" else _epic(path))
    if not found:
        raise RecipeError(f"{path} holds no action.")
    return found


def _epic(path: Path) -> Iterator[VerbNounSegment]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in EPIC_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise RecipeError(f"{path} has no column {missing[0]!r}; EPIC_100_train.csv has "
                                  f"{', '.join(EPIC_COLUMNS)}.")
            for number, row in enumerate(reader, 1):
                where = f"{path}: row {number}"
                start, end = (_clock(row[name], f"{where}: {name}") for name in ("start_timestamp", "stop_timestamp"))
                yield _checked(VerbNounSegment(
                    _text(row, "video_id", where), start, end, _text(row, "verb", where), _text(row, "noun", where),
                    row.get("narration") or "", number), where)
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecipeError(f"{path} is no CSV in UTF-8: {shown(str(error))}.") from error


def _ego4d(path: Path) -> Iterator[VerbNounSegment]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"{path} is no JSON: {shown(str(error))}.") from error
    clips = raw.get("clips") if isinstance(raw, dict) else None
    if not isinstance(clips, list):
        raise RecipeError(f"{path} has no list 'clips'; give fho_lta_train.json or one like it.")
    for number, row in enumerate(clips, 1):
        where = f"{path}: clips, entry {number}"
        if not isinstance(row, dict):
            raise RecipeError(f"{where} is {shown(row)}, not an object.")
        if missing := [key for key in EGO4D_KEYS if key not in row]:
            raise RecipeError(f"{where} has no {missing[0]!r}; it needs {', '.join(EGO4D_KEYS)}.")
        start, end = (_number(row[key], f"{where}: {key}") for key in EGO4D_KEYS[1:3])
        yield _checked(VerbNounSegment(_text(row, "clip_uid", where), start, end, _text(row, "verb", where),
                                       _text(row, "noun", where), row=number), where)


def _checked(one: VerbNounSegment, where: str) -> VerbNounSegment:
    if one.end_seconds <= one.start_seconds:
        raise RecipeError(f"{where} ends at {one.end_seconds:g} s, before or when it begins, at "
                          f"{one.start_seconds:g} s.")
    return one


def _clock(text: Any, where: str) -> float:
    found = _TIME.match(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise RecipeError(f"{where} must be a time as 00:01:02.345, not {shown(text)}.")
    return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise RecipeError(f"{where} must be seconds, 0 or more, not {shown(value)}.")
    return float(value)


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    value = row[key]
    if not isinstance(value, str) or not value.strip():
        raise RecipeError(f"{where}: {key} must be a name, not {shown(value)}.")
    return value.strip()


__all__ = ["VerbNounSegment", "read_annotations"]
