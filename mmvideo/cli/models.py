"""Commands `models`, `models get` and `models default`: which models there are, fetching and choosing them."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from mmvideo.cli.common import Debug, Json, json_line, note, say
from mmvideo.errors import InvalidInput

_MEGABYTE = 1_000_000


def add_models_command(app: typer.Typer) -> None:
    """Register the group of commands."""
    group = typer.Typer(invoke_without_command=True, no_args_is_help=False, help="List, fetch and choose models.")
    group.callback()(models_command)
    group.command("get")(get_command)
    group.command("default")(default_command)
    app.add_typer(group, name="models", rich_help_panel="See what there is")


def models_command(context: typer.Context, json: Json = False, debug: Debug = False) -> None:
    """List embedded, cached and recommended models: size, licence, what each can do, which pipeline runs it."""
    if context.invoked_subcommand is not None:
        return
    from mmvideo.hub.catalogue import known_models

    models = known_models()
    if json:
        for model in models:
            say(json_line(model))
        return
    for where in ("embedded", "cached", "recommended"):
        chosen = [model for model in models if model.where == where]
        if chosen:
            say(f"{where}:")
        for model in chosen:
            say(_described(model))


def _described(model: Any) -> str:
    size = "" if model.size_bytes is None else f", {model.size_bytes / _MEGABYTE:.1f} MB"
    lines = [f"  {model.name}{size}: {model.about}", f"      licences: {model.licences}"]
    uses = [f"for {', '.join(model.pipelines)}"] if model.pipelines else []
    if model.default_of:
        uses.append(f"the default of {', '.join(model.default_of)}")
    if uses:
        lines.append(f"      {'; '.join(uses)}")
    if model.where == "recommended":
        lines.append(f"      mmvideo models get {model.name} --default")
    return "\n".join(lines)


def get_command(
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A model of the Hugging Face hub.")],
    default: Annotated[bool, typer.Option("--default", help="Also make it the default of what it can do.")] = False,
    for_: Annotated[list[str] | None, typer.Option(
        "--for", metavar="PIPELINE", help="With --default: only of this pipeline; may be given again.")] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Branch, tag or commit.")] = None,
    json: Json = False, debug: Debug = False,
) -> None:
    """Fetch a model into the Hugging Face cache; with --default run it from now on where no model is named."""
    from mmvideo.hub.catalogue import fetch_model, make_default

    if for_ and not default:
        raise InvalidInput("--for says of which pipeline the model becomes the default: give --default too.")
    found = fetch_model(name, revision=revision)
    chosen = for_ or (list(found.pipelines) if default else [])
    for pipeline in chosen:
        make_default(pipeline, name)
    if json:
        say(json_line({**found.to_dict(), "default_of": chosen or list(found.default_of)}))
        return
    say(f"{name} is here, {(found.size_bytes or 0) / _MEGABYTE:.1f} MB; licences: {found.licences}")
    for pipeline in chosen:
        _say_chosen(pipeline, name)
    if not default:
        say(f"Run it with --model {name}, or make it the default: mmvideo models get {name} --default")


def default_command(
    pipeline: Annotated[str | None, typer.Argument(metavar="PIPELINE", help="As in `mmvideo list pipelines`.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME|FOLDER", help="A model that is here.")] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the recipe's own model; without PIPELINE in "
                                        "all pipelines.")] = False,
    json: Json = False, debug: Debug = False,
) -> None:
    """Show, set or reset which model a pipeline runs where none is named."""
    from mmvideo import recipes, settings
    from mmvideo.errors import UnknownName
    from mmvideo.hub.catalogue import make_default

    if pipeline is not None and pipeline not in recipes.recipe_names():
        raise UnknownName("pipeline", pipeline, recipes.recipe_names())
    if reset:
        if name is not None:
            raise InvalidInput("--reset forgets a choice; give no model with it.")
        note(f"mmvideo: wrote {settings.reset_default_models(pipeline)}")
    elif name is not None and pipeline is not None:
        make_default(pipeline, name)
        if not json:
            _say_chosen(pipeline, name)
            return
    chosen = {p: settings.default_model(p) for p in recipes.recipe_names() if pipeline in (None, p)}
    if json:
        say(json_line({p: None if c is None else {"model": c.name, "where": c.where} for p, c in chosen.items()}))
        return
    for p, c in chosen.items():
        say(f"{p}: {'the model of its recipe' if c is None else f'{c.name} ({c.where})'}")


def _say_chosen(pipeline: str, name: str) -> None:
    from mmvideo.settings import model_variable, settings_file

    say(f"{pipeline} runs {name} from now on ({settings_file()}); undo: mmvideo models default {pipeline} --reset")
    if os.environ.get(variable := model_variable(pipeline)):
        note(f"warning: {variable} is set and wins over this")


__all__ = ["add_models_command"]
