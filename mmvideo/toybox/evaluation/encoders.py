"""The diagnostic comparison: small members of all families learn the same toybox tasks, side by side.

Every encoder gets the same clips in the same order, the same schedule and learning rate, and one linear classifier
whose logits are cut into one part a task: one network answers all tasks. Test clips come from another split.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmvideo.errors import InvalidInput, RecipeError
from mmvideo.evaluation.evaluator import Evaluator
from mmvideo.evaluation.intervals import Count, pooled, wilson
from mmvideo.nn.costs import multiply_adds, num_params
from mmvideo.recipes import options_from
from mmvideo.toybox.evaluation.encoder_claims import verdicts
from mmvideo.toybox.tasks import LABELS
from mmvideo.training import checks, classifier
from mmvideo.training.clip_data import LabelledClips
from mmvideo.training.loop import Schedule, TrainingRun

log = logging.getLogger("mmvideo.evaluation")
_NOT_RESULTS = ("families", "seeds", "about", "evaluator", "exceptions")


PLACES = ("A single frame is not at chance on direction and speed: the place of a toy tells on which line it moves, "
          "and fast toys come nearer to the edges. What counts there is how far a family is above single-frame-tiny.")
"""What a reader of the table has to know of these tasks."""


@dataclass(frozen=True)
class ComparisonSettings:
    """What is the same for all families."""

    families: tuple[str, ...]
    """Presets, such as c3d-tiny."""
    tasks: tuple[str, ...] = tuple(LABELS)
    seeds: tuple[int, ...] = (0,)
    steps: int = 600
    batch_size: int = 16
    learning_rate: float = 0.002
    exceptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Presets with another `learning_rate` or `precision` than all others."""
    warmup: int = 30
    precision: str = "auto"
    """As in a recipe's schedule."""
    num: int = 1600
    """Test clips, over the kinds of scenes that the tasks need."""

    def key(self) -> str:
        """Name the settings that a family's result depends on."""
        kept = {k: x for k, x in asdict(self).items() if k not in _NOT_RESULTS}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:8]


def compare_encoders(raw: dict[str, Any], *, out: Path, where: str) -> Iterator[dict[str, Any]]:
    """Train and measure the families that a config lists; write encoders.json, .md and .png into `out`.

    A family that is finished is kept in `out`/families and not trained again; one that was stopped goes on.

    Yields:
        One report a family, then one a claim.

    Raises:
        RecipeError: an unknown key, or no families.
        UnknownName: no such preset or task.
        InvalidInput: a number out of range.
    """
    settings = check_comparison(raw, where)
    found: dict[str, list[dict[str, Any]]] = {}
    for preset in settings.families:
        for seed in settings.seeds:
            found.setdefault(preset, []).append(_measured(preset, seed, settings, out))
        _write(found, settings, out)
        yield _report(preset, found[preset])
    for verdict in verdicts(_counts(found), {p: rows[0]["gmacs"] for p, rows in found.items()}):
        yield asdict(verdict)


def check_comparison(raw: dict[str, Any], where: str) -> ComparisonSettings:
    """Return the options of a config, checked: a misspelt name is told before the first hour of training.

    Raises:
        RecipeError: an unknown key or a value of another type, no families or no seeds.
        UnknownName: no such preset or task.
        InvalidInput: a number out of range.
    """
    settings = options_from(ComparisonSettings, {k: x for k, x in raw.items() if k != "about"}, where)
    if not settings.families or not settings.seeds:
        raise RecipeError(f"{where}: list presets under 'families', such as [c3d-tiny], and at least one seed.")
    with checks.locating(where):
        checks.at_least(1, num=settings.num)
        checks.check_names("family", list(settings.exceptions), settings.families)
        if len({*settings.families}) < len(settings.families) or len({*settings.seeds}) < len(settings.seeds):
            raise InvalidInput("Each family and each seed is named once.")
        for preset in settings.families:
            classifier.check_classifier(preset, list(settings.tasks), "", "", 1, "", "", None, 0)
            for seed in settings.seeds:
                _schedule(preset, seed, settings)
    return settings


@dataclass(frozen=True)
class _Exception:
    """What may differ for one family."""

    learning_rate: float | None = None
    precision: str | None = None


def _schedule(preset: str, seed: int, settings: ComparisonSettings) -> Schedule:
    own = asdict(options_from(_Exception, settings.exceptions.get(preset, {}), f"exceptions of {preset}"))
    return Schedule(steps=settings.steps, batch_size=settings.batch_size, log_every=50, warmup=settings.warmup,
                    seed=seed, save_every=100,
                    **{"learning_rate": settings.learning_rate, "precision": settings.precision,
                       **{name: value for name, value in own.items() if value is not None}})


def _measured(preset: str, seed: int, settings: ComparisonSettings, out: Path) -> dict[str, Any]:
    """Return a family's result, from disk if it is there."""
    own = settings.exceptions.get(preset, {})
    name = "-".join([preset, f"s{seed}", settings.key(), *(str(x) for x in own.values())])
    path = out / "families" / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text())
    log.info("training %s, seed %d", preset, seed)
    torch.manual_seed(seed)
    data = classifier.data_for(preset, task=settings.tasks)
    encoder = classifier.build_encoder(preset, data=data)
    schedule = _schedule(preset, seed, settings)
    began = time.monotonic()
    kept = {"trainer": "encoders", "options": {"preset": preset, "seed": seed}, "data": data.identity()}
    run = TrainingRun(out / "runs" / name, nn.ModuleDict({"encoder": encoder}), schedule, kept=kept)
    # Every seed learns from clips of its own.
    classifier.fit_classifier(run, encoder, data, evaluated=0, first_clip=seed * 10**7)
    seconds = max(time.monotonic() - began, _logged_seconds(run))
    encoder.eval()
    counts = classifier.measure_classifier(encoder, data, num=settings.num, split="test")
    encoder.save_pretrained(out / "runs" / name / "model")
    result = {"preset": preset, "seed": seed, "counts": counts, "params_millions": num_params(encoder) / 1e6,
              **_cost(encoder, data), "training_seconds": seconds}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    partial.replace(path)
    (out / "runs" / name / "checkpoint.pt").unlink(missing_ok=True)
    return result


def _logged_seconds(run: TrainingRun) -> float:
    """Return the time of all logged steps, those before the last resume among them."""
    log_file = run.folder / "log.jsonl"
    lines = [json.loads(text) for text in log_file.read_text().splitlines()] if log_file.exists() else []
    speeds = {line["step"]: line["per_second"] for line in lines if "per_second" in line}
    return sum(run.schedule.log_every * run.schedule.batch_size / speed for speed in speeds.values())


@torch.inference_mode()
def _cost(encoder, data, *, repeats: int = 7) -> dict[str, float]:
    """Return multiply-adds (billions) and the median time (ms) of one clip."""
    one = data.draw([0], "test")
    clips = LabelledClips(one.frames, one.labels, one.audio)
    gmacs = multiply_adds(lambda: classifier.logits_of(encoder, clips)) / 1e9
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        classifier.logits_of(encoder, clips)
        times.append(time.perf_counter() - began)
    return {"gmacs": gmacs, "latency_ms": 1000 * sorted(times)[repeats // 2]}


def _counts(found: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Count]]:
    """Add the seeds up: preset -> task -> (right, asked)."""
    return {preset: {task: pooled([tuple(row["counts"][task]) for row in rows]) for task in rows[0]["counts"]}
            for preset, rows in found.items()}


def _report(preset: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    counts = _counts({preset: rows})[preset]
    shares = {task: f"{right / max(asked, 1):.1%} [{wilson((right, asked))[0]:.1%}, {wilson((right, asked))[1]:.1%}]"
              for task, (right, asked) in counts.items()}
    first = rows[0]
    return {"family": preset, **shares, "params_millions": round(first["params_millions"], 3),
            "gmacs": round(first["gmacs"], 3), "latency_ms": round(first["latency_ms"], 2),
            "training_seconds": round(sum(row["training_seconds"] for row in rows), 1)}


def _write(found: dict[str, list[dict[str, Any]]], settings: ComparisonSettings, out: Path) -> None:
    """Write the table so far as JSON, Markdown and a picture."""
    counts = _counts(found)
    claims = verdicts(counts, {preset: rows[0]["gmacs"] for preset, rows in found.items()})
    reports = [_report(preset, rows) for preset, rows in found.items()]
    out.mkdir(parents=True, exist_ok=True)
    whole = {"settings": asdict(settings), "families": found, "claims": [asdict(c) for c in claims]}
    (out / "encoders.json").write_text(json.dumps(whole, indent=1) + "\n")
    (out / "encoders.md").write_text(_markdown(reports, claims, settings))
    _picture(counts, settings, out / "encoders.png")


def _markdown(reports: list[dict[str, Any]], claims, settings: ComparisonSettings) -> str:
    columns = list(reports[0])
    lines = ["# Encoders on toybox tasks", "",
             f"Every encoder learned from {settings.steps} batches of {settings.batch_size} clips, the same for all, "
             f"with the same schedule (learning rate {settings.learning_rate:g}"
             + f", precision {settings.precision}" + "".join(
                 f"; {preset}: " + ", ".join(f"{k} {v}" for k, v in own.items())
                 for preset, own in settings.exceptions.items())
             + "), from random weights, "
             f"{len(settings.seeds)} seed(s). One network with one linear part a task answers all tasks. "
             f"{settings.num} test clips, shared by the kinds of scenes; 95 % intervals by Wilson. Chance: "
             + ", ".join(f"{task} {1 / len(LABELS[task]):.0%}" for task in settings.tasks)
             + ". Latency: one clip, median, on the machine that trained.", "",
             "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(report[c]) for c in columns) + " |" for report in reports]
    lines += ["", "| claim | verdict | why |", "|---|---|---|"]
    lines += [f"| {claim.claim} | {claim.verdict} | {claim.why} |" for claim in claims]
    if {"direction", "speed"} & set(settings.tasks):
        lines += ["", PLACES]
    return "\n".join(lines) + "\n"


def _picture(counts: dict[str, dict[str, Count]], settings: ComparisonSettings, path: Path) -> None:
    """Draw one row of bars a task, with intervals and the level of chance."""
    from matplotlib.figure import Figure

    names = list(counts)
    figure = Figure(figsize=(2 + 2.2 * len(settings.tasks), 1.4 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots(1, len(settings.tasks), sharey=True, squeeze=False)[0]
    for axis, task in zip(axes, settings.tasks, strict=True):
        shares = [counts[n][task][0] / max(counts[n][task][1], 1) for n in names]
        ends = [wilson(counts[n][task]) for n in names]
        errors = [[max(0.0, p - low) for p, (low, _) in zip(shares, ends, strict=True)],
                  [max(0.0, high - p) for p, (_, high) in zip(shares, ends, strict=True)]]
        axis.barh(names, shares, xerr=errors, color="#4a7fb5", ecolor="#1d2733", capsize=2)
        axis.axvline(1 / len(LABELS[task]), color="#b54a4a", linestyle="--", linewidth=1)
        axis.set(title=task, xlim=(0, 1), xlabel="accuracy")
    axes[0].invert_yaxis()
    figure.savefig(path, dpi=130)


EVALUATOR = Evaluator(compare_encoders, check_comparison)

__all__ = ["EVALUATOR", "check_comparison", "compare_encoders"]
