"""What `mmvideo show` prints of configs, models and every registered part: what it is, and its options."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmvideo.cli.dataclass_options import field_docs
from mmvideo.errors import RecipeError, UnknownName, WeightsError, shown
from mmvideo.recipes import in_words

_MOST_SHOWN = 80
"""Characters of a default or a value that a line shows."""
DETAILED = ("encoders", "audio-encoders", "separators")
"""Kinds that `mmvideo.cli.describe` shows with costs and presets."""


def kinds_of(name: str) -> list[str]:
    """Return what bears a name: "pipelines", "models", "configs" and kinds of the registry, the one shown first."""
    from mmvideo import recipes, registry, weights

    found = [kind for kind, named in (("pipelines", recipes.recipe_names()), ("configs", recipes.recipe_names(
        "configs"))) if name in named]
    found += [kind for kind in DETAILED if any(name == f or name.startswith(f"{f}-") for f in registry.names(kind))]
    if name in weights.embedded_names() or weights.local_path(name).is_dir():
        found.append("models")
    return found + [kind for kind in registry.PARTS if kind not in DETAILED and name in registry.names(kind)]


def unknown(name: str) -> UnknownName:
    """Return the error of a name that nothing bears; guesses among everything that can be shown."""
    from mmvideo import recipes, registry, weights
    from mmvideo.encoders import zoo

    known = {*recipes.recipe_names(), *recipes.recipe_names("configs"), *weights.embedded_names(),
             *(part for kind in registry.PARTS for part in registry.names(kind))}
    for kind in DETAILED:
        known |= set(zoo.presets(kind))
    return UnknownName("recipe, config, model, preset or part", name, known,
                       hint="`mmvideo list` shows them; a file of yours ends in .yaml.")


def about_config(name: str) -> dict[str, Any]:
    """Describe a config of training or evaluation: what it runs, its values, and every option with its default.

    Raises:
        RecipeError: it names neither a trainer nor an evaluator.
        UnknownName: no such trainer or evaluator.
    """
    from mmvideo import registry
    from mmvideo.recipes import read_yaml

    raw, where = read_yaml("configs", name)
    kind = next((kind for kind in ("trainer", "evaluator") if kind in raw), None)
    if kind is None:
        raise RecipeError(f"{where} names neither a 'trainer:' nor an 'evaluator:'; a pipeline's recipe has 'stages:'.")
    if not isinstance(raw[kind], str):
        raise RecipeError(f"{where}: {kind} must be a name, not {shown(raw[kind])}; see `mmvideo list {kind}s`.")
    found = registry.find(f"{kind}s", raw[kind])
    values = {key: value for key, value in raw.items() if key not in (kind, "about")}
    command = "train" if kind == "trainer" else "eval"
    return {"name": name, "about": raw.get("about", ""), "kind": "config", "file": where, kind: raw[kind],
            "values": values, "options": options_of_part(found), "run": f"mmvideo {command} {name}"}


def about_model(name: str) -> dict[str, Any]:
    """Describe a model: an embedded one, or a folder: what it is for, size, licences, files, the parts that it names.

    Raises:
        UnknownName: no such model.
        WeightsError: the folder is damaged, or holds no model.
    """
    from mmvideo import licences, weights
    from mmvideo.hub.catalogue import embedded_models

    home = weights.folder(name)
    known = next((one for one in embedded_models() if one.name == name), None)
    given = weights.config(home) if (home / "config.json").is_file() else {}
    files = {path.relative_to(home).as_posix(): path.stat().st_size for path in sorted(home.rglob("*"))
             if path.is_file() and not path.name.startswith(".")}
    values = {key: value for key, value in given.items() if key != "architectures"}
    wrong = weights.verify(home) if (home / weights.SUMS).is_file() else [f"no {weights.SUMS}: not checked"]
    return {"name": name, "about": known.about if known else weights.card(home).strip().split("\n")[0].lstrip("# "),
            "kind": "model", "folder": home.name if known else str(home),
            "pipelines": list(known.pipelines) if known else [],
            "licences": str(licences.licences_of(weights.card(home))), "params": _params(home),
            "bytes": sum(files.values()), "files": files, "values": values,
            "checked": "; ".join(wrong) or "files are as sealed"}


def _params(home: Path) -> int | None:
    """Count the values in a folder's safetensors by their headers alone."""
    import math

    from safetensors import SafetensorError, safe_open

    total = 0
    for path in home.rglob("*.safetensors"):
        try:
            with safe_open(path, "pt") as file:
                total += sum(math.prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} cannot be read: {error}") from error
    return total or None


def about_part(name: str, kind: str) -> dict[str, Any]:
    """Describe a registered part: what it is, what it takes and gives, and its options.

    Raises:
        UnknownName: no such part.
        PluginError: it cannot be imported.
    """
    from mmvideo import registry

    found = registry.find(kind, name)
    itself = isinstance(found, type) or inspect.isfunction(found)
    of = found if itself else getattr(found, "train", found)
    module = sys.modules.get(getattr(of, "__module__", "") or "")
    words = inspect.getdoc(found) or "" if itself else ""  # an object's is that of its class
    about = " ".join((words or getattr(module, "__doc__", "") or "").partition("\n\n")[0].split())
    described: dict[str, Any] = {"name": name, "about": about, "kind": kind.removesuffix("s"),
                 "module": registry.PARTS.get(kind, {}).get(name) or f"package {registry.origin(kind, name)}"}
    for field in ("needs", "gives", "hints"):
        if isinstance(value := getattr(found, field, None), tuple) and value:
            described[field] = list(value)
    return described | {"options": options_of_part(found)}


def options_of_part(found: Any) -> list[dict[str, Any]]:
    """Return the options of a part: name, type in words, default (absent where it is needed) and what it does."""
    options = getattr(found, "options", None)
    if isinstance(options, type) and dataclasses.is_dataclass(options):
        return _of_dataclass(options)
    if isinstance(found, type) and dataclasses.is_dataclass(found):
        return _of_dataclass(found)
    train = getattr(found, "train", None)
    function = train if train is not None and not isinstance(found, type) else found
    if not callable(function) or (not isinstance(function, type) and not inspect.isroutine(function)):
        return []
    return _of_function(function)


def _of_dataclass(kind: type) -> list[dict[str, Any]]:
    import typing

    hints = typing.get_type_hints(kind)
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if dataclasses.is_dataclass(base):
            docs |= field_docs(base)
    found = []
    for field in dataclasses.fields(kind):
        if not field.init:
            continue
        one: dict[str, Any] = {"name": field.name, "type": in_words(hints[field.name]),
                               "about": " ".join(docs.get(field.name, "").partition("\n\n")[0].split())}
        if field.default is not dataclasses.MISSING:
            one["default"] = _plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            one["default"] = _plain(field.default_factory())
        found.append(one)
    return found


def _of_function(function: Callable[..., Any]) -> list[dict[str, Any]]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of C
        return []
    documented = inspect.getdoc(function) or ""
    if isinstance(function, type):
        documented += "\n" + (inspect.getdoc(inspect.getattr_static(function, "__init__")) or "")
    docs = _argument_docs(documented)
    found = []
    for one in parameters:
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) or one.name in ("out", "source", "frames"):
            continue
        line: dict[str, Any] = {"name": one.name, "type": "" if one.annotation is one.empty else str(one.annotation),
                                "about": docs.get(one.name, "")}
        if one.default is not one.empty:
            line["default"] = _plain(one.default)
        found.append(line)
    return found


def _argument_docs(text: str) -> dict[str, str]:
    """Return what the section "Args:" of a docstring says of each argument."""
    found: dict[str, str] = {}
    inside, names = False, []
    for line in text.splitlines():
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        if bare == "Args:":
            inside = True
        elif inside and bare and indent < 4:
            inside = False
        elif inside and indent == 4 and ":" in bare:
            named, _, words = bare.partition(":")
            names = [name.strip() for name in named.split(",")]
            found |= dict.fromkeys(names, words.strip())
        elif inside and bare:
            found |= {name: f"{found[name]} {bare}" for name in names}
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)


def part_text(described: Mapping[str, Any]) -> str:
    """Lay out what `about_config`, `about_model` or `about_part` found."""
    lines = [f"{described['name']} ({described['kind']}): {described['about']}"]
    for key, value in described.items():
        if key in ("name", "about", "kind", "options", "values", "files") or value in (None, [], ""):
            continue
        words = ", ".join(map(str, value)) if isinstance(value, list) else f"{value:,}" if isinstance(value, int) else (
            str(value))
        lines.append(f"  {key}: {words}")
    lines += [f"  {name}: {size:,} bytes" for name, size in described.get("files", {}).items()]
    if described.get("values"):
        lines += ["", "as it is set:", *_values(described["values"])]
    if described.get("options"):
        lines += ["", "options:", *map(_option, described["options"])]
    return "\n".join(lines)


def _values(values: Mapping[str, Any], indent: str = "  ") -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{key}:", *_values(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {shown(value, _MOST_SHOWN) if not isinstance(value, str) else value}")
    return lines


def _option(option: Mapping[str, Any]) -> str:
    default = f" = {shown(option['default'], _MOST_SHOWN)}" if "default" in option else " (needed)"
    about = f": {option['about']}" if option["about"] else f": {option['type']}" if option["type"] else ""
    return f"  {option['name']}{default}{about}"


__all__ = ["about_config", "about_model", "about_part", "kinds_of", "options_of_part", "part_text", "unknown"]
