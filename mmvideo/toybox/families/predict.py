"""Next: what happens in the second after the clip's end, told from positions and velocities at its end."""

from __future__ import annotations

from collections.abc import Iterator

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.families.fact import MANNERS, TIME, Fact, Kind
from mmvideo.toybox.names import clause, name, wall
from mmvideo.toybox.summary import END_SECONDS, Summary, pairs, speed_ratio_clear, weak
from mmvideo.toybox.world import SceneEvent

FIRST_SECONDS = v.CLIP_SECONDS + 0.08
"""Anything sooner than this is as good as seen."""
APART_SECONDS = 0.15
_LAST_SECONDS = v.CLIP_SECONDS + v.FUTURE_SECONDS - 0.05
_KINDS = frozenset(("hit", "bounce", "leave", "stop"))


def _watched(s: Summary, toy: int) -> bool:
    """Whether a toy is in sight over the clip's last third of a second, so that its velocity can be seen."""
    return all(s.sees(toy, END_SECONDS - back) for back in (0.0, 0.125, 0.25))


def coming(s: Summary) -> SceneEvent | None:
    """Return the first event after the clip where it can be foretold."""
    if not s.future:
        return None
    event = s.future[0]
    if event.kind not in _KINDS or weak(event) or event.seconds < FIRST_SECONDS or event.seconds > _LAST_SECONDS:
        return None
    if any(other.seconds - event.seconds < APART_SECONDS for other in s.future[1:]):
        return None
    if any(e.seconds > v.CLIP_SECONDS - 0.05 for e in s.unclear):
        return None
    toys = (event.toy,) if event.other is None else (event.toy, event.other)
    in_view = event.kind in ("leave",) or all(_on_screen(s, i, event.seconds) for i in toys)
    return event if in_view and all(_watched(s, i) for i in toys) else None


def _on_screen(s: Summary, toy: int, seconds: float) -> bool:
    x, y = s.at(toy, seconds)
    return 0 <= x <= 1 and 0 <= y <= 1


def _inert(s: Summary) -> bool:
    """Whether surely nothing notable happens in the second after the clip."""
    return not s.future and not any(e.seconds > v.CLIP_SECONDS - 0.05 for e in s.unclear)


def _next(s: Summary) -> Iterator[Fact]:
    event = coming(s)
    if event is not None and (event.kind != "hit" or speed_ratio_clear(s, event)):
        yield Fact(clause(s, event), key="event")
    elif event is None and _inert(s) and s.seen and not s.doubtful:
        # Where something still moves, "nothing" has to be told from walls and ways: four times as likely to be asked.
        yield from [Fact("nothing")] * (4 if _goes(s, *s.seen) else 1)


def _next_toy(s: Summary) -> Iterator[Fact]:
    event = coming(s)
    if event is not None and event.other is None and len(s.seen) > 1:
        yield Fact(name(s, event.toy), key="toy")


def _next_hit(s: Summary) -> Iterator[Fact]:
    event = coming(s)
    for a, b in pairs(s):
        if not (_watched(s, a) and _watched(s, b)):
            continue
        meets = [e for e in s.future if e.kind == "hit" and {e.toy, e.other} == {a, b}]
        if meets and event is meets[0]:
            answer = "yes"
        elif not meets and _goes(s, a, b):
            answer = "no"
        else:
            continue
        yield Fact(answer, (a, b))
        yield Fact(answer, (b, a))


def _goes(s: Summary, *toys: int) -> bool:
    """Whether one of these toys still moves at the clip's end."""
    for toy in toys:
        (x0, y0), (x1, y1) = s.at(toy, END_SECONDS - 0.25), s.at(toy, END_SECONDS)
        if abs(x1 - x0) + abs(y1 - y0) > 0.02:
            return True
    return False


def _next_leave(s: Summary) -> Iterator[Fact]:
    if not s.still_camera:
        return
    for toy in s.seen:
        leaves = [e for e in s.future if e.kind == "leave" and e.toy == toy]
        if not _watched(s, toy):
            continue
        if leaves and not _disturbed(s, toy, leaves[0].seconds) and FIRST_SECONDS < leaves[0].seconds < _LAST_SECONDS:
            yield Fact("yes", (toy,))
        elif not leaves and _goes(s, toy) and _well_inside(s.screen[-1][toy]):
            yield Fact("no", (toy,))


def _disturbed(s: Summary, toy: int, until: float) -> bool:
    return any(e.seconds < until and toy in (e.toy, e.other) and e.kind != "leave" for e in s.future)


def _well_inside(place: list[float]) -> bool:
    return 0.02 < place[0] < 0.98 and 0.02 < place[1] < 0.98


def _next_leave_side(s: Summary) -> Iterator[Fact]:
    for e in s.future:
        foretold = e.kind == "leave" and _watched(s, e.toy) and not _disturbed(s, e.toy, e.seconds)
        if foretold and FIRST_SECONDS < e.seconds < _LAST_SECONDS:
            yield Fact(MANNERS[v.SIDES.index(e.side)], (e.toy,))


def _next_wall(s: Summary) -> Iterator[Fact]:
    for toy in s.seen:
        mine = [e for e in s.future if toy in (e.toy, e.other)]
        if not mine or mine[0].kind != "bounce" or weak(mine[0]) or not _watched(s, toy):
            continue
        if FIRST_SECONDS < mine[0].seconds < _LAST_SECONDS and _on_screen(s, toy, mine[0].seconds):
            yield Fact(wall(s, mine[0].side), (toy,))


def _next_deed(s: Summary) -> Iterator[Fact]:
    """Yield what one toy does next: its kind of event, or nothing."""
    for toy in s.seen:
        mine = [e for e in s.future if toy in (e.toy, e.other)]
        if not _watched(s, toy) or any(e.seconds > v.CLIP_SECONDS - 0.05 and toy in (e.toy, e.other)
                                       for e in s.unclear):
            continue
        if not mine and _goes(s, toy):
            yield Fact("nothing", (toy,))
        elif mine and mine[0].kind in _KINDS and not weak(mine[0]):
            apart = len(mine) == 1 or mine[1].seconds - mine[0].seconds >= APART_SECONDS
            partner = all(_watched(s, i) for i in (mine[0].toy, mine[0].other) if i is not None)
            if apart and partner and FIRST_SECONDS < mine[0].seconds < _LAST_SECONDS:
                yield Fact({"hit": "it hits a toy", "bounce": "it bounces off a wall", "leave": "it leaves",
                            "stop": "it stops"}[mine[0].kind], (toy,))


def _asked(facts, *templates) -> Kind:
    return Kind("next", TIME, facts, templates)


KINDS = {
    "next": _asked(_next, "what happens next?", "what will happen next?", "what is going to happen next?",
                   "what comes next?", "what is the next event?"),
    "next_toy": _asked(_next_toy, "which toy is in the next event?", "which toy does something next?",
                       "to which toy will something happen next?"),
    "next_hit": _asked(_next_hit, "will {0} hit {1}?", "will {0} and {1} hit each other?",
                       "is {0} going to hit {1}?"),
    "next_leave": _asked(_next_leave, "will {0} leave the picture?", "is {0} going to leave?",
                         "will {0} leave within the next second?"),
    "next_leave_side": _asked(_next_leave_side, "where will {0} leave?", "on which side will {0} leave the picture?",
                              "{0} will leave on which side?"),
    "next_wall": _asked(_next_wall, "which wall will {0} hit next?", "off which wall will {0} bounce next?",
                        "{0} is going to hit which wall?"),
    "next_deed": _asked(_next_deed, "what will {0} do next?", "what does {0} do next?",
                        "what is {0} going to do next?"),
}
