"""Checks of what trainers draw from the toybox: levels, and numbers of scenes."""

from __future__ import annotations

from collections.abc import Mapping

from mmvideo.checks import whole
from mmvideo.errors import InvalidInput
from mmvideo.toybox.vocabulary import LEVELS
from mmvideo.training import checks

MOST_SCENES = 10**11
"""A split of the toybox has ten times as many."""


def check_levels(given: Mapping[str, float]) -> None:
    """Raise unless these are shares of levels of the toybox."""
    checks.check_names("toybox level", list(given), LEVELS)
    checks.at_least(0, **{f"levels.{name}": share for name, share in given.items()})
    if not sum(given.values()) > 0:
        raise InvalidInput("levels must hold a level with a share over 0, such as {easy: 1.0}.")


def check_scenes(**numbers: int) -> None:
    """Raise InvalidInput unless every number is that of a scene which is far from the next split."""
    for name, value in numbers.items():
        whole(name, value, low=0, high=MOST_SCENES)


__all__ = ["MOST_SCENES", "check_levels", "check_scenes"]
