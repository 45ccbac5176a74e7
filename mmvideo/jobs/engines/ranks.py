"""The engine `accelerate`: ranks on any number of GPUs and machines, each taking work from one ledger.

Called from an ordinary process it starts `accelerate launch` on this machine. Called inside one that you launched
(`accelerate launch ... -m mmvideo caption CLIPS --out JOB --engine accelerate`, on one machine or on many), rank 0
holds the ledger and the others find it through the process group.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mmvideo.errors import MmvideoError
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.engines.local import compute_threads
from mmvideo.jobs.engines.local import run_local as work_here
from mmvideo.jobs.inference_worker import Rank
from mmvideo.jobs.options import JobOptions, cores
from mmvideo.jobs.rpc import LOOPBACK, Address, RemoteLink, own_address, serve_coordinator
from mmvideo.recipes import Recipe, StageSpec
from mmvideo.registry import PARTS, _table


def rank() -> int:
    """Return which of the launched processes this is; 0 also where none was launched."""
    return int(os.environ.get("RANK", "0"))


def is_launched() -> bool:
    """Say whether this process was started by `accelerate launch` with others beside it."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def run_accelerate(pipeline: Any, options: JobOptions, job: dict[str, Any], coordinator: Coordinator) -> None:
    """Work through the items with several ranks."""
    if is_launched():
        with serve_coordinator(coordinator, _host(), ranks=int(os.environ["WORLD_SIZE"]) - 1) as address:
            _share(address, pipeline)
            work_here(pipeline, options, job, coordinator)
            while coordinator.progress.left and not coordinator.stopping():
                coordinator.settle(0.1)
        _leave_group()
        return
    with serve_coordinator(coordinator) as address, tempfile.TemporaryDirectory() as home:
        settings = Path(home, "rank.json")
        settings.write_text(json.dumps(_settings(pipeline, _shared_out(options), job, address)), encoding="utf-8")
        settings.chmod(0o600)
        process = subprocess.Popen(_command(pipeline, options, settings), env=_environment(options),
                                   start_new_session=True)
        try:
            while process.poll() is None:
                coordinator.settle(0.1)
            coordinator.settle_all()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode and coordinator.progress.left and not coordinator.stopping():
        raise MmvideoError(f"accelerate launch ended with exit code {process.returncode}, see above; "
                           f"{coordinator.progress.left} items are left. Run the command again to go on.")


def _host() -> str:
    """Return the address under which the other ranks reach this one."""
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:  # all are on this machine
        return LOOPBACK
    return own_address(os.environ.get("MASTER_ADDR", ""), socket.gethostname())


def run_follower(pipeline: Any, options: JobOptions, job: dict[str, Any]) -> None:
    """Work for the ledger of rank 0, in a process that was launched."""
    _work_for(pipeline, options, job, _share(None, pipeline), leave=_leave_group)


def _leave_group() -> None:
    """Leave the process group. Rank 0 holds its store and leaves last, as it holds the ledger for all others."""
    from accelerate import PartialState

    PartialState().destroy_process_group()


def _share(address: Address | None, pipeline: Any) -> Address:
    """Tell all ranks where the ledger is."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    PartialState(cpu=pipeline.device.type == "cpu")
    told: list[Any] = [None if address is None else dataclasses.asdict(address)]
    broadcast_object_list(told, from_process=0)
    return Address(**told[0])


def _work_for(pipeline: Any, options: JobOptions, job: dict[str, Any], address: Address, *,
              leave: Callable[[], None] = lambda: None) -> None:
    """Work for the ledger at an address; `leave` runs before its holder hears that this rank has gone."""
    torch.set_num_threads(compute_threads(pipeline, options, max(1, cores() // options.processes)))
    link = RemoteLink(address)
    try:
        Rank(pipeline, options, job, link).run()
        leave()
    finally:
        link.close()


def _shared_out(options: JobOptions) -> JobOptions:
    """Divide the cores of this machine among its ranks."""
    return dataclasses.replace(options, workers=options.workers or max(1, cores() // options.processes - 1))


def _command(pipeline: Any, options: JobOptions, settings: Path) -> list[str]:
    where = ["--multi_gpu"] if pipeline.device.type == "cuda" and options.processes > 1 else []
    where = ["--cpu"] if pipeline.device.type == "cpu" else where
    return [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", *where, "--num_machines", "1",
            "--num_processes", str(options.processes), "--mixed_precision", "no", "--dynamo_backend", "no",
            "--main_process_port", "0", "-m", "mmvideo.jobs.engines.ranks", str(settings)]


def _environment(options: JobOptions) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "OMP_NUM_THREADS": str(max(1, cores() // options.processes))}


def _settings(pipeline: Any, options: JobOptions, job: dict[str, Any], address: Address) -> dict[str, Any]:
    return {"recipe": recipe_to_json(pipeline.recipe), "options": dataclasses.asdict(options), "job": job,
            "address": dataclasses.asdict(address), "parts": PARTS, "device": pipeline.device.type}


def recipe_to_json(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe with the paths of its models, which YAML may not hold, as plain values."""
    return {**{f.name: getattr(recipe, f.name) for f in dataclasses.fields(recipe)},
            "stages": [[spec.name, dict(spec.options)] for spec in recipe.stages]}


def recipe_from_json(values: dict[str, Any]) -> Recipe:
    """Undo `recipe_to_json`."""
    return Recipe(**{**values, "takes": tuple(values["takes"]),
                     "stages": tuple(StageSpec(name, options) for name, options in values["stages"])})


def options_from_json(values: dict[str, Any]) -> JobOptions:
    """Build the options of a job from plain values."""
    return JobOptions(**{**values, "sidecars": tuple(values["sidecars"])})


def run_rank(settings: Path) -> None:
    """Be one of the ranks that `work` has launched."""
    from accelerate import PartialState

    from mmvideo.pipeline import Pipeline

    given = json.loads(settings.read_text(encoding="utf-8"))
    PARTS.update(given["parts"])
    _table.cache_clear()
    state = PartialState(cpu=given["device"] == "cpu")
    threading.current_thread().name = f"rank {state.process_index}"
    pipeline = Pipeline(recipe_from_json(given["recipe"]), device=state.device)
    _work_for(pipeline, options_from_json(given["options"]), given["job"], Address(**given["address"]))
    state.wait_for_everyone()
    state.destroy_process_group()


if __name__ == "__main__":
    run_rank(Path(sys.argv[1]))
