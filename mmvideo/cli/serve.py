"""Command `serve`: a pipeline behind an address that OpenAI's clients can talk to."""

from __future__ import annotations

import ipaddress
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from mmvideo.cli.common import AllowLicences, Debug, Device, Model, Overrides, RecipeName, note, overrides
from mmvideo.cli.dataclass_options import Spelling, options_of, values_of, with_options
from mmvideo.errors import InvalidInput, MediaNotFound, MissingExtra
from mmvideo.serving.rules import Rules

KEY = "MMVIDEO_API_KEY"
_SPELLED = {
    "folders": Spelling("--allow", kind=list[Path]), "addresses": Spelling("--addresses/--no-addresses"),
    "max_bytes": Spelling("--max-megabytes", scale=1024 * 1024), "timeout_seconds": Spelling("--timeout", "SECONDS")}


def add_serve_command(app: typer.Typer) -> None:
    """Register the command."""
    app.command("serve", rich_help_panel="Ask things of video")(serve_command)


@with_options(options_of(Rules, spelled=_SPELLED), before="api_key")
def serve_command(
    model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    api_key: Annotated[str | None, typer.Option(
        "--api-key", help=f"Key that requests must bear; better given in the environment variable {KEY}.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(
        "--allow-host", help="A name under which the server may be called; may be given again.")] = None,
    allow_origin: Annotated[list[str] | None, typer.Option(
        "--allow-origin", help="A web page that may call it, as https://example.com; may be given again.")] = None,
    max_queue: Annotated[int, typer.Option("--max-queue", min=1, help="Requests that may wait.")] = 16,
    max_connections: Annotated[int, typer.Option("--max-connections", min=1, help="Connections at once.")] = 256,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Videos that stay read for further questions.")] = 2,
    allow_licences: AllowLicences = None, debug: Debug = False, **limits: Any,
) -> None:
    """Answer questions over HTTP at /v1/chat/completions, as OpenAI's clients ask them; a classifier labels videos."""
    for package in ("uvicorn", "starlette"):
        if find_spec(package) is None:
            raise MissingExtra(package, "serve", "mmvideo serve")
    rules = Rules(**values_of(limits, _SPELLED))
    for folder in rules.folders:
        if not folder.is_dir():
            raise MediaNotFound(f"--allow {folder}: no such folder.")
    key = _key(api_key)

    from mmvideo.serving.run import listen

    with listen(host, port) as listener:
        from mmvideo.pipeline import Pipeline
        from mmvideo.serving.app import make_app, path_of
        from mmvideo.serving.run import run_server

        pipe = Pipeline(recipe or _recipe_for(model), model, device, **overrides(set_))
        app = make_app(pipe, rules=rules, max_queue=max_queue, kept=keep, api_key=key,
                       hosts=[host, *(allow_host or ())], origins=allow_origin or ())
        if not key and not _is_loopback(host):
            note(f"warning: whoever reaches {host} can use this server; set a key in {KEY} to change that")
        called = f"[{host}]" if ":" in host else host
        ready = (f"{pipe.model} answers at http://{called}:{listener.getsockname()[1]}{path_of(pipe)}; health at "
                 "/health; end with Ctrl-C")
        run_server(app, listener, max_connections=max_connections, ready=lambda: note(ready))


def _recipe_for(model: str | None) -> str:
    """Return the recipe that serves a model: a trained classifier labels videos, others answer questions."""
    from mmvideo import weights

    if model is None or model in weights.embedded_names():
        return "video-qa"
    home = weights.local_path(model)
    trained = home / weights.RUN_MODEL  # of the folder of a run
    return "video-classification" if weights.is_encoder(trained if trained.is_dir() else home) else "video-qa"


def _key(given: str | None) -> str:
    """Return the key of the option or the environment; empty if neither is there.

    Raises:
        InvalidInput: one is there, but empty: whoever wrote it wanted a key.
    """
    key = given if given is not None else os.environ.get(KEY)
    if key is not None and not key.strip():
        raise InvalidInput(f"The API key is empty: give one with --api-key or {KEY}, or leave both out.")
    return (key or "").strip()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
