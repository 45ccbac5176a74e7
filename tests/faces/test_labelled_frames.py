"""Faces of frames that were labelled by eye: tests/faces/labelled.json; benchmarks/faces.py counts all of them."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import av
import numpy as np

from mmvideo.faces.blazeface_detector import BlazeFace

LABELS = json.loads((Path(__file__).parent / "labelled.json").read_text())


def test_the_labels_are_whole() -> None:
    assert len(LABELS) == 209
    assert sum(len(row["faces"]) for row in LABELS) == 227
    assert all(side >= 20 for row in LABELS for _, _, _, side in row["faces"])
    assert len({(row["clip"], row["frame"]) for row in LABELS}) == len(LABELS)


def test_faces_labelled_by_eye_are_found(shared: Path) -> None:
    """First labelled frame of each clip: at least 85 of 100."""
    detector, found, faces, done = BlazeFace(), 0, 0, set()
    for row in LABELS:
        if row["clip"] in done or not row["faces"]:
            continue
        done.add(row["clip"])
        with av.open(str(shared / row["clip"])) as container:
            frame = next(islice(container.decode(container.streams.video[0]), row["frame"], None))
        boxes = detector(frame.to_ndarray(format="rgb24"))
        middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2] - boxes[:, 0]
        for _, x, y, side in row["faces"]:
            near = np.hypot(*(middles - (x, y)).T) < side / 2
            found += bool((near & (sides > side / 2) & (sides < side * 2)).any())
            faces += 1
    assert faces >= 40
    assert found >= 0.85 * faces, (found, faces)
