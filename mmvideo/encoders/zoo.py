"""Every preset of every registered family of encoders, by name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmvideo import weights
from mmvideo.encoders.base import Encoder
from mmvideo.encoders.preset import Preset
from mmvideo.errors import MissingExtra, PluginError, UnknownName, WeightsError
from mmvideo.registry import find, names


def families(kind: str = "encoders") -> list[str]:
    """Return the names of the registered families of a kind ("encoders" see, "audio-encoders" hear), sorted."""
    return names(kind)


def members(family: str, kind: str = "encoders") -> Mapping[str, Preset]:
    """Return the presets of a family, by name.

    Raises:
        UnknownName: no such family.
        PluginError: a family that cannot be imported or has none.
    """
    return find(kind, family).PRESETS


def presets(kind: str = "encoders") -> dict[str, Preset]:
    """Return every preset of every family of a kind that can be imported, by name; this imports all of them."""
    found: dict[str, Preset] = {}
    for family in families(kind):
        with suppress(PluginError, MissingExtra):
            found |= members(family, kind)
    return found


def family_of(preset: str, kind: str = "encoders") -> str:
    """Return the family whose registered name begins the name of a preset; nothing else is imported.

    Raises:
        UnknownName: no family holds it; guesses among all presets of the kind.
        PluginError: none holds it, but one of that name cannot be imported.
    """
    fitting = [f for f in families(kind) if isinstance(preset, str) and (preset == f or preset.startswith(f"{f}-"))]
    faults = []
    for family in sorted(fitting, key=len, reverse=True):
        try:
            if preset in members(family, kind):
                return family
        except PluginError as error:
            faults.append(error)
    if faults:
        raise faults[0]
    raise UnknownName(f"{kind.removesuffix('s')} preset".replace("-", " "), preset, presets(kind),
                      hint=f"`mmvideo list {kind}` shows them.")


def preset_of(name: str, kind: str = "encoders") -> Preset:
    """Return a preset by name.

    Raises:
        UnknownName: there is none.
    """
    return members(family_of(name, kind), kind)[name]


def create(preset: str, kind: str = "encoders", **options: Any) -> Encoder:
    """Build a preset with random weights; options are those of `Encoder.create`.

    Raises:
        UnknownName: no such preset.
    """
    return find(kind, family_of(preset, kind)).create(preset, **options)


def load(folder: str | Path, kind: str = "encoders") -> Encoder:
    """Load an encoder that `save_pretrained` wrote.

    Raises:
        WeightsError: the folder holds none.
    """
    preset = weights.config(Path(folder)).get("preset")
    if not isinstance(preset, str):
        raise WeightsError(f"{folder}/config.json names no 'preset'; it was not written by an encoder of this zoo.")
    return find(kind, family_of(preset, kind)).from_pretrained(folder)


__all__ = ["create", "families", "family_of", "load", "members", "preset_of", "presets"]
