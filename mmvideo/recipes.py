"""Recipes: the YAML that names the stages of a pipeline, found, read, checked and written.

A recipe is poor on purpose: names of registered parts, scalars and flat lists. No tags, inheritance, interpolation,
dotted imports or paths; loops and conditions are Python. Every key that nobody knows is an error that guesses.
Configs of training and evaluation are read and checked by the same functions.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from mmvideo.errors import MediaNotFound, RecipeError, UnknownKey, UnknownName, shown

T = TypeVar("T")

KINDS = ("pipelines", "configs")
MAX_CHARACTERS = 200_000
MAX_VALUES = 20_000
"""Values and keys of a file, those that aliases repeat counted each time."""
MAX_DEPTH = 20
_CHARACTERS = 50
"""A text counts as one more value for so many characters."""
_HUGE_NUMBER = re.compile(r"[-+.]?[0-9][0-9a-fA-F_:.xo]{100,}")
_NOT_A_NAME = re.compile(r"^[~/\\.]|^[A-Za-z]:[\\/]|://|\$\{|^[\w.]+:[A-Za-z_]\w*$")
"""Paths, addresses, interpolation and "module:attribute": what a value of a recipe may not be."""


def recipes_root(kind: str) -> Traversable:
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


def recipe_names(kind: str = "pipelines") -> list[str]:
    """Return the names of the recipes that come with mmvideo; those in sub-folders read "train/camera-motion"."""
    return sorted(_walk(recipes_root(kind), ""))


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
        MediaNotFound: a path to no file, or to one that cannot be opened.
        RecipeError: not UTF-8, or not a mapping in plain YAML (see `parsed`).
    """
    text = str(name_or_path)
    if text.endswith((".yaml", ".yml")) or isinstance(name_or_path, Path):
        content, where = _content(Path(name_or_path), kind), text
    else:
        if text not in recipe_names(kind):
            raise UnknownName("recipe", text, recipe_names(kind),
                              hint="Give a path that ends in .yaml for one of your own.")
        file, where = recipes_root(kind).joinpath(*f"{text}.yaml".split("/")), f"{kind}/{text}.yaml"
        content = file.read_text(encoding="utf-8")
    raw = parsed(content, where)
    if not isinstance(raw, dict):
        raise RecipeError(f"{where} must hold 'key: value' lines, not {'nothing' if raw is None else shown(raw)}.")
    return raw, where


def _content(path: Path, kind: str) -> str:
    try:
        if not path.is_file():
            raise MediaNotFound(f"No recipe file {shown(str(path))}. Recipes that come with mmvideo: "
                                f"{', '.join(recipe_names(kind))}.")
        with path.open("rb") as file:
            content = file.read(4 * MAX_CHARACTERS + 1)  # 4 bytes a character at most
        if len(content) > 4 * MAX_CHARACTERS:
            raise RecipeError(f"{path} is too long: more than {MAX_CHARACTERS:,} characters.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}. Save it "
                          "as UTF-8.") from error
    except OSError as error:
        if isinstance(error, MediaNotFound):
            raise
        raise MediaNotFound(f"{shown(str(path))} cannot be read: {error.strerror}.") from error


def parsed(text: str, where: str) -> Any:
    """Return what YAML text holds: mappings, lists, texts, numbers, true/false and null.

    Raises:
        RecipeError: no YAML; a tag; a key twice in one mapping; more than MAX_CHARACTERS, MAX_VALUES or MAX_DEPTH.
    """
    if len(text) > MAX_CHARACTERS:
        raise RecipeError(f"{where} is too long: more than {MAX_CHARACTERS:,} characters.")
    try:
        _check_events(text, where)
        return yaml.safe_load(text)
    except RecipeError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a date that is none, a number of 5,000 digits
        raise RecipeError(f"{where} is not plain YAML: {' '.join(str(error).split())[:500]}") from error


@dataclass
class _Open:
    """A mapping or list whose end has not been read."""

    anchor: str | None
    is_mapping: bool
    line: int
    size: int = 1
    keys: set[str] = field(default_factory=set)
    at_key: bool = True


def _check_events(text: str, where: str) -> None:
    """Measure a text before anything is built of it: aliases are counted as what they stand for."""
    stack: list[_Open] = [_Open(None, False, 0)]
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        if (tag := getattr(event, "tag", None)) is not None:
            raise RecipeError(f"{where} is not plain YAML: line {line} holds the tag {shown(tag)}; no tags are read.")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise RecipeError(f"{where} is not plain YAML: line {line} repeats {shown(f'*{event.anchor}')}, which "
                                  "is not given in full before it.")
            _add(stack[-1], sizes[event.anchor])
        elif isinstance(event, yaml.ScalarEvent):
            _check_key(stack[-1], event.value, line, where)
            if event.implicit[0] and _HUGE_NUMBER.fullmatch(event.value):
                raise RecipeError(f"{where} is not plain YAML: line {line} holds a number of {len(event.value)} "
                                  "digits.")
            size = 1 + len(event.value) // _CHARACTERS
            _add(stack[-1], size)
            if event.anchor:
                sizes[event.anchor] = size
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            stack.append(_Open(event.anchor, isinstance(event, yaml.MappingStartEvent), line))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = stack.pop()
            _add(stack[-1], done.size)
            if done.anchor:
                sizes[done.anchor] = done.size
        if len(stack) > MAX_DEPTH or stack[-1].size > MAX_VALUES:
            raise RecipeError(f"{where} is too large at line {line}: more than {MAX_VALUES:,} values (aliases are "
                              f"counted as what they repeat) or {MAX_DEPTH} levels of nesting.")


def _add(to: _Open, size: int) -> None:
    to.size += size
    to.at_key = not to.at_key


def _check_key(inside: _Open, value: str, line: int, where: str) -> None:
    """Refuse a key that a mapping already has; YAML readers would keep the last one without a word."""
    if not inside.is_mapping or not inside.at_key:
        return
    if value in inside.keys and value != "<<":
        raise RecipeError(f"{where}, line {line}: the key {shown(value)} is given twice (the mapping begins at line "
                          f"{inside.line}).")
    inside.keys.add(value)


def to_yaml(value: Any, *, flow: bool = False) -> str:
    """Return plain values as YAML, keys in their order.

    Args:
        flow: on one line.
    """
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10**6 if flow else 110,
                          default_flow_style=flow)
    return text.removesuffix("...\n").strip() if flow else text


def options_from(cls: type[T], raw: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from a mapping; what does not fit is an error that names the file and guesses.

    Every dataclass that is filled from YAML goes through here. A field that is a dataclass itself is filled from a
    mapping in the same way; a list becomes a tuple where the field is one.

    Raises:
        RecipeError: unknown or missing keys, or a value of another type.
    """
    fields = [f for f in dataclasses.fields(cast("Any", cls)) if f.init]
    required = {f.name for f in fields
                if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
    hints = typing.get_type_hints(cls)
    return cls(**_matched({f.name: hints[f.name] for f in fields}, required, raw, where))


def keywords(function: Callable[..., Any], raw: Mapping[str, Any], where: str, *, without: Iterable[str] = ()
             ) -> dict[str, Any]:
    """Return keyword arguments of a function from a mapping, checked as `options_from` does.

    Args:
        function: its parameters are the options; those without an annotation take any value.
        raw: values by the names of parameters.
        where: for messages.
        without: parameters that are not options.

    Raises:
        RecipeError: unknown or missing keys, or a value of another type.
    """
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    takes = {name: p for name, p in inspect.signature(function).parameters.items()
             if p.kind in kinds and name not in without}
    try:
        hints = typing.get_type_hints(inspect.getattr_static(function, "__init__") if isinstance(function, type)
                                      else function)
    except NameError:  # names that only a type checker imports
        hints = {}
    required = {name for name, p in takes.items() if p.default is p.empty}
    return _matched({name: hints.get(name, Any) for name in takes}, required, raw, where)


def _matched(hints: Mapping[str, Any], required: set[str], raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise RecipeError(f"{where} must hold 'key: value' lines, not {shown(raw)}.")
    for key in raw:
        if key not in hints:
            raise UnknownKey("key", key, hints, where=where)
    if missing := [name for name in hints if name in required and name not in raw]:
        raise RecipeError(f"{where}: missing {', '.join(missing)}.")
    return {name: _value(raw[name], hints[name], where, name) for name in raw}


def _value(value: Any, hint: Any, where: str, name: str) -> Any:
    """Return a value as its annotation has it."""
    inner = _dataclass_of(hint)
    if inner is not None and isinstance(value, Mapping):
        return options_from(inner, value, f"{where}: {name}")
    if not fits(value, hint):
        raise RecipeError(f"{where}: {name} must be {in_words(hint)}, not {shown(value)}.{_hint(value, hint)}")
    kinds = {typing.get_origin(option) or option for option in _options(hint)}
    return tuple(value) if isinstance(value, list) and tuple in kinds and list not in kinds else value


def _hint(value: Any, hint: Any) -> str:
    """Explain the number that YAML reads as text: 1e-3, where it wants 1.0e-3."""
    if float in _options(hint) and isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value):
        return f" YAML reads {value} as text; write {value.lower().replace('e', '.0e')}."
    return ""


def _options(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the only one."""
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _dataclass_of(hint: Any) -> type | None:
    return next((option for option in _options(hint) if isinstance(option, type) and dataclasses.is_dataclass(option)),
                None)


def fits(value: Any, hint: Any) -> bool:
    """Say whether a value is of an annotated type; a whole number is a number, true and false are none."""
    if hint is Any:
        return True
    if len(_options(hint)) > 1:
        return any(fits(value, option) for option in _options(hint))
    plain, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if plain is typing.Literal:
        return value in inner
    if plain is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if plain is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if plain in (list, tuple):
        if not isinstance(value, list | tuple) or not inner:
            return isinstance(value, list | tuple)
        each = inner[:1] * len(value) if plain is list or inner[1:] == (...,) else inner
        return len(each) == len(value) and all(map(fits, value, each))
    if isinstance(plain, type) and issubclass(plain, Mapping):
        return isinstance(value, Mapping) and (not inner or all(
            fits(key, inner[0]) and fits(item, inner[1]) for key, item in value.items()))
    return isinstance(value, plain)


def in_words(hint: Any) -> str:
    """Say what type an annotation asks for."""
    if len(_options(hint)) > 1:
        return " or ".join(in_words(option) for option in _options(hint))
    plain, inner = typing.get_origin(hint) or hint, typing.get_args(hint)
    if plain is typing.Literal:
        return " or ".join(map(repr, inner))
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null",
             Any: "any value"}
    if plain in (list, tuple):
        return f"a list (of {len(inner)})" if inner and plain is tuple and ... not in inner else (
            f"a list (each {in_words(inner[0])})" if inner else "a list")
    if dataclasses.is_dataclass(plain) or (isinstance(plain, type) and issubclass(plain, Mapping)):
        return f"'key: value' lines, each {in_words(inner[1])}" if inner else "'key: value' lines"
    return names.get(plain, str(hint))


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
                raise RecipeError(f"{name}={shown(options)}: give the options as a dict, as in "
                                  f"{name}={{'option': value}}.")
        stages = tuple(StageSpec(s.name, {**s.options, **overrides.get(s.name, {})}) for s in self.stages)
        return dataclasses.replace(self, stages=stages)

    def to_yaml(self) -> str:
        """Return the text that `load_recipe` reads back into an equal recipe (but for `where`)."""
        raw = {
            "name": self.name, "about": self.about, "takes": list(self.takes), "gives": self.gives,
            "stages": [{s.name: dict(s.options)} for s in self.stages],
        }
        return yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=110)

    def save(self, path: str | Path) -> Path:
        """Write the recipe as YAML and return the path."""
        path = Path(path)
        path.write_text(self.to_yaml(), encoding="utf-8")
        return path


def load_recipe(name_or_path: str | Path | Recipe) -> Recipe:
    """Find, read and check a recipe; whether its stages fit together is checked by `mmvideo.stages.build`.

    Raises:
        UnknownName: no recipe of that name.
        MediaNotFound: a path to no file.
        RecipeError: unknown keys, or values that are not names, scalars or flat lists.
    """
    if isinstance(name_or_path, Recipe):
        return name_or_path
    raw, where = read_yaml("pipelines", name_or_path)
    if "where" in raw:
        raise UnknownKey("key", "where", [f.name for f in dataclasses.fields(Recipe)][:-1], where=where)
    raw = {**raw, "stages": _stages(raw.get("stages"), where), "where": where}
    for key in ("name", "about", "gives"):
        if key in raw and not isinstance(raw[key], str):
            raise RecipeError(f"{where}: {key} must be text, not {shown(raw[key])}.")
    takes = raw.get("takes", [])
    if not isinstance(takes, list) or not all(isinstance(item, str) for item in takes):
        raise RecipeError(f"{where}: takes must be a list of names, not {shown(takes)}.")
    return options_from(Recipe, {**raw, "takes": tuple(takes)} if "takes" in raw else raw, where)


def _stages(raw: Any, where: str) -> tuple[StageSpec, ...]:
    if not isinstance(raw, list) or not raw:
        raise RecipeError(f"{where}: stages must be a list of 'stage: {{options}}' entries.")
    specs = []
    for item in raw:
        if isinstance(item, str):
            item = {item: {}}
        if not isinstance(item, dict) or len(item) != 1:
            raise RecipeError(f"{where}: each entry of stages is one 'stage: {{options}}', not {shown(item)}.")
        ((name, options),) = item.items()
        if not isinstance(options or {}, dict):
            raise RecipeError(f"{where}: the options of {name} must be 'option: value' lines, not {shown(options)}.")
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
            raise RecipeError(f"{where}: options are scalars or flat lists, not {shown(item)}.")
        if isinstance(item, str) and _NOT_A_NAME.search(item):
            raise RecipeError(
                f"{where}: {shown(item)} is not a name. Recipes hold names of registered parts; "
                "give paths in Python or on the command line (model=...)."
            )


__all__ = [
    "Recipe",
    "StageSpec",
    "check_value",
    "fits",
    "in_words",
    "keywords",
    "load_recipe",
    "options_from",
    "parsed",
    "read_yaml",
    "recipe_names",
    "recipes_root",
    "to_yaml",
]
