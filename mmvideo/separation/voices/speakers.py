"""Who speaks when: a score over time for every face, spans, RTTM, and subtitles with names.

A face speaks where its voice is most of what is heard, is loud against the clip's speech, and its mouth moves. What no
face said, and is loud and speech, is off screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmvideo.errors import InvalidInput
from mmvideo.subtitles import srt, vtt
from mmvideo.types import Segment

RATE = 25
"""Scores a second."""
OFF_SCREEN = "off screen"
ON, OFF = 0.5, 0.35
"""Scores at which a span begins and ends."""
BRIDGE_SECONDS, LEAST_SECONDS = 0.4, 0.24
"""Shorter pauses do not end a span; shorter spans are left out."""
_SMOOTH_ROWS = 7
_HALF_SHARE_DB, _REST_SHARE_DB, _SHARE_SLOPE = -7.0, -3.0, 0.7
"""Share of the power, of a voice and of the rest, at which the score is halved; what the separator left of those who
are seen is also in the rest."""
_QUIET_DB, _QUIET_SLOPE = -22.0, 0.4
"""Level, against the loud parts of the clip, at which the score is halved."""
_STILL_LIPS = 0.35
"""Share of a mouth's usual movement at which the score is halved."""
_MOST_NAMES = 2


@dataclass(frozen=True)
class SpeakerTurn:
    """A span in which one person speaks."""

    start_seconds: float
    end_seconds: float
    number: int | None
    """Of the voice; None for somebody who is not seen."""
    confidence: float
    """Mean of the score."""

    @property
    def name(self) -> str:
        """As in subtitles and RTTM: "person 1", or "off screen"."""
        return OFF_SCREEN if self.number is None else f"person {self.number}"


def speaking_scores(voices: np.ndarray, rest: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Score how likely each voice speaks in each row.

    Args:
        voices: float (P, T), logarithm of the power of each voice; -inf or NaN where it is not there.
        rest: float (T,), the same for what no voice took.
        moved: float (P, T), movement of the mouths; NaN where it cannot be told, which counts for nothing.

    Returns:
        float32 (P + 1, T) in [0, 1], the last row for the rest.
    """
    power = np.exp(np.nan_to_num(np.concatenate([voices, rest[None]]), nan=-np.inf))
    power = np.stack([_smooth(row) for row in power])
    total = power.sum(0) + 1e-12
    loud = np.quantile(total, 0.95) + 1e-12
    share = 10 * np.log10(power / total + 1e-6)
    level = 10 * np.log10(power / loud + 1e-9)
    half = np.array([*[_HALF_SHARE_DB] * len(voices), _REST_SHARE_DB])[:, None]
    scores = _logistic(_SHARE_SLOPE * (share - half)) * _logistic(_QUIET_SLOPE * (level - _QUIET_DB))
    for score, lips in zip(scores[:-1], moved, strict=True):
        known = np.isfinite(lips)
        if known.sum() >= RATE:
            usual = float(np.quantile(lips[known], 0.8)) + 1e-6
            near = _smooth(np.where(known, lips, usual)) / usual
            score *= _logistic(8 * (near - _STILL_LIPS))
    return scores.astype(np.float32)


def speaker_turns(score: np.ndarray, number: int | None, start_seconds: float) -> list[SpeakerTurn]:
    """Return the spans in which a score is high: above 0.5 once, and nowhere below 0.35 for longer than 0.4 s.

    Args:
        score: float (T,), 25 a second from `start_seconds`.
        number: of the voice.
        start_seconds: time of the first row.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (score >= OFF).astype(np.int8), [0]]))).reshape(-1, 2)
    spans: list[list[int]] = []
    for first, last in edges.tolist():
        if score[first:last].max() < ON:
            continue
        if spans and first - spans[-1][1] <= BRIDGE_SECONDS * RATE:
            spans[-1][1] = last
        else:
            spans.append([first, last])
    start = float(start_seconds)
    return [SpeakerTurn(start + a / RATE, start + b / RATE, number, float(score[a:b].mean()))
            for a, b in spans if b - a >= LEAST_SECONDS * RATE]


def within_spans(turns: Sequence[SpeakerTurn], spans: Sequence[Segment]) -> list[SpeakerTurn]:
    """Return what of the turns lies within spans of speech, so that music and noise are nobody."""
    found = []
    for turn in turns:
        for span in spans:
            low, high = max(turn.start_seconds, span.start_seconds), min(turn.end_seconds, span.end_seconds)
            if high - low >= LEAST_SECONDS:
                found.append(SpeakerTurn(low, high, turn.number, turn.confidence))
    return found


def rttm(turns: Iterable[SpeakerTurn], recording: str) -> str:
    """Return turns in the NIST's Rich Transcription Time Marked format, in order of time.

    Args:
        turns: of one clip.
        recording: a name for the clip; blanks become underscores.
    """
    name = "_".join(recording.split()) or "clip"
    return "".join(f"SPEAKER {name} 1 {max(0.0, turn.start_seconds):.3f} {turn.end_seconds - turn.start_seconds:.3f} "
                   f"<NA> <NA> {turn.name.replace(' ', '-')} {turn.confidence:.3f} <NA>\n"
                   for turn in sorted(turns, key=lambda t: (t.start_seconds, t.end_seconds)))


def name_speakers(segments: Iterable[Any], turns: Sequence[SpeakerTurn]) -> list[Segment]:
    """Put the name of who speaks before each segment of a transcript.

    Args:
        segments: with `start_seconds`, `end_seconds` and `text`, or tuples (start, end, text).
        turns: who speaks when.

    Returns:
        Segments as "person 1: Good morning."; both names where two people speak for a third of the segment each, none
        where nobody's turn overlaps it.

    Raises:
        InvalidInput: a segment without times or text, or one that ends before it begins.
    """
    named = []
    for segment in segments:
        start, end, text = _times_and_text(segment)
        shares: dict[str, float] = {}
        for turn in turns:
            both = min(end, turn.end_seconds) - max(start, turn.start_seconds)
            if both > 0:
                shares[turn.name] = shares.get(turn.name, 0.0) + both
        most = max(shares.values(), default=0.0)
        names = [n for n, share in sorted(shares.items(), key=lambda x: -x[1])
                 if share == most or share >= (end - start) / 3][:_MOST_NAMES]
        named.append(Segment(start, end, f"{' and '.join(names)}: {text}" if names else text,
                             getattr(segment, "confidence", None)))
    return named


def speaker_subtitles(segments: Iterable[Any], turns: Sequence[SpeakerTurn], form: str = "srt") -> str:
    """Return subtitles in which every line begins with the name of who speaks.

    Args:
        segments: as in `name_speakers`.
        turns: who speaks when.
        form: "srt" or "vtt".

    Raises:
        InvalidInput: another form; segments as in `name_speakers`.
    """
    forms = {"srt": srt, "vtt": vtt}
    if form not in forms:
        raise InvalidInput(f"subtitles are written as 'srt' or 'vtt', not {form!r}.")
    spans = [{"start_seconds": s.start_seconds, "end_seconds": s.end_seconds, "text": s.text}
             for s in name_speakers(segments, turns)]
    return forms[form]({"spans": spans, "located": True, "text": ""})


def _times_and_text(segment: Any) -> tuple[float, float, str]:
    try:
        start, end, text = segment if isinstance(segment, tuple | list) else (
            segment.start_seconds, segment.end_seconds, segment.text)
        start, end = float(start), float(end)
    except (TypeError, ValueError, AttributeError):
        start = end = float("nan")
        text = None
    if not isinstance(text, str) or not start <= end:
        raise InvalidInput(f"A segment of a transcript is (start, end, text) in seconds, or has start_seconds, "
                           f"end_seconds and text; not {segment!r}.")
    return start, end, text


def _smooth(row: np.ndarray) -> np.ndarray:
    reach = _SMOOTH_ROWS // 2
    return np.convolve(np.pad(row, reach, mode="edge"), np.ones(_SMOOTH_ROWS) / _SMOOTH_ROWS, "valid")


def _logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -30, 30))))


__all__ = ["OFF_SCREEN", "SpeakerTurn", "name_speakers", "rttm", "speaker_subtitles", "speaker_turns",
           "speaking_scores", "within_spans"]
