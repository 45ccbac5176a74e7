"""One thread that runs the pipeline, behind a queue of bounded length; recent videos stay read for later questions."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mmvideo.errors import MmvideoError
from mmvideo.media.limits import MediaLimits
from mmvideo.pipeline import Pipeline
from mmvideo.serving.request import Rules, Wanted
from mmvideo.session import Session, Stream

Told = Callable[[str, Any], None]
"""Called from the worker's thread with ("text", piece), ("done", Answer) or ("error", exception)."""
KEPT_SECONDS = 600.0
log = logging.getLogger("mmvideo.serving")


class Busy(MmvideoError):
    """The queue is full."""


@dataclass
class Job:
    """One request in the queue."""

    wanted: Wanted
    told: Told
    cancelled: threading.Event = field(default_factory=threading.Event)


class Worker:
    """Runs requests one after another.

    Args:
        pipe: a question-answering pipeline.
        rules: limits on what is fetched.
        max_queue: requests that may wait, besides the one that runs.
        kept: videos that stay read.
    """

    def __init__(self, pipe: Pipeline, rules: Rules, *, max_queue: int = 16, kept: int = 2):
        self.pipe, self.rules, self.kept, self.max_queue = pipe, rules, kept, max_queue
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mmvideo-worker")
        self._count, self._lock = 0, threading.Lock()
        self._sessions: OrderedDict[str, tuple[Session, float]] = OrderedDict()
        self.answered, self.alive = 0, True

    @property
    def waiting(self) -> int:
        """Requests in the queue, without the one that runs."""
        return max(0, self._count - 1)

    def put(self, job: Job) -> None:
        """Add a request.

        Raises:
            Busy: the queue is full.
        """
        with self._lock:
            if self._count > self.max_queue:
                raise Busy(f"{self.max_queue} requests are waiting already; try again in a few seconds.")
            self._count += 1
        self._pool.submit(self._answer, job).add_done_callback(lambda future: self._ended(job, future))

    def _ended(self, job: Job, future: Future[None]) -> None:
        """Tell of a failure; one that is no fault of the caller's goes into the log, and nothing stays read."""
        with self._lock:
            self._count -= 1
            self.answered += 1
        error = future.exception()
        if error is None:
            return
        if not isinstance(error, MmvideoError):
            log.error("a request failed", exc_info=error)
            self._forget()
        job.told("error", error)

    def close(self) -> None:
        """Stop after the running request."""
        self.alive = False
        self._pool.shutdown(cancel_futures=True)
        self._forget()

    def _answer(self, job: Job) -> None:
        if job.cancelled.is_set():
            return
        session, asking = self._session(job.wanted), job.wanted.asking
        if "asking" not in self.pipe.recipe.takes:  # such a model ignores sampling, but not what changes the answer
            answer = session.ask(job.wanted.question, **{
                name: value for name in ("choices", "schema", "history") if (value := getattr(asking, name))})
            job.told("text", answer.text)
            job.told("done", answer)
            return
        given = session.finish(job.wanted.question, asking)
        if not isinstance(given, Stream):
            job.told("text", given.text)
            job.told("done", given)
            return
        for piece in given:
            if job.cancelled.is_set():
                given.close()
                return
            job.told("text", piece)
        job.told("done", given.result)

    def _session(self, wanted: Wanted) -> Session:
        """Return the video's session: one that is still read, or a new one."""
        now = time.monotonic()
        for key in [k for k, (_, since) in self._sessions.items() if now - since > KEPT_SECONDS]:
            self._sessions.pop(key)[0].close()
        if wanted.key in self._sessions:
            self._sessions.move_to_end(wanted.key)
            return self._sessions[wanted.key][0]
        while len(self._sessions) >= max(1, self.kept):
            self._sessions.popitem(last=False)[1][0].close()
        limits = MediaLimits(max_bytes=self.rules.max_bytes, max_redirects=0,
                             private_addresses=self.rules.private_addresses, stop=lambda: not self.alive)
        session = self.pipe.open(wanted.source, limits=limits)
        self._sessions[wanted.key] = (session, now)
        return session

    def _forget(self) -> None:
        while self._sessions:
            self._sessions.popitem()[1][0].close()


__all__ = ["Busy", "Job", "Worker"]
