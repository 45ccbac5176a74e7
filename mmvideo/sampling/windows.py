"""Consecutive windows of equal length over the whole span."""

from __future__ import annotations

import math

import numpy as np

from mmvideo.errors import BudgetExceeded
from mmvideo.media.convert import Fit
from mmvideo.media.source import EPSILON_SECONDS, Source
from mmvideo.sampling.gather import SizeLike, Span, gather, positive, span_of
from mmvideo.types import Clips

_MOST = 100_000


def windows(source: Source, *, window_seconds: float = 2.0, num_frames: int = 16, max_windows: int | None = None,
            size: SizeLike = None, fit: Fit = "crop", sample_rate: int | None = None,
            start_seconds: float | None = None, end_seconds: float | None = None) -> Clips:
    """Cut the span into windows, each seen at ``start + i * window_seconds / num_frames``.

    ::

        span      |---------------------------|
        windows   |-------||-------||-------|
                                      |-------|    the last is shifted back to end with the span

    A span shorter than a window gives one window; its last frame is repeated and its sound filled with zeros.

    Args:
        window_seconds: length of a window.
        num_frames: T of each window.
        max_windows: most windows, chosen evenly; None takes all.
        size: pixels of the frames; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Returns:
        Clips (B, T, C, H, W) in order of time, sound (B, window_seconds * sample_rate).

    Raises:
        InvalidInput: an option out of range, or a span that holds nothing.
        BudgetExceeded: so many windows that the header must be wrong; set `max_windows`.
        NoVideoTrack: the source has no moving picture.
    """
    for name, value in (("window_seconds", window_seconds), ("num_frames", num_frames)):
        positive(name, value)
    span = span_of(source, start_seconds, end_seconds)
    starts, rule = _starts(span, window_seconds, max_windows)
    times = starts[:, None] + np.arange(num_frames) * window_seconds / num_frames
    valid = times < span.end_seconds - EPSILON_SECONDS
    valid[:, 0] = True
    times = np.where(valid, times, max(span.start_seconds, span.end_seconds - 2 * EPSILON_SECONDS))
    spans = [Span(start, start + window_seconds) for start in starts]
    rule = f"{rule}, {num_frames} frames each"
    return gather(source, times, spans=spans, rule=rule, size=size, fit=fit, sample_rate=sample_rate, valid=valid)


def _starts(span: Span, window_seconds: float, max_windows: int | None) -> tuple[np.ndarray, str]:
    count = max(1, math.ceil((span.seconds - 1e-3) / window_seconds))
    if max_windows is None and count > _MOST:
        raise BudgetExceeded(f"{span} holds {count} windows of {window_seconds:g} s; set max_windows.")
    numbers = np.arange(count) if max_windows is None or count <= max_windows else None
    rule = f"{count} consecutive windows of {window_seconds:g} s over {span}"
    if numbers is None:
        positive("max_windows", max_windows)
        numbers = np.floor((np.arange(max_windows) + 0.5) * count / max_windows)
        rule += f", thinned evenly to {max_windows}"
    starts = span.start_seconds + numbers * window_seconds
    latest = max(span.start_seconds, span.end_seconds - window_seconds)
    if starts[-1] > latest and count > 1:
        rule += ", the last shifted back to end with it"
    return np.minimum(starts, latest), rule
