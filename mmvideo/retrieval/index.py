"""Make and read an index: a batch job of the pipeline `video-embedding`, whose Parquet file is searched."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmvideo.errors import InvalidInput, MediaNotFound, MmvideoError, OutputError
from mmvideo.jobs import JobOptions, JobSummary, run_job
from mmvideo.jobs.files import check_job_folder
from mmvideo.jobs.sinks import PARQUET, RESULTS, need_parquet
from mmvideo.pipeline import Pipeline
from mmvideo.redaction import one_line
from mmvideo.retrieval.words import WordIndex
from mmvideo.wording import plural

ABOUT = "index.json"
RECIPE = "video-embedding"
_PIECE = 2048
"""Rows of which all similarities are held at a time."""


@dataclass(frozen=True)
class Match:
    """A clip that was found."""

    source: str
    score: float
    """Cosine in [-1, 1] of two vectors; of a search in words BM25's score, which has no fixed range."""
    text: str = ""
    """What was found in the clip, in words."""

    def __str__(self) -> str:
        first = self.text.partition("\n")[0]
        return f"{self.score:6.3f}  {one_line(self.source)}" + (f"\n        {first}" if first else "")


@dataclass(frozen=True)
class Duplicates:
    """Clips that show nearly the same."""

    sources: tuple[str, ...]
    least: float
    """Smallest cosine of those by which they are joined."""

    def __str__(self) -> str:
        return f"{self.least:6.3f}  " + "\n        ".join(one_line(one) for one in self.sources)


def build_index(inputs: Any, out: str | Path, *, model: str | None = None, device: str | None = None,
                options: JobOptions | None = None, **overrides: Any) -> JobSummary:
    """Index clips, as a job that goes on where it stopped.

    Args:
        inputs: what `mmvideo.jobs.read_inputs` takes: a folder, glob, list, manifest, shard.
        out: folder of the index.
        model: what gives the vectors (see `mmvideo.stages.embed.Embed`); everyday by default.
        options: of the job; Parquet is always written.
        overrides: options of the stage `embed`.

    Raises:
        MissingExtra: pyarrow is absent.
        UnknownName, UnsupportedModel: no such model, or one that gives no vectors.
        InvalidInput: the folder holds the index of another model.
    """
    need_parquet()
    given = {name: value for name, value in vars(options or JobOptions()).items() if name not in ("parquet", "files")}
    folder = check_job_folder(out)
    named = str(model or "everyday")
    if (folder / ABOUT).is_file() and (before := read_about(folder)["model"]) != named:
        raise InvalidInput(f"{out} is an index made with {before}; vectors of {named} go into another folder.")
    pipe = Pipeline(RECIPE, model, device, **({"embed": overrides} if overrides else {}))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / ABOUT).write_text(json.dumps({"model": named, "embed": overrides}) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder / ABOUT} cannot be written: {error.strerror}.") from error
    summary = run_job(pipe, inputs, folder, JobOptions(**given, parquet=True))
    assert isinstance(summary, JobSummary), "a dry run was not asked for"
    return summary


def read_about(folder: Path) -> dict[str, Any]:
    """Return what an index was made with.

    Raises:
        MediaNotFound: there is no index.
        InvalidInput: its index.json is damaged.
    """
    path = folder / ABOUT
    if not path.is_file():
        raise MediaNotFound(f"{folder} is no index: it has no {ABOUT}; make one: mmvideo index CLIPS --out {folder}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {"model": str(found["model"]), "embed": dict(found.get("embed") or {})}
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path} is damaged: {error}; delete it and run mmvideo index again.") from error


class ClipIndex:
    """An index in memory; numpy compares a million vectors in about a second.

    Args:
        folder: that `build_index` wrote.
        device: for the model of searches by clip.

    Raises:
        MediaNotFound: there is no index, or it has no row yet.
        MissingExtra: pyarrow is absent.
    """

    def __init__(self, folder: str | Path, *, device: str | None = None):
        self.folder, self.device = Path(folder), device
        self.about = read_about(self.folder)
        rows = _rows(self.folder)
        if not rows:
            raise MediaNotFound(f"{folder} has no indexed clip yet; run mmvideo index again.")
        self.sources = [row["source"] for row in rows]
        self.texts = [row["text"] or "" for row in rows]
        vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
        self.vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        """float32 (N, D), of length 1."""

    def __len__(self) -> int:
        return len(self.sources)

    @cached_property
    def pipeline(self) -> Pipeline[Any]:
        """The pipeline that made the vectors, loaded when it is first needed."""
        embed = self.about["embed"]
        return Pipeline(RECIPE, self.about["model"], self.device, **({"embed": embed} if embed else {}))

    def by_clip(self, video: Any, top: int = 10) -> list[Match]:
        """Return the clips that are most like a video, the most alike first.

        Raises:
            MediaError: it cannot be read.
        """
        vector = np.array(self.pipeline(video).vector, dtype=np.float32)
        return self._best(self.vectors @ vector, top)

    def by_text(self, text: str, top: int = 10) -> list[Match]:
        """Return the clips that fit a text, best first.

        With a model of the hub the vector of the text is compared with those of the clips; with others that tell in
        words what they found, the words are searched, and clips without any of them are left out.

        Raises:
            InvalidInput: an empty text, or an index of an encoder, which has no words.
        """
        if not text.strip():
            raise InvalidInput("Give words to look for, as in mmvideo find INDEX 'a person kicks a ball'.")
        if any(self.texts):
            found = self._best(WordIndex(self.texts).scores(text), top)
            return [one for one in found if one.score > 0]
        stage = dict(self.pipeline.stages)["embed"]
        vectors = stage.texts([text])  # type: ignore[attr-defined]
        if vectors is None:
            raise InvalidInput(f"An index of {self.about['model']} has vectors without words: give a clip to look for, "
                               "or make an index with everyday or a model of the hub that reads texts.")
        return self._best(self.vectors @ vectors[0].numpy(), top)

    def duplicates(self, threshold: float = 0.98) -> list[Duplicates]:
        """Return groups of clips that are joined by a cosine of `threshold` or more, the largest first.

        Raises:
            InvalidInput: a threshold outside (0, 1].
        """
        if not 0 < threshold <= 1:
            raise InvalidInput(f"The threshold is a cosine in (0, 1], not {threshold}.")
        above = list(range(len(self)))
        least = [1.0] * len(self)

        def root(place: int) -> int:
            while above[place] != place:
                above[place] = above[above[place]]
                place = above[place]
            return place

        for first in range(0, len(self), _PIECE):
            similar = self.vectors[first:first + _PIECE] @ self.vectors.T
            for row, column in zip(*np.nonzero(similar >= threshold - 1e-6), strict=True):
                i, j = root(first + int(row)), root(int(column))
                if first + row < column and i != j:
                    above[j] = i
                    least[i] = min(least[i], least[j], float(similar[row, column]))
        groups: dict[int, list[str]] = {}
        for place, source in enumerate(self.sources):
            groups.setdefault(root(place), []).append(source)
        found = [Duplicates(tuple(some), min(least[place], 1.0)) for place, some in groups.items() if len(some) > 1]
        return sorted(found, key=lambda one: (-len(one.sources), -one.least))

    def _best(self, scores: np.ndarray, top: int) -> list[Match]:
        if top < 1:
            raise InvalidInput(f"top is 1 or more, not {top}.")
        order = np.argsort(-scores, kind="stable")[:top]
        return [Match(self.sources[i], float(scores[i]), self.texts[i]) for i in order.tolist()]

    def __repr__(self) -> str:
        return f"ClipIndex({plural(len(self), 'clip')}, {self.vectors.shape[1]} values, {self.about['model']})"


def _rows(folder: Path) -> list[dict[str, Any]]:
    """Read the rows of an index: of its Parquet file, or while the job runs of its JSON lines."""
    columns = ("source", "text", "embedding")
    if (folder / PARQUET).is_file():
        _, parquet = need_parquet()
        try:
            found = parquet.read_table(folder / PARQUET, columns=list(columns)).to_pylist()
        except (OSError, ValueError, KeyError) as error:
            raise InvalidInput(f"{folder / PARQUET} cannot be read: {error}; run mmvideo index again.") from error
    elif (folder / RESULTS).is_file():
        lines = (folder / RESULTS).read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.endswith("}")]
    else:
        found = []
    return [row for row in found if row.get("embedding")]


def failures(summary: JobSummary) -> MmvideoError | None:
    """Return the error of a job of which clips failed, to be raised after what was done has been said."""
    try:
        summary.check()
    except MmvideoError as error:
        return error
    return None


__all__ = ["ABOUT", "ClipIndex", "Duplicates", "Match", "build_index", "failures", "read_about"]
