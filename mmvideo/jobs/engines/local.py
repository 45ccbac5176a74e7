"""The engine `local`: decode workers beside one rank in this process."""

from __future__ import annotations

import threading
from typing import Any

import torch

from mmvideo.jobs import partition
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.inference_worker import Rank
from mmvideo.jobs.options import JobOptions, cores


def run_local(pipeline: Any, options: JobOptions, job: dict[str, Any], coordinator: Coordinator) -> None:
    """Work through the items with one rank, while this thread records what comes of them."""
    rank = Rank(pipeline, options, job, coordinator)
    coordinator.progress.meters = rank.meters
    failure: list[BaseException] = []

    def run() -> None:
        try:
            rank.run()
        except BaseException as error:
            failure.append(error)
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise

    threads = torch.get_num_threads()
    torch.set_num_threads(compute_threads(pipeline, options))
    thread = threading.Thread(target=run, name="compute", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            coordinator.settle(0.1)
        coordinator.settle_all()
    finally:
        torch.set_num_threads(threads)
    if failure:
        raise failure[0]


def compute_threads(pipeline: Any, options: JobOptions, available: int | None = None) -> int:
    """Return the threads for networks, so that they and the decode workers do not fight for cores.

    A chat model is given all: what its workers do is a twentieth of what it does itself, and they take turns with it
    (`jobs/turns.py`).

    Args:
        available: cores of this rank; None for all of this machine.
    """
    available = available or cores()
    return available if partition.is_costly(pipeline.stages) else max(1, available - options.num_workers)
