"""Sampler `audio-preview`: the windows in which most is heard to happen (the idea of Listen to Look, Gao et al. 2020).

Untrained: onsets of sound (spectral flux, librosa's `onset_strength`) and how much of a window is speech.
Sound is read alone; frames are decoded in the chosen windows only.
"""

from __future__ import annotations

import numpy as np

from mmvideo.errors import NoAudioTrack
from mmvideo.media.convert import Fit
from mmvideo.media.source import Source
from mmvideo.sampling.choose import candidates, highest, standing_out, take_chosen
from mmvideo.sampling.gather import SizeLike, TimeSpan, checked_count, span_of
from mmvideo.sounds.speech import speech_spans
from mmvideo.types import Audio, Clips

RATE, FFT, HOP = 16_000, 512, 160
BANDS = 40


def audio_preview(source: Source, *, num_clips: int = 8, num_frames: int = 8, clip_seconds: float = 2.0,
                  crops: int = 1, speech: float = 1.0, size: SizeLike = None, fit: Fit = "crop",
                  sample_rate: int | None = None, start_seconds: float | None = None, end_seconds: float | None = None
                  ) -> Clips:
    """Take the windows in which most is heard to happen.

    Args:
        num_clips: windows that are taken, in the order of time.
        num_frames: frames of each.
        clip_seconds: length of a window.
        crops: 1, or 3 along the longer side (needs `size`).
        speech: what a window full of speech is worth beside onsets that stand out by one deviation; 0 leaves speech
            out.
        size: pixels of the frames; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Raises:
        NoAudioTrack: nothing is heard.
        InvalidInput: an option out of range, or a span that holds nothing.
    """
    num_clips = checked_count("num_clips", num_clips)
    span = span_of(source, start_seconds, end_seconds)
    spans = candidates(span, clip_seconds)
    if not source.has_audio:
        raise NoAudioTrack(f"{source.info.source} has no sound to choose by; take the sampler salient.")
    sound = source.audio(sample_rate=RATE, mono=True, start_seconds=span.start_seconds, end_seconds=span.end_seconds)
    scores = window_scores(sound, spans, speech=speech)
    return take_chosen(source, spans, highest(scores.tolist(), num_clips), num_frames=num_frames, crops=crops,
                       size=size, fit=fit, sample_rate=sample_rate, why="those in which most is heard to happen")


def window_scores(sound: Audio, spans: list[TimeSpan], *, speech: float = 1.0) -> np.ndarray:
    """Return the score of each window, float64 (K,)."""
    strength = _onset_strength(sound.samples[0].numpy())
    times = sound.start_seconds + np.arange(len(strength)) * HOP / RATE
    windows = np.searchsorted([span.end_seconds for span in spans], times, side="right")
    total = np.zeros(len(spans))
    np.maximum.at(total, windows[windows < len(spans)], strength[windows < len(spans)])
    scores = standing_out(total)
    if speech:
        for said in speech_spans(sound):
            for number, span in enumerate(spans):
                shared = min(span.end_seconds, said.end_seconds) - max(span.start_seconds, said.start_seconds)
                scores[number] += speech * max(0.0, shared) / max(span.seconds, 1e-6)
    return scores


def _onset_strength(samples: np.ndarray) -> np.ndarray:
    """Return how much new sound begins in each 10 ms, float32 (frames,): the mean rise of mel energy, in decibels."""
    if len(samples) < FFT:
        return np.zeros(1, np.float32)
    from librosa.onset import onset_strength  # seconds to import

    return onset_strength(y=samples, sr=RATE, n_fft=FFT, hop_length=HOP, n_mels=BANDS)


__all__ = ["audio_preview", "window_scores"]
