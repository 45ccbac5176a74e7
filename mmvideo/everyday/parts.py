"""A part of a video as an observation of its own: the shots and frames between two times."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from mmvideo.everyday.observation import Observation

_SHORTEST = 0.05


def observation_within(found: Observation, start_seconds: float, end_seconds: float) -> Observation:
    """Return what was found between two times; a shot of which no frame lies there gives its nearest frame.

    Args:
        found: the whole video.
        start_seconds: on the clock of the source.
        end_seconds: after the start.
    """
    facts = found.facts
    start = min(max(start_seconds, facts.start_seconds), facts.end_seconds - _SHORTEST)
    end = max(min(end_seconds, facts.end_seconds), start + _SHORTEST)
    kept = [n for n, shot in enumerate(facts.shots) if shot.start_seconds < end and shot.end_seconds > start]
    kept = kept or [len(facts.shots) - 1]
    frames, seconds = [], []
    for n in kept:
        times = found.frame_seconds[n]
        inside = [k for k, at in enumerate(times) if start - 1e-6 <= at <= end + 1e-6]
        middle = (start + end) / 2
        inside = inside or [min(range(len(times)), key=lambda k: abs(times[k] - middle))]
        frames.append(found.frames[n][inside])
        seconds.append(tuple(times[k] for k in inside))
    shots = tuple(
        replace(
            facts.shots[n],
            start_seconds=max(start, facts.shots[n].start_seconds),
            end_seconds=min(end, facts.shots[n].end_seconds),
        )
        for n in kept
    )
    return replace(
        found,
        facts=replace(facts, start_seconds=start, end_seconds=end, shots=shots),
        grids=torch.stack([one.mean(0) for one in frames]),
        frames=tuple(frames),
        lines=tuple(found.lines[n] for n in kept),
        frame_seconds=tuple(seconds),
    )


__all__ = ["observation_within"]
