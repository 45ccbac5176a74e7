"""Engines: who does the work. Each takes items from the coordinator and gives outcomes back; rows are the same."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_WHERE = {"local": "mmvideo.jobs.engines.local:run_local", "accelerate": "mmvideo.jobs.engines.ranks:run_accelerate",
          "ray": "mmvideo.jobs.engines.cluster:run_ray"}


def find_engine(name: str) -> Callable[[Any, Any, dict[str, Any], Any], None]:
    """Return the function that runs a job: (pipeline, options, job, coordinator)."""
    module, _, function = _WHERE[name].partition(":")
    return getattr(importlib.import_module(module), function)
