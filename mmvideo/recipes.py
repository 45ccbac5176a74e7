"""Recipes: the YAML that names the stages of a pipeline, found, read, checked and written.

A recipe is poor on purpose: names of registered parts, scalars and flat lists. No tags, inheritance, interpolation,
dotted imports or paths; loops and conditions are Python. Every key that nobody knows is an error that guesses.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mmvideo.errors import MediaNotFound, RecipeError, UnknownName

T = TypeVar("T")

KINDS = ("pipelines", "configs")
_NOT_A_NAME = re.compile(r"^[~/\\.]|^[A-Za-z]:[\\/]|://|\$\{|^[\w.]+:[A-Za-z_]\w*$")
"""Paths, addresses, interpolation and "module:attribute": what a value of a recipe may not be."""


def root(kind: str) -> Traversable:
    """Return the folder that holds the YAML of a kind, from an installed package, a zip or a checkout.

    Args:
        kind: "pipelines" or "configs".

    Raises:
        UnknownName: no such kind.
        RecipeError: neither the package nor the checkout has the folder.
    """
    if kind not in KINDS:
        raise UnknownName("kind of recipe", kind, KINDS)
    packaged = files("mmvideo").joinpath(kind)
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / kind).is_dir():
        return checkout / kind
    raise RecipeError(f"This mmvideo has no {kind!r} folder; reinstall it: pip install --force-reinstall mmvideo")


def names(kind: str = "pipelines") -> list[str]:
    """Return the names of the recipes that come with mmvideo; those in sub-folders read "train/camera_motion"."""
    return sorted(_walk(root(kind), ""))


def _walk(folder: Traversable, prefix: str) -> Iterable[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield prefix + entry.name.removesuffix(".yaml")


def read_yaml(kind: str, name_or_path: str | Path) -> tuple[dict[str, Any], str]:
    """Read a recipe that comes with mmvideo (by name) or a file of your own (by path).

    Returns:
        The mapping that the file holds, and the words that say where it came from.

    Raises:
        UnknownName: no recipe of that name.
        MediaNotFound: a path to no file.
        RecipeError: not a YAML mapping of plain names, scalars and flat lists.
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")) or isinstance(name_or_path, Path):
        path = Path(name_or_path)
        if not path.is_file():
            raise MediaNotFound(f"No recipe file {text!r}. Recipes that come with mmvideo: {', '.join(names(kind))}.")
        content, where = path.read_text(encoding="utf-8"), text
    else:
        if text not in names(kind):
            raise UnknownName("recipe", text, names(kind), hint="Give a path that ends in .yaml for one of your own.")
        file, where = root(kind).joinpath(*f"{text}.yaml".split("/")), f"{kind}/{text}.yaml"
        content = file.read_text(encoding="utf-8")
    try:
        raw = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise RecipeError(f"{where} is not plain YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise RecipeError(f"{where} must hold 'key: value' lines, not {type(raw).__name__}.")
    return raw, where


def checked(cls: type[T], raw: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from a mapping; unknown and missing keys are errors that name the file and guess.

    Every dataclass that is filled from YAML goes through here.

    Raises:
        RecipeError: unknown or missing keys.
    """
    known = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in raw:
        if key not in known:
            raise RecipeError(f"{where}: {UnknownName('key', str(key), known)}")
    missing = [
        name for name, f in known.items()
        if name not in raw and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"{where}: missing {', '.join(missing)}.")
    return cls(**raw)


@dataclass(frozen=True)
class StageSpec:
    """One line of a recipe: a registered stage and its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """What a pipeline does, stage by stage; the same thing as its YAML file."""

    name: str
    about: str
    """One line for people."""
    takes: tuple[str, ...]
    """Fields that the caller gives: "video", and "text" where a question is asked."""
    gives: str
    """The field that is the result."""
    stages: tuple[StageSpec, ...]
    for_encoders: str = ""
    """Recipe that runs instead where model= is a folder that an encoder of the zoo wrote; empty for none."""
    for_hub: str = ""
    """Recipe that runs instead where model= is a model of the Hugging Face hub, or a folder in its format."""
    for_composed: str = ""
    """Recipe that runs instead where model= is a composed model's folder."""
    where: str = "<python>"
    """The file that it came from, for error messages."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise RecipeError(f"{self.where}: a recipe needs at least one stage.")
        seen: set[str] = set()
        for stage in self.stages:
            if stage.name in seen:
                raise RecipeError(f"{self.where}: stage {stage.name!r} is named twice; a stage fills its fields once.")
            seen.add(stage.name)

    def with_options(self, overrides: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """Return a copy in which options of some stages are replaced.

        Args:
            overrides: stage name -> options that replace or add to those of the recipe.

        Raises:
            UnknownName: an override for a stage that the recipe does not have.
            RecipeError: an override that is not a mapping.
        """
        known = [stage.name for stage in self.stages]
        for name, options in overrides.items():
            if name not in known:
                raise UnknownName(f"stage of {self.name}", name, known)
            if not isinstance(options, Mapping):
                raise RecipeError(f"{name}={options!r}: give the options as a dict, as in {name}={{'option': value}}.")
        stages = tuple(StageSpec(s.name, {**s.options, **overrides.get(s.name, {})}) for s in self.stages)
        return dataclasses.replace(self, stages=stages)

    def to_yaml(self) -> str:
        """Return the text that `load` reads back into an equal recipe (but for `where`)."""
        raw = {
            "name": self.name, "about": self.about, "takes": list(self.takes), "gives": self.gives,
            **{key: getattr(self, key) for key in ("for_encoders", "for_hub", "for_composed") if getattr(self, key)},
            "stages": [{s.name: dict(s.options)} for s in self.stages],
        }
        return yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=110)

    def save(self, path: str | Path) -> Path:
        """Write the recipe as YAML and return the path."""
        path = Path(path)
        path.write_text(self.to_yaml(), encoding="utf-8")
        return path


def load(name_or_path: str | Path | Recipe) -> Recipe:
    """Find, read and check a recipe; whether its stages fit together is checked by `mmvideo.stages.build`.

    Raises:
        UnknownName: no recipe of that name.
        MediaNotFound: a path to no file.
        RecipeError: unknown keys, or values that are not names, scalars or flat lists.
    """
    if isinstance(name_or_path, Recipe):
        return name_or_path
    raw, where = read_yaml("pipelines", name_or_path)
    raw = {**raw, "stages": _stages(raw.get("stages"), where), "where": where}
    for key in ("name", "about", "gives", "for_encoders", "for_hub", "for_composed"):
        if key in raw and not isinstance(raw[key], str):
            raise RecipeError(f"{where}: {key} must be text, not {raw[key]!r}.")
    takes = raw.get("takes", [])
    if not isinstance(takes, list) or not all(isinstance(item, str) for item in takes):
        raise RecipeError(f"{where}: takes must be a list of names, not {takes!r}.")
    return checked(Recipe, {**raw, "takes": tuple(takes)} if "takes" in raw else raw, where)


def _stages(raw: Any, where: str) -> tuple[StageSpec, ...]:
    if not isinstance(raw, list) or not raw:
        raise RecipeError(f"{where}: stages must be a list of 'stage: {{options}}' entries.")
    specs = []
    for item in raw:
        if isinstance(item, str):
            item = {item: {}}
        if not isinstance(item, dict) or len(item) != 1:
            raise RecipeError(f"{where}: each entry of stages is one 'stage: {{options}}', not {item!r}.")
        ((name, options),) = item.items()
        if not isinstance(options or {}, dict):
            raise RecipeError(f"{where}: the options of {name} must be 'option: value' lines, not {options!r}.")
        for key, value in (options or {}).items():
            check_value(value, f"{where}: {name}.{key}")
        specs.append(StageSpec(str(name), dict(options or {})))
    return tuple(specs)


def check_value(value: Any, where: str) -> None:
    """Refuse what a recipe may not hold: nested values, paths, addresses, interpolation, dotted imports.

    Raises:
        RecipeError: the value is none of a name, a number, true/false, null, or a flat list of these.
    """
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, str | int | float | bool | None):
            raise RecipeError(f"{where}: options are scalars or flat lists, not {item!r}.")
        if isinstance(item, str) and _NOT_A_NAME.search(item):
            raise RecipeError(
                f"{where}: {item!r} is not a name. Recipes hold names of registered parts; "
                "give paths in Python or on the command line (model=...)."
            )


__all__ = ["Recipe", "StageSpec", "check_value", "checked", "load", "names", "read_yaml", "root"]
