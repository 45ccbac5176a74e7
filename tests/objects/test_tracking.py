"""Rendered scenes with known truth: who is who, what the camera does, what ends a track, colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from mmvideo.errors import InvalidInput
from mmvideo.objects import colours
from mmvideo.objects.base import Detection, ObjectDetector
from mmvideo.objects.camera import BackgroundMotion
from mmvideo.objects.follow import Looks, follow, follow_many, linked
from mmvideo.objects.measures import identity_switches
from mmvideo.objects.tracking import ObjectTracker, distinct, overlaps
from mmvideo.objects.tracks import ObjectTrack

HEIGHT, WIDTH = 240, 320
RED, BLUE = (200, 30, 30), (30, 60, 200)
Box = tuple[float, float, float, float]


def wall(seed: int = 0) -> np.ndarray:
    """A background with corners to hold on to, twice as wide and high as the picture."""
    random = np.random.default_rng(seed)
    blocks = random.integers(60, 190, (60, 80, 1)).repeat(3, 2).astype(np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)


class Scene:
    """Boxes of one colour that move over a wall, seen by a camera that pans."""

    def __init__(self, pan: tuple[float, float] = (0.0, 0.0)):
        self.pan, self.wall = pan, wall()
        self.people: list[tuple[tuple[int, int, int], Box, tuple[float, float]]] = []

    def frame(self, seconds: float) -> tuple[np.ndarray, list[Box]]:
        """Return the picture and where each of `people` is in it, in shares."""
        x, y = (round(speed * seconds * size) + size // 2
                for speed, size in zip(self.pan, (WIDTH, HEIGHT), strict=True))
        picture, boxes = self.wall[y:y + HEIGHT, x:x + WIDTH].copy(), []
        for colour, box, speed in self.people:
            moved = [box[k] + (speed[k % 2] - self.pan[k % 2]) * seconds for k in range(4)]
            left, top, right, bottom = (min(max(v, 0.0), 1.0) for v in moved)
            picture[int(top * HEIGHT):int(bottom * HEIGHT), int(left * WIDTH):int(right * WIDTH)] = colour
            boxes.append((left, top, right, bottom))
        return picture, boxes


def run(scene: Scene, times: Sequence[float], *, drop: float = 0.0, noise: float = 0.0, seed: int = 0,
        cuts: Sequence[float] = ()) -> tuple[tuple[ObjectTrack, ...], list[list[Box]]]:
    """Follow the true boxes, some left out, some doubtful, all a little off."""
    random = np.random.default_rng(seed)
    pictures, found, truth = [], [], []
    for seconds in times:
        picture, boxes = scene.frame(seconds)
        pictures.append(picture)
        truth.append(boxes)
        seen = []
        for number, box in enumerate(boxes):
            if any(overlaps([box], [other])[1].max() > 0.6 for other in boxes[number + 1:]):
                continue  # hidden behind another
            size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
            off = np.asarray(box) + noise * size * random.standard_normal(4)
            confidence = 0.3 if random.uniform() < 0.2 * (drop > 0) else 0.9
            if size.min() > 0.02 and random.uniform() >= drop:
                seen.append(Detection("person", tuple(off.clip(0, 1).tolist()), confidence, confidence))
        found.append(seen)
    small = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return linked(Looks(small, tuple(times), tuple(cuts), WIDTH / HEIGHT), found), truth


def switches(tracks: Sequence[ObjectTrack], truth: list[list[Box]], times: Sequence[float]) -> int:
    """Count how often an object is given another track than before."""
    return identity_switches(tracks, [(seconds, dict(enumerate(boxes)))
                                      for seconds, boxes in zip(times, truth, strict=True)])


@pytest.mark.parametrize("fps", [2, 5])
@pytest.mark.parametrize("pan", [(0.0, 0.0), (0.12, 0.0), (-0.08, 0.05)])
def test_two_people_who_cross_keep_their_numbers(fps: int, pan: tuple[float, float]) -> None:
    scene = Scene(pan)
    scene.people = [(RED, (0.05, 0.3, 0.25, 0.8), (0.15, 0.0)), (BLUE, (0.75, 0.35, 0.95, 0.85), (-0.15, 0.0))]
    times = [k / fps for k in range(4 * fps)]
    tracks, truth = run(scene, times, drop=0.1, noise=0.03)
    assert len(tracks) == 2
    assert switches(tracks, truth, times) == 0
    assert {track.colours[0] for track in tracks} == {"red", "blue"}


def test_many_scenes_switch_seldom() -> None:
    """Three people with random ways, a tenth of the detections missing: over 20 scenes of 3 s at 3 a second."""
    total = sights = number = 0
    times = [k / 3 for k in range(9)]
    for seed in range(20):
        random = np.random.default_rng(seed)
        scene = Scene((random.uniform(-0.1, 0.1), 0.0))
        palette = [RED, BLUE, (240, 240, 240)]
        for colour in palette:
            x, y = random.uniform(0.05, 0.8), random.uniform(0.1, 0.6)
            scene.people.append((colour, (x, y, x + 0.12, y + 0.35), tuple(random.uniform(-0.1, 0.1, 2))))
        tracks, truth = run(scene, times, drop=0.1, noise=0.03, seed=seed)
        total += switches(tracks, truth, times)
        sights += sum(len(track.seconds) for track in tracks)
        number += len(tracks)
    assert sights > 400
    assert total <= 12, "measured: 10 over 448 sights"
    assert number <= 68, "60 people"


def test_shift_is_without_the_camera() -> None:
    scene = Scene((0.15, 0.0))
    scene.people = [(RED, (0.6, 0.3, 0.8, 0.8), (0.0, 0.0)), (BLUE, (0.1, 0.1, 0.25, 0.4), (0.15, 0.0))]
    tracks, _ = run(scene, [0.0, 0.5, 1.0, 1.5, 2.0])
    by_colour = {track.colours[0]: track for track in tracks}
    np.testing.assert_allclose(by_colour["red"].shift, (0, 0), atol=0.02)
    np.testing.assert_allclose(by_colour["blue"].shift, (0.3, 0), atol=0.02)


def test_camera_steps_of_pan_and_zoom() -> None:
    import cv2

    camera = BackgroundMotion()
    grey = cv2.GaussianBlur(wall()[..., 0], (0, 0), 1.5)
    assert not camera(grey[100:340, 100:420], []).known
    step = camera(grey[90:330, 140:460], [])
    np.testing.assert_allclose(step.matrix, [[1, 0, -40 / 320], [0, 1, 10 / 240]], atol=0.01)
    zoomed = cv2.resize(grey[100:320, 153:447], (320, 240))
    assert camera(zoomed, []).zoom == pytest.approx(320 / 294, abs=0.02)
    assert not BackgroundMotion()(np.zeros((40, 40), np.uint8), []).known
    camera = BackgroundMotion()
    for _ in range(2):
        step = camera(np.zeros((40, 40), np.uint8), [])
    assert not step.known


def test_a_cut_ends_every_track() -> None:
    scene = Scene()
    scene.people = [(RED, (0.3, 0.3, 0.5, 0.8), (0.0, 0.0))]
    tracks, _ = run(scene, [0.0, 0.5, 1.0, 1.5], cuts=[1.0])
    assert [track.seconds for track in tracks] == [(0.0, 0.5), (1.0, 1.5)]
    assert [track.number for track in tracks] == [1, 2]


def test_who_is_gone_for_long_comes_back_as_another() -> None:
    tracker = ObjectTracker()
    one = Detection("person", (0.3, 0.3, 0.5, 0.8), 0.9, 0.9)
    picture = wall()[:HEIGHT, :WIDTH]
    for k in range(30):
        tracker.add(k / 2, picture, [one] if k in (0, 1, 4, 25) else [])
    assert [track.seconds for track in tracker.tracks()] == [(0.0, 0.5, 2.0), (12.5,)]


def test_two_hundred_people_in_one_frame_and_one_with_nobody() -> None:
    boxes = [(x / 20, y / 10, x / 20 + 0.04, y / 10 + 0.08) for x in range(20) for y in range(10)]
    people = [Detection("person", box, 0.8, 0.8) for box in boxes]
    picture = wall()[:HEIGHT, :WIDTH]
    tracker = ObjectTracker()
    for k in range(3):
        tracker.add(k / 2, picture, people)
    tracks = tracker.tracks()
    assert len(tracks) == 200
    assert all(len(track.seconds) == 3 for track in tracks)
    assert ObjectTracker().tracks() == ()


def test_doubtful_detections_begin_nothing() -> None:
    tracker = ObjectTracker()
    tracker.add(0.0, wall()[:HEIGHT, :WIDTH], [Detection("dog", (0.1, 0.1, 0.4, 0.4), 0.3, 0.3)])
    assert tracker.tracks() == ()


def test_one_object_under_two_names_is_one() -> None:
    found = distinct([Detection("truck", (0.1, 0.1, 0.5, 0.5), 0.6, 0.6),
                      Detection("car", (0.1, 0.1, 0.5, 0.51), 0.8, 0.8),
                      Detection("person", (0.1, 0.1, 0.5, 0.5), 0.7, 0.7)])
    assert [one.label for one in found] == ["car", "person"]


@pytest.mark.parametrize(("rgb", "name"), [
    ((10, 10, 10), "black"), ((250, 250, 250), "white"), ((128, 128, 128), "grey"), ((200, 20, 20), "red"),
    ((255, 140, 0), "orange"), ((250, 230, 20), "yellow"), ((30, 130, 40), "green"), ((30, 60, 170), "blue"),
    ((110, 40, 140), "purple"), ((255, 130, 190), "pink"), ((110, 70, 35), "brown")])
def test_colours_have_their_names(rgb: tuple[int, int, int], name: str) -> None:
    assert colours.named(colours.colour_shares(np.full((20, 30, 3), rgb, np.uint8))) == (name,)


def test_a_shirt_counts_and_not_the_trousers() -> None:
    picture = np.full((100, 100, 3), 128, np.uint8)
    picture[10:50, 40:60], picture[50:95, 40:60] = RED, (20, 20, 20)
    cut = colours.inner(picture, (0.4, 0.0, 0.6, 0.95), person=True)
    assert colours.named(colours.colour_shares(cut)) == ("red",)
    assert colours.named(np.zeros(len(colours.COLOURS))) == ()


class Everywhere(ObjectDetector):
    """Finds one person in every frame that is not black."""

    model, device = "everywhere", torch.device("cpu")

    @property
    def classes(self) -> tuple[str, ...]:
        return ("person",)

    def size_for(self, height: int, width: int) -> tuple[int, int]:
        return 32, 32

    def modules(self) -> dict:
        return {}

    def run(self, pictures: torch.Tensor) -> list[tuple[Detection, ...]]:
        return [(Detection("person", (0.2, 0.2, 0.6, 0.8), 0.9, 0.9),) if picture.any() else () for picture in pictures]


@pytest.mark.parametrize("size", [(1, 1), (48, 64)])
def test_follow_takes_frames_of_any_size_and_number(size: tuple[int, int]) -> None:
    frames = torch.full((3, 3, *size), 90, dtype=torch.uint8)
    (track,) = follow(frames, torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), Everywhere())
    assert track.seconds == (0.0, 0.5, 1.0)
    assert track.confidence == pytest.approx(0.9)
    assert follow(frames[:0], [], Everywhere()) == ()
    assert len(follow(frames[:1], [2.0], Everywhere())) == 1
    assert follow(frames * 0, [0.0, 1.0, 2.0], Everywhere()) == ()
    assert len(follow(frames, [0.0, 1.0, 2.0], Everywhere(), cuts=[0.0, 1.5])) == 2


def test_several_videos_at_once_are_as_each_alone() -> None:
    frames = torch.full((2, 3, 32, 32), 90, dtype=torch.uint8)
    videos = [Looks(frames, (0.0, 0.5)), Looks(frames[:0], ()), Looks(frames[:1], (3.0,))]
    assert follow_many(videos, Everywhere(), rows=2) == [follow_many([one], Everywhere())[0] for one in videos]


@pytest.mark.parametrize("seconds", [[0.0], [0.0, 0.0, 1.0], [1.0, 0.5, 2.0], [0.0, 1.0, float("nan")]])
def test_times_that_do_not_ascend_are_refused(seconds: list[float]) -> None:
    with pytest.raises(InvalidInput, match="ascending"):
        follow(torch.zeros(3, 3, 8, 8, dtype=torch.uint8), seconds, Everywhere())
