"""How late the sound of a clip is against its faces, measured over the whole clip before it is separated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvideo import weights
from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, SoundOutOfSync
from mmvideo.faces import Faces, FaceTrack
from mmvideo.separation.base import FRAME_SAMPLES, SAMPLE_RATE
from mmvideo.separation.sync import BLOCK_ROWS, MAX_ROWS, ROW_MS, LipSync, SyncCurve
from mmvideo.separation.voices.tracks import SoundSync

CHOICES = ("correct", "refuse", "off")
MODEL = "lip-sync"
LEAST_MS = 80.0
"""Offsets beyond this are told, and refused where that was chosen."""
CORRECTED_MS = 50.0
"""Offsets from this on are corrected."""
SURE = 0.5
"""Confidence from which an offset is taken for real."""
UNSURE = 0.3
"""Probability that mouths and sound belong together below which the result warns."""


def load_sync(choice: str) -> LipSync:
    """Read the weights.

    Raises:
        InvalidInput: not a choice.
        WeightsError: the weights are missing or damaged.
    """
    if choice not in CHOICES:
        raise InvalidInput(f"sync must be {', '.join(map(repr, CHOICES))}, not {choice!r}.")
    return LipSync.from_pretrained(weights.folder(MODEL))


def clip_samples(media: Any, start_seconds: float) -> Iterator[Tensor]:
    """Yield a clip's sound, mono at 16 kHz, from a time on without gaps; silence where the track has not begun."""
    at = 0
    for piece in media.stream_audio(sample_rate=SAMPLE_RATE, mono=True, start_seconds=start_seconds):
        begin = round((piece.start_seconds - start_seconds) * SAMPLE_RATE)
        samples = piece.samples[0]
        if at == 0 and begin > 0:
            for done in range(0, begin, SAMPLE_RATE):
                yield torch.zeros(min(SAMPLE_RATE, begin - done))
            at = begin
        skip = max(0, -begin) if at == 0 else 0
        yield samples[skip:]
        at += max(0, len(samples) - skip)


def measure_sync(net: LipSync, media: Any, start_seconds: float, num_rows: int, faces: Faces) -> SyncCurve:
    """Correlate the mouths of a clip with its sound, in stretches of about 10 s.

    Args:
        net: the matrices.
        media: an opened source with sound.
        start_seconds: time of sample 0.
        num_rows: rows of 640 samples.
        faces: who is seen.
    """
    curve, ahead = SyncCurve(), round((faces.start_seconds - start_seconds) * SAMPLE_RATE / FRAME_SAMPLES)
    edge = MAX_ROWS if num_rows >= BLOCK_ROWS // 2 + 2 * MAX_ROWS else 0
    count = max(1, round((num_rows - 2 * edge) / BLOCK_ROWS))
    bounds = np.linspace(edge, num_rows - edge, count + 1).round().astype(int)
    for (first, last), samples in _stretches(clip_samples(media, start_seconds), bounds):
        check()
        if float(samples.abs().max()) < 1e-4:
            continue
        for track in faces.tracks:
            low, high = first - ahead, last - ahead
            if track.first < high and low < track.first + len(track) and track.readable(low, high):
                mouths, valid = _mouths(faces, track, low, high)
                curve.add(net.curve(mouths, valid, samples.numpy()), int(valid.sum()))
    return curve


def decide_sync(curve: SyncCurve, choice: str) -> SoundSync:
    """Say what is done about the offset that was measured.

    Raises:
        SoundOutOfSync: it is beyond 80 ms, and `choice` is "refuse".
    """
    found = curve.estimate()
    rows = round(found.offset_ms / ROW_MS)
    late = found.confidence >= SURE and abs(found.offset_ms) > LEAST_MS
    if late and choice == "refuse":
        when = "late" if found.offset_ms > 0 else "early"
        raise SoundOutOfSync(f"The sound is {abs(found.offset_ms):.0f} ms {when} against the mouths (confidence "
                             f"{found.confidence:.0%}). sync='correct' of the stage 'separate' shifts the mouths by as "
                             "much; sync='off' leaves it.")
    corrected = choice == "correct" and found.confidence >= SURE and abs(found.offset_ms) >= CORRECTED_MS
    return SoundSync(round(found.offset_ms, 1), found.confidence, corrected, curve.in_step(rows if corrected else 0),
                     found.seconds)


def _stretches(pieces: Iterator[Tensor], bounds: np.ndarray) -> Iterator[tuple[tuple[int, int], Tensor]]:
    """Yield ((first row, last row), their sound and that of 25 rows more on each side); zeros outside the clip."""
    held, at = torch.zeros(MAX_ROWS * FRAME_SAMPLES), -MAX_ROWS * FRAME_SAMPLES
    for first, last in pairwise(bounds.tolist()):
        low, high = ((row * FRAME_SAMPLES) for row in (first - MAX_ROWS, last + MAX_ROWS))
        while at + len(held) < high and (piece := next(pieces, None)) is not None:
            held = torch.cat([held, piece])
        held, at = held[low - at:], low
        yield (first, last), torch.nn.functional.pad(held[:high - low], (0, max(0, high - low - len(held))))


def _mouths(faces: Faces, track: FaceTrack, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    cues = faces.cues(low, high, [track])
    return cues.mouths[0, 0].numpy(), cues.valid[0, 0].numpy()


__all__ = ["CHOICES", "LEAST_MS", "SURE", "UNSURE", "clip_samples", "decide_sync", "load_sync", "measure_sync"]
