"""Command `serve`: a pipeline behind an address that OpenAI's clients can talk to."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from mmvideo.cli.common import Debug, Device, Model, Overrides, RecipeName, note, overrides
from mmvideo.errors import MediaNotFound, MissingExtra


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(rich_help_panel="Ask things of video")(serve)


def serve(
    model: Model = None, device: Device = None, set_: Overrides = None, recipe: RecipeName = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8000,
    allow: Annotated[list[Path] | None, typer.Option(
        "--allow", help="A folder whose files may be named in requests; may be given again.")] = None,
    addresses: Annotated[bool, typer.Option(
        "--addresses/--no-addresses", help="Whether http(s) addresses are fetched.")] = True,
    private_addresses: Annotated[bool, typer.Option(
        "--private-addresses", help="Also fetch from this machine and its network.")] = False,
    max_queue: Annotated[int, typer.Option("--max-queue", min=1, help="Requests that may wait.")] = 16,
    max_megabytes: Annotated[int, typer.Option("--max-megabytes", min=1, help="Largest video.")] = 256,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, help="Longest reply to ask for.")] = 1024,
    keep: Annotated[int, typer.Option("--keep", min=1, help="Videos that stay read for further questions.")] = 2,
    debug: Debug = False,
) -> None:
    """Answer questions over HTTP at /v1/chat/completions, as OpenAI's clients ask them."""
    for package in ("uvicorn", "starlette"):
        if find_spec(package) is None:
            raise MissingExtra(package, "serve", "mmvideo serve")
    import uvicorn

    from mmvideo.pipeline import Pipeline
    from mmvideo.serving.app import make_app
    from mmvideo.serving.request import Rules

    for folder in allow or ():
        if not folder.is_dir():
            raise MediaNotFound(f"--allow {folder}: no such folder.")
    rules = Rules(folders=tuple(allow or ()), addresses=addresses, private_addresses=private_addresses,
                  max_bytes=max_megabytes * 1024 * 1024, max_new_tokens=max_new_tokens)
    pipe = Pipeline(recipe or "video-qa", model, device, **overrides(set_))
    app = make_app(pipe, rules=rules, max_queue=max_queue, kept=keep)
    note(f"{pipe.model} answers at http://{host}:{port}/v1/chat/completions; health at /health; end with Ctrl-C")
    uvicorn.run(app, host=host, port=port, log_level="warning")
