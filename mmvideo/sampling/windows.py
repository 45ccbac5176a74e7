"""Consecutive windows of equal length over the whole span."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from mmvideo import checks
from mmvideo.errors import BudgetExceeded, InvalidInput
from mmvideo.media.convert import Fit
from mmvideo.media.decoder import EPSILON_SECONDS
from mmvideo.media.source import Source
from mmvideo.sampling.gather import SizeLike, TimeSpan, checked_count, gather, span_of
from mmvideo.types import Clips
from mmvideo.wording import plural

MAX_WINDOWS = 1800
"""Most windows where the caller says nothing else: an hour of two seconds each."""
_MOST = 100_000
_FEW = 64
"""So many windows are taken without asking whether each of them has a frame of its own."""


def windows(source: Source, *, window_seconds: float = 2.0, num_frames: int = 16, max_windows: int | None = MAX_WINDOWS,
            size: SizeLike = None, fit: Fit = "crop", sample_rate: int | None = None,
            short: Literal["repeat", "spread"] = "repeat", start_seconds: float | None = None,
            end_seconds: float | None = None) -> Clips:
    """Cut the span into windows, each seen at ``start + i * window_seconds / num_frames``.

    ::

        span      |---------------------------|
        windows   |-------||-------||-------|
                                      |-------|    the last is shifted back to end with the span

    A span shorter than a window gives one window: its last frame is repeated, or with ``short="spread"`` all its frames
    are spread evenly over the span, closer in time than in other windows. Its sound is filled with zeros.

    Args:
        window_seconds: length of a window.
        num_frames: T of each window.
        max_windows: most windows, chosen evenly; None takes all.
        size: pixels of the frames; None keeps the source's own.
        fit: ``crop``, ``pad`` or ``squash``.
        sample_rate: samples per second of the sound beside it; None leaves it out.
        short: what a span shorter than a window gives: ``repeat`` or ``spread``; frames that repeat are not valid.
        start_seconds: first time of the half-open span on the source's clock.
        end_seconds: first time after the span.

    Returns:
        Clips (B, T, C, H, W) in order of time, sound (B, window_seconds * sample_rate).

    Raises:
        InvalidInput: an option out of range, or a span that holds nothing.
        BudgetExceeded: so many windows that the header must be wrong; set `max_windows`.
        NoVideoTrack: the source has no moving picture.
    """
    window_seconds = checks.number("window_seconds", window_seconds, low=1e-3, high=checks.LONGEST_SECONDS)
    num_frames = checked_count("num_frames", num_frames)
    if max_windows is not None:
        max_windows = checked_count("max_windows", max_windows)
    if not isinstance(short, str) or short not in ("repeat", "spread"):
        raise InvalidInput(f"short must be repeat or spread, not {short!r}.")
    span = span_of(source, start_seconds, end_seconds)
    starts, rule = _starts(source, span, window_seconds, num_frames, max_windows)
    spans = [TimeSpan(start, min(start + window_seconds, span.end_seconds)) for start in starts]
    rest: dict[str, Any] = {"size": size, "fit": fit, "sample_rate": sample_rate, "sound_seconds": window_seconds}
    if short == "spread" and span.seconds < window_seconds - 1e-3:
        times = span.start_seconds + np.arange(num_frames) * span.seconds / num_frames
        rule = (f"{plural(num_frames, 'frame')} spread evenly over {span}, which is shorter than a window of "
                f"{window_seconds:g} s")
        return gather(source, times[None], spans=spans, rule=rule, **rest)
    times = starts[:, None] + np.arange(num_frames) * window_seconds / num_frames
    valid = times < span.end_seconds - EPSILON_SECONDS
    valid[:, 0] = True
    times = np.where(valid, times, max(span.start_seconds, span.end_seconds - 2 * EPSILON_SECONDS))
    return gather(source, times, spans=spans, rule=f"{rule}, {plural(num_frames, 'frame')} each", valid=valid, **rest)


def _starts(source: Source, span: TimeSpan, window_seconds: float, num_frames: int,
            max_windows: int | None) -> tuple[np.ndarray, str]:
    num = max(1, math.ceil(min((span.seconds - 1e-3) / window_seconds, 1e15)))
    windows = "one window" if num == 1 else f"{num} consecutive windows"
    rule = f"{windows} of {window_seconds:g} s over {span}"
    if num > _FEW and source.holds_fewer_frames(num):
        starts = _where_frames_are(source, span, window_seconds * (num_frames - 1) / num_frames)
        rule = f"{plural(len(starts), 'window')} of {window_seconds:g} s, those of {span} that show a new frame"
        if max_windows is not None and len(starts) > max_windows:
            starts = starts[_thinned(len(starts), max_windows)]
            rule += f", thinned evenly to {max_windows}"
        return starts, rule
    if max_windows is not None and num > max_windows:
        numbers = _thinned(num, max_windows)
        rule += f", thinned evenly to {max_windows}"
    elif num > _MOST:
        raise BudgetExceeded(f"{span} holds {num} windows of {window_seconds:g} s; set max_windows.")
    else:
        numbers = np.arange(num)
    starts = span.start_seconds + numbers * window_seconds
    latest = max(span.start_seconds, span.end_seconds - window_seconds)
    if starts[-1] > latest and num > 1:
        rule += ", the last shifted back to end with it"
    return np.minimum(starts, latest), rule


def _thinned(num: int, most: int) -> np.ndarray:
    return np.floor((np.arange(most) + 0.5) * num / most).astype(np.int64)


def _where_frames_are(source: Source, span: TimeSpan, reach_seconds: float) -> np.ndarray:
    """Begin a window with the frame at the start of the span, and then with each that lies beyond the reach of the
    window before."""
    times = source.frame_times()
    times = times[(times > span.start_seconds) & (times < span.end_seconds - EPSILON_SECONDS)]
    times = np.append(span.start_seconds, times)
    starts, at = [], 0
    while at < len(times):
        starts.append(times[at])
        at = max(at + 1, int(np.searchsorted(times, times[at] + reach_seconds + EPSILON_SECONDS, side="right")))
    return np.asarray(starts)


def spans_of(clips: Clips, start_seconds: float, end_seconds: float, *, shot: int = 0) -> tuple[TimeSpan, ...]:
    """Divide a range of time among clips in order.

    A clip begins with its first frame; where it overlaps the one before, the border lies in the middle of the overlap.
    """
    first, last = clips.pts_seconds[:, 0].tolist(), clips.pts_seconds[:, -1].tolist()
    borders = [start_seconds]
    borders += [max(borders[0], start, (end + start) / 2) for end, start in zip(last[:-1], first[1:], strict=True)]
    borders.append(max(end_seconds, borders[-1]))
    return tuple(TimeSpan(a, max(a, b), shot) for a, b in pairwise(borders))


__all__ = ["MAX_WINDOWS", "spans_of", "windows"]
