"""One rank: decode workers, a bounded queue of decoded clips, and the networks.

A rank takes items from whoever holds the ledger and gives outcomes back; it knows neither files of results nor other
ranks. The local engine runs one in the process of the job, the engine `accelerate` one in each process that it starts.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch

from mmvideo import deadline
from mmvideo.errors import MmvideoError, OutOfMemory, lacks_memory
from mmvideo.jobs import partition
from mmvideo.jobs import remote_rank as remote
from mmvideo.jobs.batcher import Buckets, Ready
from mmvideo.jobs.failures import CAUGHT, describe_failure, origin_of, show_bug
from mmvideo.jobs.fit import check_batch_fits
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.ledger import Entry
from mmvideo.jobs.options import JobOptions, cores, row_keys
from mmvideo.jobs.pool import Pool, Task, WorkerEvent
from mmvideo.jobs.remote import is_remote
from mmvideo.jobs.rows import Outcome, make_row, num_words
from mmvideo.jobs.turns import Turns
from mmvideo.jobs.worker import Setup, sys_path
from mmvideo.media.download import is_url
from mmvideo.registry import PARTS
from mmvideo.types import GenerationOptions


class Link(Protocol):
    """The way from a rank to whoever holds the ledger; may be used from several threads."""

    def take(self, count: int) -> list[tuple[Entry, bool]]:
        """Return items to do, each with whether a thumbnail is wanted; none when there are no more."""

    def knows(self, key: str) -> bool:
        """Say whether a result is there for a key."""

    def running(self, nums: Sequence[int]) -> None:
        """Say that the networks run on these items now."""

    def crashed(self, num: int, message: str) -> bool:
        """Say that an item has ended its worker; the answer is whether to try again."""

    def report(self, outcomes: Sequence[Outcome]) -> None:
        """Hand outcomes over."""

    def stopping(self) -> bool:
        """Say whether to stop after what has been begun."""


@dataclass
class Meters:
    """Where the time of a rank went, in seconds; read by the progress display while it runs."""

    started: float = field(default_factory=time.perf_counter)
    decode: float = 0.0
    compute: float = 0.0
    waiting: float = 0.0
    """The networks waited for decoded clips."""
    blocked: float = 0.0
    """Decoded clips waited for the networks: the queue was full."""
    stages: dict[str, float] = field(default_factory=dict)
    whole: bool = False
    """The workers hold the networks: what they do is not only to fetch and decode."""

    def add(self, stages: Sequence[tuple[str, float]]) -> None:
        """Add seconds of stages."""
        for name, seconds in stages:
            self.stages[name] = self.stages.get(name, 0.0) + seconds


class Rank:
    """Work until there is nothing left.

    Args:
        pipeline: loaded; its second half runs here.
        job: what every row says about the job (`config`, `model` ...).
    """

    def __init__(self, pipeline: Any, options: JobOptions, job: dict[str, Any], link: Link):
        self.pipeline, self.options, self.job, self.link = pipeline, options, job, link
        head, self.tail = partition.split_stages(pipeline.stages)
        heavy = any(stage.modules() for _, stage in head)
        if heavy and options.workers is None:
            options = self.options = replace(options, workers=1)
        self.setup = Setup(pipeline.recipe, options, {kind: dict(parts) for kind, parts in PARTS.items()},
                           sys_path(), str(pipeline.device) if heavy else "cpu", heavy)
        self.size = options.batch_size
        self.client = next((client for _, stage in self.tail if (client := stage.client()) is not None), None)
        """Of the server that computes, where no network does here."""
        if self.client is not None:
            remote.prepare_client(self.client, options)
        self.meters = Meters(whole=heavy)
        share = cores() // (options.processes if options.engine == "accelerate" else 1)
        self.turns = Turns(needed=str(pipeline.device) == "cpu" and self.client is None and not heavy
                           and (partition.is_costly(self.tail) or share <= 1))
        self._ready: queue.Queue[Ready | None] = queue.Queue()
        self.again: deque[Task] = deque()
        self._open = 0
        """Decoded clips of which nothing has come yet."""
        self._lock = threading.Lock()
        self._starved = False
        """No worker is busy: nothing more will be decoded until the networks have moved on."""
        self._failure: list[BaseException] = []
        self._end = threading.Event()

    def run(self) -> None:
        """Decode and compute until the link gives no more.

        Raises:
            MmvideoError: workers cannot be started.
        OutputError: nothing can be written any more.
        """
        feeder = threading.Thread(target=self._feed, name="decode", daemon=True)
        feeder.start()
        try:
            if self.client is None:
                self._compute_all()
            else:
                remote.ask_all(self.client, self._next_ready, self._compute_alone, self._end)
        finally:
            self._end.set()
            feeder.join()
        if self._failure:
            raise self._failure[0]

    # --- decoding, in a thread of its own -----------------------------------------------------------------------

    @property
    def _most_waiting(self) -> int:
        at_once = self.options.batch_size if self.client is None else self.client.concurrency.limit
        return max(2 * at_once, 2 * self.options.num_workers)

    def _feed(self) -> None:
        try:
            with Pool(self.setup, self.options.num_workers, self.options.timeout_seconds, self._known) as pool:
                self._feed_through(pool)
        except BaseException as error:  # told to the thread that waits for clips
            self._failure.append(error)
            if not isinstance(error, MmvideoError | OSError | sqlite3.Error):
                raise
        finally:
            self.turns.decoding(0)
            self._ready.put(None)

    def _feed_through(self, pool: Pool) -> None:
        stock: deque[tuple[Entry, bool]] = deque()
        more = True
        while not self._end.is_set():
            with self.turns.giving() as free:
                while free and pool.idle and self._open + len(pool.tasks) < self._most_waiting:
                    task = self.again.popleft() if self.again else None
                    if task is None:
                        if not stock and more:
                            stock.extend([] if self.link.stopping() else self.link.take(self._most_waiting))
                            more = bool(stock)
                        if not stock or (stock[0][0].suspect and (self._open or pool.tasks)):
                            break
                        entry, thumbnail = stock.popleft()
                        task = Task(entry.num, entry.item, thumbnail=thumbnail, crashes=entry.crashes)
                    pool.give(task)
                self.turns.decoding(_decoded_here(pool))
            if self.link.stopping():
                stock.clear()
            self._starved = free and not pool.tasks
            if self._starved and not self._open and not self.again and not stock and not more:
                return
            full = self._open + len(pool.tasks) >= self._most_waiting
            start = time.perf_counter()
            for event in pool.events(0.02):
                self._handle(event)
            self.turns.decoding(_decoded_here(pool))
            self.meters.blocked += (time.perf_counter() - start) * (full and self._starved)
            self.meters.decode = pool.busy_seconds

    def keys(self, content: str, item: Item) -> tuple[str, ...]:
        """Return the keys under which the result of an item can be known; a new one is kept under the last."""
        return row_keys(content, self.job["config"], item.asked(), strict=self.options.strict)

    def _known(self, task: Task, content: str) -> str | None:
        return next((key for key in self.keys(content, task.item) if self.link.knows(key)), None)

    def _handle(self, event: WorkerEvent) -> None:
        task = event.task
        if event.crashed:
            if self.link.crashed(task.num, event.error[1] if event.error else ""):
                self.again.append(replace(task, crashes=task.crashes + 1))
            return
        if event.decoded is None:
            self.link.report([Outcome(task.num, event.key, event.content, event.stamp, error=event.error,
                                      origin=event.origin)])
            return
        self.meters.add(event.decoded.about["seconds"])
        self._count(1)
        self._ready.put(Ready(task, event.content, event.stamp, event.decoded))

    def _count(self, change: int) -> None:
        with self._lock:
            self._open += change

    # --- computing, in the thread that calls run ----------------------------------------------------------------

    def _compute_all(self) -> None:
        buckets = Buckets(self.size)
        while True:
            flush = self._starved and self._ready.empty()
            if batch := buckets.full() or (buckets.any() if flush else buckets.stale()):
                with self.turns.computing():
                    self.compute(batch)
                self._count(-len(batch))
                continue
            start = time.perf_counter()
            try:
                got = self._ready.get(timeout=0.02 if len(buckets) else 0.2)
            except queue.Empty:
                continue
            finally:
                self.meters.waiting += time.perf_counter() - start
            if got is None:
                return
            buckets.add(got)

    def _next_ready(self) -> Ready | None:
        """Return the next decoded clip; None when there are no more.

        Raises:
            queue.Empty: none has come within a moment.
        """
        start = time.perf_counter()
        try:
            return self._ready.get(timeout=0.05)
        finally:
            self.meters.waiting += time.perf_counter() - start

    def _compute_alone(self, one: Ready) -> None:
        self.compute([one])
        self._count(-1)

    def compute(self, batch: list[Ready], *, notes: tuple[str, ...] = (), size: int | None = None) -> None:
        """Run the networks on decoded clips and report what came of each.

        On lack of memory they go through in smaller batches; where one raises, or the time is over, one by one.
        """
        size = size or self.size
        self.link.running([one.task.num for one in batch])
        start = time.perf_counter()
        try:
            fields = [{"text": one.task.item.text, "prompt": one.task.item.prompt, "generation": GenerationOptions(),
                       **partition.unpack_tensors(one.decoded.fields)} for one in batch]
            check_batch_fits(self.tail, fields, size, self.pipeline.device)
            with deadline.within(self._limit(batch)):
                results, stages = partition.compute(fields, self.tail, self.pipeline.recipe.gives, size=size)
        except CAUGHT as error:
            self.meters.compute += time.perf_counter() - start
            if isinstance(error, OutOfMemory) or lacks_memory(error):
                self._out_of_memory(batch, error, notes, size)
            else:
                self._failed(batch, error, notes, size)
            return
        seconds = time.perf_counter() - start
        self.meters.compute += seconds
        self.meters.add(stages)
        self.link.report([self._outcome(one, result, stages, len(batch), notes)
                          for one, result in zip(batch, results, strict=True)])

    def _limit(self, batch: list[Ready]) -> deadline.Deadline:
        """Return the time limit of a batch, which begins now: what fetching and decoding have left to its clips."""
        seconds = self.options.timeout_seconds
        left = sum(max(0.0, seconds - one.decoded.seconds) for one in batch)
        return deadline.Deadline(seconds, spent=seconds - left)

    def _outcome(self, one: Ready, result: Any, stages: Sequence[tuple[str, float]], count: int,
                 notes: tuple[str, ...]) -> Outcome:
        item, about = one.task.item, one.decoded.about
        try:
            row = make_row(item, result, about, self.job, notes)
        except CAUGHT as error:
            return self._failure_of(one, error)
        timings = {name: round(seconds, 4) for name, seconds in about["seconds"]}
        timings |= {name: round(seconds / count, 4) for name, seconds in stages}
        return Outcome(one.task.num, self.keys(one.content, item)[-1], one.content, one.stamp,
                       row, timings, thumbnail=one.decoded.thumbnail, frames=about["frames"], words=num_words(row))

    def _failed(self, batch: list[Ready], error: BaseException, notes: tuple[str, ...], size: int) -> None:
        """Find the clip of a batch that the networks do not take, or not in its time, by trying each alone."""
        if len(batch) > 1:
            for one in batch:
                self.compute([one], notes=notes, size=size)
            return
        self.link.report([self._failure_of(batch[0], error)])

    @staticmethod
    def _failure_of(one: Ready, error: BaseException) -> Outcome:
        origin = origin_of(error)
        show_bug(error, origin)
        return Outcome(one.task.num, content=one.content, stamp=one.stamp,
                       error=describe_failure(error, one.task.item.source), origin=origin)

    def _out_of_memory(self, batch: list[Ready], error: BaseException, notes: tuple[str, ...], size: int) -> None:
        """Halve the batch; a clip alone is looked at with fewer frames if that is allowed, else it fails."""
        if self.pipeline.device.type == "cuda":
            torch.cuda.empty_cache()
        if size > 1:
            self.size = half = size // 2
            note = (f"out of memory: batch of {half} instead of {self.options.batch_size}",)
            middle = max(1, len(batch) // 2)
            for part in (batch[:middle], batch[middle:]):
                if part:
                    self.compute(part, notes=note, size=half)
            return
        if len(batch) > 1:
            for one in batch:
                self.compute([one], notes=notes, size=1)
            return
        task = batch[0].task
        if self.options.allow_reduce and task.reduce < 4:
            self.again.append(replace(task, reduce=task.reduce + 1))
            return
        self.link.report([Outcome(task.num, content=batch[0].content, stamp=batch[0].stamp, error=(
            "OutOfMemory", f"{task.item.source} alone does not fit into memory: {error} Use fewer or smaller frames, "
            "or --allow-reduce."))])


def _decoded_here(pool: Pool) -> int:
    """Count the clips that workers decode; one of an address is waited for most of the time."""
    return sum(not (is_url(task.item.source) or is_remote(task.item.source)) for task in pool.tasks)


__all__ = ["Link", "Meters", "Rank"]
