"""Faces found, false faces and identity switches on frames that were labelled by eye, for several detectors.

    python benchmarks/faces.py SHARED [--detectors blazeface haar lbp] [--labels FILE] [--no-tracks]

SHARED is the folder that the clips of the labels lie in. A face is found where the middle of a box lies within half a
side of the label's middle and its side is 0.5 to 2 of the label's; false boxes are counted in frames all of whose faces
are labelled. A switch: in two labelled frames of a clip that follow each other the person is in two tracks though both
are seen; a clip with one track for two people counts as mixed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import av
import numpy as np

from mmvideo.errors import MissingExtra
from mmvideo.faces import FaceFinder
from mmvideo.media import open_source
from mmvideo.registry import find


def matched(boxes: np.ndarray, faces: list[tuple[str, float, float, float]]) -> list[int | None]:
    """Return for each labelled face the number of its box, or None; no box is given twice."""
    taken: list[int | None] = []
    for _, x, y, side in faces:
        best, best_far = None, 0.5
        for number, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
            far = float(np.hypot((x0 + x1) / 2 - x, (y0 + y1) / 2 - y)) / side
            if far < best_far and 0.5 <= (x1 - x0) / side <= 2 and number not in taken:
                best, best_far = number, far
        taken.append(best)
    return taken


def pictures(clip: Path, frames: set[int]) -> dict[int, tuple[np.ndarray, float]]:
    """Return some frames of a clip, uint8 (H, W, 3), and their seconds, by their numbers."""
    found = {}
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(container.streams.video[0])):
            if number in frames:
                found[number] = frame.to_ndarray(format="rgb24"), float(frame.time or 0)
            if number >= max(frames):
                break
    return found


def switches(clip: Path, rows: list[dict], times: dict[int, float], detector: str) -> tuple[int, int, int, int]:
    """Return labelled faces that a track shows, faces, switches, and tracks that show two people."""
    with open_source(clip) as source:
        found = FaceFinder(detector)(source)
    last: dict[str, int] = {}
    people: defaultdict[int, set[str]] = defaultdict(set)
    seen = total = changed = 0
    for row in rows:
        at = round((times[row["frame"]] - found.start_seconds) * 25)
        shown = [(t.number, box) for t in [*found.tracks, *found.refused] if (box := t.box_at(at)) is not None]
        boxes = np.array([box for _, box in shown], np.float32).reshape(-1, 4)
        for (who, *_), number in zip(row["faces"], matched(boxes, row["faces"]), strict=True):
            total += 1
            if number is None:
                continue
            seen += 1
            track = shown[number][0]
            changed += last.get(who, track) != track
            last[who] = track
            people[track].add(who)
    return seen, total, changed, sum(len(who) > 1 for who in people.values())


def main() -> None:
    """Print a line a detector."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--detectors", nargs="+", default=["blazeface", "haar", "lbp"])
    parser.add_argument("--labels", type=Path, default=Path("tests/faces/labelled.json"))
    parser.add_argument("--no-tracks", action="store_true")
    options = parser.parse_args()
    clips: defaultdict[str, list[dict]] = defaultdict(list)
    for row in json.loads(options.labels.read_text()):
        clips[row["clip"]].append(row)
    for name in options.detectors:
        try:
            detector = find("face-detectors", name)()
        except MissingExtra as error:
            print(f"{name}: {error}")
            continue
        found = faces = false = frames = 0
        spent, tracks = 0.0, np.zeros(4, int)
        for clip, rows in clips.items():
            shown = pictures(options.shared / clip, {row["frame"] for row in rows})
            for row in rows:
                began = time.process_time()
                boxes = detector(shown[row["frame"]][0])
                spent += time.process_time() - began
                hits = [n for n in matched(boxes, row["faces"]) if n is not None]
                found, faces, frames = found + len(hits), faces + len(row["faces"]), frames + 1
                false += (len(boxes) - len(hits)) if row["complete"] else 0
            if not options.no_tracks and any(row["faces"] for row in rows):
                tracks += switches(options.shared / clip, rows, {n: t for n, (_, t) in shown.items()}, name)
        print(f"{name}: {found} of {faces} faces of {frames} frames found, {false} false; "
              f"{spent / frames * 1000:.0f} ms of CPU a frame", end="" if not options.no_tracks else "\n")
        if not options.no_tracks:
            print(f"; tracks show {tracks[0]} of {tracks[1]}, {tracks[2]} switches, {tracks[3]} tracks of two people",
                  flush=True)


if __name__ == "__main__":
    main()
