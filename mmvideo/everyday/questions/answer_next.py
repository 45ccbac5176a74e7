"""Answers to "what happens next?": what moves, repeats, sounds or pans is taken to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmvideo.everyday.questions.answer_moves import GREW, box_growth
from mmvideo.everyday.questions.answer_things import yes_no
from mmvideo.everyday.questions.query import Query
from mmvideo.everyday.questions.seen import SURE, SpanFacts, centre, join_with_and
from mmvideo.everyday.questions.told import Told, cannot_tell, proven

if TYPE_CHECKING:
    from mmvideo.objects.tracks import ObjectTrack


def answer_future(query: Query, seen: SpanFacts) -> Told | None:
    """What happens next? Tracks, rhythms, sounds and the camera go on; else the picture goes on, said as a guess."""
    facts = seen.facts
    end = facts.end_seconds
    wanted = query.subject if query.subject is not None and query.subject.labels else None
    said: list[tuple[float, str, list[ObjectTrack]]] = []
    for track in seen.tracks(wanted, SURE)[:5]:
        if track.end_seconds < end - 1.0 or len(track.seconds) < 3:
            continue
        told = _goes_on(track, seen)
        if told is not None:
            said.append((told[0], told[1], [track]))
    said.sort(key=lambda one: -one[0])
    lines = said[:2]
    if query.yes_no:
        if query.verb in {"leave", "exit", "disappear", "go"} and wanted is not None:
            leaves = [line for line in said if "leaves" in line[1]]
            return yes_no(query, .7 if leaves else .3, leaves[0][2] if leaves else (),
                leaves[0][1] if leaves else "no track leads out", seen)
        return cannot_tell(query.family, "it lies after the end of the video")
    for one in facts.repeated:
        if one.end_seconds > end - 1.5 * max(.5, one.period_seconds) and one.confidence >= .5:
            lines.insert(0, (.75, f"the movement is repeated again, every {one.period_seconds:.1f} s", []))
    for part in facts.camera:
        if part.end_seconds > end - .6 and part.text not in {"static",
            "shake"} and wanted is None and (part.confidence or .7) >= .5:
            lines.append((.6, f"the camera goes on {_CAMERA_ING.get(part.text, part.text)}", []))
    if wanted is None and any(part.end_seconds > end - .6 for part in facts.speech):
        lines.append((.65, "someone goes on speaking", []))
    if not lines:
        return None
    text = join_with_and([line[1] for line in lines[:3]])
    tracks = [track for line in lines for track in line[2]]
    return Told(f"probably {text}", .8 * max(line[0] for line in lines), proven(tracks, (),
        "it goes on as before") if tracks else proven(
        (), [(max(facts.start_seconds, end - 1), end)], "it goes on as before"), query.family, "what moves goes on")


_CAMERA_ING = {"pan left": "panning left", "pan right": "panning right", "tilt up": "tilting up",
    "tilt down": "tilting down", "zoom in": "zooming in",
               "zoom out": "zooming out", "roll left": "rolling left", "roll right": "rolling right"}


def _goes_on(track: ObjectTrack, seen: SpanFacts) -> tuple[float, str] | None:
    """Say how a track goes on after its end, and how sure that is; None where it rests."""
    start = max(0, len(track.seconds) - max(3, len(track.seconds) // 3))
    elapsed = track.seconds[-1] - track.seconds[start]
    if elapsed <= 0:
        return None
    (x, _), (u, _) = centre(track.boxes[start]), centre(track.boxes[-1])
    speed = (u - x) / elapsed
    sure = seen.sureness(track)
    box = track.boxes[-1]
    name = f"the {track.label}"
    if abs(speed) > .04:
        side = "right" if speed > 0 else "left"
        inside = (1 - (box[0] + box[2]) / 2) if speed > 0 else (box[0] + box[2]) / 2
        seconds = inside / abs(speed)
        if seconds < 4:
            return sure * .75, f"{name} leaves on the {side} within about {max(1, round(seconds))} s"
        return sure * .7, f"{name} keeps moving {side}"
    growth = box_growth(track, seen)
    if growth > GREW:
        return sure * .6, f"{name} comes closer"
    if growth < 1 / GREW:
        return sure * .6, f"{name} goes farther away"
    return None


__all__ = ["answer_future"]
