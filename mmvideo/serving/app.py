"""The HTTP side: /v1/chat/completions as OpenAI's clients call it, /v1/models and /health."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mmvideo.errors import InvalidInput, MediaError, MissingExtra, MmvideoError
from mmvideo.pipeline import Pipeline
from mmvideo.results import Answer
from mmvideo.serving.request import Rules, read
from mmvideo.serving.worker import Busy, Job, Worker

try:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route
except ImportError as missing:
    raise MissingExtra("starlette", "serve", "serving") from missing


def make_app(pipe: Pipeline, *, rules: Rules | None = None, name: str = "", max_queue: int = 16,
             kept: int = 2) -> Starlette:
    """Build the application.

    Args:
        pipe: a pipeline that takes questions.
        rules: what is allowed.
        name: under which the model is listed; the pipeline's own by default.
        max_queue: requests that may wait; further ones get status 429.
        kept: videos that stay read for further questions.

    Raises:
        InvalidInput: a pipeline that takes no questions.
    """
    if "text" not in pipe.recipe.takes:
        raise InvalidInput(f"{pipe.recipe.name} takes no questions; serve a recipe such as video-qa.")
    rules = rules or Rules()
    server = Server(pipe, rules, name or pipe.model, Worker(pipe, rules, max_queue=max_queue, kept=kept))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(server.worker.close)

    app = Starlette(lifespan=lifespan, routes=[
        Route("/v1/chat/completions", server.complete, methods=["POST"]),
        Route("/v1/models", server.models), Route("/health", server.health)])
    app.state.server = server
    return app


class Server:
    """The handlers."""

    def __init__(self, pipe: Pipeline, rules: Rules, name: str, worker: Worker):
        self.pipe, self.rules, self.name, self.worker = pipe, rules, name, worker
        self.started = int(time.time())

    async def health(self, _: Request) -> Response:
        """Say whether questions are answered, and how many wait."""
        state = {"status": "ok" if self.worker.alive else "stopped", "model": self.name,
                 "waiting": self.worker.waiting, "answered": self.worker.answered}
        return JSONResponse(state, status_code=200 if self.worker.alive else 503)

    async def models(self, _: Request) -> Response:
        """List the one model."""
        return JSONResponse({"object": "list", "data": [
            {"id": self.name, "object": "model", "created": self.started, "owned_by": "mmvideo"}]})

    async def complete(self, request: Request) -> Response:
        """Answer a question about a video, whole or as server-sent events."""
        try:
            wanted = await asyncio.to_thread(read, await self._body(request), self.rules)
        except (MmvideoError, ValueError) as error:
            return _failed(error)
        if wanted.model not in ("", self.name):
            return _problem(404, f"There is no model {wanted.model!r} here, only {self.name!r}.", "model_not_found")
        told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        job = Job(wanted, lambda kind, value: loop.call_soon_threadsafe(told.put_nowait, (kind, value)))
        try:
            self.worker.put(job)
        except Busy as error:
            return _failed(error)
        if wanted.asking.stream:
            return await self._stream(told, job)
        return await self._whole(request, told, job)

    async def _body(self, request: Request) -> Any:
        declared = request.headers.get("content-length", "0")
        largest = self.rules.max_bytes * 4 // 3 + 65536  # base64
        if declared.isdigit() and int(declared) > largest:
            raise TooLarge(f"The request is {declared} bytes, over the limit of {largest}.")
        content = bytearray()
        async for chunk in request.stream():
            content += chunk
            if len(content) > largest:
                raise TooLarge(f"The request is over the limit of {largest} bytes.")
        try:
            return json.loads(bytes(content))
        except ValueError as error:
            raise InvalidInput(f"The body is not JSON: {error}.") from error

    async def _whole(self, request: Request, told: asyncio.Queue, job: Job) -> Response:
        while True:
            try:
                kind, value = await asyncio.wait_for(told.get(), 1.0)
            except TimeoutError:
                if await request.is_disconnected():
                    job.cancelled.set()
                    return Response(status_code=499)
                continue
            if kind == "error":
                return _failed(value)
            if kind == "done":
                return JSONResponse(self._reply("chat.completion", {
                    "message": {"role": "assistant", "content": value.text}, "finish_reason": _ending(value)}) | {
                        "usage": _usage(value), "mmvideo": _evidence(value)})

    async def _stream(self, told: asyncio.Queue, job: Job) -> Response:
        kind, value = await told.get()
        if kind == "error":  # nothing has been sent: it can still be a status
            return _failed(value)

        async def events() -> AsyncIterator[str]:
            nonlocal kind, value
            name = f"chatcmpl-{uuid.uuid4().hex}"
            try:
                yield _event(self._reply("chat.completion.chunk", {"delta": {"role": "assistant", "content": ""},
                                                                   "finish_reason": None}, name))
                while kind == "text":
                    yield _event(self._reply("chat.completion.chunk", {"delta": {"content": value},
                                                                       "finish_reason": None}, name))
                    kind, value = await told.get()
                if kind == "error":
                    yield _event({"error": {"message": str(value), "type": type(value).__name__}})
                else:
                    last = self._reply("chat.completion.chunk", {"delta": {}, "finish_reason": _ending(value)}, name)
                    yield _event(last | {"mmvideo": _evidence(value)})
                    if job.wanted.tells_usage:
                        yield _event(last | {"choices": [], "usage": _usage(value)})
                yield "data: [DONE]\n\n"
            finally:
                job.cancelled.set()

        return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    def _reply(self, kind: str, choice: dict[str, Any], name: str = "") -> dict[str, Any]:
        return {"id": name or f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()),
                "model": self.name, "choices": [{"index": 0, "logprobs": None, **choice}]}


class TooLarge(InvalidInput):
    """A request over the limit."""


def _usage(answer: Answer) -> dict[str, int]:
    return {"prompt_tokens": answer.usage.prompt_tokens, "completion_tokens": answer.usage.completion_tokens,
            "total_tokens": answer.usage.total_tokens}


def _ending(answer: Answer) -> str:
    return "stop" if answer.finished else "length"


def _evidence(answer: Answer) -> dict[str, Any]:
    """Return what OpenAI's form has no place for."""
    return {"confidence": answer.confidence, "seconds_looked_at": list(answer.seconds_looked_at),
            "in_domain": answer.in_domain.inside, "rule": answer.rule, "warnings": list(answer.warnings)}


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _failed(error: BaseException) -> Response:
    if isinstance(error, Busy):
        return _problem(429, str(error), "queue_full", {"Retry-After": "2"})
    if isinstance(error, TooLarge):
        return _problem(413, str(error), "too_large")
    if isinstance(error, InvalidInput | MediaError):
        return _problem(400, str(error), type(error).__name__)
    if isinstance(error, MmvideoError):
        return _problem(500, str(error), type(error).__name__)
    return _problem(500, "The server failed; its log says why.", "internal")


def _problem(status: int, message: str, code: str, headers: dict[str, str] | None = None) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": code}},
                        status_code=status, headers=headers)


__all__ = ["Server", "make_app"]
