"""Marking a caption: every clear fact must be told and nothing false; what is in doubt may be told or not.

Questions are not asked where a threshold decides the answer (summary.py), but a caption must say something, and the
reference takes one side. Here another side that is as true is as good:

- the direction of a toy that sets out slantwise or turns at once;
- an event that is weak, half seen or at the edge of the clip, told or left out;
- the order of two events with no frame between them.
"""

from __future__ import annotations

from mmvideo.toybox.captions import MAX_EVENTS, caption_facts, event_clause, scene_facts, told_events
from mmvideo.toybox.summary import Summary, summarize
from mmvideo.toybox.world import Scene

FRAME_SECONDS = 0.125
"""Between two of the sixteen frames that a model sees of a clip."""


def is_right(said: str, scene: Scene, *, has_sound: bool = True) -> bool:
    """Say whether a caption of a scene tells every clear fact and nothing false."""
    s, told, true = summarize(scene), caption_facts(said), scene_facts(scene, has_sound=has_sound)
    rest = [{f for f in found if f[0] not in ("toy", "event")} for found in (told, true)]
    return rest[0] == rest[1] and _toys_right(s, told, true) and _events_right(s, told)


def _toys_right(s: Summary, told: frozenset, true: frozenset) -> bool:
    """Same toys and spins, and for each a motion that it may be said to have."""
    said, known = ({f[1:5]: f[5:] for f in found if f[0] == "toy"} for found in (told, true))
    if said.keys() != known.keys():
        return False
    number = {(t.size, t.color, t.material, t.shape): i for i, t in enumerate(s.toys)}
    return all(spins == known[toy][1] and motion in _motions(s, number[toy], known[toy][0])
               for toy, (motion, spins) in said.items())


def _motions(s: Summary, toy: int, usual: str) -> set[str]:
    if usual.startswith("comes in"):
        return {usual}
    doubtful = {f"comes in from the {e.side}" for e in s.unclear if e.kind == "enter" and e.toy == toy}
    ways = {"stays still" if way == "still" else f"moves {way}" for way in s.possible_directions[toy]}
    return {usual} | ways | doubtful


def _events_right(s: Summary, told: frozenset) -> bool:
    """Whether events that happened are told in their order, and of the clear ones the first few all."""
    said = [f[2:] for f in sorted((f for f in told if f[0] == "event"), key=lambda f: f[1])]
    clear = {id(e) for e in told_events(s)}
    happened = sorted((e for e in (*s.events, *s.unclear) if e.kind != "enter"
                       and all(toy in s.seen for toy in (e.toy, e.other) if toy is not None)), key=lambda e: e.seconds)
    left = [(e.seconds, _as_fact(s, e), id(e) in clear) for e in happened]
    latest = 0.0
    for fact in said:
        match = next((e for e in left if e[1] == fact and e[0] >= latest - FRAME_SECONDS), None)
        if match is None:
            return False
        left.remove(match)
        latest = max(latest, match[0])
    missing = [seconds for seconds, _, must in left if must]
    return not missing or (len(said) == MAX_EVENTS and min(missing) >= latest - FRAME_SECONDS)


def _as_fact(s: Summary, event) -> tuple:
    (fact,) = caption_facts(event_clause(s, event))
    return fact[2:]
