"""Who says what: each sentence of a transcript gets the separated voice that is loudest while it is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from mmvideo.speech.result import Transcript
from mmvideo.types import Segment

RATE = 16_000
OFF_SCREEN = "off screen"
_SILENT = 1e-8
"""Mean square below which nobody is heard."""


class VoiceSound(Protocol):
    """The sound of a voice, one channel at 16 kHz, read in parts."""

    @property
    def start_seconds(self) -> float: ...

    def read(self, start: int, end: int) -> Tensor: ...


def with_speakers(transcript: Transcript, voices: Sequence[tuple[str, VoiceSound]]) -> Transcript:
    """Return a transcript whose segments begin with the name of who speaks, as "person 1: Good morning."

    Args:
        voices: names and separated sounds, the rest ("off screen") among them.
    """
    named = []
    for segment in transcript.segments:
        who = loudest(segment, voices)
        named.append(replace(segment, text=f"{who}: {segment.text}") if who else segment)
    rule = f"{transcript.rule}; who speaks is the separated voice that is loudest in a segment"
    return replace(transcript, segments=tuple(named), rule=rule)


def loudest(segment: Segment, voices: Sequence[tuple[str, VoiceSound]]) -> str:
    """Return the name of the voice that is loudest in a span of time; empty where all are silent."""
    best, who = _SILENT, ""
    for name, sound in voices:
        first = max(0, round((segment.start_seconds - sound.start_seconds) * RATE))
        last = max(first, round((segment.end_seconds - sound.start_seconds) * RATE))
        samples = sound.read(first, last)
        power = float(samples.square().mean()) if samples.numel() else 0.0
        if power > best:
            best, who = power, name
    return who


__all__ = ["OFF_SCREEN", "VoiceSound", "loudest", "with_speakers"]
