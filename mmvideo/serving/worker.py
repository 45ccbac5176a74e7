"""The thread that runs the pipeline, behind a bounded queue; recent videos stay read for later questions."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from mmvideo.deadline import checked, deadline
from mmvideo.errors import MmvideoError
from mmvideo.pipeline import Pipeline
from mmvideo.results import Answer
from mmvideo.serving.batched import MOST, Together, goes_together
from mmvideo.serving.fetch import Copy
from mmvideo.serving.options import with_view
from mmvideo.serving.pictures import Slideshow
from mmvideo.serving.playlist import Playlist, parts_text
from mmvideo.serving.problems import Stopping
from mmvideo.serving.request import Wanted
from mmvideo.serving.slots import Slot
from mmvideo.session import Session, Stream

Notify = Callable[[str, Any], None]
"""Called from the worker's thread with ("text", piece), ("done", Answer), ("error", exception) or ("fetch", None): the
video is not read any more, and has to be fetched again."""
KEPT_SECONDS = 600.0
GRACE_SECONDS = 10.0
"""What the running request is given beyond its time limit to stop; then a step of it is stuck."""
log = logging.getLogger("mmvideo.serving")


@dataclass
class QueuedRequest:
    """One request in the queue."""

    wanted: Wanted
    notify: Notify
    slot: Slot
    copies: dict[str, Copy] = field(default_factory=dict)
    """Of videos that were fetched, by their address."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    names: dict[str, str] = field(default_factory=dict)
    """Names of files here -> those that the caller knows."""
    answered: bool = False
    """Whether it was answered beside another that ran before it."""
    queued: bool = False
    running: bool = False
    parts: str = ""
    """What was shown when, where it was more than one video."""

    @property
    def fetched(self) -> bool:
        """Whether there is a copy of all that has to be fetched."""
        return all(address in self.copies for address in self.wanted.place.addresses)

    @property
    def video(self) -> Any:
        """What is opened of a request about one video."""
        place = self.wanted.place
        return str(self.copies[place.source].path) if place.remote else place.source

    def told(self, answer: Answer) -> Answer:
        """Return an answer that also says what was shown when."""
        return dataclasses.replace(answer, rule=f"{answer.rule}; shown one after the other: {self.parts}") if (
            self.parts) else answer

    def done(self, answer: Answer) -> None:
        """Make room, then give the answer: who has it may ask again at once."""
        self.slot.release()
        self.notify("done", answer)

    def release(self) -> None:
        """Need the copies no more."""
        for copy in self.copies.values():
            copy.release()
        self.copies.clear()

    def cancel(self) -> None:
        """Stop it: the caller has gone. One that has not begun makes room at once."""
        self.cancelled.set()
        if not self.running:
            self.slot.release()


@dataclass
class CachedSession:
    """A video that stays read."""

    session: Session
    copies: list[Copy]
    since: float
    parts: str = ""
    """What is shown when, where several videos or pictures are shown one after the other."""

    def close(self) -> None:
        """Close it and remove its files."""
        self.session.close()
        for copy in self.copies:
            copy.release()


class _NotFetched(Exception):
    """The video would have to be fetched again."""


class Worker:
    """Runs requests one after another.

    Args:
        pipe: a pipeline that answers questions, or one that labels videos.
        kept: videos that stay read.
        timeout_seconds: longest time for one request, from when it begins to run; None sets no limit.

    Raises:
        InvalidInput: a limit that is no positive number.
    """

    def __init__(self, pipe: Pipeline, *, kept: int = 2, timeout_seconds: float | None = None):
        self.pipe, self.kept, self.timeout_seconds = pipe, kept, checked(timeout_seconds)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="mmvideo-worker")
        self._sessions: OrderedDict[str, CachedSession] = OrderedDict()
        self._running: QueuedRequest | None = None
        self._waiting: list[QueuedRequest] = []
        self._together: Together | None = None
        self._began = 0.0
        self._lock = threading.Lock()
        self.answered, self.alive = 0, True

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self._running is not None

    def is_stuck(self) -> bool:
        """Whether the running request goes on long after its time limit: nothing else is answered until it ends."""
        return (self._running is not None and self.timeout_seconds is not None
                and time.monotonic() - self._began > self.timeout_seconds + GRACE_SECONDS)

    def keeps(self, key: str) -> bool:
        """Whether a video is read at this moment; it may not be any more when a request for it runs."""
        return key in self._sessions

    def put(self, job: QueuedRequest) -> None:
        """Add a request that has a slot.

        Raises:
            Stopping: the server ends.
        """
        if not self.alive:
            raise Stopping()
        self._waiting.append(job)
        self._pool.submit(self._run, job).add_done_callback(lambda future: self._ended(job, future))

    def _run(self, job: QueuedRequest) -> bool:
        """Return whether the request is over; one whose video is not read any more comes again."""
        with contextlib.suppress(ValueError):  # it was taken beside another
            self._waiting.remove(job)
        if job.cancelled.is_set() or job.answered:
            return True
        self._began = time.monotonic()
        self._running, job.running = job, True
        try:
            with deadline(self.timeout_seconds):
                if not self._answered_together(job):
                    self._answer(job)
        except _NotFetched:
            job.running = False
            return False
        finally:
            self._running = None
        return True

    def _ended(self, job: QueuedRequest, future: Future[bool]) -> None:
        """Tell of a failure; one that is no fault of the caller's goes into the log. Videos stay read in any case."""
        job.release()
        error = Stopping() if future.cancelled() else future.exception()
        if error is None and not future.result():
            job.notify("fetch", None)
            return
        job.slot.release()
        self.answered += 1
        if error is not None:
            if not isinstance(error, MmvideoError):
                log.error("a request failed", exc_info=error)
            job.notify("error", error)
        if not self.alive:
            self._close_all()

    def stop(self) -> None:
        """Take no more requests and drop those that wait; the running one may end."""
        self.alive = False
        self._pool.shutdown(wait=False, cancel_futures=True)

    def abandon(self) -> None:
        """Let the running request end at its next token, and tell its caller so."""
        job = self._running
        if job is not None:
            job.cancelled.set()
            job.notify("error", Stopping())

    def close(self) -> None:
        """Stop at once; what stays read is closed, by the running request if there is one."""
        self.stop()
        self.abandon()
        self._close_all()

    def _close_all(self) -> None:
        with self._lock:
            while self._running is None and self._sessions:
                self._sessions.popitem()[1].close()

    def _answer(self, job: QueuedRequest) -> None:
        kept, generation = self._session(job), job.wanted.generation
        session = kept.session
        if "text" not in self.pipe.recipe.takes:
            job.done(session.finish())
            return
        question, job.parts = self._question(job, kept.parts), kept.parts
        if "generation" not in self.pipe.recipe.takes:
            answer = session.ask(question)
            job.notify("text", answer.text)
            job.done(job.told(answer))
            return
        # always piece by piece, as a reply can be cancelled between two
        given = session.finish(question, dataclasses.replace(generation, stream=not generation.choices))
        if not isinstance(given, Stream):
            job.notify("text", given.text)
            job.done(job.told(given))
            return
        for piece in given:
            if job.cancelled.is_set():
                given.close()
                return
            job.notify("text", piece)
        job.done(job.told(given.result))

    def _question(self, job: QueuedRequest, parts: str) -> str:
        """Return what is asked; a chat model, which is told the times of its frames, also reads what is shown when."""
        reads = any("num_frames" in stage.reader.takes for _, stage in self.pipe.stages if hasattr(stage, "reader"))
        return f"One after the other are shown: {parts}.\n{job.wanted.question}" if parts and reads else (
            job.wanted.question)

    def _answered_together(self, job: QueuedRequest) -> bool:
        """Answer a request in one pass with others that wait; say whether it was.

        One that fails is no reason for the others to: each is then answered alone, and told what is wrong with it.
        """
        waiting = list(self._waiting)
        asked = Counter(one.wanted.key for one in (job, *waiting))
        if not self._fits_together(job) or asked[job.wanted.key] > 1:
            return False  # a video that several ask about is read once, and stays read
        others = [one for one in waiting if self._fits_together(one) and asked[one.wanted.key] == 1][:MOST - 1]
        if not others:
            return False
        if self._together is None:
            self._together = Together(self.pipe)
        if not self._together.divided:
            return False
        jobs = [job, *others]
        try:
            answers = self._together.answer([(one.wanted, one.video) for one in jobs])
        except MmvideoError:
            return False
        for one, answer in zip(jobs, answers, strict=True):
            one.answered = True
            one.notify("text", answer.text)
            one.done(answer)
        return True

    def _fits_together(self, job: QueuedRequest) -> bool:
        place = job.wanted.place
        return (goes_together(job.wanted) and not job.cancelled.is_set() and not job.answered
                and job.fetched and not isinstance(place.source, Playlist) and job.wanted.key not in self._sessions
                and "generation" in self.pipe.recipe.takes)

    def _session(self, job: QueuedRequest) -> CachedSession:
        """Return the video's session: one that is still read, or a new one."""
        now, place, wanted = time.monotonic(), job.wanted.place, job.wanted.key
        for key in [k for k, kept in self._sessions.items() if now - kept.since > KEPT_SECONDS]:
            self._sessions.pop(key).close()
        if wanted in self._sessions:
            self._sessions.move_to_end(wanted)
            return self._sessions[wanted]
        if not job.fetched:
            raise _NotFetched
        pipe, parts = with_view(self.pipe, job.wanted.view), ""
        if isinstance(place.source, Slideshow):
            frames, when = place.source.decoded()
            session = pipe.open(frames, **when)
        elif isinstance(place.source, Playlist):
            media = place.source.opened({address: str(copy.path) for address, copy in job.copies.items()})
            parts, session = parts_text(media.segments), pipe.open(media)
        else:
            session = pipe.open(job.video)
        while len(self._sessions) >= max(1, self.kept):
            self._sessions.popitem(last=False)[1].close()
        self._sessions[wanted] = CachedSession(session, [copy.hold() for copy in job.copies.values()], now, parts)
        return self._sessions[wanted]


__all__ = ["QueuedRequest", "Worker"]
