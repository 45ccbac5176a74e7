"""Licences of models: what their cards state, and a list outside which none is loaded.

The front matter of a model card (`README.md`) states them, as on the Hugging Face hub:

    ---
    license: apache-2.0            # of the weights
    code_license: apache-2.0       # of the code that runs them
    data:                          # what trained them, each with its licence
      ImageNet-1k: research-only
    ---

Names are those of SPDX in lower case; beside them `research-only`, `various` (many owners), `not-stated` (the source
does not say) and `unknown` (no card, or none of this in it).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from mmvideo.errors import InvalidInput, LicenceRefused

ENVIRONMENT = "MMVIDEO_ALLOW_LICENCES"
"""Environment variable with the licences that are allowed, separated by commas."""
UNKNOWN = "unknown"
_ALLOWED: ContextVar[frozenset[str] | None] = ContextVar("allowed_licences", default=None)


@dataclass(frozen=True)
class ModelLicences:
    """Licences that go with one model."""

    weights: str = UNKNOWN
    code: str = UNKNOWN
    data: Mapping[str, str] = field(default_factory=dict)
    """Name of each source that trained the weights -> its licence; empty where the card names none."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"weights": self.weights, "code": self.code, "data": dict(self.data)}

    def __str__(self) -> str:
        data = "; ".join(f"{name}: {licence}" for name, licence in self.data.items())
        return f"weights {self.weights}" + (f"; trained on {data}" if data else "")


def front_matter(card: str) -> dict[str, Any]:
    """Return what stands between the lines `---` at the top of a card; empty where there is nothing readable."""
    import yaml

    head, line, _ = card.removeprefix("---\n").partition("\n---")
    if not card.startswith("---\n") or not line:
        return {}
    try:
        found = yaml.safe_load(head)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def licences_of(card: str) -> ModelLicences:
    """Return the licences that a card states."""
    given = front_matter(card)
    weights = given.get("license_name") if given.get("license") == "other" else given.get("license")
    data = given.get("data")
    return ModelLicences(_name(weights), _name(given.get("code_license")),
                         {str(k): _name(v) for k, v in data.items()} if isinstance(data, dict) else {})


def _name(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return "-".join(value.lower().split()) if isinstance(value, str) and value.strip() else UNKNOWN


def licence_names(given: str | Iterable[str] | None) -> frozenset[str] | None:
    """Return a list of licences as a set of names; None for no limit.

    Args:
        given: names, or one text with commas.

    Raises:
        InvalidInput: a list without a name.
    """
    if given is None:
        return None
    items = given.split(",") if isinstance(given, str) else list(given)
    if not items or not all(isinstance(item, str) and item.strip() for item in items):
        raise InvalidInput(f"allow_licences takes names such as 'apache-2.0', 'mit' or 'cc-by-4.0', not {given!r}.")
    return frozenset(map(_name, items))


def allowed() -> frozenset[str] | None:
    """Return the licences that are allowed here: those of `allowing`, else of the environment; None for no limit.

    Raises:
        InvalidInput: the environment variable holds no name.
    """
    inner = _ALLOWED.get()
    return inner if inner is not None else licence_names(os.environ.get(ENVIRONMENT) or None)


@contextmanager
def allowing(given: str | Iterable[str] | None) -> Iterator[None]:
    """Refuse models under other licences within a block; None leaves things as they are.

    Raises:
        InvalidInput: a list without a name.
    """
    names = licence_names(given)
    token = _ALLOWED.set(names if names is not None else _ALLOWED.get())
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def check_licences(model: str, found: ModelLicences, *, data_stated: bool = True) -> None:
    """Refuse a model of which a licence is not allowed.

    Args:
        model: its name, for the message.
        found: what its card states.
        data_stated: whether licences of the data are looked at, and those of the code; cards of the hub state neither.

    Raises:
        LicenceRefused: a licence is not in the list.
    """
    names = allowed()
    if names is None:
        return
    parts = {"its weights": found.weights}
    if data_stated:
        parts |= {"its code": found.code, **{f"its data {name}": licence for name, licence in found.data.items()}}
    if refused := [f"{licence} ({what})" for what, licence in parts.items() if licence not in names]:
        raise LicenceRefused(f"{model} has licences that are not allowed: {', '.join(refused)}. Allowed are "
                             f"{', '.join(sorted(names))} (allow_licences=, --allow-licences or {ENVIRONMENT}).")


__all__ = ["ENVIRONMENT", "UNKNOWN", "ModelLicences", "allowed", "allowing", "check_licences", "front_matter",
           "licence_names", "licences_of"]
