"""Sound of a file on the file's clock: choice of track, start offset, down-mix, resampling, gaps."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import torch
from av.container import InputContainer

from mmvideo import checks
from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, NoAudioTrack, VideoDecodeError
from mmvideo.media.container import ERRORS, Opener, decoding_error
from mmvideo.media.decoder import ticks_of
from mmvideo.media.samples import NOT_FINITE, Downmixer
from mmvideo.media.seeking import SEEKABLE
from mmvideo.media.warn import WarningLog
from mmvideo.types import Audio

_PREROLL_SECONDS = 0.5
"""Decoded and thrown away after a seek: MP3's bit reservoir and Opus's convergence need what came before."""

_GAP_SECONDS = 0.05
"""A jump of the clock larger than this is a gap (filled with silence) or an overlap (cut)."""

_ROUNDING_SECONDS = 0.0011

_MAX_SILENCE_SECONDS, _MAX_SILENCE_SHARE = 300.0, 10
"""Gaps are filled as long as all silence is shorter than the first, or than so many times the sound before it. A
damaged clock can jump by years, and what is filled must follow what is there."""


class AudioReader:
    """Reads one sound track of a file.

    Args:
        opener: opens the file.
        log: collects what is missing or doubtful.
        track: which sound track, from 0; None takes the container's default, else the first.
        strict: raise at damage instead of warning.
    """

    def __init__(self, opener: Opener, *, log: WarningLog, track: int | None = None, strict: bool = False):
        self.opener, self.log, self.track, self.strict = opener, log, track, strict

    def _choose(self, container: InputContainer) -> av.AudioStream:
        streams = container.streams.audio
        if not streams:
            raise NoAudioTrack(f"{self.opener.name} has no sound track.")
        if self.track is not None:
            if not 0 <= checks.whole("audio_stream", self.track) < len(streams):
                raise InvalidInput(f"audio_stream={self.track}, but {self.opener.name} has {len(streams)} sound "
                                   f"tracks: choose 0 to {len(streams) - 1}.")
            return streams[self.track]
        default = [n for n, s in enumerate(streams) if s.disposition & av.stream.Disposition.default]
        chosen = default[0] if default else 0
        if len(streams) > 1:
            self.log.add(f"{len(streams)} sound tracks; took number {chosen} "
                         f"({streams[chosen].language or 'no language'}); audio_stream= chooses")
        return streams[chosen]

    def read(self, *, sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
             end_seconds: float | None = None) -> Audio:
        """Read a span of the track; see `Source.audio`."""
        chunks = list(self.chunks(sample_rate=sample_rate, mono=mono, start_seconds=start_seconds,
                                  end_seconds=end_seconds))
        if not chunks:
            if start_seconds is None and end_seconds is None:
                raise VideoDecodeError(f"{self.opener.name}: the sound track holds nothing that can be decoded.")
            chunks = [(np.zeros((1, 0), np.float32), start_seconds or 0.0, sample_rate or 16000)]
        pieces, (_, begin, rate) = [samples for samples, _, _ in chunks], chunks[0]
        samples = torch.from_numpy(np.ascontiguousarray(np.concatenate(pieces, axis=1)))
        return Audio(samples, rate, start_seconds=begin, source=self.opener.name, warnings=self.log.tuple())

    def chunks(self, *, sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
               end_seconds: float | None = None, fill: bool = True) -> Iterator[tuple[np.ndarray, float, int]]:
        """Yield float32 (channels, S) pieces, each with the time of its first sample and the rate.

        Args:
            fill: fill gaps between pieces with silence; False leaves them out.
        """
        start_seconds, end_seconds = checks.span(start_seconds, end_seconds)
        sample_rate, mono = None if sample_rate is None else checks.sample_rate(sample_rate), checks.flag("mono", mono)
        with self.opener() as container:
            stream = self._choose(container)
            context = stream.codec_context
            if context is None or not context.sample_rate:
                raise VideoDecodeError(f"{self.opener.name}: its sound track cannot be decoded (unknown codec).")
            if not checks.LOWEST_RATE <= context.sample_rate <= checks.HIGHEST_RATE:
                raise VideoDecodeError(f"{self.opener.name}: its header gives the sound {context.sample_rate} samples "
                                       f"a second; {checks.LOWEST_RATE} to {checks.HIGHEST_RATE} can be read.")
            rate = sample_rate or context.sample_rate
            if start_seconds is not None and container.format.name in SEEKABLE:
                start = int((start_seconds - _PREROLL_SECONDS) / ticks_of(stream))
                container.seek(start, stream=stream, backward=True)
            layout = "mono" if mono or context.channels == 1 else "stereo"
            cut = _Cut(rate, start_seconds, end_seconds, fill=fill, log=self.log)
            for samples, at_seconds in self._resampled(container, stream, layout, rate):
                for piece in cut(samples, at_seconds):
                    yield *piece, rate
                if cut.done:
                    return

    def _resampled(self, container: InputContainer, stream: av.AudioStream, layout: str, rate: int
                   ) -> Iterator[tuple[np.ndarray, float]]:
        """Decode and resample; the clock runs on by sample count unless the file's own jumps."""
        mixer = Downmixer(layout, rate)
        begin: float | None = None
        taken = given = 0
        for frame in self._decoded(container, stream):
            seconds = float(frame.pts * (frame.time_base or ticks_of(stream))) if frame.pts is not None else None
            if begin is None:
                begin = _on_grid(seconds, stream, frame) if seconds is not None else 0.0
            expected = begin + taken / frame.sample_rate
            if seconds is not None and abs(seconds - expected) > _GAP_SECONDS:
                for samples in mixer.rest():
                    yield samples, begin + given / rate
                    given += samples.shape[1]
                self._jump(expected, seconds)
                begin, taken, given = seconds, 0, 0
            taken += frame.samples
            frame.pts = None
            for samples in mixer.take(frame):
                yield samples, begin + given / rate
                given += samples.shape[1]
            if mixer.num_not_finite:
                self._not_finite(begin + taken / frame.sample_rate)
        if begin is not None:
            for samples in mixer.rest():
                yield samples, begin + given / rate
                given += samples.shape[1]

    def _not_finite(self, seconds: float) -> None:
        if self.strict:
            raise VideoDecodeError(f"{self.opener.name}: the sound before {seconds:.3f} s holds samples that are not "
                                   "finite numbers. Read it with strict=False to hear silence in their place.")
        self.log.add(NOT_FINITE)

    def _jump(self, expected: float, seconds: float) -> None:
        text = (f"no sound from {expected:.3f} to {seconds:.3f} s (silence)" if seconds > expected else
                f"the clock of the sound goes back from {expected:.3f} to {seconds:.3f} s")
        if self.strict:
            raise VideoDecodeError(f"{self.opener.name}: {text}.")
        self.log.add(text)

    def _decoded(self, container: InputContainer, stream: av.AudioStream) -> Iterator[av.AudioFrame]:
        packets = container.demux(stream)
        shape = None
        while True:
            check()
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except ERRORS as error:
                if self.strict:
                    raise decoding_error(self.opener.name, error, None) from error
                self.log.add(f"damaged sound: {str(error)[:120]}")
                if isinstance(error, av.EOFError):
                    return
                continue
            for frame in frames:
                shape = shape or (frame.format.name, frame.layout.name, frame.sample_rate)
                if shape != (frame.format.name, frame.layout.name, frame.sample_rate):
                    self.log.add("the sound changes its format on the way; what differs was left out")
                    continue
                yield frame


def _on_grid(seconds: float, stream: av.AudioStream, frame: av.AudioFrame) -> float:
    """Undo the rounding of a timestamp (milliseconds in Matroska): frames of equal length lie on a grid of samples."""
    if stream.start_time is None or not frame.samples:
        return seconds
    start, length = float(stream.start_time * ticks_of(stream)), frame.samples / frame.sample_rate
    snapped = start + round((seconds - start) / length) * length
    return snapped if abs(snapped - seconds) < _ROUNDING_SECONDS else seconds


class _Cut:
    """Cuts pieces to [start, end) by sample, and fills gaps between pieces with zeros."""

    def __init__(self, rate: int, start: float | None, end: float | None, *, fill: bool, log: WarningLog):
        self.rate, self.start, self.end, self._fill, self._log = rate, start, end, fill, log
        self.next: int | None = None if start is None else round(start * rate)
        self.last = None if end is None else round(end * rate)
        self._heard = self._silent = 0
        """Samples of the track, and of silence between them, so far."""
        self.done = False

    def __call__(self, samples: np.ndarray, at_seconds: float) -> Iterator[tuple[np.ndarray, float]]:
        at = round(at_seconds * self.rate)
        if self.last is not None and at >= self.last:
            self.done = True
            return
        if self.next is None or (not self._heard and at > self.next):
            self.next = at
        if at < self.next:
            samples, at = samples[:, self.next - at:], self.next
        if not samples.shape[1]:
            return
        gap = at - self.next
        if gap > 1 and self._fill:
            self._silent += gap
            if self._silent > max(_MAX_SILENCE_SECONDS * self.rate, _MAX_SILENCE_SHARE * self._heard):
                self._log.add(f"the sound pauses for {gap / self.rate:.0f} s at {self.next / self.rate:.3f} s, too "
                              "long to be filled; what follows was left out (read it as a span of its own)")
                self.done = True
                return
            for begin in range(self.next, at, self.rate):
                silence = np.zeros((samples.shape[0], min(self.rate, at - begin)), np.float32)
                yield silence, begin / self.rate
        if self.last is not None and at + samples.shape[1] >= self.last:
            samples, self.done = samples[:, :self.last - at], True
        self._heard += samples.shape[1]
        self.next = at + samples.shape[1]
        yield samples, at / self.rate
