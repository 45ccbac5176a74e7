"""Every preset of every registered family of encoders, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmvideo import weights
from mmvideo.encoders.base import Encoder
from mmvideo.encoders.preset import Preset
from mmvideo.errors import UnknownName, WeightsError
from mmvideo.registry import find, names


def families(kind: str = "encoders") -> list[str]:
    """Return the names of the registered families of a kind ("encoders" see, "audio-encoders" hear), sorted."""
    return names(kind)


def presets(kind: str = "encoders") -> dict[str, Preset]:
    """Return every preset of every family of a kind, by name; this imports all of them."""
    return {name: preset for family in families(kind) for name, preset in find(kind, family).PRESETS.items()}


def family_of(preset: str, kind: str = "encoders") -> str:
    """Return the family whose registered name begins the name of a preset; nothing else is imported.

    Raises:
        UnknownName: no family holds it; guesses among all presets of the kind.
    """
    fitting = [f for f in families(kind) if preset == f or preset.startswith(f"{f}-")]
    for family in sorted(fitting, key=len, reverse=True):
        if preset in find(kind, family).PRESETS:
            return family
    raise UnknownName(f"{kind.removesuffix('s')} preset".replace("-", " "), preset, presets(kind))


def preset_of(name: str, kind: str = "encoders") -> Preset:
    """Return a preset by name.

    Raises:
        UnknownName: there is none.
    """
    return find(kind, family_of(name, kind)).PRESETS[name]


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


__all__ = ["create", "families", "family_of", "load", "preset_of", "presets"]
