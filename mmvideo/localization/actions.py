"""Actions of somebody: what each track does in every second, and how such answers are measured.

frame-mAP: Gu et al. 2018, "AVA" (boxes of single frames that overlap by half). video-mAP: Gkioxari & Malik 2015,
"Finding action tubes": whole tracks, by the mean overlap of their boxes times the overlap of their times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.localization.measures import interpolated_precision
from mmvideo.localization.spans import LocatedSpan
from mmvideo.objects.tracking import overlaps
from mmvideo.objects.tracks import ObjectTrack

Box = tuple[float, float, float, float]
One = TypeVar("One")


@dataclass(frozen=True)
class ActingTrack:
    """One that was followed, and what it does when."""

    track: ObjectTrack
    actions: tuple[LocatedSpan, ...] = ()
    """By their start; each lasts a second or more, or until the track ends. kind is "action"."""

    @property
    def name(self) -> str:
        """The track's name, as "person 1"."""
        return self.track.name

    def at(self, seconds: float) -> tuple[LocatedSpan, ...]:
        """Return what it does at a time, the surest first."""
        now = [one for one in self.actions if one.start_seconds <= seconds < one.end_seconds]
        return tuple(sorted(now, key=lambda one: -one.score))


@dataclass(frozen=True)
class ActionTube:
    """One action of one track in one video: where it was at which times, and a score."""

    label: str
    boxes: Mapping[float, Box]
    """Time -> box."""
    score: float = 1.0


@dataclass(frozen=True)
class ActionBox:
    """One action of one box in one frame."""

    label: str
    box: Box
    score: float = 1.0


def frame_map(frames: Sequence[tuple[Sequence[ActionBox], Sequence[ActionBox]]], threshold: float = 0.5
              ) -> dict[str, float]:
    """Return label -> average precision over frames.

    Args:
        frames: (found, truth) of each frame.
        threshold: least overlap (intersection over union).

    Raises:
        InvalidInput: there is no true box.
    """
    checks.number("threshold", threshold, above=0, high=1)
    labels = sorted({one.label for _, truth in frames for one in truth})
    if not labels:
        raise InvalidInput("There is no true box with an action, so nothing can be measured.")
    return {label: _precision([([(one.score, one) for one in found if one.label == label],
                                [one for one in truth if one.label == label]) for found, truth in frames],
                              lambda one, other: float(overlaps([one.box], [other.box])[0][0, 0]), threshold)
            for label in labels}


def video_map(videos: Sequence[tuple[Sequence[ActionTube], Sequence[ActionTube]]], threshold: float = 0.5
              ) -> dict[str, float]:
    """Return label -> average precision over whole tracks.

    Args:
        videos: (found, truth) of each video.
        threshold: least overlap of two tubes, see `tube_overlap`.

    Raises:
        InvalidInput: there is no true tube.
    """
    checks.number("threshold", threshold, above=0, high=1)
    labels = sorted({one.label for _, truth in videos for one in truth})
    if not labels:
        raise InvalidInput("There is no true tube with an action, so nothing can be measured.")
    return {label: _precision([([(one.score, one) for one in found if one.label == label],
                                [one for one in truth if one.label == label]) for found, truth in videos],
                              tube_overlap, threshold) for label in labels}


def tube_overlap(one: ActionTube, other: ActionTube) -> float:
    """Return the mean overlap of the boxes at common times, times common times over all times."""
    common = sorted(one.boxes.keys() & other.boxes.keys())
    if not common:
        return 0.0
    shared = float(np.mean([overlaps([one.boxes[at]], [other.boxes[at]])[0][0, 0] for at in common]))
    return shared * len(common) / len(one.boxes.keys() | other.boxes.keys())


def _precision(groups: Sequence[tuple[list[tuple[float, One]], list[One]]], overlap: Callable[[One, One], float],
               threshold: float) -> float:
    """Return average precision, all points interpolated: each true one is taken once, by the surest that fits it."""
    rows = sorted(((score, group, one) for group, (found, _) in enumerate(groups) for score, one in found),
                  key=lambda row: -row[0])
    taken: dict[int, set[int]] = defaultdict(set)
    right = np.zeros(len(rows))
    for number, (_, group, one) in enumerate(rows):
        shares = [(overlap(one, real), k) for k, real in enumerate(groups[group][1]) if k not in taken[group]]
        best = max(shares, default=(0.0, -1))
        if best[0] >= threshold:
            taken[group].add(best[1])
            right[number] = 1
    return interpolated_precision(right, sum(len(truth) for _, truth in groups))


def actions_by_second(track: ObjectTrack, scores: Mapping[float, Mapping[str, float]], *, least: float,
                      seconds: float = 1.0) -> tuple[LocatedSpan, ...]:
    """Return actions as spans: neighbouring seconds with the same action are one span with their mean score.

    Args:
        track: whose.
        scores: start of each second -> action -> score.
        least: lowest score.
        seconds: length of a step.
    """
    runs: dict[str, list[list[float]]] = defaultdict(list)
    for start in sorted(scores):
        for label, score in scores[start].items():
            if score < least:
                continue
            if runs[label] and abs(runs[label][-1][1] - start) < 1e-6:
                runs[label][-1] = [runs[label][-1][0], start + seconds, *runs[label][-1][2:], score]
            else:
                runs[label].append([start, start + seconds, score])
    step = min(seconds, max(0.05, float(np.diff(track.seconds).min()) if len(track.seconds) > 1 else 0.05))
    last = track.end_seconds + step
    found = [LocatedSpan(max(start, track.start_seconds), min(end, last), label, sum(shares) / len(shares), "action")
             for label, rows in runs.items() for start, end, *shares in rows
             if min(end, last) > max(start, track.start_seconds)]
    return tuple(sorted(found, key=lambda one: (one.start_seconds, one.label)))


__all__ = ["ActingTrack", "ActionBox", "ActionTube", "actions_by_second", "frame_map", "tube_overlap", "video_map"]
