"""How a job stands after a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmvideo.errors import JobIncomplete
from mmvideo.jobs.plan import JobPlan
from mmvideo.jobs.sinks import RESULTS
from mmvideo.wording import plural


@dataclass(frozen=True)
class JobSummary:
    """How a job stands after a run."""

    folder: Path
    counts: dict[str, int]
    """Items by state."""
    seconds: float
    done_now: int
    reused: int
    """Items whose content was known: nothing was computed for them."""
    failures: tuple[tuple[str, str, str, str], ...] = field(default=(), repr=False)
    """(id, state, class, message) of what failed, the first thousand."""
    interrupted: bool = False
    busy_seconds: float = 0.0
    """What the slower of workers and networks took, without starting and waiting."""
    plan: JobPlan | None = field(default=None, repr=False)
    """What was to be done."""

    @property
    def results(self) -> Path:
        """The rows, one JSON object a line."""
        return self.folder / RESULTS

    @property
    def failed(self) -> int:
        """Items that failed or are quarantined."""
        return self.counts["failed"] + self.counts["quarantined"]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        with self.results.open(encoding="utf-8") as file:
            yield from map(json.loads, file)

    def check(self) -> None:
        """Raise where something failed.

        Raises:
            JobIncomplete: with the number of failures by class.
        """
        if self.failed:
            raise JobIncomplete(f"{self.failed} of {plural(sum(self.counts.values()), 'item')} failed "
                                f"({by_class(self.failures)}); they are listed in {self.folder / 'failures.jsonl'}. "
                                "Mend them and run the command again with --retry-failed.")

    def __str__(self) -> str:
        total = sum(self.counts.values())
        lines = [f"{self.counts['done']} of {total} done, {self.failed} failed, "
                 f"{self.counts['pending'] + self.counts['running']} left; {self.done_now} in this run"
                 + (f" ({self.reused} were known by their content)" if self.reused else "")
                 + f", {self.seconds:.1f} s, {self.done_now / max(self.seconds, 1e-9):.2f} videos/s",
                 f"rows: {self.results}", f"report: {self.folder / 'report.html'}"]
        if self.failed:
            lines.insert(1, f"failures: {by_class(self.failures)}; see {self.folder / 'failures.jsonl'}")
        return "\n".join(lines)


def by_class(failures: Any) -> str:
    """Count failures by class, in words."""
    counts: dict[str, int] = {}
    for _, _, name, _ in failures:
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


__all__ = ["JobSummary", "by_class"]
