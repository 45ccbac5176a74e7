"""What was written by hand about real footage: well formed, of files that are there, at times that they have."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import av
import pytest

from mmvideo.everyday.evaluation.matching import matches
from mmvideo.objects.classes import COCO

HERE = Path(__file__).parent
BOXES = json.loads((HERE / "boxes.json").read_text())["frames"]
QUESTIONS = json.loads((HERE / "questions.json").read_text())["questions"]
REPETITIONS = json.loads((HERE / "repetitions.json").read_text())


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


def test_questions_are_many_and_balanced() -> None:
    assert len({entry["file"] for entry in QUESTIONS}) >= 45
    assert len(QUESTIONS) >= 280
    per_file = Counter(entry["file"] for entry in QUESTIONS)
    assert min(per_file.values()) >= 6
    assert len({(entry["file"], entry["question"]) for entry in QUESTIONS}) == len(QUESTIONS)
    verdicts = Counter(entry["answers"][0] for entry in QUESTIONS if entry["kind"] == "yes/no")
    assert set(verdicts) == {"yes", "no"}
    assert abs(verdicts["yes"] - verdicts["no"]) <= 0.1 * verdicts.total()


def test_every_answer_written_by_hand_counts_as_right_for_itself() -> None:
    for entry in QUESTIONS:
        assert all(answer == answer.lower() for answer in entry["answers"])
        assert all(matches(answer, entry) for answer in entry["answers"]), entry


@pytest.mark.shared
def test_questions_ask_for_times_that_the_clips_have(shared: Path) -> None:
    for entry in QUESTIONS:
        assert (shared / entry["file"]).is_file()
        if entry["kind"] == "time":
            last = _last_second(shared / entry["file"])
            assert all(0 <= start < end <= last + 0.2 for start, end in entry["spans"]), (entry, last)


def test_repetitions_are_counted_in_halves_and_films_are_whole() -> None:
    counted, played = REPETITIONS["counted"], REPETITIONS["played"]
    assert sum("/test/" in entry["file"] for entry in counted) >= 40
    assert all(2 * entry["count"] == int(2 * entry["count"]) for entry in counted)
    assert all(0 <= entry["start_seconds"] <= entry["end_seconds"] for entry in counted)
    for entry in played:
        assert len(entry["speeds"]) == entry["count"]
        assert len(entry["rests"]) == 2 * entry["count"]
        assert entry["frames"] >= 8
