"""Crash-safe batch jobs over many clips: finished clips are durable, restarts resume, rows are the same everywhere.

All but the options is imported on first use, as the command line makes its own of them and needs no torch for that.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from mmvideo.jobs.options import JobOptions

if TYPE_CHECKING:
    from mmvideo.jobs.estimate import JobEstimate
    from mmvideo.jobs.inputs import Item, read_inputs
    from mmvideo.jobs.job_status import status
    from mmvideo.jobs.plan import JobPlan
    from mmvideo.jobs.runner import run_job
    from mmvideo.jobs.summary import JobSummary

_HOMES = {"Item": "inputs", "read_inputs": "inputs", "JobEstimate": "estimate", "JobPlan": "plan",
          "JobSummary": "summary", "run_job": "runner", "status": "job_status"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = ["Item", "JobEstimate", "JobOptions", "JobPlan", "JobSummary", "read_inputs", "run_job", "status"]
