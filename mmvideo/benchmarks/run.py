"""Run a benchmark: one job for all items, then scores with intervals, a receipt for each item, and comparisons."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmvideo import checks
from mmvideo.benchmarks.base import LETTERS, BenchmarkItem, Scored, VideoBenchmark
from mmvideo.errors import InvalidInput, MediaNotFound
from mmvideo.evaluation.intervals import wilson
from mmvideo.jobs import JobOptions, run_job
from mmvideo.media.probes import PROBES
from mmvideo.pipeline import Pipeline
from mmvideo.registry import find

RECEIPTS, REPORT = "receipts.jsonl", "report.json"
ANSWERS = ("parse", "likelihood")
_Z = 1.96


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """How a benchmark is run.

    Raises:
        InvalidInput: a value out of range.
    """

    subtitles: bool = False
    """Put what is said before each question, where the benchmark has subtitles."""
    answers: str = "parse"
    """parse: the letter that the reply begins with, or nothing; likelihood: the likeliest letter."""
    probe: str | None = None
    """Show the model something else than the video: blind, single-frame, frozen, shuffled, reversed or muted."""
    limit: int | None = None
    """Only so many items, spread evenly over the benchmark."""
    compare: Path | None = None
    """Folder of another run, compared item by item."""

    def __post_init__(self) -> None:
        checks.one_of("answers", self.answers, ANSWERS)
        if self.probe is not None:
            checks.one_of("probe", self.probe, PROBES)
        if self.limit is not None:
            checks.whole("limit", self.limit, low=1)


def run_benchmark(name: str, data: Path, model: str | None, out: Path, options: BenchmarkOptions | None = None, *,
                  device: str | None = None, job: JobOptions | None = None,
                  changes: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Ask a model all items of a benchmark, resumably, and return the report.

    Args:
        name: of the registry (`mmvideo list benchmarks`).
        data: the benchmark's folder.
        out: the folder of receipts, report and job.
        changes: options of stages, as {"encode_video": {"num_frames": 16}}.

    Raises:
        UnknownName: no such benchmark or model.
        MediaNotFound: annotations are absent.
        InvalidInput: annotations in another format, or another run in the folder.
    """
    benchmark: VideoBenchmark = find("benchmarks", name)()
    asked = options or BenchmarkOptions()
    if not Path(data).is_dir():
        raise MediaNotFound(f"{data}: no such folder; give --data the folder with annotations and videos of {name} as "
                            f"they are published ({benchmark.source}).")
    items = _limited(benchmark.read(Path(data), subtitles=asked.subtitles), asked.limit)
    if not items:
        raise MediaNotFound(f"{data} holds no item of {name}.")
    out.mkdir(parents=True, exist_ok=True)
    replies: dict[str, dict[str, Any]] = {}
    for choices, some in _groups(benchmark, items, asked):
        pipe = _pipeline(benchmark, model, device, choices, asked, changes or {})
        home = out / (f"job-{len(choices)}" if choices else "job")
        entries = [_entry(benchmark, item) for item in some]
        run_job(pipe, entries, home, replace(job or JobOptions(), progress=job.progress if job else False))
        replies |= {row["id"]: row for row in _rows(home)}
        model = model or pipe.model
    scored = [_scored(benchmark, item, replies[item.id]["text"]) for item in items if item.id in replies]
    report = {"benchmark": name, "model": model, **_settings(asked), "items": len(items), "answered": len(scored),
              "failed": len(items) - len(scored), **benchmark_figures(benchmark, scored)}
    _write_receipts(out / RECEIPTS, benchmark, scored, replies)
    if asked.compare is not None:
        report["compared"] = compared(out, asked.compare)
    (out / REPORT).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _settings(options: BenchmarkOptions) -> dict[str, Any]:
    return {"probe": options.probe, "answers": options.answers, "subtitles": options.subtitles}


def _limited(items: Sequence[BenchmarkItem], limit: int | None) -> list[BenchmarkItem]:
    """Return so many items, spread evenly; all of a group together."""
    if limit is None or limit >= len(items):
        return list(items)
    groups: dict[str, list[BenchmarkItem]] = {}
    for item in items:
        groups.setdefault(item.group or item.id, []).append(item)
    names = list(groups)
    count = max(1, limit * len(names) // len(items))
    return [item for n in range(count) for item in groups[names[n * len(names) // count]]]


def _groups(benchmark: VideoBenchmark, items: Sequence[BenchmarkItem], options: BenchmarkOptions
            ) -> list[tuple[tuple[str, ...], list[BenchmarkItem]]]:
    """Return the letters that are chosen from by likelihood, and the items with so many options."""
    if options.answers == "parse" or not any(item.options for item in items):
        return [((), list(items))]
    if type(benchmark).prompt is not VideoBenchmark.prompt:
        raise InvalidInput("answers=\"likelihood\" chooses among letters, and this benchmark asks for words; leave it "
                           "out.")
    found: dict[int, list[BenchmarkItem]] = {}
    for item in items:
        found.setdefault(len(item.options), []).append(item)
    return [(tuple(LETTERS[:count]), some) for count, some in sorted(found.items())]


def _pipeline(benchmark: VideoBenchmark, model: str | None, device: str | None, choices: Sequence[str],
              options: BenchmarkOptions, changes: Mapping[str, Mapping[str, Any]]) -> Pipeline[Any]:
    own: dict[str, dict[str, Any]] = {"read": {"probe": options.probe}} if options.probe else {}
    if benchmark.recipe == "video-qa":
        own["answer"] = {"max_new_tokens": benchmark.max_new_tokens, **({"choices": list(choices)} if choices else {})}
    for stage, given in changes.items():
        own[stage] = {**own.get(stage, {}), **given}
    return Pipeline(benchmark.recipe, model, device, **own)


def _entry(benchmark: VideoBenchmark, item: BenchmarkItem) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": item.id, "path": str(item.video.absolute()), "start_seconds": item.start_seconds,
                             "end_seconds": item.end_seconds}
    return {**entry, "question": benchmark.prompt(item)} if benchmark.recipe == "video-qa" else entry


def _rows(home: Path) -> Iterable[dict[str, Any]]:
    path = home / "results.jsonl"
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file if line.strip())


def _scored(benchmark: VideoBenchmark, item: BenchmarkItem, reply: str) -> Scored:
    parsed = benchmark.parse(item, reply)
    return Scored(item, reply, parsed, 0.0 if parsed is None else benchmark.score(item, parsed))


def benchmark_figures(benchmark: VideoBenchmark, scored: Sequence[Scored]) -> dict[str, Any]:
    """Return mean score with its 95 % interval, how many replies were not understood, and scores by kind."""
    kinds: dict[str, dict[str, list[float]]] = {}
    for one in scored:
        for tag, kind in one.item.tags.items():
            kinds.setdefault(tag, {}).setdefault(kind, []).append(one.score)
    mean, interval = mean_interval([one.score for one in scored])
    return {"score": mean, "interval": interval, "unparsed": sum(one.parsed is None for one in scored),
            **benchmark.summary(scored),
            "by": {tag: {kind: {"score": mean_interval(scores)[0], "items": len(scores)}
                         for kind, scores in sorted(each.items())} for tag, each in sorted(kinds.items())}}


def mean_interval(scores: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Return the mean of scores and its 95 % interval: Wilson's for right and wrong, else by their spread."""
    count = len(scores)
    if not count:
        return 0.0, (0.0, 1.0)
    mean = sum(scores) / count
    if all(score in (0.0, 1.0) for score in scores):
        return mean, wilson((round(sum(scores)), count))
    spread = (sum((score - mean) ** 2 for score in scores) / max(1, count - 1) / count) ** 0.5
    return mean, (mean - _Z * spread, mean + _Z * spread)


def compared(out: Path, other: Path) -> dict[str, Any]:
    """Compare two runs item by item: the mean difference with its 95 % interval, over the items that both have.

    Raises:
        MediaNotFound: the other folder holds no receipts.
        InvalidInput: the runs share no item.
    """
    mine, theirs = _scores(out), _scores(other)
    both = sorted(mine.keys() & theirs.keys())
    if not both:
        raise InvalidInput(f"{other} and this run share no item; compare runs of one benchmark.")
    differences = [mine[name] - theirs[name] for name in both]
    mean = sum(differences) / len(both)
    spread = (sum((one - mean) ** 2 for one in differences) / max(1, len(both) - 1) / len(both)) ** 0.5
    return {"with": str(other), "items": len(both), "difference": mean,
            "interval": (mean - _Z * spread, mean + _Z * spread), "better": sum(one > 0 for one in differences),
            "worse": sum(one < 0 for one in differences)}


def _scores(folder: Path) -> dict[str, float]:
    path = folder / RECEIPTS
    if not path.is_file():
        raise MediaNotFound(f"{folder} holds no {RECEIPTS}; give the folder of a finished run of `mmvideo eval`.")
    return {row["id"]: row["score"] for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def _write_receipts(path: Path, benchmark: VideoBenchmark, scored: Sequence[Scored],
                    rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write for each item what it rests on: hash of the clip, times of frames, prompt, raw reply."""
    lines = []
    hashes: dict[Path, str] = {}
    for one in scored:
        row, video = rows[one.item.id], one.item.video
        if video not in hashes:
            hashes[video] = _hash(video)
        lines.append(json.dumps({
            "id": one.item.id, "sha256": hashes[video], "frame_times": row["frame_times"],
            "prompt": benchmark.prompt(one.item), "reply": one.reply, "parsed": one.parsed, "answer": one.item.answer,
            "score": one.score, "model": row.get("model"), "config": row.get("config")}, ensure_ascii=False))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = [
    "ANSWERS",
    "RECEIPTS",
    "REPORT",
    "BenchmarkOptions",
    "benchmark_figures",
    "compared",
    "mean_interval",
    "run_benchmark",
]
