"""Tracks of one person across cutaways: joined where face, surroundings and place are alike, never two people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mmvideo.faces import FaceFinder, FaceTrack
from mmvideo.faces.seats import join_seats
from mmvideo.faces.spool import Spool
from mmvideo.media import open_source, read_video
from mmvideo.separation.talkers import film
from mmvideo.weights import weights_root

DEMO = weights_root() / "demo"


def person(seed: int, noise: int = 0) -> np.ndarray:
    """Draw a still of somebody: a colour, and a few shapes."""
    rng = np.random.default_rng(seed)
    still = np.zeros((224, 224, 3), np.float32) + rng.uniform(20, 230, 3)
    for _ in range(12):
        x, y, wide, high = rng.integers(0, 180, 2).tolist() + rng.integers(10, 90, 2).tolist()
        still[y:y + high, x:x + wide] = rng.uniform(0, 255, 3)
    return np.clip(still + np.random.default_rng(noise).normal(0, 4, still.shape), 0, 255).astype(np.uint8)


def track(who: int, first: int, count: int = 30, x: float = 100, side: float = 80) -> FaceTrack:
    mouths = Spool((96, 96), np.uint8)
    mouths.append(np.full((count, 96, 96), who + 1, np.uint8))
    boxes = np.tile(np.array([x, 50, x + side, 50 + side], np.float32), (count, 1))
    values = np.ones(count, np.float32)
    return FaceTrack(0, first, boxes, np.ones(count, bool), mouths, person(who, first), side * 0.66, values, values)


def test_who_comes_back_after_a_cutaway_is_one_track() -> None:
    tracks = [track(1, 0), track(2, 0, x=400), track(3, 30, x=250), track(2, 60, x=410), track(1, 60, x=95)]
    one, two, cutaway = join_seats(tracks, cuts=[30, 60])
    assert (len(one), len(two), len(cutaway)) == (90, 90, 30)
    assert one.spans(0.0) == ((0.0, 1.2), (2.4, 3.6))
    assert np.isnan(one.boxes[40, 0])
    assert one.box_at(40) is None
    assert one.box_at(70)[0] == 95
    mouths = one.mouths.read(25, 70)
    assert (mouths[:5] == 2).all()
    assert not mouths[5:35].any()
    assert (mouths[35:] == 2).all()
    assert two.box_at(70)[0] == 410
    assert not one.readable(31, 59)
    assert len(one.mouths.read(80, 200)) == 10


@pytest.mark.parametrize(("after", "why"), [
    (track(4, 60), "somebody else in the same seat"), (track(1, 60, x=300), "far away"),
    (track(1, 60, side=160), "twice as large"), (track(1, 20), "seen at the same time")])
def test_who_is_not_joined(after: FaceTrack, why: str) -> None:
    assert len(join_seats([track(1, 0), after], cuts=[30, 60])) == 2, why


def test_turned_away_for_three_seconds_is_one_track_with_a_gap() -> None:
    """Lost for longer than a track waits, without a cut; somebody may have moved by most of a face."""
    joined, = join_seats([track(1, 0), track(1, 105, x=160)])
    assert joined.spans(0.0) == ((0.0, 1.2), (4.2, 5.4))


def test_two_drawn_talkers_and_a_cutaway_are_two_people() -> None:
    said = [torch.sin(torch.arange(16000 * 3) * k / 50) for k in (1.0, 1.3)]
    shot = np.stack(list(film(said, [5, 4], height=180, width=320, side=80)))
    away = read_video(DEMO / "toybox.mp4", size=(180, 320), end_seconds=1.0).frames.permute(0, 2, 3, 1).numpy()[:20]
    frames = np.concatenate([shot[:30], away, shot[40:70]])
    with open_source(frames, fps=25) as source:
        faces = FaceFinder()(source)
    assert len(faces.tracks) == 2
    assert all(len(t.spans(0.0)) == 2 for t in faces.tracks)
    assert len(faces.cuts) == 2


@pytest.mark.shared
def test_newsreaders_of_different_groups_are_not_joined(shared: Path) -> None:
    home = shared / "data" / "newsreaders"
    rows = [line.split("\t") for line in (home / "clips.tsv").read_text().splitlines()[1:]]
    first = {row[1]: row[0] for row in reversed(rows)}
    frames = torch.cat([read_video(home / first[group]).frames[:25] for group in ("g34", "g22", "g35", "g06")])
    with open_source(frames, fps=25) as source:
        assert len(FaceFinder()(source).tracks) == 4
