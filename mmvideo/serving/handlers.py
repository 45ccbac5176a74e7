"""The handlers of requests: admission, reading, download, the worker's queue, and the reply."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from mmvideo.deadline import exceeded
from mmvideo.errors import MmvideoError, TimeLimitExceeded
from mmvideo.pipeline import Pipeline
from mmvideo.serving.address import Rules
from mmvideo.serving.body import check_head, parse, read_body
from mmvideo.serving.fetch import Fetcher
from mmvideo.serving.labels import labelled, read_clip
from mmvideo.serving.options import check_model, with_view
from mmvideo.serving.problems import Json, Refused, Stopping, Stuck, error_response, problem_of
from mmvideo.serving.replies import chunk, completion, event, evidence, new_name, usage
from mmvideo.serving.request import Wanted, read_request
from mmvideo.serving.slots import Slot, Slots
from mmvideo.serving.worker import QueuedRequest, Worker

_LOOKS_AFTER_SECONDS = 1.0
"""How often it is looked whether the caller is still there."""


class Server:
    """The handlers."""

    def __init__(self, pipe: Pipeline, rules: Rules, name: str, *, max_queue: int, kept: int):
        self.pipe, self.rules, self.name = pipe, rules, name
        self.largest = rules.max_bytes * 4 // 3 + 65_536
        """Bytes of a body: base64 has four for three."""
        self.slots = Slots(max_queue, 2 * self.largest)
        self.worker, self.fetcher = Worker(pipe, kept=kept, timeout_seconds=rules.timeout_seconds), Fetcher(rules)
        self.started = int(time.time())
        self.labels = "text" not in pipe.recipe.takes
        """Whether videos are labelled; else questions are answered."""
        self._parsing, self._stopping = asyncio.Lock(), asyncio.Event()

    def stop(self) -> None:
        """Take no more requests and drop those that wait; the running one may end."""
        self.slots.open = False
        self._stopping.set()
        self.worker.stop()
        self.fetcher.close()

    def close(self) -> None:
        """Stop at once."""
        self.stop()
        self.worker.close()

    async def health(self, request: Request) -> Response:
        """Say whether questions are answered, and, to whom has the key, how many wait."""
        status = "stopped" if not self.worker.alive else "stuck" if self.worker.is_stuck() else "ok"
        state: dict[str, Any] = {"status": status}
        if request.scope.get("mmvideo.known", True):
            state |= {"model": self.name, "running": int(self.worker.busy), "waiting": self.slots.waiting,
                      "answered": self.worker.answered}
        return Json(state, status_code=200 if status == "ok" else 503)

    async def models(self, _: Request) -> Response:
        """List the one model."""
        return Json({"object": "list", "data": [
            {"id": self.name, "object": "model", "created": self.started, "owned_by": "mmvideo"}]})

    async def complete(self, request: Request) -> Response:
        """Answer a question about a video, whole or as server-sent events; or label it."""
        try:
            check_head(request, self.largest)
            slot = await self._wait(self.slots.take_in_turn())
        except Refused as error:
            return error_response(error, unread=request.headers)
        job: QueuedRequest | None = None
        try:
            wanted = await self._wanted(request, slot)
            updates: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
            job = QueuedRequest(wanted, _notifier(updates), slot)
            await self._put(request, job)
            if wanted.generation.stream:
                return await self._stream(request, updates, job)
            return await self._whole(request, updates, job)
        except MmvideoError as error:
            return error_response(error, unread=request.headers if job is None else None)
        except ClientDisconnect:
            return Response(status_code=499)
        finally:
            if job is None or not job.queued:
                slot.release()

    async def _wanted(self, request: Request, slot: Slot) -> Wanted:
        """Read and check the request."""
        content = await self._wait(read_body(request, slot, self.largest))
        async with self._parsing:  # one at a time, as the copies that this needs are large
            wanted = await asyncio.to_thread(lambda: (read_clip if self.labels else read_request)(parse(content),
                                                                                           self.rules))
        if wanted.model not in ("", self.name):
            raise Refused(f"There is no model {wanted.model[:200]!r} here, only {self.name!r}.", "model", status=404,
                          code="model_not_found")
        check_model(self.pipe, wanted.generation)
        with_view(self.pipe, wanted.view)
        return wanted

    async def _put(self, request: Request, job: QueuedRequest) -> None:
        """Put a job into the worker's queue, with its video at hand."""
        job.queued = False
        with contextlib.ExitStack() as undo:
            undo.callback(job.release)
            if not self.worker.keeps(job.wanted.key):
                for address in job.wanted.place.addresses:
                    copy = job.copies[address] = await self._wait(self.fetcher.get(address), request)
                    job.names[str(copy.path)] = address
            self.worker.put(job)
            job.queued = True
            undo.pop_all()

    async def _wait(self, waited: Any, request: Request | None = None) -> Any:
        """Wait for something as long as the server runs and the caller is there.

        Args:
            request: whose caller is looked for; None while its body is read, which tells by itself.

        Raises:
            ClientDisconnect: the caller has gone.
            Stopping: the server ends.
        """
        task, stop = asyncio.ensure_future(waited), asyncio.ensure_future(self._stopping.wait())
        try:
            while not task.done():
                await asyncio.wait({task, stop}, timeout=_LOOKS_AFTER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    break
                if stop.done():
                    raise Stopping
                if request is not None and await request.is_disconnected() and not task.done():
                    raise ClientDisconnect
            return task.result()
        finally:
            task.cancel()
            stop.cancel()

    async def _next_event(self, updates: asyncio.Queue, job: QueuedRequest,
                          request: Request | None = None) -> tuple[str, Any]:
        """Return what the worker says next; when the server ends, it says that too.

        Args:
            request: whose caller is looked for; None where its response does that itself.

        Raises:
            ClientDisconnect: the caller has gone.
            TimeLimitExceeded: this request does not stop at its time limit.
            Stuck: the one that runs before it does not.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(updates.get(), _LOOKS_AFTER_SECONDS)
            if not updates.empty():
                continue
            if request is not None and await request.is_disconnected():
                raise ClientDisconnect
            if self.worker.is_stuck():
                raise exceeded(self.rules.timeout_seconds) if job.running else Stuck

    async def _next(self, request: Request, updates: asyncio.Queue, job: QueuedRequest) -> tuple[str, Any]:
        """Return what the worker says next."""
        while True:
            try:
                kind, value = await self._next_event(updates, job, request)
            except BaseException:
                job.cancel()
                raise
            if kind != "fetch":
                return kind, value
            await self._put(request, job)

    async def _next_piece(self, updates: asyncio.Queue, job: QueuedRequest) -> tuple[str, Any]:
        """Return what the worker says next in a stream that has begun, in which an error is an event."""
        try:
            return await self._next_event(updates, job)
        except TimeLimitExceeded as error:
            return "error", error

    async def _whole(self, request: Request, updates: asyncio.Queue, job: QueuedRequest) -> Response:
        kind = ""
        value: Any = None
        while kind not in ("done", "error"):
            kind, value = await self._next(request, updates, job)
        if kind == "error":
            return error_response(value, names=job.names)
        return Json((labelled if self.labels else completion)(self.name, value, job.names))

    async def _stream(self, request: Request, updates: asyncio.Queue, job: QueuedRequest) -> Response:
        kind, value = await self._next(request, updates, job)
        if kind == "error":  # nothing has been sent: it can still be a status
            return error_response(value, names=job.names)

        async def events() -> AsyncIterator[bytes]:
            nonlocal kind, value
            name = new_name()
            try:
                yield event(chunk(self.name, name, {"role": "assistant", "content": ""}))
                while kind == "text":
                    yield event(chunk(self.name, name, {"content": value}))
                    kind, value = await self._next_piece(updates, job)
                if kind == "error":
                    yield event(problem_of(value, job.names))
                else:
                    last = chunk(self.name, name, {}, value.finish_reason)
                    yield event(last | {"mmvideo": evidence(value, job.names)})
                    if job.wanted.tells_usage:
                        yield event(last | {"choices": [], "usage": usage(value)})
                yield b"data: [DONE]\n\n"
            finally:
                job.cancel()

        return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _notifier(updates: asyncio.Queue[tuple[str, Any]]) -> Callable[[str, Any], None]:
    """Return what a worker's thread may call to put something into a queue of this loop."""
    loop = asyncio.get_running_loop()

    def tell(kind: str, value: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the server has ended
            loop.call_soon_threadsafe(updates.put_nowait, (kind, value))

    return tell


__all__ = ["Server"]
