"""Commands `probe`, `list`, `show` and `doctor`: what there is, without asking a model anything."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mmvideo.cli.clips import understood
from mmvideo.cli.common import Debug, Json, json_line, say
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
    name: Annotated[str, typer.Argument(metavar="RECIPE|ENCODER|PRESET",
                                        help="A recipe (name or file.yaml), a family of encoders or separators, or a "
                                        "preset.")],
    static: Annotated[bool, typer.Option("--static", help="Only what the recipe says; load and run nothing.")] = False,
    json: Json = False, debug: Debug = False,
) -> None:
    """Show a recipe's stages, a family of encoders or separators, or a preset: licence, published figures, cost."""
    from mmvideo import recipes
    from mmvideo.cli import describe
    from mmvideo.registry import WITH_PRESETS, names

    is_recipe = name.endswith((".yaml", ".yml")) or name in recipes.recipe_names()
    fits = {k: any(name == f or name.startswith(f"{f}-") for f in names(k)) for k in WITH_PRESETS}
    kind = next((k for k, fitting in fits.items() if fitting and not is_recipe), None)
    if is_recipe or kind is None:
        if not is_recipe:
            families = [f for k in WITH_PRESETS for f in names(k)]
            raise UnknownName("recipe, encoder, separator or preset", name, [*recipes.recipe_names(), *families],
                              hint="Presets: `mmvideo list encoders`, `mmvideo list separators`.")
        found: Any = describe.recipe(name, run=not static)
    else:
        found = describe.separator(name) if kind == "separators" else describe.encoder(name)
    say(json_line(found) if json else describe.description_text(found))


def doctor_command(json: Json = False, debug: Debug = False) -> None:
    """Check this installation; every fault comes with the line that mends it. Exits with 1 if something is broken."""
    from mmvideo.doctor import examine

    findings = examine()
    for finding in findings:
        say(json_line(finding.to_dict()) if json else finding)
    if any(finding.broken for finding in findings):
        raise typer.Exit(1)
