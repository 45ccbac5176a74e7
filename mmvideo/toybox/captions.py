"""Captions of one or two sentences that state the facts of a scene, and the way back from a caption to its facts.

The first sentence holds the toys from left to right, each with its motion at the start; the second what happens in
order, the camera if it moves, and what is heard besides the knocks:

    a large red metal ball moves right, and a small blue rubber box stays still. the red ball hits the blue box,
    then the blue box leaves on the right, the camera pans left, a bell is heard.
"""

from __future__ import annotations

import random
import re

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.families.place import CAMERA_ANSWERS
from mmvideo.toybox.families.sound import beeps, hums
from mmvideo.toybox.names import deed, name
from mmvideo.toybox.summary import Summary, summarize
from mmvideo.toybox.world import Scene, SceneEvent

MAX_EVENTS = 3
_TOLD_FORCE = 0.1
_EMPTY = "nothing is there"
_SPINS = 0.5
_OTHER_WORDS = {
    "moves": ("goes", "is moving", "travels"),
    "stays still": ("does not move", "rests", "is at rest"),
    "comes in from": ("enters from",),
    "while spinning": ("and spins",),
    "then": ("after that",),
    "is heard": ("sounds",),
    "hits": ("strikes", "runs into"),
}
"""For captions with varied wording; `caption_facts` reads them all."""
CAPTION_TEXTS = (
    "a , . and then the camera beeps a hum is heard while spinning stays still moves comes in from left right up down",
    _EMPTY, *_OTHER_WORDS, *(text for texts in _OTHER_WORDS.values() for text in texts), "hits leaves on at",
)
_TOY = re.compile(
    rf"a ({'|'.join(v.SIZES)}) ({'|'.join(v.COLORS)}) ({'|'.join(v.MATERIALS)}) ({'|'.join(v.SHAPES)}) (.+?)"
    r"( while spinning)?$"
)
_HIT = re.compile(r"(the \w+ \w+) hits (the \w+ \w+)$")
_EVENT = re.compile(r"the \w+ \w+ (bounces off the .+|leaves (on|at) the \w+|stops|starts to move)$")
Facts = frozenset


def scene_caption(scene: Scene, rng: random.Random | None = None, *, has_sound: bool = True) -> str:
    """Return a caption of one or two sentences.

    Args:
        scene: one scene of a simulated world.
        rng: varies the wording; None gives the canonical one.
        has_sound: whether what is heard is told too.
    """
    s = summarize(scene)
    order = sorted(s.seen, key=lambda i: s.toys[i].position[0])
    toys = [_toy_clause(s, i) for i in order]
    told = told_events(s)
    rest = [f"{'then ' if i else ''}{event_clause(s, e)}" for i, e in enumerate(told)]
    if not s.still_camera:
        rest.append(CAMERA_ANSWERS[s.spec.camera_motion].replace("it", "the camera", 1))
    if has_sound:
        rest += _sounds(s)
    first = ", ".join(toys[:-1]) + (", and " if len(toys) > 1 else "") + toys[-1] if toys else _EMPTY
    text = f"{first}." + (f" {', '.join(rest)}." if rest else "")
    return text if rng is None else _vary(text, rng)


def told_events(s: Summary) -> list[SceneEvent]:
    """Return the events that a caption tells: the first few clear ones that change something."""
    told = [e for e in s.events if e.kind != "enter" and (e.kind != "bounce" or e.force >= _TOLD_FORCE)]
    return told[:MAX_EVENTS]


def _toy_clause(s: Summary, toy: int) -> str:
    entered = [e for e in s.events if e.kind == "enter" and e.toy == toy]
    direction = s.caption_direction[toy]
    if entered:
        motion = f"comes in from the {entered[0].side}"
    else:
        motion = "stays still" if direction == "still" else f"moves {direction}"
    spinning = " while spinning" if spins(s, toy) else ""
    return f"a {s.toys[toy].name} {motion}{spinning}"


def spins(s: Summary, toy: int) -> bool:
    """Whether a toy is seen to turn around itself: a round one does not show it."""
    spec = s.toys[toy]
    return bool(spec.spin) and s.rotation[toy] > _SPINS and spec.shape not in v.ROUND


def event_clause(s: Summary, event: SceneEvent) -> str:
    """Return an event in words: "the red ball hits the blue box"."""
    return f"{name(s, event.toy)} {deed(s, event)}"


def _sounds(s: Summary) -> list[str]:
    heard = [f"{name(s, i)} beeps" for i in sorted({i for _, i in beeps(s)}) if i in s.seen]
    if hums(s):
        heard.append("a hum is heard")
    kinds = sorted({kind for kind, _ in s.spec.offscreen})
    return heard + [f"a {kind} is heard" for kind in kinds]


def _vary(text: str, rng: random.Random) -> str:
    for usual, others in _OTHER_WORDS.items():
        pattern = re.compile(rf"\b{usual}\b")
        text = pattern.sub(lambda m, others=others: rng.choice((m.group(), *others)), text)
    return text


def _canonical(text: str) -> str:
    text = " ".join(re.findall(r"[a-z]+|[.,]", text.lower()))
    for usual, others in _OTHER_WORDS.items():
        for other in others:
            text = re.sub(rf"\b{other}\b", usual, text)
    return text


def scene_facts(scene: Scene, *, has_sound: bool = True) -> Facts:
    """Return what the canonical caption of a scene states."""
    return caption_facts(scene_caption(scene, has_sound=has_sound))


def caption_facts(text: str) -> Facts:
    """Return what a caption states, however worded; a caption is right when these equal those of the reference.

    Returns:
        frozenset of tuples: ("toy", size, colour, material, shape, motion, spins), ("event", place in the order,
        what), ("camera", what), ("heard", what), and ("unclear", words) for a clause that says none of these.
    """
    found, events = set(), 0
    for clause in re.split(r"[.,]", _canonical(text)):
        clause = re.sub(r"^(and|then) ", "", clause.strip())
        if not clause:
            continue
        if clause == _EMPTY:
            continue
        if toy := _TOY.match(clause):
            found.add(("toy", *toy.groups()[:5], bool(toy.group(6))))
        elif hit := _HIT.match(clause):
            found.add(("event", events, "hits", *sorted(hit.groups())))
            events += 1
        elif _EVENT.match(clause):
            found.add(("event", events, clause))
            events += 1
        elif clause.startswith("the camera "):
            found.add(("camera", clause.removeprefix("the camera ")))
        elif clause.endswith((" beeps", " is heard")):
            found.add(("heard", clause))
        else:
            found.add(("unclear", clause))
    return frozenset(found)
