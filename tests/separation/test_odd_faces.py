"""Rows of the table in docs/voices.md about faces that are turned away, cross, do not move, are covered or rotated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from mmvideo.faces import FaceFinder, Faces
from mmvideo.faces.follow import Follower
from mmvideo.media import open_source
from mmvideo.separation.talkers import film

SIDE, HEIGHT, WIDTH = 100, 200, 300


def said(seconds: float, pitch: float = 150.0) -> torch.Tensor:
    """A voice that opens and closes three times a second."""
    clock = torch.arange(round(seconds * 16000)) / 16000
    return 0.3 * torch.sin(2 * torch.pi * pitch * clock) * (torch.sin(2 * torch.pi * 3 * clock) > 0)


def talker(seconds: float, seed: int = 5) -> np.ndarray:
    return np.stack(list(film([said(seconds)], [seed], height=HEIGHT, width=WIDTH, side=SIDE)))


def faces_of(frames: np.ndarray, fps: float = 25) -> Faces:
    with open_source(frames, fps=fps) as source:
        return FaceFinder()(source)


class Boxes:
    """A detector that is told what to find in each picture it is shown, so that no network is needed."""

    def __init__(self, rows: Sequence[Sequence[Sequence[float]]]):
        self.rows, self.calls = rows, 0

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        found = self.rows[min(self.calls, len(self.rows) - 1)]
        self.calls += 1
        return np.asarray(found, np.float32).reshape(-1, 4)


def test_turned_away_for_three_seconds() -> None:
    """Not found for 3 s, the shot goes on: one person with a gap."""
    frames = np.concatenate([talker(0.4)[3:4]] * 125)
    hair = np.random.default_rng(0).integers(0, 60, (75, 100, 100, 3), dtype=np.uint8)
    frames[25:100, 50:150, 100:200] = hair
    box = [[100, 50, 200, 150]]
    with open_source(frames, fps=25) as source:
        found = FaceFinder(Boxes([box] * 5 + [[]] * 15 + [box] * 6))(source)
    track, = found.tracks
    spans = track.spans(0.0)
    assert len(spans) == 2
    assert 2.5 < spans[1][0] - spans[0][1] < 3.5


def test_two_faces_that_cross_stay_two_people() -> None:
    """One walks by in front of the other; while it hides it, one box is found. Each keeps its side of the walk."""
    follower, grey = Follower(0.2), np.random.default_rng(0).integers(0, 255, (200, 600), dtype=np.uint8)
    for step in range(26):
        left, right = 40 + 16 * step, 440 - 16 * step
        boxes = [[left, 50, left + 80, 130], [right, 54, right + 80, 134]]
        if abs(left - right) < 24:
            boxes = boxes[:1]
        follower.add(step * 0.2, np.asarray(boxes, np.float32), grey, begins=0.0)
    confirmed = [p for p in follower.paths if p.confirmed]
    assert len(confirmed) in (2, 3), "a face that was hidden may be somebody new; two people are never one"
    ends = sorted(float(p.boxes[-1][0]) for p in confirmed if p.times[-1] >= 4.9)
    assert ends == pytest.approx([80, 480], abs=10)


def test_a_poster_is_a_face_that_says_nothing() -> None:
    """A photograph on the wall beside a talker: found, and no cue."""
    frames = np.stack(list(film([said(2.0), said(2.0)], [5, 4], height=HEIGHT, width=2 * WIDTH, side=SIDE)))
    frames[:, :, WIDTH:] = frames[20, :, WIDTH:]
    found = faces_of(frames)
    talks, poster = sorted(found.tracks, key=lambda t: float(t.boxes[0, 0]))
    assert talks.readable(0, 50)
    assert not poster.readable(0, 50)


def test_subtitles_over_the_mouth_are_no_cue() -> None:
    """A band with letters hides the mouth: the face is followed, and counts as one that cannot be read."""
    frames = talker(2.0)
    track, = faces_of(frames).tracks
    x0, y0, x1, y1 = (round(float(v)) for v in track.boxes[10])
    band = slice(round(y0 + 0.66 * (y1 - y0)), min(HEIGHT, y1 + 4))
    frames[:, band, max(0, x0 - 20):x1 + 20] = 12
    for frame in frames:
        cv2.putText(frame, "Good morning", (max(0, x0 - 10), band.start + 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6,
                    (240, 240, 240), 2)
    found = faces_of(frames)
    assert all(not t.readable(0, 50) for t in found.tracks)


def test_a_vertical_phone_video_that_is_stored_lying_down(tmp_path: Path) -> None:
    """The frames are turned as the file says, so the face is upright and lies within the upright picture."""
    frames = talker(1.0)[:, :, 50:250]
    with av.open(str(tmp_path / "phone.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = HEIGHT, WIDTH - 100, "yuv420p"
        stream.set_display_rotation(90)
        for frame in frames:
            lying = np.ascontiguousarray(np.rot90(frame, -1))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(lying, format="rgb24")))
        out.mux(stream.encode(None))
    with open_source(tmp_path / "phone.mp4") as source:
        assert source.info.main_video.rotation == 90
        found = FaceFinder()(source)
    track, = found.tracks
    assert track.readable(0, 25)
    expected, = faces_of(frames).tracks
    np.testing.assert_allclose(track.boxes[10], expected.boxes[10], atol=8)


@pytest.mark.parametrize("fps", [60, 12.5])
def test_other_frame_rates_give_25_rows_a_second(fps: float) -> None:
    frames = talker(1.2)
    times = np.arange(round(1.2 * fps)) / fps
    found = faces_of(frames[np.minimum((times * 25).astype(int), len(frames) - 1)], fps)
    track, = found.tracks
    assert found.num_rows == pytest.approx(30, abs=1)
    assert len(track) >= 26
    assert track.readable(0, 30)
