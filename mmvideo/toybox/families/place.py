"""Where: places in the picture, and the camera."""

from __future__ import annotations

from collections.abc import Iterator

from mmvideo.toybox.families.fact import TIME, VIDEO, Fact, Kind, yes
from mmvideo.toybox.names import name
from mmvideo.toybox.summary import END_SECONDS, Summary, pairs

_BORDER = 0.06
"""Frame widths around the borders of the thirds where a toy's place is not asked for."""
_ACROSS, _DOWN = ("left", "middle", "right"), ("top", "middle", "bottom")
CAMERA_ANSWERS = {
    "static": "it stays still", "pan left": "it pans left", "pan right": "it pans right", "tilt up": "it tilts up",
    "tilt down": "it tilts down", "zoom in": "it zooms in", "zoom out": "it zooms out", "roll left": "it rolls left",
    "roll right": "it rolls right", "shake": "it shakes",
}


def _third(value: float) -> int | None:
    if abs(value - 1 / 3) < _BORDER or abs(value - 2 / 3) < _BORDER:
        return None
    return min(int(value * 3), 2) if 0 <= value < 1 else None


def _place(axis: int, end: bool):
    labels, times = (_ACROSS, _DOWN)[axis], (END_SECONDS - 0.125, END_SECONDS) if end else (0.0, 0.125)

    def facts(s: Summary) -> Iterator[Fact]:
        for toy in s.seen:
            if all(s.sees(toy, t) for t in times):
                found = {_third(s.at(toy, t)[axis]) for t in times}
                if len(found) == 1 and None not in found:
                    yield Fact(labels[found.pop()], (toy,))

    return facts


def _relative(axis: int, end: bool):
    words = ("left of", "right of") if axis == 0 else ("above", "below")
    times, when = ((END_SECONDS - 0.125, END_SECONDS), "end") if end else ((0.0, 0.125), "start")

    def facts(s: Summary) -> Iterator[Fact]:
        for a, b in pairs(s):
            if not all(s.sees(i, t) for i in (a, b) for t in times):
                continue
            gaps = [s.at(a, t)[axis] - s.at(b, t)[axis] for t in times]
            if min(map(abs, gaps)) < 0.14 or gaps[0] * gaps[1] < 0:
                continue
            for first, second, gap in ((a, b, gaps[1]), (b, a, -gaps[1])):
                yield Fact(yes(gap < 0), (first, words[0], second, when), group=words[0] + when)
                yield Fact(yes(gap > 0), (first, words[1], second, when), group=words[1] + when)

    return facts


def _both(*parts):
    def facts(s: Summary) -> Iterator[Fact]:
        for part in parts:
            yield from part(s)

    return facts


def _leftmost(s: Summary) -> Iterator[Fact]:
    if s.doubtful or len(s.seen) < 2 or not all(s.visible[0][i] and s.visible[2][i] for i in s.seen):
        return
    order = sorted(s.seen, key=lambda i: s.screen[0][i][0])
    for side, (best, second) in (("left", order[:2]), ("right", order[:-3:-1])):
        if abs(s.screen[0][best][0] - s.screen[0][second][0]) > 0.12:
            yield Fact(name(s, best), (side,), "toy", side)


def _behind(s: Summary) -> Iterator[Fact]:
    hiders = {e.toy for e in s.hidden if e.kind == "hide"}
    for toy in s.seen:
        gone = sum(not row[toy] for row in s.visible[: round(END_SECONDS * 16)])
        if toy in hiders and s.visible[0][toy] and gone >= 3:
            yield Fact("yes", (toy,))
        elif gone == 0 and not any(e.toy == toy for e in s.hidden) and s.path[toy] > 0.2:
            yield Fact("no", (toy,))


def _camera(s: Summary) -> Iterator[Fact]:
    yield Fact(CAMERA_ANSWERS[s.spec.camera_motion])


def _camera_moves(s: Summary) -> Iterator[Fact]:
    yield Fact(yes(not s.still_camera))


def _camera_kind(s: Summary) -> Iterator[Fact]:
    if not s.still_camera:
        yield Fact(s.spec.camera_motion.split()[0])


def _camera_direction(s: Summary) -> Iterator[Fact]:
    kind, _, direction = s.spec.camera_motion.partition(" ")
    pairs_of = {"pan": ("left", "right"), "tilt": ("up", "down"), "zoom": ("in", "out"), "roll": ("left", "right")}
    if direction:
        first, second = pairs_of[kind]
        yield Fact(direction, (kind, first, second), group=kind, choices=(first, second))
        yield Fact(direction, (kind, second, first), group=kind, choices=(second, first))


def _camera_does(s: Summary) -> Iterator[Fact]:
    for motion in CAMERA_ANSWERS:
        if motion != "static":
            yield Fact(yes(motion == s.spec.camera_motion), (motion,), group=motion)


def _placed(facts, *templates) -> Kind:
    return Kind("where", VIDEO, facts, templates)


def _sided(when: str) -> tuple[str, ...]:
    return (
        f"where is {{0}} at the {when}: left, middle or right?",
        f"at the {when}, is {{0}} on the left, in the middle or on the right?",
        f"in which third of the picture is {{0}} at the {when}, left, middle or right?",
    )


def _leveled(when: str) -> tuple[str, ...]:
    return (
        f"where is {{0}} at the {when}: top, middle or bottom?",
        f"at the {when}, is {{0}} at the top, in the middle or at the bottom?",
        f"in which third of the picture is {{0}} at the {when}, top, middle or bottom?",
    )


KINDS = {
    "across_start": _placed(_place(0, False), *_sided("start")),
    "across_end": _placed(_place(0, True), *_sided("end")),
    "height_start": _placed(_place(1, False), *_leveled("start")),
    "height_end": _placed(_place(1, True), *_leveled("end")),
    "relative": _placed(
        _both(_relative(0, False), _relative(0, True), _relative(1, False), _relative(1, True)),
        "is {0} {1} {2} at the {3}?", "at the {3}, is {0} {1} {2}?", "at the {3} of the clip, is {0} {1} {2}?"),
    "furthest": _placed(_leftmost, "which toy is furthest to the {0} at the start?",
                        "at the start, which toy is furthest to the {0}?",
                        "what is the toy furthest to the {0} at the start?"),
    "behind": Kind("where", TIME, _behind, (
        "does {0} go behind the board?", "is {0} ever hidden by the board?", "does {0} pass behind the board?")),
    "camera": Kind("camera", TIME, _camera, (
        "what does the camera do?", "how does the camera move?", "what is the motion of the camera?",
        "which way does the camera move?")),
    "camera_moves": Kind("camera", TIME, _camera_moves, (
        "does the camera move?", "is the camera moving?", "is there any motion of the camera?")),
    "camera_kind": Kind("camera", TIME, _camera_kind, (
        "does the camera pan, tilt, zoom, roll or shake?", "what kind of motion does the camera make?",
        "what kind of camera motion is there?")),
    "camera_direction": Kind("camera", TIME, _camera_direction, (
        "does the camera {0} {1} or {2}?", "which way does the camera {0}, {1} or {2}?",
        "the camera does {0}, is it {1} or {2}?")),
    "camera_does": Kind("camera", TIME, _camera_does, (
        "does the camera {0}?", "is it true that the camera does {0}?", "would you say that the camera does {0}?")),
}
