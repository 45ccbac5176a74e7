"""What was written by hand about real footage: well formed, of files that are there, at times that they have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import pytest

from mmvideo.objects.classes import COCO

HERE = Path(__file__).parent
BOXES = json.loads((HERE / "boxes.json").read_text())["frames"]


def _last_second(path: Path) -> float:
    """Return the time of the last packet of the pictures, which is read without decoding."""
    with av.open(str(path)) as container:
        return max(float(p.pts * p.time_base) for p in container.demux(video=0) if p.pts is not None)


def _is_box(box: list[float]) -> bool:
    left, top, right, bottom = box
    return 0 <= left < right <= 1 and 0 <= top < bottom <= 1


def test_boxes_are_many_and_well_formed() -> None:
    boxes: list[dict[str, Any]] = [box for frame in BOXES for box in frame["boxes"]]
    assert len(BOXES) >= 70
    assert len(boxes) >= 220
    assert {box["label"] for box in boxes} <= set(COCO)
    assert all(_is_box(box["box"]) for box in boxes)
    assert all(_is_box(box) for frame in BOXES for box in frame["ignore"])
    assert len({(frame["file"], frame["seconds"]) for frame in BOXES}) == len(BOXES)


@pytest.mark.shared
def test_boxes_are_of_frames_that_there_are(shared: Path) -> None:
    for name in {frame["file"] for frame in BOXES}:
        last = _last_second(shared / name)
        assert all(0 <= frame["seconds"] <= last + 1e-2 for frame in BOXES if frame["file"] == name), name
