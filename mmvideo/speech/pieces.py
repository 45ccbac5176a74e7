"""Sound of any length as pieces that a speech model takes: cut at pauses, 30 s at most, read one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmvideo.deadline import check
from mmvideo.sounds.speech import SpeechFinder
from mmvideo.sounds.waveform import RATE
from mmvideo.types import Audio, Segment

LONGEST_SECONDS = 30.0
"""What Whisper hears at once; others hear such pieces too."""
PADDING_SECONDS = 0.2
"""Kept before and after what is said, so that no first or last sound is lost."""
_SHORTEST = 0.01


@dataclass(frozen=True)
class Piece:
    """Sound between two pauses."""

    samples: Tensor
    """float32 (S,), one channel at 16 kHz."""
    start_seconds: float
    speech: tuple[Segment, ...]
    """Spans of it in which somebody speaks."""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / RATE


def heard_spans(sounds: Iterable[Audio]) -> tuple[tuple[Segment, ...], tuple[float, float]]:
    """Return when somebody speaks in sound that comes in pieces, and where it begins and ends; memory stays flat.

    Args:
        sounds: one channel at 16 kHz, one after the other.

    Raises:
        WeightsError: the network that finds speech is missing.
    """
    finder: SpeechFinder | None = None
    end = 0.0
    for sound in sounds:
        finder = finder or SpeechFinder(sound.start_seconds)
        finder.hear(sound.samples[0])
        end = sound.start_seconds + sound.duration_seconds
    if finder is None:
        return (), (0.0, 0.0)
    return finder.finish(), (finder.start_seconds, end)


def plan_pieces(speech: Sequence[Segment], start_seconds: float, end_seconds: float, *,
                longest_seconds: float = LONGEST_SECONDS) -> list[tuple[float, float]]:
    """Return spans of at most `longest_seconds` that hold all speech, cut in the widest pauses.

    A sound that is no longer is one piece, whole, so that a model hears what it would hear without this.

    Args:
        speech: spans in order.
        start_seconds: of the sound; `end_seconds` of it, too.
    """
    if not speech:
        return []
    if end_seconds - start_seconds <= longest_seconds:
        return [(start_seconds, end_seconds)]
    parts: list[tuple[float, float]] = []
    for span in speech:
        first = max(start_seconds, span.start_seconds - PADDING_SECONDS, parts[-1][1] if parts else start_seconds)
        parts += _divided(first, min(end_seconds, span.end_seconds + PADDING_SECONDS), longest_seconds)
    found, at = [], 0
    while at < len(parts):
        after = at + 1
        while after < len(parts) and parts[after][1] - parts[at][0] <= longest_seconds:
            after += 1
        if after < len(parts):  # not all of the rest fits: end at the widest pause of the later half
            late = [n for n in range(at + 1, after + 1) if parts[n - 1][1] - parts[at][0] >= longest_seconds / 2]
            after = max(late, key=lambda n: parts[n][0] - parts[n - 1][1], default=after)
        found.append((parts[at][0], parts[after - 1][1]))
        at = after
    return found


def _divided(start: float, end: float, longest: float) -> list[tuple[float, float]]:
    """Divide a span without a pause into equal parts, where it is too long."""
    count = max(1, math.ceil((end - start) / longest - 1e-9))
    step = (end - start) / count
    return [(start + n * step, start + (n + 1) * step) for n in range(count)]


def cut_pieces(sounds: Iterable[Audio], spans: Sequence[tuple[float, float]], speech: Sequence[Segment]
               ) -> Iterator[Piece]:
    """Cut sound that comes in pieces at spans in order, in bounded memory.

    Args:
        sounds: one channel at 16 kHz, one after the other, without gaps.
        spans: that do not overlap.
        speech: when somebody speaks; each piece is told its own.
    """
    at, held, held_at = 0, torch.zeros(0), 0.0
    source: Iterator[Audio] = iter(sounds)
    done = False
    while at < len(spans):
        check()
        start, end = spans[at]
        while not done and held_at + len(held) / RATE < end - 0.5 / RATE:
            sound: Any = next(source, None)
            if sound is None:
                done = True
                break
            if not len(held):
                held_at = sound.start_seconds
            held = torch.cat((held, sound.samples[0]))
            if (late := round((start - held_at) * RATE)) > 0:  # what lies before the next span is not kept
                late = min(late, len(held))
                held, held_at = held[late:], held_at + late / RATE
        first = max(0, round((start - held_at) * RATE))
        last = max(first, round((end - held_at) * RATE))
        samples = held[first:last].clone()
        held, held_at = held[last:], held_at + min(last, len(held)) / RATE
        if len(samples) > _SHORTEST * RATE:
            own = tuple(s for s in speech if s.start_seconds < end and s.end_seconds > start)
            yield Piece(samples, start, own)
        at += 1


__all__ = ["LONGEST_SECONDS", "Piece", "cut_pieces", "heard_spans", "plan_pieces"]
