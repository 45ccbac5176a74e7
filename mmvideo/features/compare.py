"""Compare frozen encoders on labelled clips: features, probes, one table."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo.errors import InvalidInput, MmvideoError, OutputError
from mmvideo.features.extract import Extracted, extract
from mmvideo.features.frozen import AUTO, FrozenEncoder, frozen_encoder
from mmvideo.features.probes import PROBES, SHOTS, ProbeScore, Probing, run_probes
from mmvideo.features.store import FeatureStore
from mmvideo.features.views import CROPS, WHOLE, SharedViews
from mmvideo.labelled.read import fingerprinted, read_labelled
from mmvideo.labelled.rows import ClipRow, DataOptions, LabelledTable
from mmvideo.labelled.splits import split
from mmvideo.notebook import data_frame, table_html
from mmvideo.objects.people import PeopleFinder
from mmvideo.wording import plural

REPORT = "report.json"


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """What is computed and probed.

    Raises:
        InvalidInput: a number below 0, or no such crop.
    """

    crop: str = WHOLE
    """none (the middle of the picture), person (the square around the people of a clip) or moving (the square around
    what moves, while it moves; for cameras that stand still)."""
    pretrained: str = AUTO
    """Weights of presets: auto (those that ship, else ImageNet's where a preset can hold them, else random), imagenet,
    or none (random)."""
    probes: tuple[str, ...] = tuple(PROBES)
    """linear, svm (needs scikit-learn) or knn; by default all."""
    shots: tuple[int, ...] = SHOTS
    per_class: int = 0
    """Most clips of a class in each split, chosen by content; 0 takes all."""

    def __post_init__(self) -> None:
        if self.crop not in CROPS:
            raise InvalidInput(f"crop is {' or '.join(CROPS)}, not {self.crop!r}.")
        if self.per_class < 0:
            raise InvalidInput(f"per_class is 0 (all clips) or more, not {self.per_class}.")


@dataclass(frozen=True)
class EncoderLine:
    """What was found about one encoder."""

    encoder: str
    weights: str = ""
    dim: int = 0
    clips: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    """Clip -> why it has no features."""
    scores: tuple[ProbeScore, ...] = ()
    notes: tuple[str, ...] = ()
    computed: int = 0
    seconds: float = 0.0
    """Wall time in which the features that were not kept were computed, with the decoding of clips that no encoder
    before it has seen in the same geometry."""
    cpu_seconds: float = 0.0
    reading_seconds: float = 0.0
    error: str = ""
    """Why there is nothing; empty where there is."""

    def score(self, name: str) -> float | None:
        """Return the accuracy of a probe; None where it did not run."""
        return next((one.accuracy for one in self.scores if one.probe == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        rates = {"clips_per_second": self.computed / self.seconds if self.computed and self.seconds else None,
                 "cpu_seconds_per_clip": self.cpu_seconds / self.computed if self.computed else None,
                 "kept_clips_per_second": self.clips / self.reading_seconds if self.reading_seconds else None}
        return {**{name: value for name, value in vars(self).items() if name != "scores"},
                "scores": [vars(score) for score in self.scores], **rates}


@dataclass(frozen=True)
class EncoderComparison:
    """Encoders, best linear probe first, on one set of labelled clips."""

    data: str
    train: int
    test: int
    classes: tuple[str, ...]
    chance: float
    """Accuracy of always naming the class that is most frequent among the clips that are measured on."""
    lines: tuple[EncoderLine, ...]
    notes: tuple[str, ...] = ()

    @property
    def probes(self) -> list[str]:
        """Names of the probes that ran."""
        return list(dict.fromkeys(score.probe for line in self.lines for score in line.scores))

    def rows(self) -> list[dict[str, Any]]:
        """Return a row an encoder: its weights, width, accuracy of each probe, clips a second."""
        return [{"encoder": line.encoder, "weights": line.weights, "dim": line.dim,
                 **{name: line.score(name) for name in self.probes},
                 "clips_per_second": line.to_dict()["clips_per_second"], "error": line.error or None}
                for line in self.lines]

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame`, a row an encoder.

        Raises:
            MissingExtra: pandas is absent.
        """
        return data_frame(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values with every interval and every clip that failed."""
        return {**{name: value for name, value in vars(self).items() if name != "lines"},
                "encoders": [line.to_dict() for line in self.lines]}

    def _repr_html_(self) -> str:
        return f"<p>{self.headline}</p>{table_html(self.rows())}"

    @property
    def headline(self) -> str:
        """What was measured on, in one line."""
        return (f"{self.data}: {plural(self.train, 'clip')} to learn from, {self.test} to measure on, "
                f"{plural(len(self.classes), 'class', 'classes')}, the most frequent {self.chance:.1%}")


def compare_frozen(data: str | Path, encoders: Sequence[str], out: str | Path, *,
                     options: ProbeOptions | None = None, reading: DataOptions | None = None,
                     device: torch.device | str = "cpu",
                     on_line: Callable[[EncoderLine], None] | None = None,
                     on_progress: Callable[[str, int, int], None] | None = None) -> EncoderComparison:
    """Compute the features of frozen encoders, and probe them.

    Args:
        data: labelled clips, as `mmvideo train` takes them (`mmvideo.labelled.read_labelled`).
        encoders: presets of the zoo or folders of encoders.
        out: folder of the features and of report.json; run again with the same folder, nothing is computed twice.
        reading: columns, splits and the like.
        on_line: called with each encoder's line when it is done.
        on_progress: called with the encoder, and the number of clips that are done, and of all.

    Raises:
        InvalidInput: clips with several labels or numbers to predict, or no clip to measure on.
        UnknownName: no such encoder, column or probe.
        MediaError: no clip can be read.
        OutputError: `out` cannot be written.
    """
    options, reading = options or ProbeOptions(), reading or DataOptions()
    table = fingerprinted(split(read_labelled(data, reading), reading))
    chosen = _chosen(table, options.per_class)
    made = list(dict.fromkeys(encoders))
    if not made:
        raise InvalidInput("Name one encoder or more; see `mmvideo list encoders`.")
    people, shared, lines = PeopleFinder(), SharedViews(), []
    with FeatureStore(Path(out)) as store:
        for name in made:
            lines.append(_line(name, chosen, table, store, options, device, people, shared, on_progress,
                               alone=len(made) == 1))
            if on_line is not None:
                on_line(lines[-1])
    lines.sort(key=lambda line: -max((score.accuracy for score in line.scores if score.probe in PROBES), default=-1.0))
    learned, measured = _parts(chosen)
    found = EncoderComparison(table.name, len(learned), len(measured), table.names,
                              _most_frequent(measured), tuple(lines), table.notes)
    try:
        (Path(out) / REPORT).write_text(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise OutputError(f"{Path(out) / REPORT} cannot be written: {error.strerror}.") from error
    return found


def _chosen(table: LabelledTable, per_class: int) -> list[ClipRow]:
    """Return the clips that are used.

    Raises:
        InvalidInput: they are not of one class each, or none is left to learn from or to measure on.
    """
    if table.task != "classes":
        raise InvalidInput(f"{table.name} is read as {table.task}; probes need one label a clip (--task classes, "
                           "--label-column NAME).")
    rows = list(table.rows)
    if per_class:
        groups: dict[tuple[bool, str], list[ClipRow]] = defaultdict(list)
        for row in rows:
            groups[row.split == "test", row.labels[0]].append(row)
        rows = [row for some in groups.values() for row in sorted(some, key=_order)[:per_class]]
    learned, measured = _parts(rows)
    if not learned or not measured:
        raise InvalidInput(f"{table.name}: {plural(len(learned), 'clip')} to learn from and {len(measured)} to measure "
                           "on; give a split column with train and test, or a --test-share above 0.")
    return rows


def _order(row: ClipRow) -> str:
    return hashlib.sha256(row.key.encode()).hexdigest()


def _parts(rows: Sequence[ClipRow]) -> tuple[list[ClipRow], list[ClipRow]]:
    """Return the clips to learn from (training and validation) and those to measure on."""
    return [row for row in rows if row.split != "test"], [row for row in rows if row.split == "test"]


def _most_frequent(rows: Sequence[ClipRow]) -> float:
    counts = np.unique([row.labels[0] for row in rows], return_counts=True)[1]
    return float(counts.max() / counts.sum())


def _line(name: str, rows: Sequence[ClipRow], table: LabelledTable, store: FeatureStore, options: ProbeOptions,
          device: torch.device | str, people: PeopleFinder, shared: SharedViews,
          on_progress: Callable[[str, int, int], None] | None, *, alone: bool) -> EncoderLine:
    """Compute and probe one encoder; of several, one that cannot run is a line with its error."""
    try:
        encoder = frozen_encoder(name, pretrained=options.pretrained, crop=options.crop, device=device)
        told = None if on_progress is None else lambda done, total: on_progress(encoder.name, done, total)
        found = extract(encoder, rows, store, people=people, shared=shared, on_progress=told)
        return _probed(encoder, found, rows, table, options)
    except (MmvideoError, RuntimeError) as error:
        if alone or isinstance(error, OutputError):
            raise
        return EncoderLine(name, error=f"{type(error).__name__}: {error}")


def _probed(encoder: FrozenEncoder, found: Extracted, rows: Sequence[ClipRow], table: LabelledTable,
            options: ProbeOptions) -> EncoderLine:
    parts = [[row for row in some if row.key in found.vectors] for some in _parts(rows)]
    if not all(parts):
        first = next(iter(found.failed.items()), ("", "no clip is left"))
        raise InvalidInput(f"{table.name}: no clip of a split could be read; the first: {first[0]}: {first[1]}")
    index = {label: number for number, label in enumerate(table.names)}
    tensors = [(_stacked(found, some), torch.tensor([index[row.labels[0]] for row in some])) for some in parts]
    names = sorted({row.group for row in parts[0]})
    groups = torch.tensor([names.index(row.group) for row in parts[0]])
    scores, notes = run_probes(Probing(*tensors[0], *tensors[1], groups), options.probes, options.shots)
    dim = tensors[0][0].shape[1]
    return EncoderLine(encoder.name, encoder.weights, dim, sum(map(len, parts)), found.failed, tuple(scores),
                       tuple(notes), found.computed, found.seconds, found.cpu_seconds, found.reading_seconds)


def _stacked(found: Extracted, rows: Sequence[ClipRow]) -> Tensor:
    return torch.from_numpy(np.stack([found.vectors[row.key] for row in rows]))


__all__ = ["REPORT", "EncoderComparison", "EncoderLine", "ProbeOptions", "compare_frozen"]
