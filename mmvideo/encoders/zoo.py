"""Every preset of every registered family of encoders, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmvideo import weights
from mmvideo.encoders.base import VideoEncoder
from mmvideo.encoders.preset import Preset
from mmvideo.errors import UnknownName, WeightsError
from mmvideo.registry import find, names


def families() -> list[str]:
    """Return the names of the registered families, sorted."""
    return names("encoders")


def presets() -> dict[str, Preset]:
    """Return every preset of every family, by name; this imports all families."""
    return {name: preset for family in families() for name, preset in find("encoders", family).PRESETS.items()}


def family_of(preset: str) -> str:
    """Return the family whose registered name begins the name of a preset; nothing else is imported.

    Raises:
        UnknownName: no family holds it; guesses among all presets.
    """
    fitting = [f for f in families() if preset == f or preset.startswith(f"{f}-")]
    for family in sorted(fitting, key=len, reverse=True):
        if preset in find("encoders", family).PRESETS:
            return family
    raise UnknownName("encoder preset", preset, presets())


def preset_of(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        UnknownName: there is none.
    """
    return find("encoders", family_of(name)).PRESETS[name]


def create(preset: str, **options: Any) -> VideoEncoder:
    """Build a preset with random weights; options are those of `VideoEncoder.create`.

    Raises:
        UnknownName: no such preset.
    """
    return find("encoders", family_of(preset)).create(preset, **options)


def load(folder: str | Path) -> VideoEncoder:
    """Load an encoder that `save_pretrained` wrote.

    Raises:
        WeightsError: the folder holds none.
    """
    preset = weights.config(Path(folder)).get("preset")
    if not isinstance(preset, str):
        raise WeightsError(f"{folder}/config.json names no 'preset'; it was not written by an encoder of this zoo.")
    return find("encoders", family_of(preset)).from_pretrained(folder)


__all__ = ["create", "families", "family_of", "load", "preset_of", "presets"]
