"""Commands `probe`, `list`, `show` and `doctor`: what there is, without asking a model anything."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mmvideo.cli.clips import understood
from mmvideo.cli.common import Debug, Json, json_line, note, say
from mmvideo.cli.output import each
from mmvideo.errors import MmvideoError, UnknownName

LISTED = ("pipelines", "models", "configs")
"""What `list` knows beside the kinds of the registry."""


def add_look_commands(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "See what there is"
    for name, command in {"probe": probe_command, "show": show_command, "doctor": doctor_command,
                          "list": list_command}.items():
        app.command(name, rich_help_panel=panel)(command)


def probe_command(
    videos: Annotated[list[str], typer.Argument(metavar="VIDEO...", help="Files, http(s) addresses, folders and "
                                                "patterns of clips, or - for standard input.")],
    full: Annotated[bool, typer.Option("--full", help="Decode everything in search of damage, however long that "
                                       "takes; otherwise 10 s of work a file.")] = False,
    json: Json = False, debug: Debug = False,
) -> None:
    """Say what each file holds: streams, codecs, true duration, rotation, what is damaged."""
    from mmvideo.media import probe as probe_media
    from mmvideo.media.api import CHECK_SECONDS

    seconds = None if full else CHECK_SECONDS
    with understood(videos, images=False) as clips:
        each(clips, lambda clip, _: [probe_media(clip.path, check_seconds=seconds)], json=json)


def list_command(
    kind: Annotated[str | None, typer.Argument(help="pipelines, models, configs, encoders, stages ...")] = None,
    json: Json = False, debug: Debug = False,
) -> None:
    """List the pipelines, models and parts that a recipe can name."""
    from mmvideo.registry import PARTS, WITH_PRESETS

    kinds = [*LISTED, *PARTS]
    if kind is not None and kind not in kinds:
        raise UnknownName("kind", kind, kinds)
    if kind in WITH_PRESETS:
        families = _families(kind)
        say(json_line({kind: families}) if json else _grouped(families))
        return
    shown = {name: _named(name) for name in kinds if kind in (None, name)}
    if json:
        say(json_line(shown))
        return
    for name, entries in shown.items():
        if kind is None:
            say(f"{name}:")
        width = max(map(len, entries), default=0)
        for entry, about in entries.items():
            say(f"{'  ' if kind is None else ''}{entry:{width}}  {about}".rstrip())


def _families(kind: str) -> dict[str, Any]:
    """Return family -> what it is and its presets with a line about each; of a broken one, why it cannot be used."""
    from mmvideo.cli.describe import about_family
    from mmvideo.encoders import zoo

    found: dict[str, Any] = {}
    for name in zoo.families(kind):
        try:
            presets = {key: str(getattr(preset, "about", "")) for key, preset in zoo.members(name, kind).items()}
            found[name] = {"about": about_family(name, kind), "presets": presets}
        except MmvideoError as error:
            found[name] = {"about": "", "presets": {}, "broken": str(error)}
    return found


def _grouped(families: dict[str, Any]) -> str:
    lines = []
    for name, family in families.items():
        broken = family.get("broken")
        lines += [f"{name}: {f'BROKEN: {broken}' if broken else family['about']}",
                  *(f"  {key:34} {about}" for key, about in family["presets"].items())]
    return "\n".join(lines)


def _named(kind: str) -> dict[str, str]:
    """Return name -> one line about it."""
    from mmvideo import recipes, registry

    if kind == "pipelines":
        return {name: recipes.load_recipe(name).about for name in recipes.recipe_names()}
    if kind == "configs":
        return {name: str(recipes.read_yaml("configs", name)[0].get("about", ""))
                for name in recipes.recipe_names("configs")}
    if kind == "models":
        from mmvideo.hub.catalogue import embedded_models

        return {model.name: f"{model.about} (licences: {model.licences})" for model in embedded_models()}
    return {name: registry.PARTS[kind].get(name) or _from_elsewhere(kind, name) for name in registry.names(kind)}


def _from_elsewhere(kind: str, name: str) -> str:
    """Name the package that a part comes from, and why it cannot be used if that is so."""
    from mmvideo import registry

    try:
        registry.find(kind, name)
    except MmvideoError as error:
        return f"BROKEN: {error}"
    return f"from the package {registry.origin(kind, name)}"


def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A recipe or config (name or file.yaml), a model (name or "
                                        "folder), a family of encoders or separators, a preset, or any part that "
                                        "`mmvideo list` names.")],
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Which, where a name is that of several: "
                                             "pipelines, models, configs, encoders, stages ...")] = None,
    static: Annotated[bool, typer.Option("--static", help="Only what the recipe says; load and run nothing.")] = False,
    json: Json = False, debug: Debug = False,
) -> None:
    """Show anything by name: a recipe's stages, a config, a model, a preset's cost, the options of a part."""
    from mmvideo.cli import describe, describe_parts

    bearing = _bearing(name)
    if not bearing:
        raise describe_parts.unknown(name)
    if kind is not None and kind not in bearing:
        raise UnknownName(f"kind for {name}", kind, bearing)
    chosen = kind or bearing[0]
    if chosen == "pipelines":
        found: Any = describe.recipe(name, run=not static)
    elif chosen in describe_parts.DETAILED:
        found = describe.separator(name) if chosen == "separators" else describe.encoder(name)
    elif chosen in ("configs", "models"):
        found = (describe_parts.about_config if chosen == "configs" else describe_parts.about_model)(name)
    else:
        found = describe_parts.about_part(name, chosen)
    lay_out = describe_parts.part_text if "kind" in found else describe.description_text
    say(json_line(found) if json else lay_out(found))
    if others := [other for other in bearing if other != chosen]:
        note(f"{name} also names something of {', '.join(others)}: add --kind {others[0]}")


def _bearing(name: str) -> list[str]:
    """Return the kinds that a name, or the content of a file, is of."""
    from mmvideo import recipes
    from mmvideo.cli import describe_parts

    if not name.endswith((".yaml", ".yml")):
        return describe_parts.kinds_of(name)
    raw, _ = recipes.read_yaml("pipelines", name)
    return ["configs"] if {"trainer", "evaluator"} & set(raw) and "stages" not in raw else ["pipelines"]


def doctor_command(json: Json = False, debug: Debug = False) -> None:
    """Check this installation; every fault comes with the line that mends it. Exits with 1 if something is broken."""
    from mmvideo.doctor import examine

    findings = examine()
    for finding in findings:
        say(json_line(finding.to_dict()) if json else finding)
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)
