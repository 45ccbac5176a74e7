"""Order and when: what happens before what, and in which part of the clip."""

from __future__ import annotations

from collections.abc import Iterator

from mmvideo.toybox import vocabulary as v
from mmvideo.toybox.families.fact import TIME, Clause, Deed, Fact, Kind
from mmvideo.toybox.names import clause, name, wall
from mmvideo.toybox.summary import END_SECONDS, GAP_SECONDS, Summary, speed_ratio_clear
from mmvideo.toybox.world import SceneEvent

_MARGIN = 0.12
HALVES = ("the first half", "the second half")
THIRDS = ("near the beginning", "near the middle", "near the end")


def _apart(s: Summary, event: SceneEvent, before: bool = True, after: bool = True) -> bool:
    """Whether nothing else, clear or not, happens within GAP_SECONDS of an event."""
    for other in (*s.events, *s.unclear, *s.future[:1]):
        gap = other.seconds - event.seconds
        if other is not event and ((before and -GAP_SECONDS < gap <= 0) or (after and 0 <= gap < GAP_SECONDS)):
            return False
    return True


def _sayable(s: Summary, event: SceneEvent) -> bool:
    return event.kind != "hit" or speed_ratio_clear(s, event)


def _once(s: Summary, event: SceneEvent) -> bool:
    """Whether no other event would be told in the same words."""
    alike = 0
    for e in (*s.events, *s.unclear):
        if e.kind == event.kind and e.side == event.side:
            alike += {e.toy, e.other} == {event.toy, event.other}
    return alike == 1


def _first_event(s: Summary) -> Iterator[Fact]:
    if s.events:
        event = s.events[0]
        early = any(e.seconds < event.seconds + GAP_SECONDS for e in s.unclear)
        if not early and _apart(s, event) and _sayable(s, event):
            yield Fact(clause(s, event), key="event")


def _last_event(s: Summary) -> Iterator[Fact]:
    if len(s.events) > 1:
        event = s.events[-1]
        late = any(e.seconds > event.seconds - GAP_SECONDS for e in s.unclear)
        if not late and _apart(s, event) and _sayable(s, event):
            yield Fact(clause(s, event), key="event")


def _order_two(s: Summary) -> Iterator[Fact]:
    events = [e for e in s.events if _once(s, e) and _sayable(s, e)]
    for i, a in enumerate(events):
        for b in events[i + 1 :]:
            if b.seconds - a.seconds >= GAP_SECONDS:
                group = "-".join(sorted((a.kind, b.kind))) + _shared(a, b)
                text_a, text_b = clause(s, a), clause(s, b)
                key = a.kind if a.kind != b.kind else "either"
                yield Fact(text_a, (Clause(a), Clause(b)), key, group, (text_a, text_b))
                yield Fact(text_a, (Clause(b), Clause(a)), key, group, (text_b, text_a))


def _shared(a: SceneEvent, b: SceneEvent) -> str:
    """Tell how two events share toys: what a toy does last or first (leaves, enters) would give the order away."""
    if a.toy == b.toy:
        return " same"
    return " met" if {a.toy, a.other} & {b.toy, b.other} - {None} else ""


def _neighbours(s: Summary, which: int) -> Iterator[Fact]:
    """Yield "what happens after (which = 1) or before (0) this": each pair of consecutive clear events."""
    for a, b in zip(s.events, s.events[1:], strict=False):
        if b.seconds - a.seconds < GAP_SECONDS or any(
            a.seconds - GAP_SECONDS < e.seconds < b.seconds + GAP_SECONDS for e in s.unclear
        ):
            continue
        asked, answer = (a, b) if which else (b, a)
        if _once(s, asked) and _sayable(s, asked) and _sayable(s, answer) and _apart(s, answer):
            yield Fact(clause(s, answer), (Clause(asked),), "event")


def _event_after(s: Summary) -> Iterator[Fact]:
    yield from _neighbours(s, 1)


def _event_before(s: Summary) -> Iterator[Fact]:
    yield from _neighbours(s, 0)


def _hits_first(s: Summary) -> Iterator[Fact]:
    for toy in s.seen:
        struck = [e for e in s.events if e.kind in ("hit", "bounce") and toy in (e.toy, e.other)]
        doubt = [e.seconds for e in s.unclear if e.kind in ("hit", "bounce") and toy in (e.toy, e.other)]
        if not struck:
            if not doubt and s.path[toy] > 0.2:
                yield Fact("nothing", (toy,))
            continue
        end = struck[0].seconds + GAP_SECONDS
        if any(t < end for t in doubt) or any(e.seconds < end for e in struck[1:]):
            continue
        if struck[0].kind == "hit":
            other = struck[0].other if struck[0].toy == toy else struck[0].toy
            yield Fact(name(s, other), (toy,), "toy")
        else:
            yield Fact(wall(s, struck[0].side), (toy,))


def _first_mover(s: Summary) -> Iterator[Fact]:
    """Yield who moves first where one toy moves from the start and every other rests until later."""
    if s.doubtful or len(s.seen) < 2 or not all(s.visible[0][i] for i in s.seen):
        return
    first = [i for i in s.seen if s.start_direction[i] != "still"]
    if len(first) == 1 and s.start_direction[first[0]]:
        others = [i for i in s.seen if i not in first and s.path[i] > 0.1]
        if others and not any(e.seconds < GAP_SECONDS for e in (*s.events, *s.unclear)):
            yield Fact(name(s, first[0]), key="toy")
    starts = not first and s.events and s.events[0].kind == "start" and _apart(s, s.events[0])
    if starts and not any(e.seconds < s.events[0].seconds for e in s.unclear):
        yield Fact(name(s, s.events[0].toy), key="toy")


def _first_stop(s: Summary) -> Iterator[Fact]:
    stops = [e for e in s.events if e.kind == "stop"]
    if not stops or any(e.kind == "stop" and e.seconds < stops[0].seconds + GAP_SECONDS for e in s.unclear):
        return
    if len(stops) == 1 or stops[1].seconds - stops[0].seconds >= GAP_SECONDS:
        yield Fact(name(s, stops[0].toy), key="toy")


def _when(s: Summary, labels: tuple[str, ...]) -> Iterator[Fact]:
    part = v.CLIP_SECONDS / len(labels)
    for event in s.events:
        borders = (part * i for i in range(1, len(labels)))
        clear = all(abs(event.seconds - border) > _MARGIN for border in borders)
        if clear and _once(s, event) and _sayable(s, event) and event.seconds <= END_SECONDS:
            yield Fact(labels[int(event.seconds / part)], (event.toy, Deed(event)), group=event.kind)


def _half(s: Summary) -> Iterator[Fact]:
    yield from _when(s, HALVES)


def _third(s: Summary) -> Iterator[Fact]:
    yield from _when(s, THIRDS)


def _order(facts, *templates) -> Kind:
    return Kind("order", TIME, facts, templates)


KINDS = {
    "first_event": _order(_first_event, "what happens first?", "what is the first thing that happens?",
                          "what is the first event?", "which event comes first?"),
    "last_event": _order(_last_event, "what happens last?", "what is the last thing that happens?",
                         "what is the last event?", "which event comes last?"),
    "order_two": _order(_order_two, "what happens first: {0}, or {1}?", "which comes first: {0}, or {1}?",
                        "of these two, what is first: {0}, or {1}?"),
    "event_after": _order(_event_after, "what happens right after {0}?", "what is next after {0}?",
                          "once {0}, what happens then?"),
    "event_before": _order(_event_before, "what happens right before {0}?", "what comes just before {0}?",
                           "which event comes right before {0}?"),
    "hits_first": _order(_hits_first, "what does {0} hit first?", "what is the first thing that {0} hits?",
                         "{0} hits what first?", "what does {0} run into first?"),
    "first_mover": _order(_first_mover, "which toy moves first?", "which toy is the first to move?",
                          "what is the first toy that moves?"),
    "first_stop": _order(_first_stop, "which toy stops first?", "which toy is the first to stop?",
                         "what is the first toy that stops?"),
    "when_half": Kind("when", TIME, _half, (
        "does {0} {1} in the first half or in the second half?", "when does {0} {1}, in the first or the second half?",
        "in which half of the clip does {0} {1}?")),
    "when_third": Kind("when", TIME, _third, (
        "does {0} {1} near the beginning, near the middle or near the end?", "at what time does {0} {1}?",
        "when does {0} {1}?")),
}
