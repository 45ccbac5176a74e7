"""The engine `ray`: Ray Data over a cluster. Ray schedules, scales, moves clips and retries; the ledger stays here.

Decoding is a pool of actors, each with one worker process (a clip that hangs or kills its decoder costs that process
and nothing else); the networks are a second pool, with a GPU each where there are any. What a lost node had in hand
Ray does again, and what Ray gives up is still pending in the ledger: it goes through in another round.
"""

from __future__ import annotations

import os
from typing import Any, cast

from mmvideo.errors import InvalidInput, MissingExtra, MmvideoError
from mmvideo.jobs import partition
from mmvideo.jobs.batcher import Ready
from mmvideo.jobs.coordinator import Coordinator
from mmvideo.jobs.engines.ranks import recipe_from_json, recipe_to_json
from mmvideo.jobs.inference_worker import Rank
from mmvideo.jobs.ledger import Entry
from mmvideo.jobs.options import JobOptions, row_keys
from mmvideo.jobs.pool import Pool, Task, WorkerEvent
from mmvideo.jobs.rows import Outcome
from mmvideo.jobs.rpc import Address, RemoteLink, serve_coordinator
from mmvideo.registry import PARTS, _table

ROUND = 20_000
"""Items of one Ray dataset; a job of any length is a row of datasets."""
_ROUNDS_WITHOUT_GAIN = 3


def run_ray(pipeline: Any, options: JobOptions, job: dict[str, Any], coordinator: Coordinator) -> None:
    """Work through the items on a Ray cluster.

    Raises:
        MissingExtra: Ray is not installed.
        InvalidInput: no cluster answers at the address.
        MmvideoError: nothing comes back any more.
    """
    try:
        import ray
        import ray.data
        from ray.exceptions import RayError
    except ImportError as error:
        raise MissingExtra("ray", "ray", "--engine ray") from error
    mine = not ray.is_initialized()
    if mine:
        try:
            ray.init(address=options.address, log_to_driver=False, logging_level="error", include_dashboard=False)
        except (ConnectionError, ValueError) as error:
            raise InvalidInput(f"No Ray cluster answers at {options.address!r}: {error}.") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    try:
        with serve_coordinator(coordinator, ray.util.get_node_ip_address()) as address:
            setup = {"recipe": recipe_to_json(pipeline.recipe), "options": options, "job": job, "address": address,
                     "parts": {kind: dict(parts) for kind, parts in PARTS.items()}, "device": pipeline.device.type}
            setup["heavy"] = any(stage.modules() for _, stage in partition.split_stages(pipeline.stages)[0])
            _rounds(ray, RayError, setup, options, coordinator)
    finally:
        if mine:
            ray.shutdown()


def _rounds(ray: Any, lost: type[Exception], setup: dict[str, Any], options: JobOptions,
            coordinator: Coordinator) -> None:
    idle = 0
    while not coordinator.stopping():
        entries = coordinator.take(ROUND)
        if not entries:
            return
        left = {entry.num: entry for entry, _ in entries}
        trouble = ""
        try:
            for outcome in _outcomes(ray, entries, setup, options):
                left.pop(outcome.num, None)
                coordinator.report([outcome])
                coordinator.settle_all()
                if coordinator.stopping():
                    break
        except lost as error:  # nodes went faster than Ray could make up for
            trouble = f": {str(error).strip().splitlines()[-1]}"
        coordinator.settle_all()
        idle = idle + 1 if len(left) == len(entries) else 0
        if idle == _ROUNDS_WITHOUT_GAIN:
            raise MmvideoError(f"The Ray cluster gave nothing back in {idle} rounds{trouble}. Run the command again "
                               "to go on.")
        coordinator.give_back(list(left.values()))


def _outcomes(ray: Any, entries: list[tuple[Entry, bool]], setup: dict[str, Any], options: JobOptions) -> Any:
    """Yield outcomes as they come from the cluster."""
    cuda = setup["device"] == "cuda"
    items = ray.data.from_items([{"entry": entry, "thumbnail": thumbnail} for entry, thumbnail in entries],
                                override_num_blocks=max(1, min(len(entries), 4 * options.num_workers,
                                                               len(entries) // options.batch_size)))
    again = {"max_restarts": -1, "max_task_retries": -1}
    decoded = items.map_batches(Decode, fn_constructor_args=(setup,), batch_size=options.batch_size,
                                batch_format="numpy", num_cpus=1, **again,
                                compute=ray.data.ActorPoolStrategy(min_size=1, max_size=options.num_workers))
    made = decoded.map_batches(Compute, fn_constructor_args=(setup,), batch_size=options.batch_size,
                               batch_format="numpy", num_gpus=1 if cuda else 0, num_cpus=0.5, **again,
                               compute=ray.data.ActorPoolStrategy(min_size=1, max_size=options.processes))
    for row in made.iter_rows():
        yield row["outcome"]


def _prepare(setup: dict[str, Any]) -> None:
    """Bring the registry of the driver into an actor."""
    PARTS.update(setup["parts"])
    _table.cache_clear()


class Decode:
    """An actor with one decode worker."""

    def __init__(self, setup: dict[str, Any]):
        from mmvideo.jobs.worker import Setup, sys_path

        _prepare(setup)
        self.options, self.config = setup["options"], setup["job"]["config"]
        self.link = _link(setup["address"])
        worker = Setup(recipe_from_json(setup["recipe"]), self.options, setup["parts"], sys_path(),
                       setup["device"] if setup["heavy"] else "cpu", setup["heavy"])
        self.pool = Pool(worker, 1, self.options.timeout_seconds, self._known if self.link else None).__enter__()

    def _known(self, task: Task, content: str) -> str | None:
        link = self.link
        keys = row_keys(content, self.config, task.item.asked(), strict=self.options.strict)
        return next((key for key in keys if link is not None and link.knows(key)), None)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Decode a batch of items."""
        import numpy as np

        events = [self._decode(Task(entry.num, entry.item, thumbnail=bool(thumbnail), crashes=entry.crashes))
                  for entry, thumbnail in zip(batch["entry"], batch["thumbnail"], strict=True)]
        out = np.empty(len(events), dtype=object)
        out[:] = events
        return {"event": out}

    def _decode(self, task: Task) -> WorkerEvent:
        event: WorkerEvent | None = None
        for count in range(task.crashes + 1, task.crashes + self.options.crashes + 1):
            self.pool.give(task)
            event = None
            while event is None:
                event = next(iter(list(self.pool.events(0.5))), None)
            if not event.crashed or count >= self.options.crashes:
                break
        assert event is not None, "an item is tried at least once"
        return event


class Compute:
    """An actor with the networks."""

    def __init__(self, setup: dict[str, Any]):
        import torch

        from mmvideo.pipeline import Pipeline

        _prepare(setup)
        torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
        self.kept = _Kept()
        pipeline = Pipeline(recipe_from_json(setup["recipe"]), device=setup["device"])
        self.rank = Rank(pipeline, setup["options"], setup["job"], cast("Any", self.kept))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Run the networks on a batch of decoded clips."""
        import numpy as np

        ready: list[Ready] = []
        for event in batch["event"]:
            if event.decoded is not None:
                ready.append(Ready(event.task, event.content, event.stamp, event.decoded))
            elif event.key:
                self.kept.report([Outcome(event.task.num, event.key, event.content, event.stamp)])
            else:
                again = f" Tried {self.rank.options.crashes} times." if event.crashed else ""
                self.kept.report([Outcome(event.task.num, content=event.content, stamp=event.stamp,
                                          error=(event.error[0], event.error[1] + again), origin=event.origin,
                                          quarantined=event.crashed)])
        for shape in dict.fromkeys(one.shape for one in ready):
            self.rank.compute([one for one in ready if one.shape == shape])
        for task in self.rank.again:
            self.kept.report([Outcome(task.num, error=("OutOfMemory", f"{task.item.source} does not fit into memory; "
                                                       "--allow-reduce works with the engine local."))])
        self.rank.again.clear()
        outcomes = self.kept.take()
        out = np.empty(len(outcomes), dtype=object)
        out[:] = outcomes
        return {"outcome": out}


class _Kept:
    """A link that keeps what is reported."""

    def __init__(self) -> None:
        self._outcomes: list[Outcome] = []

    def report(self, outcomes: Any) -> None:
        self._outcomes.extend(outcomes)

    def take(self) -> list[Outcome]:
        taken, self._outcomes = self._outcomes, []
        return taken

    def running(self, nums: Any) -> None:
        """The ledger is not told: a clip that ends an actor does not end the job."""


def _link(address: Address) -> RemoteLink | None:
    """Reach the ledger from a node; without it known content is only computed again."""
    try:
        return RemoteLink(address)
    except (OSError, MmvideoError):
        return None
