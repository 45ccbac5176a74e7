"""Checks of training options that need neither data nor weights: ranges, names, and whether a network can be built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmvideo.checks import number
from mmvideo.errors import InvalidInput, MmvideoError, UnknownName, shown
from mmvideo.nn.costs import shapes_only

CANNOT_BUILD = (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError, AttributeError, AssertionError)
"""What networks and their libraries raise on sizes that they cannot have."""
_NOT_OPTIONS = ("out", "schedule")


def begin(check: Callable[..., None], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Check a trainer's arguments and return its options.

    Args:
        check: raises on options that cannot be; takes those that it looks at, by name.
        arguments: the trainer's own, as `locals()` gives them on its first line.
    """
    check(**{name: arguments[name] for name in inspect.signature(check).parameters})
    return {name: value for name, value in arguments.items() if name not in _NOT_OPTIONS}


@contextmanager
def locating(where: str) -> Iterator[None]:
    """Put where an option stands in front of the message of what is raised about it."""
    try:
        yield
    except InvalidInput as error:
        if not str(error).startswith(where):
            error.args = (f"{where}: {error}",)
        raise


@contextmanager
def building(what: str) -> Iterator[None]:
    """Turn what a network raises on its options into InvalidInput."""
    try:
        yield
    except MmvideoError:
        raise
    except CANNOT_BUILD as error:
        reason = " ".join(str(error).split())[:300]
        raise InvalidInput(f"{what} cannot be built with these options: {reason} ({type(error).__name__}).") from error


@contextmanager
def trial(what: str) -> Iterator[None]:
    """Do as `building`, for a network that is built on shapes alone and thrown away."""
    with building(what), shapes_only():
        yield


def at_least(least: float, **numbers: float) -> None:
    """Raise InvalidInput unless every number is finite and not less than `least`."""
    for name, value in numbers.items():
        number(name, value, low=least)


def over_zero(**numbers: float) -> None:
    """Raise InvalidInput unless every number is finite and more than 0."""
    for name, value in numbers.items():
        number(name, value, above=0)


def shares(**numbers: float) -> None:
    """Raise InvalidInput unless every number is in [0, 1]."""
    for name, value in numbers.items():
        number(name, value, low=0, high=1)


def check_names(what: str, given: Sequence[str], allowed: Sequence[str] | Mapping[str, Any]) -> None:
    """Raise UnknownName unless every name is allowed, InvalidInput if one is given twice."""
    for name in given:
        if name not in allowed:
            raise UnknownName(what, name, allowed)
    if len(set(given)) < len(given):
        raise InvalidInput(f"Each {what} is named once, not as in {shown(list(given))}.")


__all__ = [
    "CANNOT_BUILD",
    "at_least",
    "begin",
    "building",
    "check_names",
    "locating",
    "over_zero",
    "shares",
    "trial",
]
