"""Turn a recipe into stages, checked whole before any weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmvideo.errors import RecipeError, UnknownName, shown
from mmvideo.recipes import Recipe
from mmvideo.registry import broken, find
from mmvideo.stages.base import Stage

TAKES = ("video", "text", "generation")
"""What a caller can give: a video, the text of one or more questions, and how these are to be answered."""


def routed(recipe: Recipe, options: Mapping[str, Any]) -> dict[str, Any]:
    """Give options that are named without a stage to the stage that has them: fps=2 -> encode_video={"fps": 2}.

    Args:
        options: stage name -> its options, or the name of an option of one stage -> its value.

    Raises:
        RecipeError: no stage, or more than one, has an option of that name.
    """
    stages = {spec.name for spec in recipe.stages}
    found: dict[str, Any] = {name: dict(v) if isinstance(v, Mapping) else v
                             for name, v in options.items() if name in stages or isinstance(v, Mapping)}
    for name, value in options.items():
        if name in found:
            continue
        owners = [s.name for s in recipe.stages if name in {f.name for f in fields(find("stages", s.name)) if f.init}]
        if len(owners) != 1:
            raise RecipeError(f"{name}={shown(value)}: " + (
                f"stages {' and '.join(owners)} both have it; say which: {owners[0]}={{{name!r}: ...}}." if owners
                else f"no stage of {recipe.name} has an option of that name; its stages are {', '.join(stages)}."))
        found.setdefault(owners[0], {})[name] = value
    return found


def build(recipe: Recipe) -> list[tuple[str, Stage]]:
    """Make the stages of a recipe and check that each field is given, once, before it is needed.

    Raises:
        RecipeError: an unknown stage or option, a field that nobody gives, or one that two stages give.
    """
    stages = []
    for spec in recipe.stages:
        where = f"{recipe.where}: stage {spec.name!r}"
        try:
            kind = find("stages", spec.name)
            if not (isinstance(kind, type) and issubclass(kind, Stage)):
                raise broken("stages", spec.name, "it is no subclass of mmvideo.stages.base.Stage")
            stages.append((spec.name, kind.from_options(spec.options, where)))
        except RecipeError:
            raise
        except UnknownName as error:
            raise RecipeError(f"{where}: {error}") from error
    _check_fields(recipe, stages)
    return stages


def _check_fields(recipe: Recipe, stages: list[tuple[str, Stage]]) -> None:
    givers: dict[str, str] = {}
    for name in recipe.takes:
        if name not in TAKES:
            raise RecipeError(f"{recipe.where}: takes: {UnknownName('input', name, TAKES)}")
        givers[name] = "the caller"
    for name, stage in stages:
        for needed in stage.needs:
            if needed not in givers:
                raise RecipeError(_missing(recipe, name, needed, stages, givers))
        for given in stage.gives:
            if given in givers:
                raise RecipeError(
                    f"{recipe.where}: stage {name!r} gives {given!r}, already given by {givers[given]}; "
                    "a field is filled once."
                )
            givers[given] = f"stage {name!r}"
    if recipe.gives not in givers:
        raise RecipeError(f"{recipe.where}: gives: {UnknownName('field', recipe.gives, givers)}")


def _missing(recipe: Recipe, name: str, needed: str, stages: list[tuple[str, Stage]], givers: dict[str, str]) -> str:
    later = [other for other, stage in stages if needed in stage.gives]
    if later:
        next_step = f"Stage {later[0]!r} gives it: move it before {name!r}."
    elif needed in TAKES:
        next_step = f"Add it to takes: [{', '.join([*recipe.takes, needed])}]."
    else:
        next_step = "Add a stage that gives it."
    return f"{recipe.where}: stage {name!r} needs {needed!r}, but so far there is only {', '.join(givers)}. {next_step}"


__all__ = ["TAKES", "build", "routed"]
