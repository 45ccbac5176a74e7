"""`mmvideo eval --model A --model B --data TABLE`: classifiers measured and compared on labelled clips.

Every model runs as a batch job, so that a stopped evaluation goes on where it was, clips that cannot be read are
recorded, and its rows (rows/MODEL/results.jsonl) are what a job writes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mmvideo import weights
from mmvideo.errors import InvalidInput, JobIncomplete, UnknownName, shown
from mmvideo.evaluation.clips_report import write_clips_report
from mmvideo.labelled.evaluation_options import EvaluationOptions
from mmvideo.labelled.measures import MAIN, measure_predictions, paired
from mmvideo.labelled.read import read_labelled
from mmvideo.labelled.rows import SPLITS, ClipRow, LabelledTable
from mmvideo.pipeline import Pipeline
from mmvideo.wording import plural

FIGURES, PREDICTIONS = "figures.json", "predictions.tsv"


@dataclass
class Measured:
    """What one model makes of the clips."""

    name: str
    labels: tuple[str, ...]
    rows: dict[int, dict[str, float]]
    """Number of a clip -> label -> probability, or name -> number."""
    failed: int


def evaluate_clips(models: Sequence[str], data: str | Path, *, out: Path, options: EvaluationOptions | None = None,
                   device: str | None = None, progress: bool = False, called: str = "") -> Iterator[str]:
    """Measure models on labelled clips; yield lines to print, and write figures.json, predictions.tsv and report.html.

    Args:
        models: what `model=` of the pipeline `video-classification` takes, one or more; the first is compared with each
            of the others.
        data: as `mmvideo.labelled.read.read_labelled` takes them.
        out: folder of the report and the rows.
        called: name of the data in the report; "" for that of the table.

    Raises:
        InvalidInput: no model, no clip in the split, labels that no model knows.
        JobIncomplete: clips could not be read, without `skip_unreadable`.
        UnknownName: no such model or split.
    """
    options = options or EvaluationOptions()
    if not models or len(set(models)) < len(models):
        raise InvalidInput("Name one or more different models with --model.")
    table = _chosen(read_labelled(data, options, extract_to=out / "extracted", learning=False), options)
    table = replace(table, name=called or table.name)
    for note in table.notes:
        yield f"{table.name}: {note}"
    names = unique_names(models)
    found = [_run(model, name, table, out, options, device, progress)
             for model, name in zip(models, names, strict=True)]
    lost = max(one.failed for one in found)
    if lost and not options.skip_unreadable:
        raise JobIncomplete(f"{plural(lost, 'clip')} of {len(table.rows)} could not be read; the rows' folders under "
                            f"{out / 'rows'} say why. Mend them, or leave them out with --skip-unreadable.")
    common = sorted(set.intersection(*(set(one.rows) for one in found)))
    if not common:
        raise InvalidInput(f"No clip of {table.name} was read.")
    rows = [table.rows[i] for i in common]
    labels, truth, scores = _aligned(table, rows, common, found)
    groups = [row.group for row in rows]
    figures: dict[str, Any] = {
        "data": table.name, "split": options.split, "task": table.task, "labels": labels, "clips": len(rows),
        "skipped": len(table.rows) - len(rows), "models": {
            one.name: measure_predictions(truth, values, labels, table.task, groups)
            for one, values in zip(found, scores, strict=True)}}
    figures["paired"] = [{"first": found[0].name, "other": one.name,
                          **paired(truth, scores[0], values, table.task, groups)}
                         for one, values in zip(found[1:], scores[1:], strict=True)]
    out.mkdir(parents=True, exist_ok=True)
    (out / FIGURES).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    _write_predictions(out / PREDICTIONS, rows, table.task, labels, [one.name for one in found], scores)
    report = write_clips_report(out, figures, rows, truth, scores, worst=options.worst)
    yield from _lines(figures)
    yield f"report: {report}"


def _chosen(table: LabelledTable, options: EvaluationOptions) -> LabelledTable:
    """Return the rows of the asked split."""
    split = options.split
    if split not in ("auto", "all", *SPLITS):
        raise UnknownName("split", split, ("auto", "all", *SPLITS))
    there = {row.split for row in table.rows}
    if split == "all" or (split == "auto" and "test" not in there):
        return table
    wanted = "test" if split == "auto" else split
    rows = tuple(row for row in table.rows if row.split == wanted)
    if not rows:
        raise InvalidInput(f"{table.name} has no clip of the split {wanted!r}; it has {shown(sorted(there))}.")
    note = f"{plural(len(rows), 'clip')} of the split {wanted} (--split)"
    return replace(table, rows=rows, notes=(*table.notes, note))


def unique_names(models: Sequence[str]) -> list[str]:
    """Return what models are called: the last part of their path, as long as these differ, else the whole."""
    short = [Path(weights.name_of(model)).name or model for model in models]
    return short if len(set(short)) == len(short) else list(models)


def _run(model: str, name: str, table: LabelledTable, out: Path, options: EvaluationOptions, device: str | None,
         progress: bool) -> Measured:
    """Run a model over all clips, as a job."""
    classify: dict[str, Any] = {"top": None}
    if options.views:
        classify["num_clips"] = options.views
    pipeline = Pipeline("video-classification", model, device=device, classify=classify)
    items = [{"id": str(number), "path": str(row.path), "start_seconds": row.start_seconds,
              "end_seconds": row.end_seconds} for number, row in enumerate(table.rows)]
    summary = pipeline.map(items, out=out / "rows" / name.replace("/", "--"), progress=progress, thumbnails=0,
                           stop_after=max(20, len(items)))
    rows = {int(row["id"]): {label["name"]: label["confidence"] for label in row["labels"]} for row in summary.rows()}
    known = tuple(next(iter(rows.values()))) if rows else ()
    return Measured(name, known, rows, summary.failed)


def _aligned(table: LabelledTable, rows: Sequence[ClipRow], places: Sequence[int], found: Sequence[Measured]
             ) -> tuple[list[str], np.ndarray, list[np.ndarray]]:
    """Return labels, what is true (N,) or (N, C), and each model's scores (N, C) in the order of the labels.

    Raises:
        InvalidInput: labels of the clips that no model knows.
    """
    if table.task == "numbers":
        labels = list(table.names)
        for one in found:
            if set(labels) - set(one.labels):
                raise InvalidInput(f"{one.name} predicts {shown(list(one.labels))}, not {shown(labels)}.")
        truth = np.array([row.targets for row in rows])
    else:
        labels = sorted({label for one in found for label in one.labels})
        place = {label: i for i, label in enumerate(labels)}
        small = {label.casefold(): label for label in labels}
        said = {label for row in rows for label in row.labels}
        if unknown := sorted(label for label in said if label.casefold() not in small):
            raise InvalidInput(f"Labels of {table.name} that {' and '.join(one.name for one in found)} "
                               f"{'does' if len(found) == 1 else 'do'} not know: {shown(unknown)}. "
                               f"{'It knows' if len(found) == 1 else 'They know'} {shown(labels, 300)}. Leave these "
                               "clips out with --exclude.")
        numbers = [[place[small[label.casefold()]] for label in row.labels] for row in rows]
        truth = np.array([one[0] for one in numbers])
        if table.task == "tags":
            truth = np.zeros((len(rows), len(labels)), int)
            for i, marked in enumerate(numbers):
                truth[i, marked] = 1
    scores = [np.array([[one.rows[number].get(label, 0.0) for label in labels] for number in places])
              for one in found]
    return labels, truth, scores


def _write_predictions(path: Path, rows: Sequence[ClipRow], task: str, labels: Sequence[str], names: Sequence[str],
                       scores: Sequence[np.ndarray]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["clip", "span", "group", "label", *(f"{name}: {part}" for name in names
                                                             for part in ("says", "confidence", "right"))])
        for i, row in enumerate(rows):
            cells: list[Any] = [row.clip, row.span, row.group, ";".join(row.labels or map(str, row.targets))]
            for values in scores:
                if task == "numbers":
                    cells += [";".join(f"{value:.5g}" for value in values[i]), "", ""]
                    continue
                best = int(values[i].argmax())
                cells += [labels[best], f"{values[i, best]:.4f}", int(labels[best] in row.labels)]
            writer.writerow(cells)


def _lines(figures: dict[str, Any]) -> Iterator[str]:
    main = MAIN[figures["task"]]
    for name, measured in figures["models"].items():
        parts = [f"{key.replace('_', ' ')} {measured[key]:.3f} [{low:.3f}, {high:.3f}]"
                 for key, (low, high) in measured["intervals"].items()]
        yield f"{name}: {', '.join(parts)} ({plural(figures['clips'], 'clip')})"
    for pair in figures["paired"]:
        low, high = pair["interval"]
        test = f", McNemar p {pair['p']:.3g}" if "p" in pair else ""
        yield (f"{pair['first']} minus {pair['other']}: {main.replace('_', ' ')} {pair['difference']:+.3f} "
               f"[{low:+.3f}, {high:+.3f}]{test}")


__all__ = ["FIGURES", "PREDICTIONS", "EvaluationOptions", "evaluate_clips", "unique_names"]
