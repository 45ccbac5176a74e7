"""Checks of arguments: each returns the plain value, or raises `InvalidInput` with what was given and is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from mmvideo.errors import InvalidInput
from mmvideo.errors import shown as quoted

LOWEST_RATE, HIGHEST_RATE = 100, 768_000
"""Samples per second of sound that is read, resampled or written."""

LONGEST_SECONDS = 1e9
"""Times further from zero (32 years) are mistakes: timestamps of a container would overflow."""

_LARGEST = 2**63 - 1


def number(name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, above: float | None = None,
           hint: str = "") -> float:
    """Return a finite real number as a float: an int, float, fraction, or a numpy or torch scalar; no bool, no string.

    Args:
        low: least value that is allowed.
        high: greatest value that is allowed.
        above: the value must be greater than this.
    """
    plain = _scalar(value)
    try:
        found = float(plain) if isinstance(plain, Real) and not isinstance(plain, bool) else math.nan
    except OverflowError:
        found = math.inf
    if not math.isfinite(found) or not low <= found <= high or (above is not None and found <= above):
        raise InvalidInput(f"{name} must be {_wanted('a finite number', low, high, above)}, not "
                           f"{described(value)}.{hint}")
    return found


def whole(name: str, value: Any, *, low: int = -_LARGEST, high: int = _LARGEST, wanted: str = "") -> int:
    """Return a whole number as an int; floats without a fraction count, bools do not.

    Args:
        low: least value that is allowed.
        high: greatest value that is allowed.
        wanted: what is allowed, in words, instead of the usual ones.
    """
    plain = _scalar(value)
    integral = isinstance(plain, Integral) or (isinstance(plain, float) and plain.is_integer())
    if not integral or isinstance(plain, bool) or not low <= int(plain) <= high:
        raise InvalidInput(f"{name} must be {wanted or _wanted('a whole number', low, high)}, not {described(value)}.")
    return int(plain)


def time(name: str, value: Any, *, hint: str = "") -> float:
    """Return a time in seconds."""
    return number(name, value, low=-LONGEST_SECONDS, high=LONGEST_SECONDS, hint=hint)


def span(start_seconds: Any, end_seconds: Any) -> tuple[float | None, float | None]:
    """Return the two ends of a half-open span of time; None stays None."""
    hint = " Leave it out to set no limit."
    start, end = (None if value is None else time(name, value, hint=hint)
                  for name, value in (("start_seconds", start_seconds), ("end_seconds", end_seconds)))
    if start is not None and end is not None and end <= start:
        raise InvalidInput(f"end_seconds must be after start_seconds, but the span is {start:g} to {end:g} s.")
    return start, end


def sample_rate(value: Any, name: str = "sample_rate") -> int:
    """Return a rate of sound in samples per second."""
    return whole(name, value, low=LOWEST_RATE, high=HIGHEST_RATE)


def one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    """Return one of a few texts."""
    if not isinstance(value, str) or value not in allowed:
        raise InvalidInput(f"{name} must be one of {', '.join(allowed)}, not {described(value)}.")
    return value


def flag(name: str, value: Any) -> bool:
    """Return True or False; numbers and strings do not count."""
    plain = _scalar(value)
    if not isinstance(plain, bool):
        raise InvalidInput(f"{name} must be True or False, not {described(value)}.")
    return plain


def numbers(name: str, values: Any) -> list[float]:
    """Return a row of finite numbers as floats; a list, tuple, range, iterator, or an array of one dimension."""
    wrong = isinstance(values, str | bytes | dict | set) or not isinstance(values, Iterable)
    if wrong or getattr(values, "ndim", 1) != 1:
        raise InvalidInput(f"{name} must be a list of numbers, not {described(values)}.")
    return [number(f"{name}[{place}]", value) for place, value in enumerate(values)]


def described(value: Any) -> str:
    """Describe a value that was given, in at most 80 characters."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"a {type(value).__name__} of {value.dtype} {tuple(value.shape)}"
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    return quoted(value, 77)


def _scalar(value: Any) -> Any:
    """Return the value in a numpy or torch scalar."""
    if getattr(value, "ndim", None) == 0 and not getattr(value, "is_meta", False) and hasattr(value, "item"):
        return value.item()
    return value


def _wanted(kind: str, low: float, high: float, above: float | None = None) -> str:
    if above is not None:
        kind = "a positive number" if above == 0 else f"{kind} above {above:g}"
        return f"{kind}, at most {high:g}" if high < _LARGEST else kind
    if low > -_LARGEST and high < _LARGEST:
        return f"{kind} from {low:g} to {high:g}"
    if low > -_LARGEST:
        return f"{low:g} or more ({kind})"
    return f"{high:g} or less ({kind})" if high < _LARGEST else kind


__all__ = [
    "HIGHEST_RATE",
    "LOWEST_RATE",
    "described",
    "flag",
    "number",
    "numbers",
    "one_of",
    "sample_rate",
    "span",
    "time",
    "whole",
]
