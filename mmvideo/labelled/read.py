"""Labelled clips of whatever DATA is: a table, a folder of class folders, or a folder of Hugging Face datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmvideo import tables
from mmvideo.errors import InvalidInput, MediaNotFound, shown
from mmvideo.labelled import columns, dataset_folder
from mmvideo.labelled.columns import Chosen, is_absent, labels_in, number_in, text_of
from mmvideo.labelled.rows import TASKS, ClipRow, DataOptions, LabelledTable
from mmvideo.wording import plural

TABLES = tuple(suffix for suffix in tables.READERS if suffix not in (".txt", ".lst"))
_MOST_TOLD = 3
_SAYS_NOTHING = ("clips", "data", "train", "metadata", "labels", "index", "list", "manifest", "videos", "splits")
_SPLIT_FOLDERS = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")


def is_data(text: str) -> bool:
    """Say whether a text names a folder, or has the suffix of a table."""
    path = Path(text).expanduser()
    return path.suffix.lower() in TABLES or path.is_dir()


def read_labelled(data: str | Path, options: DataOptions | None = None, *, extract_to: Path | None = None,
                  learning: bool = True) -> LabelledTable:
    """Read labelled clips; files are not opened.

    Args:
        data: a folder whose folders are classes (or train, test ... with classes inside); a CSV, TSV, JSON Lines or
            Parquet table; or a folder that `datasets` or the Hugging Face hub wrote.
        options: columns and the like.
        extract_to: folder for clips that a data set holds as bytes.
        learning: whether a classifier will learn from them; then there must be two labels or more, and held-out rows
            may have no others than the rows to learn from.

    Raises:
        MediaNotFound: no such file or folder, or no clip in it.
        InvalidInput: columns that cannot be guessed, rows without clip or label, values that do not fit the task.
        UnknownName: a column or value that was named is not there.
        MissingExtra: Parquet or Arrow without pyarrow.
    """
    options = options or DataOptions()
    path = Path(data).expanduser()
    if path.is_dir():
        found = dataset_folder.rows_of(path, extract_to)
        rows, base = found if found is not None else (_class_folders(path), path)
    elif not path.is_file():
        raise MediaNotFound(f"{path}: no such file or folder.")
    elif path.suffix.lower() in TABLES:
        rows, base = list(tables.rows(path, path.name, path.suffix.lower())), path.parent
        rows = dataset_folder.extracted(rows, extract_to, dataset_folder.parquet_features(path))
    else:
        raise InvalidInput(f"{path} is no table of labelled clips: give a folder of class folders, or a file that ends "
                           f"in {', '.join(TABLES)}.")
    return _table(name_of_data(path), rows, base, options, where=path.name, learning=learning)


def _table(name: str, rows: Sequence[tuple[str, Any]], base: Path, options: DataOptions, where: str,
           learning: bool) -> LabelledTable:
    """Turn rows of a table into labelled clips."""
    listed = [(place, row) for place, row in rows if isinstance(row, Mapping)]
    if not listed:
        raise InvalidInput(f"{where} has no rows; a table has a line of column names, and one line a clip.")
    names = list(dict.fromkeys(str(key) for _, row in listed for key in row if key is not None))
    chosen = columns.choose_columns(names, options, where)
    _need_all(listed, chosen, where)
    cells = [[row[column] for column in chosen.label] for _, row in listed]
    task, guess = columns.guess_task(cells, options, where)
    splits, note = _splits(listed, chosen, options)
    notes = [*chosen.guessed, guess, note]
    made = [ClipRow(clip=text_of(row, chosen.clip), path=_path(text_of(row, chosen.clip), base), **labelled,
                    start_seconds=_seconds(row, chosen.start, place), end_seconds=_seconds(row, chosen.end, place),
                    split=splits.get(text_of(row, chosen.split), ""), group=text_of(row, chosen.group), where=place)
            for (place, row), values in zip(listed, cells, strict=True)
            for labelled in [_labelled(values, task, options, place)]]
    if splits:
        made = [row for row in made if row.split]
    excluded = [row for row in made if set(row.labels) & set(options.exclude)]
    if excluded:
        notes.append(f"{plural(len(excluded), 'clip')} of {', '.join(options.exclude)} left out (--exclude)")
        made = [row for row in made if row not in excluded]
    if not made:
        raise InvalidInput(f"{where}: no clip is left to learn from.")
    by_field = chosen.by_field if splits else {k: v for k, v in chosen.by_field.items() if k != "split"}
    return LabelledTable(name, task, _names(made, task, chosen, splits, learning), tuple(made),
                         tuple(filter(None, notes)), by_field)


def name_of_data(data: str | Path) -> str:
    """Return the name of data: of the folder, of the file, or where that says nothing, of the folder it lies in."""
    path = Path(data).expanduser().resolve()
    if path.is_dir():
        return path.name
    return path.parent.name if path.stem.casefold() in _SAYS_NOTHING else path.stem


def _need_all(listed: Sequence[tuple[str, Mapping[str, Any]]], chosen: Chosen, where: str) -> None:
    """Raise InvalidInput where rows lack their clip or label."""
    for what, wanted in (("clip", (chosen.clip,)), ("label", chosen.label)):
        empty = [place for place, row in listed if any(is_absent(row.get(column)) for column in wanted)]
        if empty:
            more = f" and {len(empty) - _MOST_TOLD} more" if len(empty) > _MOST_TOLD else ""
            raise InvalidInput(f"{plural(len(empty), 'row')} without a {what} (column {', '.join(wanted)}): "
                               f"{'; '.join(empty[:_MOST_TOLD])}{more}. Fill them in, or take the rows out of {where}.")


def _labelled(values: Sequence[Any], task: str, options: DataOptions, place: str) -> dict[str, Any]:
    """Return the fields `labels` or `targets` of a row."""
    if task == "numbers":
        found = [number for cell in values for number in (map(number_in, cell) if isinstance(cell, list | tuple)
                                                         else [number_in(cell)])]
        if any(number is None for number in found):
            raise InvalidInput(f"{place}: {shown(list(values))} is no number to predict (task numbers).")
        return {"targets": tuple(found)}
    several = [labels_in(cell, options.label_separator) for cell in values]
    if task == "tags":
        tags = [one for cell, labels in zip(values, several, strict=True) for one in (labels or [str(cell).strip()])]
        return {"labels": tuple(dict.fromkeys(tags))}
    if several[0] is not None:
        raise InvalidInput(f"{place}: {shown(values[0])} holds several labels; that is the task tags (--task tags).")
    cell = values[0]
    whole = isinstance(cell, float) and cell.is_integer()  # data frames make numbers of classes floats
    return {"labels": (str(int(cell)) if whole else str(cell).strip(),)}


def _splits(listed: Sequence[tuple[str, Mapping[str, Any]]], chosen: Chosen, options: DataOptions
            ) -> tuple[dict[str, str], str]:
    if not chosen.split:
        for name in ("train", "validation", "test"):
            if getattr(options, f"{name}_split"):
                raise InvalidInput(f"--{name}-split names a value of a split column; name that with --split-column.")
        return {}, ""
    values = list(dict.fromkeys(text_of(row, chosen.split) for _, row in listed))
    return columns.split_names(values, options, column=chosen.split, asked=bool(options.split_column))


def _names(rows: Sequence[ClipRow], task: str, chosen: Chosen, splits: Mapping[str, str], learning: bool
           ) -> tuple[str, ...]:
    """Return the labels to learn, sorted (numbers by value), or names of the numbers.

    Raises:
        InvalidInput: held-out rows have labels that none of those to learn from has, or there is one label only.
    """
    assert task in TASKS
    if task == "numbers":
        widths = sorted({len(row.targets) for row in rows})
        if len(widths) > 1:
            raise InvalidInput(f"Rows have different numbers of targets ({', '.join(map(str, widths))}).")
        few = len(chosen.label) == widths[0]
        return chosen.label if few else tuple(f"{chosen.label[0]}_{i}" for i in range(widths[0]))
    learned = {label for row in rows if row.split in ("", "train") for label in row.labels}
    if not learning:
        return tuple(sorted({label for row in rows for label in row.labels}))
    held = {label for row in rows if row.split not in ("", "train") for label in row.labels}
    if splits and held - learned:
        raise InvalidInput(f"Labels that no row to learn from has: {shown(sorted(held - learned))}. Correct them, or "
                           "leave their clips out with --exclude.")
    if len(learned) < (2 if task == "classes" else 1):
        raise InvalidInput(f"There is one label only, {shown(sorted(learned))}; a classifier needs two or more.")
    whole = all(label.removeprefix("-").isdigit() for label in learned)
    return tuple(sorted(learned, key=(lambda label: (int(label), label)) if whole else None))


def _path(clip: str, base: Path) -> Path:
    path = Path(clip).expanduser()
    return path if path.is_absolute() else base / path


def _seconds(row: Mapping[str, Any], column: str, place: str) -> float | None:
    cell = row.get(column) if column else None
    if is_absent(cell):
        return None
    value = number_in(cell)
    if value is None or value < 0:
        raise InvalidInput(f"{place}: {column} must be a number of seconds, not {shown(cell)}.")
    return value


def _class_folders(folder: Path) -> list[tuple[str, Any]]:
    """Return rows of a folder whose folders are classes, or splits with classes inside.

    Raises:
        MediaNotFound: no clip in it.
        InvalidInput: clips that lie in no class folder.
    """
    inner = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    named = [one for one in inner if one.name.casefold() in _SPLIT_FOLDERS]
    as_splits = bool(named) and named == inner and any(one.is_dir() for split in named for one in split.iterdir())
    homes = [(split.name, one) for split in named for one in sorted(split.iterdir()) if one.is_dir()] if as_splits \
        else [("", one) for one in inner]
    rows = []
    for split, home in homes:
        for path in _clips_below(home):
            clip = path.relative_to(folder).as_posix()
            rows.append((clip, {"clip": clip, "label": home.name, **({"split": split} if as_splits else {})}))
    if not rows:
        loose = [one for one in folder.iterdir() if one.suffix.lower() in tables.CLIP_SUFFIXES]
        if loose:
            raise InvalidInput(f"{folder} holds {plural(len(loose), 'clip')} but no class folders: put clips of a "
                               "class into a folder of its name, or give a table with the columns clip and label.")
        raise MediaNotFound(f"{folder} holds no clip in a class folder. Clips end in: "
                            f"{' '.join(sorted(tables.CLIP_SUFFIXES))}.")
    return rows


def _clips_below(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in tables.CLIP_SUFFIXES
                  and path.is_file() and not path.name.startswith("."))


def fingerprinted(table: LabelledTable) -> LabelledTable:
    """Return a table whose rows know the content of their files."""
    from mmvideo.labelled.rows import content_of

    known: dict[Path, str] = {}
    for row in table.rows:
        if row.path not in known:
            known[row.path] = content_of(row.path)
    return replace(table, rows=tuple(replace(row, content=known[row.path]) for row in table.rows))


__all__ = ["TABLES", "fingerprinted", "is_data", "name_of_data", "read_labelled"]
