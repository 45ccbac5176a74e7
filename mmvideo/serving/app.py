"""The application: /v1/chat/completions as OpenAI's clients call it, or /v1/classify, behind its guards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from mmvideo.errors import InvalidInput, MissingExtra
from mmvideo.pipeline import Pipeline

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError as missing:
    raise MissingExtra("starlette", "serve", "serving") from missing

from mmvideo.serving.address import Rules
from mmvideo.serving.guard import Guard
from mmvideo.serving.handlers import Server
from mmvideo.serving.problems import Refused, error_response

LABELS = "classification"
"""What a recipe gives that labels videos."""


def make_app(pipe: Pipeline, *, rules: Rules | None = None, name: str = "", max_queue: int = 16, kept: int = 2,
             api_key: str = "", hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> Starlette:
    """Build the application.

    Args:
        pipe: a pipeline that takes questions, or one that gives a classification.
        rules: what is allowed.
        name: under which the model is listed; the pipeline's own by default.
        max_queue: requests that may wait; further ones get status 429.
        kept: videos that stay read for further questions.
        api_key: that requests must bear; empty for none.
        hosts: names under which the server may be called, beside localhost and its addresses as numbers.
        origins: web pages that may call it, such as "https://example.com".

    Raises:
        InvalidInput: a pipeline that does neither.
    """
    if "text" not in pipe.recipe.takes and pipe.recipe.gives != LABELS:
        raise InvalidInput(f"{pipe.recipe.name} neither takes questions nor gives a classification; serve a recipe "
                           "such as video-qa or video-classification.")
    server = Server(pipe, rules or Rules(), name or pipe.model, max_queue=max_queue, kept=kept)
    origins = tuple(origin.rstrip("/").lower() for origin in origins)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        server.close()

    guards = [Middleware(Guard, api_key=api_key, hosts=tuple(hosts), origins=origins)]
    if origins:
        guards.insert(0, Middleware(CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"],
                                    allow_headers=["*"]))
    path = path_of(pipe)

    async def no_such_page(_: Request, error: HTTPException) -> Response:
        """Answer a wrong path or method in OpenAI's form too."""
        return error_response(Refused(
            f"{error.detail}: there are POST {path}, GET /v1/models and GET /health.",
            status=error.status_code, code="not_found", headers=error.headers or {}))

    handlers: dict[Any, Any] = {HTTPException: no_such_page}
    app = Starlette(lifespan=lifespan, middleware=guards, exception_handlers=handlers, routes=[
        Route(path, server.complete, methods=["POST"]),
        Route("/v1/models", server.models), Route("/health", server.health)])
    app.state.server = server
    return app


def path_of(pipe: Pipeline) -> str:
    """Return the path at which a pipeline is called."""
    return "/v1/chat/completions" if "text" in pipe.recipe.takes else "/v1/classify"


__all__ = ["make_app", "path_of"]
