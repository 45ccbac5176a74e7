"""Splits made from what files hold: the same clips are split alike wherever they lie and whatever they are called.

Without groups, clips of each class are divided by shares (stratified); files with the same content stay together. With
groups, whole groups are held out, chosen so that classes have about their shares and none leaves the training split.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mmvideo.errors import InvalidInput
from mmvideo.labelled.rows import ClipRow, DataOptions, LabelledTable
from mmvideo.wording import plural

COLUMNS = ("clip", "split", "group", "start_seconds", "end_seconds", "content")
NAME = "splits.tsv"


def split(table: LabelledTable, options: DataOptions) -> LabelledTable:
    """Return a table in which every row has a split; notes say how they were made, and of classes that lack one.

    Raises:
        InvalidInput: too few clips or groups to hold any out.
    """
    notes = list(table.notes)
    given = {row.split for row in table.rows if row.split}
    shares = {} if given else {"test": options.test_share}
    if "validation" not in given and options.validation_share > 0:
        left = 1 - shares.get("test", 0.0)
        shares["validation"] = min(options.validation_share / left, 0.9)
    rows = [row if row.split else replace(row, split="train") for row in table.rows]
    for name, share in shares.items():
        if share > 0:
            places = [place for place, row in enumerate(rows) if row.split == "train"]
            for place in held_out([rows[place] for place in places], share, task=table.task,
                                  salt=f"{options.split_seed}/{name}"):
                rows[places[place]] = replace(rows[places[place]], split=name)
    if shares:
        how = f"whole groups of {table.columns['group']}" if "group" in table.columns else "stratified by label"
        notes.append(f"made from content ({how}): {', '.join(shares)}")
    notes += _thin(rows, table)
    return replace(table, rows=tuple(rows), notes=tuple(notes))


def _thin(rows: Sequence[ClipRow], table: LabelledTable) -> list[str]:
    """Say which classes have one clip, or are not measured."""
    if table.task == "numbers":
        return []
    learned = Counter(label for row in rows if row.split == "train" for label in row.labels)
    notes = []
    if single := [label for label in table.names if learned[label] == 1]:
        notes.append(f"one clip only to learn from: {', '.join(single[:8])}{' ...' if len(single) > 8 else ''}")
    for name in ("validation", "test"):
        held = Counter(label for row in rows if row.split == name for label in row.labels)
        if held and (absent := [label for label in table.names if not held[label]]):
            notes.append(f"not in {name}, so never measured there: {', '.join(absent[:8])}"
                         f"{' ...' if len(absent) > 8 else ''}")
    return notes


def held_out(rows: Sequence[ClipRow], share: float, *, task: str, salt: str) -> list[int]:
    """Return which rows are held out.

    Args:
        rows: with the content of their files.
        share: of the rows, about.
        task: one of TASKS.
        salt: another text holds out others.

    Raises:
        InvalidInput: one group, or one clip: nothing can be held out.
    """
    strata = _strata(rows, task)
    if any(row.group for row in rows):
        return _whole_groups(rows, strata, share, salt)
    units: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        units[row.content or row.clip].append(place)
    by_stratum: dict[str, list[list[int]]] = defaultdict(list)
    for key in sorted(units, key=lambda key: _order(key, salt)):
        by_stratum[strata[units[key][0]]].append(units[key])
    chosen: list[int] = []
    for found in by_stratum.values():
        num = sum(map(len, found))
        wanted = round(share * num) or int(len(found) > 1)
        for unit in found[:-1]:  # one stays to be learned
            if wanted > 0:
                chosen += unit
                wanted -= len(unit)
    return sorted(chosen)


def _strata(rows: Sequence[ClipRow], task: str) -> list[str]:
    """Return what each row is divided by: its label, the rarest of its labels, or the fifth that its number lies in."""
    if task == "numbers":
        order = sorted(range(len(rows)), key=lambda place: rows[place].targets)
        rank = {place: number for number, place in enumerate(order)}
        return [str(5 * rank[place] // max(len(rows), 1)) for place in range(len(rows))]
    counts = Counter(label for row in rows for label in row.labels)
    return [min(row.labels, key=lambda label: (counts[label], label), default="") for row in rows]


def _whole_groups(rows: Sequence[ClipRow], strata: Sequence[str], share: float, salt: str) -> list[int]:
    """Choose groups one by one, each the one that brings the held-out classes nearest to their shares."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        groups[row.group or f"alone {row.content or row.clip}"].append(place)
    if len(groups) < 2:
        raise InvalidInput(f"All {plural(len(rows), 'clip')} to divide are of one group, {rows[0].group!r}, so none "
                           "can be held out without its group; add --group-column none, or set the shares to 0.")
    total = Counter(strata)
    held: Counter[str] = Counter()
    left = dict(groups)
    chosen: list[int] = []

    def miss(counts: Mapping[str, int]) -> float:
        return sum((counts.get(stratum, 0) / num - share) ** 2 for stratum, num in total.items())

    order = sorted(left, key=lambda name: _order("".join(sorted(rows[p].content for p in left[name])) or name, salt))
    while True:
        best, best_miss = "", miss(held) if chosen else float("inf")
        for name in order:
            if name in left and len(left) > 1:
                added = held + Counter(strata[place] for place in left[name])
                keeps = all(added[stratum] < num or num == held[stratum] for stratum, num in total.items())
                if keeps and (value := miss(added)) < best_miss:
                    best, best_miss = name, value
        if not best:
            break
        held += Counter(strata[place] for place in left[best])
        chosen += left.pop(best)
    if not chosen:
        raise InvalidInput("Every group is the only one with some label, so none can be held out; add --group-column "
                           "none, or set the shares to 0.")
    return sorted(chosen)


def _order(key: str, salt: str) -> str:
    return hashlib.sha256(f"{salt}/{key}".encode()).hexdigest()


def as_tsv(rows: Sequence[ClipRow], numbers: Sequence[str] = ()) -> str:
    """Return rows with their splits as a table that DATA can be.

    Args:
        numbers: names of what is predicted, where that is no label.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow((*COLUMNS, *(numbers or ("labels",))))
    for row in rows:
        writer.writerow((row.path.resolve(), row.split, row.group,
                         "" if row.start_seconds is None else row.start_seconds,
                         "" if row.end_seconds is None else row.end_seconds, row.content,
                         *(row.targets or (";".join(row.labels),))))
    return text.getvalue()


def write_splits(table: LabelledTable, folder: Path) -> Path:
    """Write splits.tsv into a run's folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / NAME
    partial = target.with_suffix(f".{os.getpid()}.new")  # several processes of one run write the same
    partial.write_text(as_tsv(table.rows, table.names if table.task == "numbers" else ()), encoding="utf-8")
    partial.replace(target)
    return target


__all__ = ["NAME", "as_tsv", "held_out", "split", "write_splits"]
