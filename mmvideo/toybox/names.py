"""How a toy, and something that happens to it, is put into words."""

from __future__ import annotations

import itertools
import random

from mmvideo.toybox.summary import Summary
from mmvideo.toybox.world import Event

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
    allowed = [a for a in ATTRIBUTES if a not in hide]
    others = [s.toys[i] for i in (*s.seen, *s.doubtful) if i != toy]
    spec = s.toys[toy]
    found: dict[int, list[str]] = {}
    for length in range(len(allowed) + 1):
        for subset in itertools.combinations(allowed, length):
            if all(any(getattr(o, a) != getattr(spec, a) for a in subset) for o in others):
                found.setdefault(length, []).append(_text(spec, subset))
    usual = f"the {spec.color} {spec.shape}" if not hide & set(_USUAL) else None
    lengths = sorted(n for n in found if n > 0 or not others)
    short = found[lengths[0]] if lengths else []
    longer = [text for n in lengths[1:3] for text in found[n]]
    return usual, short, longer


def _text(spec, subset: tuple[str, ...]) -> str:
    words = [getattr(spec, a) for a in subset]
    return " ".join(["the", *words] if "shape" in subset else ["the", *words, "toy"])


def wall(s: Summary, side: str) -> str:
    """Return what a wall is called: the lower one is the floor where gravity pulls down."""
    return "the floor" if side == "bottom" and s.spec.view == "side" else f"the {side} wall"


def edge(side: str) -> str:
    """Return where a toy leaves: on the left, at the top."""
    return f"on the {side}" if side in ("left", "right") else f"at the {side}"


def deed(s: Summary, event: Event, other: str | None = None, *, base: bool = False) -> str:
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


def clause(s: Summary, event: Event) -> str:
    """Return an event as an answer puts it: "the red ball hits the blue box"."""
    return f"{name(s, event.toy)} {deed(s, event)}"
