"""How long a job will take and how large its results will be, from a few of its clips."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmvideo.jobs.fetch import size_of
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.plan import JobPlan
from mmvideo.jobs.summary import JobSummary
from mmvideo.wording import plural

SAMPLE = 10
"""Clips that are tried."""


@dataclass(frozen=True)
class JobEstimate:
    """What a job will take, reckoned from a sample of its clips."""

    plan: JobPlan
    sampled: int
    """Clips that were tried."""
    failed: int
    """Of these, clips that failed."""
    seconds_per_clip: float
    """On this machine, with these options; the start of the job left out."""
    row_bytes: float
    """Mean length of a row in results.jsonl."""
    tokens_per_clip: float | None
    """Tokens that a language model read and wrote, mean; None where none did."""
    share_of_bytes: float
    """Mean bytes of the clips to do over those of the sample; more than 1 where the sample's files are smaller."""

    @property
    def seconds(self) -> float:
        """Of the whole job."""
        return self.seconds_per_clip * self.share_of_bytes * self.plan.to_do

    @property
    def result_bytes(self) -> float:
        """Of the rows that will be written."""
        return self.row_bytes * self.plan.to_do

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**self.plan.to_dict(), "sampled": self.sampled, "sample_failed": self.failed,
                "seconds_per_clip": round(self.seconds_per_clip, 4), "seconds": round(self.seconds, 1),
                "row_bytes": round(self.row_bytes), "result_bytes": round(self.result_bytes),
                "tokens_per_clip": None if self.tokens_per_clip is None else round(self.tokens_per_clip)}

    def __str__(self) -> str:
        from mmvideo.jobs.display import duration_text

        tokens = "" if self.tokens_per_clip is None else f", {self.tokens_per_clip:.0f} tokens"
        failed = f", {self.failed} of which failed" if self.failed else ""
        return (f"{self.plan}\nfrom {plural(self.sampled, 'clip')}{failed}: {self.seconds_per_clip:.2f} s{tokens} and "
                f"{self.row_bytes:.0f} bytes of results a clip; about {duration_text(self.seconds)} and "
                f"{self.result_bytes / 1e6:.1f} MB for {self.plan.to_do}")


def sample_of(items: Sequence[Item], count: int = SAMPLE) -> list[Item]:
    """Return items spread evenly over the sizes of their files."""
    ordered = sorted(items, key=size_of)
    if len(ordered) <= count:
        return ordered
    return [ordered[round((place + 0.5) * len(ordered) / count - 0.5)] for place in range(count)]


def estimate_job(run: Callable[..., Any], items: Sequence[Item], plan: JobPlan,
                 options: JobOptions) -> JobEstimate:
    """Try a few of the clips that are to do, in a folder that is removed.

    Args:
        run: runs a job: (items, folder, options) -> its summary.
        items: that the job names.
        plan: what it will do.
    """
    to_do = [item for item in items if item.id in plan.doing]
    chosen = sample_of(to_do)
    if not chosen:
        return JobEstimate(plan, 0, 0, 0.0, 0.0, None, 1.0)
    trial = replace(options, estimate=False, dry_run=False, retry_failed=False, retry=(), thumbnails=0, sidecars=(),
                    beside=False, parquet=False, metrics=None, progress=False, progress_json=False)
    with tempfile.TemporaryDirectory(prefix="mmvideo-estimate-") as home:
        summary = run(chosen, Path(home, "job"), trial)
        assert isinstance(summary, JobSummary), "it is no dry run"
        lines = [line for line in summary.results.read_text(encoding="utf-8").splitlines() if line]
    rows = [json.loads(line) for line in lines]
    used = [sum(row["usage"].values()) for row in rows if row.get("usage")]
    seconds = summary.busy_seconds / len(chosen)
    mine, all_of_them = _mean(map(size_of, chosen)), _mean(map(size_of, to_do))
    return JobEstimate(plan, len(chosen), summary.failed, seconds, _mean(map(len, lines)),
                       _mean(used) if used else None, all_of_them / mine if mine and all_of_them else 1.0)


def _mean(values: Any) -> float:
    found = list(values)
    return statistics.fmean(found) if found else 0.0


__all__ = ["SAMPLE", "JobEstimate", "estimate_job", "sample_of"]
