"""How a toy, and something that happens to it, is put into words."""

from __future__ import annotations

import itertools
import random

from mmvideo.toybox.summary import Summary
from mmvideo.toybox.world import SceneEvent

ATTRIBUTES = ("size", "color", "material", "shape")
NO_ATTRIBUTES: frozenset[str] = frozenset()
_USUAL = ("color", "shape")


def name(s: Summary, toy: int) -> str:
    """Return what answers call a toy: colour and shape, which no two toys of a scene share."""
    spec = s.toys[toy]
    return f"the {spec.color} {spec.shape}"


def refer(s: Summary, toy: int, rng: random.Random, hide: frozenset[str] = NO_ATTRIBUTES) -> str | None:
    """Return a description that fits this toy alone, without the attributes in `hide`; None where there is none."""
    known = s.names.get((toy, hide))
    if known is None:
        known = s.names[toy, hide] = _descriptions(s, toy, hide)
    usual, short, longer = known
    draw = rng.random()
    if usual and draw < 0.6:
        return usual
    if short and (draw < 0.85 or not longer):
        return short[int(rng.random() * len(short))]
    return longer[int(rng.random() * len(longer))] if longer else None


def _descriptions(s: Summary, toy: int, hide: frozenset[str]) -> tuple[str | None, list[str], list[str]]:
    """Return the usual description, the shortest unique ones, and those one word longer."""
    allowed = [i for i, a in enumerate(ATTRIBUTES) if a not in hide]
    values = {i: tuple(getattr(s.toys[i], a) for a in ATTRIBUTES) for i in (*s.seen, *s.doubtful, toy)}
    own, spec = values.pop(toy), s.toys[toy]
    found: dict[int, list[str]] = {}
    shared = [frozenset(i for i in allowed if other[i] == own[i]) for other in values.values()]
    for length in range(len(allowed) + 1):
        for subset in itertools.combinations(allowed, length):
            if not any(same.issuperset(subset) for same in shared):
                found.setdefault(length, []).append(_text([(ATTRIBUTES[i], own[i]) for i in subset]))
    usual = f"the {spec.color} {spec.shape}" if not hide & set(_USUAL) else None
    lengths = sorted(n for n in found if n > 0 or not shared)
    short = found[lengths[0]] if lengths else []
    longer = [text for n in lengths[1:3] for text in found[n]]
    return usual, short, longer


def _text(parts: list[tuple[str, str]]) -> str:
    words = ["the", *(word for _, word in parts)]
    return " ".join(words if parts and parts[-1][0] == "shape" else [*words, "toy"])


def wall(s: Summary, side: str) -> str:
    """Return what a wall is called: the lower one is the floor where gravity pulls down."""
    return "the floor" if side == "bottom" and s.spec.view == "side" else f"the {side} wall"


def edge(side: str) -> str:
    """Return where a toy leaves: on the left, at the top."""
    return f"on the {side}" if side in ("left", "right") else f"at the {side}"


def deed(s: Summary, event: SceneEvent, other: str | None = None, *, base: bool = False) -> str:
    """Return what a toy does in an event: "hits the blue box", or "hit the blue box" in base form."""
    end = "" if base else "s"
    match event.kind:
        case "hit":
            return f"hit{end} {other or name(s, event.other)}"
        case "bounce":
            return f"bounce{end} off {wall(s, event.side)}"
        case "leave":
            return f"leave{end} {edge(event.side)}"
        case "enter":
            return f"enter{end} from the {event.side}"
        case "stop":
            return f"stop{end}"
        case "start":
            return f"start{end} to move"
    raise AssertionError(event.kind)


def clause(s: Summary, event: SceneEvent) -> str:
    """Return an event as an answer puts it: "the red ball hits the blue box"."""
    return f"{name(s, event.toy)} {deed(s, event)}"
