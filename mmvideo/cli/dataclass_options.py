"""Command line options made from the fields of a dataclass: name, type, default and help are written there alone.

The help of an option is the first paragraph of the docstring below its field.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., None])


@dataclass(frozen=True)
class Spelling:
    """How a field is written on the command line, where that does not follow from its name and type."""

    flag: str = ""
    """Names of the option, as Typer takes them ("--strict/--allow-damage"); else that of the field, with dashes."""
    metavar: str | None = None
    kind: Any = None
    """Type of the option."""
    scale: int = 1
    """Units of the field in one of the option."""


def field_docs(kind: type) -> dict[str, str]:
    """Return the docstrings below the fields of a dataclass and its bases; none where its source is not installed."""
    above = {name: text for base in kind.__bases__ if dataclasses.is_dataclass(base)
             for name, text in field_docs(base).items()}
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body
    except OSError:
        return above
    return above | {
        field.target.id: inspect.cleandoc(text.value.value) for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)}


def option_of(field: dataclasses.Field, hint: Any, doc: str, spelling: Spelling,
              panel: str | None = None) -> inspect.Parameter:
    """Return the parameter of a command for a field; lists may be given again, and have no default.

    Args:
        hint: type of the field.
        doc: docstring of the field.
    """
    several = typing.get_origin(hint) is tuple
    words = " ".join(doc.partition("\n\n")[0].split())
    if several:
        words = f"{words.removesuffix('.')}; may be given again."
        hint = list[str]
    default = None if several else field.default // spelling.scale if spelling.scale > 1 else field.default
    hint = spelling.kind or hint
    option = typer.Option(spelling.flag or f"--{field.name.replace('_', '-')}", metavar=spelling.metavar, help=words,
                          rich_help_panel=panel, min=field.metadata.get("min"))
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default,
                             annotation=Annotated[hint | None if default is None else hint, option])


def options_of(kind: type, *, without: Iterable[str] = (), spelled: Mapping[str, Spelling] | None = None,
               panel_of: Callable[[str], str | None] = lambda name: None) -> list[inspect.Parameter]:
    """Return the parameters of a command for the fields of a dataclass, in their order.

    Args:
        without: fields that are no options.
        panel_of: the panel of the help in which a field is shown.
    """
    hints, docs = typing.get_type_hints(kind), field_docs(kind)
    return [option_of(field, hints[field.name], docs.get(field.name, ""), (spelled or {}).get(field.name, Spelling()),
                      panel_of(field.name)) for field in dataclasses.fields(kind) if field.name not in without]


def with_options(options: Iterable[inspect.Parameter], *, before: str) -> Callable[[Command], Command]:
    """Give a command these options in place of its `**options`.

    Args:
        before: the parameter before which the help shows them.
    """
    def decorate(command: Command) -> Command:
        parameters = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            if parameter.name == before:
                parameters += options
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        command.__signature__ = inspect.Signature(parameters)
        return command

    return decorate


def values_of(options: Mapping[str, Any], spelled: Mapping[str, Spelling] | None = None) -> dict[str, Any]:
    """Return the fields for the values of options: tuples for lists, in the units of the field."""
    found = {}
    for name, value in options.items():
        scale = (spelled or {}).get(name, Spelling()).scale
        found[name] = tuple(value) if isinstance(value, list) else value * scale if scale > 1 else value
    return {name: value for name, value in found.items() if value is not None}


def is_given(context: typer.Context, name: str) -> bool:
    """Say whether an option stands on the command line."""
    return context.get_parameter_source(name).name != "DEFAULT"


__all__ = ["Spelling", "field_docs", "is_given", "option_of", "options_of", "values_of", "with_options"]
