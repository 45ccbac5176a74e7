"""How a job stands, read from its ledger, also while it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmvideo.jobs.ledger import Ledger


def status(folder: str | Path, *, failures: int = 20) -> dict[str, Any]:
    """Return counts by state, failures by class with the first few in words, and the runs so far.

    Raises:
        InvalidInput: the folder holds no job.
    """
    ledger = Ledger(Path(folder).expanduser(), write=False)
    try:
        every = ledger.failures()
        classes: dict[str, int] = {}
        for _, _, name, _ in every:
            classes[name] = classes.get(name, 0) + 1
        return {"folder": str(folder), "counts": ledger.counts(), "classes": classes,
                "failures": [dict(zip(("id", "state", "class", "message"), one, strict=True))
                             for one in every[:failures]],
                "runs": json.loads(ledger.meta("runs") or "[]"), "config": ledger.meta("config")}
    finally:
        ledger.close()


def text(found: dict[str, Any]) -> str:
    """Lay a status out for people."""
    counts = found["counts"]
    lines = [f"{found['folder']}: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count)]
    lines += [f"  {count:6}  {name}" for name, count in sorted(found["classes"].items(), key=lambda item: -item[1])]
    lines += [f"  {one['id']}: {one['class']}: {one['message']}" for one in found["failures"]]
    for run in found["runs"][-3:]:
        rate = run["done"] / max(run["seconds"], 1e-9)
        lines.append(f"  a run of {run['seconds']:.1f} s: {run['done']} done, {rate:.2f} videos/s")
    return "\n".join(lines)


__all__ = ["status", "text"]
