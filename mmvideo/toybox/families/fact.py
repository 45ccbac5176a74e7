"""What a question family is made of: facts of a scene, and the kinds of question that ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from mmvideo.toybox.names import NO_ATTRIBUTES
from mmvideo.toybox.summary import Summary
from mmvideo.toybox.world import SceneEvent

VIDEO = frozenset({"video"})
TIME = frozenset({"video", "time"})
SOUND = frozenset({"sound"})
EITHER: frozenset[str] = frozenset()
"""Of a beep or a knock, which is seen as a flash or a blow and heard as well: no sense is needed by itself."""
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
MANNERS = ("on the left", "on the right", "at the top", "at the bottom")


class Deed(NamedTuple):
    """A slot of a template that holds what the toy in the slot before it does, in base form ("hit the blue box")."""

    event: SceneEvent


class Clause(NamedTuple):
    """A slot that holds a whole event ("the red ball hits the blue box")."""

    event: SceneEvent


class Fact(NamedTuple):
    """One thing that can be asked about a scene."""

    answer: str
    slots: tuple[int | str | Deed | Clause, ...] = ()
    """What fills {0}, {1}, ... of a template; a number is a toy, to be referred to."""
    key: str = ""
    """What is balanced against what; empty: the answer itself."""
    group: str = ""
    """Balance is within a group: whatever of the wording could give the answer away."""
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Kind:
    """A type of question."""

    family: str
    needs: frozenset[str]
    facts: Callable[[Summary], Iterable[Fact]]
    templates: tuple[str, ...]
    hide: frozenset[str] = NO_ATTRIBUTES
    """Attributes that a reference to a toy must not use, for they are asked for."""


def yes(condition: bool) -> str:
    return "yes" if condition else "no"


def either(first: str, second: str, answer: str, slots: tuple, group: str = "") -> Iterable[Fact]:
    """Yield a question between two things, in both orders."""
    yield Fact(answer, slots, "either", group, (first, second))
    yield Fact(answer, (slots[1], slots[0], *slots[2:]), "either", group, (second, first))
