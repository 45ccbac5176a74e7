"""Sound samples: scaled by the range of their type, free of NaN, mixed down and resampled; for files and for memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
import torch

from mmvideo import checks
from mmvideo.errors import InvalidInput
from mmvideo.types import Audio

MAX_CHANNELS = 64

NOT_FINITE = "samples of the sound are not finite numbers (NaN or infinite) and were replaced by silence"

_INTEGERS = {"uint8": (128.0, 128.0), "int8": (0.0, 128.0), "int16": (0.0, 2.0**15), "int32": (0.0, 2.0**31)}
"""Sample formats of FFmpeg: the value of silence, and what full scale is divided by."""
_FLOATS = ("float16", "bfloat16", "float32", "float64")

_MANY_PLANES = 8

_LARGEST = 2.0**15
"""Samples are held within this before they are resampled, so that sums of the filter stay finite."""


def as_audio(samples: Any, sample_rate: Any) -> Audio:
    """Make sound of an array, as a file with samples of that type would give it.

    Args:
        samples: numpy or torch, (channels, S) or (S,). Floats are in [-1, 1]; uint8, int8, int16 and int32 are divided
            by the range of their type (and uint8 has silence at 128).
        sample_rate: samples per second.

    Returns:
        float32 samples in [-1, 1]; `warnings` says what was clipped, or was not a finite number.

    Raises:
        InvalidInput: no rate, another type or shape, or no sample at all.
    """
    if sample_rate is None:
        raise InvalidInput("Samples have no clock of their own: give sample_rate=.")
    rate = checks.sample_rate(sample_rate)
    array = _array(samples)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or not 0 < array.shape[0] <= MAX_CHANNELS or not array.shape[1]:
        raise InvalidInput(f"Samples must be (channels, S) with 1 to {MAX_CHANNELS} channels, or (S,) for one; not "
                           f"{tuple(array.shape)}. Transpose (S, channels).")
    if array.dtype.name in _INTEGERS:
        silence, full = _INTEGERS[array.dtype.name]
        array = ((array.astype(np.float64) - silence) / full).astype(np.float32)
    return bounded(Audio(torch.from_numpy(np.array(array, np.float32)), rate))


def _array(samples: Any) -> np.ndarray:
    kind = str(getattr(samples, "dtype", type(samples).__name__)).removeprefix("torch.")
    if kind not in (*_INTEGERS, *_FLOATS):
        raise InvalidInput(f"Samples must be {', '.join((*_INTEGERS, *_FLOATS))}, not {kind}; convert them to float32 "
                           "in [-1, 1].")
    if isinstance(samples, torch.Tensor):
        if samples.is_meta or samples.layout != torch.strided:
            raise InvalidInput(f"Samples must be a dense tensor with values, not {checks.described(samples)}.")
        samples = samples.detach().cpu()
        samples = samples.float().numpy() if kind == "bfloat16" else samples.numpy()
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which is then dealt with
        return samples.astype(np.float32) if kind in _FLOATS else samples


def bounded(audio: Audio) -> Audio:
    """Return sound whose samples are all finite and within [-1, 1], with warnings about those that were not."""
    samples, notes = audio.samples, []
    num_wrong = int((~torch.isfinite(samples)).sum())
    if num_wrong:
        samples = torch.where(torch.isfinite(samples), samples, 0.0)
        notes.append(f"{num_wrong} of {samples.numel()} {NOT_FINITE}")
    peak = float(samples.abs().max()) if samples.numel() else 0.0
    if peak > 1:
        samples = samples.clamp(-1, 1)
        if peak > 1.5:
            notes.append(f"samples of the sound reach {peak:.6g} and were clipped at 1; divide by their full scale")
    if samples is audio.samples:
        return audio
    return Audio(samples, audio.sample_rate, start_seconds=audio.start_seconds, source=audio.source,
                 warnings=(*audio.warnings, *notes))


def mixed_down(samples: np.ndarray, rate: int, *, layout: str, to_rate: int) -> np.ndarray:
    """Mix down and resample sound that is held whole.

    Args:
        samples: float32 (channels, S), finite.
        layout: "mono" or "stereo".

    Returns:
        float32 (1 or 2, S') in [-1, 1].
    """
    channels = samples.shape[0]
    mixer = Downmixer(layout, to_rate)
    # Interleaved: planar frames of PyAV hold no more than seven channels.
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T).reshape(1, -1), format="flt",
                                       layout={1: "mono", 2: "stereo"}.get(channels, f"{channels} channels"))
    frame.sample_rate = rate
    pieces = [*mixer.take(frame), *mixer.rest()]
    return np.concatenate(pieces, axis=1) if pieces else np.zeros((1 if layout == "mono" else 2, 0), np.float32)


class Downmixer:
    """Mixes down and resamples frames of one format: by the matrices of swresample (ITU-R BS.775) or, for a layout that
    has none, by the mean of all channels.

    Args:
        layout: "mono" or "stereo".
        rate: samples per second of what comes out.
    """

    def __init__(self, layout: str, rate: int):
        self._layout, self._rate = layout, rate
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        self._interleaver: av.AudioResampler | None = None
        self._averages = False
        self._begun = False
        self.num_not_finite = 0
        """Samples that were not finite so far."""

    def take(self, frame: av.AudioFrame) -> Iterator[np.ndarray]:
        """Yield float32 (channels, S) pieces in [-1, 1] that are ready after a frame."""
        for whole in self._interleaved(frame):
            yield from map(_within_one, self._resample(self._finite(whole)))

    def _interleaved(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """Interleave the channels of frames that have more planes than PyAV can show (it crashes from eight on)."""
        if not frame.format.is_planar or frame.layout.nb_channels < _MANY_PLANES:
            return [frame]
        if self._interleaver is None:
            self._interleaver = av.AudioResampler(format=frame.format.packed.name, layout=frame.layout.name,
                                                  rate=frame.sample_rate)
        return self._interleaver.resample(frame)

    def _resample(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        if self._averages:
            frame = _average(frame, self._layout)
        try:
            ready = self._resampler.resample(frame)
        except av.ArgumentError:
            if self._begun or frame.layout.nb_channels <= 2:
                raise
            self._averages = True  # no matrix for this layout
            self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
            ready = self._resampler.resample(_average(frame, self._layout))
        self._begun = True
        return ready

    def rest(self) -> Iterator[np.ndarray]:
        """Yield what the filter still holds; the mixer then begins anew."""
        ready = self._resampler.resample(None) if self._begun else []
        self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        self._begun = False
        yield from map(_within_one, ready)

    def _finite(self, frame: av.AudioFrame) -> av.AudioFrame:
        """Return the frame with silence in place of NaN and infinities: the filter would spread them."""
        if not frame.format.name.startswith(("flt", "dbl")):
            return frame
        samples: np.ndarray = frame.to_ndarray()
        if np.abs(samples).max(initial=0) <= _LARGEST:  # False for NaN
            return frame
        wrong = ~np.isfinite(samples)
        self.num_not_finite += int(wrong.sum())
        samples = np.where(wrong, 0, samples).clip(-_LARGEST, _LARGEST).astype(samples.dtype)
        return _like(frame, samples, frame.format.name, frame.layout.name)


def _average(frame: av.AudioFrame, layout: str) -> av.AudioFrame:
    """Return the mean of all channels, in every channel of the layout."""
    samples = frame.to_ndarray()
    kind = frame.format.name.removesuffix("p")
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if kind not in ("flt", "dbl"):
        silence, full = _INTEGERS[{"u8": "uint8", "s16": "int16", "s32": "int32"}[kind]]
        samples = (samples.astype(np.float64) - silence) / full
    mean = samples.mean(0, keepdims=True).astype(np.float32)
    return _like(frame, np.repeat(mean, 1 if layout == "mono" else 2, axis=0), "fltp", layout)


def _like(frame: av.AudioFrame, samples: np.ndarray, kind: str, layout: str) -> av.AudioFrame:
    made = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=kind, layout=layout)
    made.sample_rate, made.pts = frame.sample_rate, frame.pts
    if frame.time_base is not None:
        made.time_base = frame.time_base
    return made


def _within_one(frame: av.AudioFrame) -> np.ndarray:
    return np.clip(frame.to_ndarray(), -1.0, 1.0)


__all__ = ["MAX_CHANNELS", "NOT_FINITE", "Downmixer", "as_audio", "bounded", "mixed_down"]
