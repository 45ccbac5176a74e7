"""A pool of decode workers: tasks go in, events come out, and a worker that ends is replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait

from mmvideo.errors import InvalidInput, MmvideoError, OutputError
from mmvideo.jobs.failures import Origin
from mmvideo.jobs.forkserver import READY_SECONDS, ForkServer, imports_of, leave_forkserver, take_forkserver
from mmvideo.jobs.inputs import Item
from mmvideo.jobs.partition import Decoded
from mmvideo.jobs.scratch import Scratch
from mmvideo.jobs.worker import Setup

GRACE_SECONDS = 2.0
"""What a worker is given beyond a clip's time limit to stop on its own, and stay."""


@dataclass(frozen=True)
class Task:
    """An item on its way to a worker."""

    num: int
    item: Item
    reduce: int = 0
    thumbnail: bool = False
    crashes: int = 0
    """Workers that it has ended so far."""


@dataclass(frozen=True)
class WorkerEvent:
    """What came of a task: exactly one of decoded, key and error is set."""

    task: Task
    content: str = ""
    stamp: str = ""
    decoded: Decoded | None = None
    key: str = ""
    """Of the result that is there for this content."""
    error: tuple[str, str] | None = None
    """Class and message."""
    origin: Origin = Origin.CLIP
    """Whose fault the error is."""
    crashed: bool = False
    """The worker ended; the task may be tried again."""
    seconds: float = 0.0


@dataclass
class _Worker:
    connection: Connection
    pid: int
    scratch: str
    ready: bool = False
    task: Task | None = None
    key: str = ""
    since: float = 0.0
    last_message: str = ""


@dataclass
class Pool:
    """A fixed number of workers; one that is ended, by a clip or by its time limit, is replaced.

    Args:
        setup: what the workers build.
        size: how many.
        timeout_seconds: longest time for one item; a worker that does not stop on its own is ended soon after.
        known: returns the key of a result that is there already for the content of a task, so that nothing is decoded.
    """

    setup: Setup
    size: int
    timeout_seconds: float
    known: Callable[[Task, str], str | None] | None = None
    busy_seconds: float = 0.0
    """Seconds that workers have worked, all together."""
    _workers: list[_Worker] = field(default_factory=list)
    _failed_starts: int = 0
    _forkserver: ForkServer | None = None
    _scratch: Scratch | None = None

    def __enter__(self) -> Pool:
        if not hasattr(os, "fork"):
            raise InvalidInput("Batch jobs need Linux or macOS; on Windows run them in WSL.")
        self._forkserver = take_forkserver(imports_of(self.setup.recipe))
        self._scratch = Scratch()
        try:
            for _ in range(self.size):
                self._workers.append(self._fork())
        except BaseException:
            self.__exit__(MmvideoError)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        for worker in self._workers:
            worker.connection.close()
            self._kill(worker.pid)
        if self._forkserver is not None and kind is None:
            for worker in self._workers:  # it collects them, else they stay as zombies
                self._forkserver.how(worker.pid)
            leave_forkserver(self._forkserver)
        elif self._forkserver is not None:
            self._forkserver.close()
        self._workers.clear()
        if self._scratch is not None:
            self._scratch.close()

    @property
    def pids(self) -> list[int]:
        """Process numbers of the workers."""
        return [worker.pid for worker in self._workers]

    @property
    def idle(self) -> int:
        """Workers without work."""
        return sum(worker.task is None for worker in self._workers)

    @property
    def tasks(self) -> list[Task]:
        """What is being worked on."""
        return [worker.task for worker in self._workers if worker.task is not None]

    def give(self, task: Task) -> None:
        """Hand a task to a worker without work."""
        worker = next(worker for worker in self._workers if worker.task is None)
        worker.task, worker.last_message = task, ""
        if worker.ready:  # else it is sent, and its time begins, when the worker is
            self._send(worker)

    def _send(self, worker: _Worker) -> None:
        task = worker.task
        assert task is not None, "only a worker with a task is sent one"
        worker.since = time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has ended: `events` finds out
            worker.connection.send((task.item, task.reduce, task.thumbnail, self.known is not None))

    def events(self, timeout: float) -> Iterator[WorkerEvent]:
        """Yield what has come back within `timeout` seconds."""
        for connection in wait([worker.connection for worker in self._workers], timeout):
            worker = next(one for one in self._workers if one.connection is connection)
            try:
                message = worker.connection.recv()
            except (EOFError, ConnectionResetError, OSError):
                yield from self._replace_ended(worker)
                continue
            event = self._event_of(worker, message)
            if event is not None:
                yield event
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.ready and worker.task is not None and (
                    now - worker.since > self.timeout_seconds + GRACE_SECONDS):
                yield self._end_overdue(worker)
            elif not worker.ready and now - worker.since > READY_SECONDS:
                self._never_ready(worker)

    def _event_of(self, worker: _Worker, message: tuple) -> WorkerEvent | None:
        kind, *rest = message
        task = worker.task
        if kind == "ready":
            worker.ready = True
            if task is not None:
                self._send(worker)
            return None
        if kind == "crash":
            worker.last_message = rest[0]
            return None
        assert task is not None, "all other messages are about a task"
        if kind == "content":
            worker.key = (self.known(task, rest[0]) if self.known is not None else None) or ""
            worker.connection.send(not worker.key)
            return None
        seconds = time.monotonic() - worker.since
        self.busy_seconds += seconds
        worker.task = None
        if kind == "decoded":
            return WorkerEvent(task, rest[1], rest[2], decoded=rest[0], seconds=seconds)
        if kind == "known":
            return WorkerEvent(task, rest[0], rest[1], key=worker.key, seconds=seconds)
        if kind == "full":
            raise OutputError(f"{rest[0]} Temporary files lie in {tempfile.gettempdir()}. Free space, then run the "
                              "same command again.")
        return WorkerEvent(task, rest[2], rest[3], error=(rest[0], rest[1]), origin=rest[4], seconds=seconds)

    def _replace_ended(self, worker: _Worker) -> Iterator[WorkerEvent]:
        """Replace a worker that has ended; its task is told as a crash."""
        how = worker.last_message or self._forks().how(worker.pid)
        self._count_failed_start(worker, how)
        task, seconds = worker.task, time.monotonic() - worker.since
        fresh = self._replace(worker)
        if task is not None and not worker.ready:  # it had not even been sent
            fresh.task = task
        elif task is not None:
            self.busy_seconds += seconds
            yield WorkerEvent(task, error=("WorkerCrashed", f"{task.item.source}: the decode worker ended: {how}."),
                        crashed=True, seconds=seconds)

    def _count_failed_start(self, worker: _Worker, how: str) -> None:
        self._failed_starts = 0 if worker.ready else self._failed_starts + 1
        if self._failed_starts > 3 * self.size:
            raise MmvideoError(f"Decode workers keep ending before they can begin: {how}.")

    def _never_ready(self, worker: _Worker) -> None:
        """Replace a worker that does not come to its work; its task is not to blame and waits for the next."""
        self._kill(worker.pid)
        self._forks().how(worker.pid)
        self._count_failed_start(worker, f"one was not ready after {READY_SECONDS:g} s")
        self._replace(worker).task = worker.task

    def _end_overdue(self, worker: _Worker) -> WorkerEvent:
        task, seconds = worker.task, time.monotonic() - worker.since
        assert task is not None, "only a worker with a task can be late"
        self.busy_seconds += seconds
        self._kill(worker.pid)
        self._forks().how(worker.pid)
        self._replace(worker)
        return WorkerEvent(task, error=(
            "WorkerTimeout", f"{task.item.source} was not decoded in {self.timeout_seconds:g} s (--timeout) and did "
            "not stop; its worker was ended."), seconds=seconds)

    def _replace(self, worker: _Worker) -> _Worker:
        worker.connection.close()
        Scratch.remove(worker.scratch)  # with what it was downloading
        fresh = self._fork()
        self._workers[self._workers.index(worker)] = fresh
        return fresh

    def _forks(self) -> ForkServer:
        assert self._forkserver is not None, "a pool is used in a with block"
        return self._forkserver

    def _fork(self) -> _Worker:
        assert self._scratch is not None, "a pool is used in a with block"
        scratch = self._scratch.folder()
        connection, pid = self._forks().fork()
        worker = _Worker(connection, pid, scratch, since=time.monotonic())
        worker.connection.send(replace(self.setup, scratch=scratch))
        return worker

    @staticmethod
    def _kill(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


__all__ = ["Pool", "Task", "WorkerEvent"]
