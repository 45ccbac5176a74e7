"""The status of a job, read from its ledger, also while it runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from mmvideo.jobs.display import duration_text
from mmvideo.jobs.ledger import Ledger, is_locked
from mmvideo.redaction import clean


def status(folder: str | Path, *, failures: int = 20) -> dict[str, Any]:
    """Return counts by state, failures by class with the first few in words, times, and the runs so far.

    Times are seconds since 1970: `started_at` and `ended_at` of each run, `started_at` of the run that goes on or was
    killed (None after one that ended), `last_done_at`.

    Raises:
        InvalidInput: the folder holds no job.
    """
    folder = Path(folder).expanduser()
    ledger = Ledger(folder, write=False)
    try:
        every = ledger.failures()
        classes: dict[str, int] = {}
        for _, _, name, _ in every:
            classes[name] = classes.get(name, 0) + 1
        runs = [{**run, "started_at": run.get("began", run["at"] - run["seconds"]), "ended_at": run["at"]}
                for run in json.loads(ledger.meta("runs") or "[]")]
        started, done = ledger.meta("started"), ledger.finished_at()
        return {"folder": str(folder), "running": is_locked(folder),
                "started_at": float(started) if started else None, "last_done_at": done[-1] if done else None,
                "counts": ledger.counts(), "classes": classes,
                "failures": [dict(zip(("id", "state", "class", "message"), one, strict=True))
                             for one in every[:failures]],
                "runs": runs, "config": ledger.meta("config")}
    finally:
        ledger.close()


def status_text(found: dict[str, Any]) -> str:
    """Lay a status out for people."""
    counts, now = found["counts"], time.time()
    lines = [f"{found['folder']}: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count)]
    if found["running"] and found["started_at"]:
        lines.append(f"  running for {duration_text(now - found['started_at'])}, since {when(found['started_at'])}")
    if found["last_done_at"]:
        lines.append(f"  the last clip was done {duration_text(now - found['last_done_at'])} ago, at "
                     f"{when(found['last_done_at'])}")
    lines += [f"  {count:6}  {name}" for name, count in sorted(found["classes"].items(), key=lambda item: -item[1])]
    lines += [f"  {one['id']}: {one['class']}: {one['message']}" for one in found["failures"]]
    for run in found["runs"][-3:]:
        rate = run["done"] / max(run["seconds"], 1e-9)
        lines.append(f"  {when(run['started_at'])} to {when(run['ended_at'])}, {run['seconds']:.1f} s: {run['done']} "
                     f"done, {rate:.2f} videos/s")
    if found["started_at"] and not found["running"]:
        lines.append(f"  {when(found['started_at'])}: a run that did not end; the same command goes on")
    return clean("\n".join(lines))


def when(seconds: float) -> str:
    """Return a time in words, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


__all__ = ["status", "status_text", "when"]
