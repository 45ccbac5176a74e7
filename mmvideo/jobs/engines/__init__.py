"""Engines: who does the work. Each takes items from the coordinator and gives outcomes back; rows are the same."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_WHERE = {"local": "mmvideo.jobs.engines.local", "accelerate": "mmvideo.jobs.engines.ranks",
          "ray": "mmvideo.jobs.engines.cluster"}


def find(name: str) -> Callable[[Any, Any, dict[str, Any], Any], None]:
    """Return the function that runs a job: (pipeline, options, job, coordinator)."""
    return importlib.import_module(_WHERE[name]).work
