"""Preparation of a run: plan it, refuse files that are in the way, open the ledger."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmvideo.jobs import schema, sidecars
from mmvideo.jobs.files import check_fixed
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.ledger import NAME, Ledger
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.plan import JobPlan, check_classes, describe_changes, plan_job
from mmvideo.jobs.report import NAME as REPORT
from mmvideo.jobs.sinks import PARQUET, RESULTS, keep_rows

MANIFEST, FAILURES = "run.json", "failures.jsonl"
FILES = "files"
"""Folder of results that are files."""
THUMBNAILS = "thumbnails"
_AT_THE_END = (PARQUET, FAILURES, REPORT)
"""Files that are written when a run has ended."""


def prepare(folder: Path, items: Sequence[Item], options: JobOptions, config: str, settings: dict[str, Any], gives: str,
            stack: contextlib.ExitStack) -> tuple[Ledger | None, JobPlan]:
    """Plan a run, say what is done anew, and take it up in the ledger; a dry run changes nothing.

    Args:
        settings: the configuration, of which `config` is the hash.
        gives: the field that is the pipeline's result.
        stack: closes the ledger.

    Returns:
        The ledger, None where there is none and the run is dry; and the plan.

    Raises:
        InvalidInput: another process runs the job, or files are in the way.
        UnknownName: a class of failures to try again that does not exist.
    """
    there = (folder / NAME).exists()
    ledger = Ledger(folder, write=not options.dry_run) if there else None
    if ledger is not None:
        stack.callback(ledger.close)
    known = ledger.known() if ledger is not None else {}
    check_classes(options.retry, known.values())
    before = json.loads(ledger.meta("settings") or "null") if ledger is not None else None
    plan = plan_job(known, items, options, config, has=ledger.knows if ledger is not None else lambda key: False,
                   why=describe_changes(before, settings))
    files = [RESULTS, FAILURES, REPORT, MANIFEST, schema.NAME, *[PARQUET] * options.parquet]
    folders = [*[THUMBNAILS] * bool(options.thumbnails), *[FILES] * (gives == "voices")]
    check_fixed(folder, files, folders, ledger, overwrite=options.overwrite)
    sources = ledger.every_source() if ledger is not None else ()
    sidecars.check_sidecars(folder, items, known, sources, plan, ledger, options)
    if options.dry_run:
        return ledger, plan
    _announce(plan, options)
    if ledger is None:
        ledger = Ledger(folder)
        stack.callback(ledger.close)
    if there and not ledger.outputs():  # of a version that kept no list
        _note(ledger, [name for name in _AT_THE_END if (folder / name).is_file()])
    keep_rows(folder, ledger, plan.dropped)
    if plan.changes:
        _clear(folder, ledger)
    _note(ledger, [*files, *folders])
    ledger.apply(plan, config, options)
    ledger.set_meta("settings", json.dumps(settings))
    ledger.set_meta("started", str(time.time()))
    return ledger, plan


def _note(ledger: Ledger, names: Sequence[str]) -> None:
    ledger.note_outputs([(os.fsencode(name), None, None, None) for name in names])


def _clear(folder: Path, ledger: Ledger) -> None:
    """Remove what an earlier run wrote at its end: rather none than one that is no longer true."""
    ours = [name for name in map(os.fsencode, _AT_THE_END) if name in ledger.outputs()]
    for name in ours:
        (folder / os.fsdecode(name)).unlink(missing_ok=True)
    ledger.forget_outputs(ours)


def _announce(plan: JobPlan, options: JobOptions) -> None:
    """Say before the work what is done anew, and why."""
    if options.progress:
        sys.stderr.write(f"{plan}\n")
    elif plan.anew:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in plan.anew.most_common())
        warnings.warn(f"Done anew: {plan.anew.total()} of {plan.total} clips; {reasons}. The rows that they had are "
                      "kept in results.XXXXXXXX.jsonl.", stacklevel=5)


__all__ = ["FAILURES", "FILES", "MANIFEST", "THUMBNAILS", "prepare"]
