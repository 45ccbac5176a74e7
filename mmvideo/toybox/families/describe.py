"""Description, count and comparison: what one look at the picture shows."""

from __future__ import annotations

from collections.abc import Iterator

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.families.fact import NUMBERS, TIME, VIDEO, Fact, Kind, either, yes
from mmvideo.toybox.names import name
from mmvideo.toybox.summary import Summary, pairs

_PLURALS = {"box": "boxes", "cross": "crosses"}
MOVES_PATH, RESTS_PATH = 0.06, 0.01
"""A toy that travels further than the first (frame widths) moves, less than the second does not; between: not asked."""


def plural_shape(shape: str) -> str:
    return _PLURALS.get(shape, shape + "s")


def _attribute(what: str):
    def facts(s: Summary) -> Iterator[Fact]:
        for toy in s.seen:
            yield Fact(getattr(s.toys[toy], what), (toy,))

    return facts


def _num_toys(s: Summary) -> Iterator[Fact]:
    if not s.doubtful and s.seen:
        yield Fact(NUMBERS[len(s.seen)])


def _num_with(what: str, values: tuple[str, ...]):
    def facts(s: Summary) -> Iterator[Fact]:
        if s.doubtful or (what == "shape" and len(s.seen) < 2):
            return
        for value in values if what != "shape" or s.spec.level == "hard" else values[:4]:
            number = NUMBERS[sum(getattr(s.toys[i], what) == value for i in s.seen)]
            yield Fact(number, (plural_shape(value) if what == "shape" else f"{value} toys",))

    return facts


def moves(s: Summary, toy: int) -> bool | None:
    """Whether a toy moves within the clip; None where that is not clear."""
    return True if s.path[toy] > MOVES_PATH else False if s.path[toy] < RESTS_PATH else None


def _num_moving(s: Summary) -> Iterator[Fact]:
    found = [moves(s, i) for i in s.seen]
    if not s.doubtful and None not in found and found:
        yield Fact(NUMBERS[sum(found)])


def _larger(s: Summary) -> Iterator[Fact]:
    for a, b in pairs(s):
        if s.toys[a].size != s.toys[b].size:
            large = a if s.toys[a].size == "large" else b
            yield from either(name(s, a), name(s, b), name(s, large), (a, b))


def _same(what: str):
    def facts(s: Summary) -> Iterator[Fact]:
        for a, b in pairs(s):
            yield Fact(yes(getattr(s.toys[a], what) == getattr(s.toys[b], what)), (a, b))

    return facts


def _same_color(s: Summary) -> Iterator[Fact]:
    if s.spec.level == "hard":  # elsewhere no two toys share a colour
        yield from _same("color")(s)


def _kind(family, facts, *templates, hide=(), needs=VIDEO) -> Kind:
    return Kind(family, needs, facts, templates, frozenset(hide))


KINDS = {
    "color": _kind("description", _attribute("color"), "what color is {0}?", "what is the color of {0}?",
                   "which color does {0} have?", "{0} is of what color?", hide=["color"]),
    "shape": _kind("description", _attribute("shape"), "what shape is {0}?", "what is the shape of {0}?",
                   "which shape does {0} have?", "{0} is what kind of toy?", hide=["shape"]),
    "size": _kind("description", _attribute("size"), "is {0} small or large?", "what size is {0}?",
                  "how large is {0}?", "what is the size of {0}?", hide=["size"]),
    "material": _kind("description", _attribute("material"), "what is {0} made of?", "what material is {0}?",
                      "of which material is {0}?", "is {0} made of rubber, metal or wood?", hide=["material"]),
    "num_toys": _kind("count", _num_toys, "how many toys are there?", "how many toys do you see?",
                      "what is the number of toys?", "count the toys, how many are there?"),
    "num_color": _kind("count", _num_with("color", v.COLORS), "how many {0} are there?", "how many {0} do you see?",
                       "what is the number of {0}?"),
    "num_shape": _kind("count", _num_with("shape", v.SHAPES), "how many {0} are there?", "how many {0} do you see?",
                       "what is the number of {0}?"),
    "num_size": _kind("count", _num_with("size", v.SIZES), "how many {0} are there?", "how many {0} do you see?",
                      "what is the number of {0}?"),
    "num_material": _kind("count", _num_with("material", v.MATERIALS), "how many {0} are there?",
                          "how many {0} do you see?", "what is the number of {0}?"),
    "num_moving": _kind("count", _num_moving, "how many toys move?", "how many toys are moving in the clip?",
                        "what is the number of toys that move?", needs=TIME),
    "larger": _kind("comparison", _larger, "which is larger, {0} or {1}?", "which one is larger: {0} or {1}?",
                    "of {0} and {1}, which is the larger one?", hide=["size"]),
    "same_color": _kind("comparison", _same_color, "do {0} and {1} have the same color?",
                        "are {0} and {1} of the same color?", "is the color of {0} the same as that of {1}?",
                        hide=["color"]),
    "same_shape": _kind("comparison", _same("shape"), "do {0} and {1} have the same shape?",
                        "are {0} and {1} of the same shape?", "is the shape of {0} the same as that of {1}?",
                        hide=["shape"]),
    "same_size": _kind("comparison", _same("size"), "are {0} and {1} of the same size?",
                       "do {0} and {1} have the same size?", "is {0} as large as {1}?", hide=["size"]),
    "same_material": _kind("comparison", _same("material"), "are {0} and {1} made of the same material?",
                           "do {0} and {1} have the same material?",
                           "is the material of {0} the same as that of {1}?", hide=["material"]),
}
