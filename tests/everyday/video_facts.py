"""Facts made up for tests: a street with a car that crosses, two people, a dog that comes late; speech and music."""

from __future__ import annotations

from mmvideo.everyday.facts import Facts, RepeatedMovement, ShotFacts
from mmvideo.objects.tracks import ObjectTrack
from mmvideo.types import Label, Segment

Box = tuple[float, float, float, float]


def followed(number: int, label: str, start: float, end: float, first: Box, last: Box, *, sure: float = .85,
             colours: tuple[str, ...] = (), shift: tuple[float, float] | None = None) -> ObjectTrack:
    """Return a track that goes straight from one box to another, looked at four times a second."""
    times = [start + .25 * k for k in range(int((end - start) * 4) + 1)]
    steps = [k / max(1, len(times) - 1) for k in range(len(times))]
    boxes = tuple(tuple(a + (b - a) * share for a, b in zip(first, last, strict=True)) for share in steps)
    if shift is None:
        shift = tuple((b + d - a - c) / 2 for a, c, b, d in ((first[k], first[k + 2], last[k], last[k + 2]) for k in (0,
            1)))
    return ObjectTrack(number, label, tuple(times), boxes, (sure,) * len(times), colours, shift)


def street() -> Facts:
    """Eight seconds: a red car from left to right that leaves, two people, a dog from 4 s on, speech from 2 to 5 s."""
    words = {"street": .7, "car": .6, "man": .55, "dog": .1, "person": .3, "road": .3, "walk": .4, "building": .2}
    return Facts(
        0.0, 8.0, (ShotFacts(0, 8, things=(Label("cab", .4), Label("streetcar", .1)), words=words, brightness=.5),),
        tracks=(followed(1, "car", 0, 5, (.0, .4, .2, .6), (.8, .4, 1., .6), colours=("red",), sure=.9),
                followed(2, "person", 0, 8, (.1, .3, .25, .95), (.1, .3, .25, .95), colours=("blue",)),
                followed(3, "person", 0, 8, (.7, .3, .85, .95), (.7, .3, .85, .95), colours=("black",), sure=.8),
                followed(4, "dog", 4, 8, (.5, .7, .6, .85), (.4, .6, .65, .95), colours=("brown", "white"), sure=.75)),
        camera=(Segment(0, 3, "static", .9), Segment(3, 8, "pan right", .8)),
        sounds=(Segment(0, 8, "music", .7),), speech=(Segment(2, 5, "speech", .95),), has_audio=True)


def gym() -> Facts:
    """Ten seconds indoors: one person who does eight squats, no sound track."""
    return Facts(0.0, 10.0, (ShotFacts(0, 10, words={"man": .6, "gym": .5, "room": .4, "floor": .3, "indoors": .3}),),
                 tracks=(followed(1, "person", 0, 10, (.4, .1, .6, .9), (.4, .1, .6, .9), sure=.9),),
                 camera=(Segment(0, 10, "static", .95),), repeated=(RepeatedMovement(1, 9, 8, .85),))


def empty() -> Facts:
    """Nothing was found in five seconds."""
    return Facts(0.0, 5.0, (ShotFacts(0, 5),))


def film() -> Facts:
    """Three shots."""
    return Facts(0.0, 9.0, tuple(ShotFacts(3 * k, 3 * k + 3, words={"snow": .8, "mountain": .5}) for k in range(3)),
        has_audio=True)
