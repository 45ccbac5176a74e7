"""A source: anything that shows frames at known times, read sparsely, as a stream, or with its sound in step."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

import av
import numpy as np
import torch

from mmvideo import checks
from mmvideo.deadline import check
from mmvideo.errors import BudgetExceeded, InvalidInput, NoAudioTrack
from mmvideo.media.convert import Converter, Fit, as_tensor
from mmvideo.media.decoder import EPSILON_SECONDS
from mmvideo.media.info import MediaInfo
from mmvideo.media.limits import MAX_BATCH, MAX_LEAD_SECONDS, MAX_RESULT_BYTES
from mmvideo.media.subtitle_tracks import SubtitleTrack
from mmvideo.media.warn import WarningLog
from mmvideo.types import Audio, Size, Video

Frames = Iterator[tuple[av.VideoFrame, float]]
Take = Callable[[av.VideoFrame, float], None]


class Source:
    """What `open_source` gives; use it as a context manager. Subclasses say where frames and sound come from."""

    def __init__(self, info: MediaInfo, *, strict: bool = False, deinterlace: bool = False, hdr: str = "tonemap"):
        self.info = info
        self.strict, self.deinterlace, self.hdr = strict, deinterlace, hdr
        self._log = WarningLog()
        self._span: tuple[float | None, float | None] = (None, None)
        for warning in info.warnings:
            self._log.add(warning)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.info.source!r}, {self.info.duration_seconds:.3f} s)"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was found missing or doubtful so far."""
        return self._log.tuple()

    def narrow(self, start_seconds: float | None, end_seconds: float | None) -> None:
        """Let `start_seconds` and `end_seconds` stand for a part of the source, so that samplers look only at that.

        Raises:
            InvalidInput: nothing of the source lies between them.
        """
        start_seconds, end_seconds = checks.span(start_seconds, end_seconds)
        if start_seconds is None and end_seconds is None:
            return
        first, last = self.start_seconds, self.end_seconds
        if (last if end_seconds is None else end_seconds) <= first or (start_seconds or first) >= last:
            raise InvalidInput(f"The span {start_seconds} to {end_seconds} s holds nothing of {self.info.source}, "
                               f"which runs from {first:.3f} to {last:.3f} s.")
        self._span = (start_seconds, end_seconds)

    @property
    def asked_span(self) -> tuple[float | None, float | None]:
        """The part that `narrow` named, None for the source's own beginning or end."""
        return self._span

    @property
    def start_seconds(self) -> float:
        """Time of the first frame (of the sound, where there is no picture), or the start of the asked part."""
        main = self.info.main_video
        first = main.start_seconds if main else self.info.start_seconds
        return first if self._span[0] is None else max(first, self._span[0])

    @property
    def end_seconds(self) -> float:
        """Time at which the last frame ends (the sound, where there is no picture), or the end of the asked part."""
        main = self.info.main_video
        last = main.start_seconds + main.duration_seconds if main else (
            self.info.start_seconds + self.info.duration_seconds)
        return last if self._span[1] is None else min(last, self._span[1])

    @property
    def has_audio(self) -> bool:
        """Whether there is a sound track, silent or not."""
        return bool(self.info.audio)

    def subtitles(self, language: str | None = None) -> SubtitleTrack | None:
        """Return the subtitles that come with the source, as a text track or a file beside it; None without any.

        Args:
            language: take only those of this language ("en"), or of none that is stated.
        """
        return None

    def holds_fewer_frames(self, count: int) -> bool:
        """Whether the source holds fewer frames than `count` for all that is known without reading it: a header may
        claim any duration."""
        return False

    def can_last(self, seconds: float) -> bool:
        """Whether a source of this length can hold so many seconds of picture or sound, for all that is known."""
        return True

    def frame_times(self) -> np.ndarray:
        """Return the times (N,) of all frames in seconds, increasing, without decoding them.

        Raises:
            InvalidInput: a live source.
        """
        raise InvalidInput(f"{self.info.source} is live; the times of its frames are not known beforehand.")

    def close(self) -> None:
        """Give back files and memory."""

    def _frames(self, start_seconds: float | None = None) -> Frames:
        """Yield frames with their times; those shown wholly before `start_seconds` may be left out."""
        raise NotImplementedError

    def _pick(self, times_seconds: list[float], take: Take) -> None:
        """Call `take` with each frame shown at the sorted times, in order, by reading from the start."""
        at, taken = 0, False
        before: tuple[av.VideoFrame, float] | None = None
        for frame, seconds in self._frames():
            while at < len(times_seconds) and before is not None and seconds > times_seconds[at] + EPSILON_SECONDS:
                if not taken:
                    take(*before)
                    taken = True
                at += 1
            if at == len(times_seconds):
                return
            before, taken = (frame, seconds), False
        if before is not None and not taken:
            take(*before)

    def frames_at(self, times_seconds: Sequence[float], *, size: Size | int | tuple[int, int] | None = None,
                  fit: Fit = "crop") -> Video:
        """Return the frame shown at each time: the last one whose timestamp is not after it.

        The first frame answers for times before it and the last for times after it. The result is exactly what a full
        decode would give; only what these frames depend on is decoded where the container allows.

        Args:
            times_seconds: on the source's own clock, in any order, repeats allowed.
            size: pixels of the result; None keeps the source's own.
            fit: how a picture of another aspect ratio is made to fit: ``crop``, ``pad`` or ``squash``.

        Returns:
            Frames (len(times), C, H, W), with the true timestamps of the frames returned.

        Raises:
            NoVideoTrack: there is no moving picture.
            VideoDecodeError: nothing can be decoded, or damage with ``strict=True``.
            BudgetExceeded: the result would not fit in `MAX_RESULT_BYTES`.
        """
        times = checks.numbers("times_seconds", times_seconds)
        if not times:
            raise InvalidInput("times_seconds must be one or more times; the list is empty.")
        converter = Converter(size=size, fit=fit, deinterlace=self.deinterlace, hdr=self.hdr)
        stamps: list[float] = []
        pictures: list[np.ndarray] = []

        def take(frame: av.VideoFrame, seconds: float) -> None:
            check()
            if stamps and seconds <= stamps[-1]:  # reading began anew
                stamps.clear()
                pictures.clear()
            pictures.append(converter.array(frame))
            stamps.append(seconds)
            check_budget(pictures[0].nbytes, len(pictures))

        self._pick(sorted(times), take)
        rows = np.maximum(np.searchsorted(stamps, np.asarray(times) + EPSILON_SECONDS, side="right") - 1, 0)
        check_budget(pictures[0].nbytes, len(rows))
        return self._video(np.stack([pictures[row] for row in rows]), [stamps[row] for row in rows])

    def stream(self, *, size: Size | int | tuple[int, int] | None = None, fit: Fit = "crop", batch: int = 32,
               start_seconds: float | None = None, end_seconds: float | None = None) -> Iterator[Video]:
        """Yield all frames of a span in batches, in bounded memory.

        Args:
            size: as in `frames_at`.
            fit: as in `frames_at`.
            batch: frames per batch; the last may be shorter.
            start_seconds: first time of the half-open span; frames with timestamps in it are given.
            end_seconds: first time after the span.

        Raises:
            NoVideoTrack: there is no moving picture.
            VideoDecodeError: nothing can be decoded, or damage with ``strict=True``.
            BudgetExceeded: a batch would not fit in `MAX_RESULT_BYTES`.
        """
        batch = checks.whole("batch", batch, low=1, high=MAX_BATCH)
        start_seconds, end_seconds = checks.span(start_seconds, end_seconds)
        converter = Converter(size=size, fit=fit, deinterlace=self.deinterlace, hdr=self.hdr)
        buffers = _Buffers()
        rows: np.ndarray | None = None
        stamps: list[float] = []
        for frame, seconds in self._frames(start_seconds):
            check()
            if start_seconds is not None and seconds < start_seconds - EPSILON_SECONDS:
                continue
            if end_seconds is not None and seconds >= end_seconds - EPSILON_SECONDS:
                break
            if rows is None:
                shape = converter.result_size(frame)
                check_budget(shape.height * shape.width * 3, batch)
                rows = buffers.take((batch, shape.height, shape.width, 3))
            converter.into(frame, rows[len(stamps)])
            stamps.append(seconds)
            if len(stamps) == batch:
                full, rows = self._video(rows, stamps), None
                stamps = []
                yield full
                del full
        if rows is not None and stamps:
            yield self._video(rows[:len(stamps)], stamps)

    def stream_av(self, *, size: Size | int | tuple[int, int] | None = None, fit: Fit = "crop", batch: int = 32,
                  sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
                  end_seconds: float | None = None) -> Iterator[tuple[Video, Audio | None]]:
        """Yield batches of frames, each with the sound from its first frame until the next batch's first frame.

        The sound is None where the source has none, or none for a very long time. The first batch's sound begins with
        its first frame, the last one's runs to the end of the span.

        Raises:
            NoVideoTrack: there is no moving picture.
            VideoDecodeError: nothing can be decoded, or damage with ``strict=True``.
        """
        videos = self.stream(size=size, fit=fit, batch=batch, start_seconds=start_seconds, end_seconds=end_seconds)
        if not self.has_audio:
            for video in videos:
                yield video, None
            return
        held: Video | None = None
        sound: _Belt | None = None
        for video in videos:
            begins = float(video.pts_seconds[0])
            if held is None or sound is None:
                chunks = self._audio_chunks(sample_rate=sample_rate, mono=mono, start_seconds=begins,
                                            end_seconds=end_seconds)
                sound = _Belt(chunks, self.info.source, begins)
            else:
                yield held, sound.until(begins)
            held = video
        if held is not None and sound is not None:
            yield held, sound.until(None)

    def audio(self, *, sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
              end_seconds: float | None = None) -> Audio:
        """Return the sound of a span.

        Args:
            sample_rate: samples per second of the result; None keeps the track's own.
            mono: mix all channels into one. Otherwise mono and stereo stay as they are, and more channels are mixed
                down to stereo by the usual ITU-R BS.775 weights.
            start_seconds: first time of the half-open span on the source's clock; None is the track's beginning.
            end_seconds: first time after the span; None is the track's end.

        Returns:
            Samples (channels, S) whose `start_seconds` says when the first is heard; a span that reaches beyond the
            track is not padded.

        Raises:
            NoAudioTrack: there is no sound track.
            VideoDecodeError: it cannot be decoded, or is damaged with ``strict=True``.
        """
        raise NoAudioTrack(f"{self.info.source} has no sound.")

    def stream_audio(self, *, sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
                     end_seconds: float | None = None) -> Iterator[Audio]:
        """Yield the sound of a span in pieces that follow each other, in bounded memory; as in `audio`.

        Raises:
            NoAudioTrack: there is no sound track.
            VideoDecodeError: it cannot be decoded, or is damaged with ``strict=True``.
        """
        for samples, at_seconds, rate in self._audio_chunks(sample_rate=sample_rate, mono=mono,
                                                            start_seconds=start_seconds, end_seconds=end_seconds):
            yield Audio(torch.from_numpy(np.ascontiguousarray(samples)), rate, start_seconds=at_seconds,
                        source=self.info.source)

    def sound_pieces(self, *, sample_rate: int | None = None, mono: bool = False, start_seconds: float | None = None,
                     end_seconds: float | None = None) -> Iterator[Audio]:
        """Yield the sound of a span as `stream_audio` does, but leave out the pauses of a track instead of filling
        them with silence; every piece says when it begins.

        Raises:
            NoAudioTrack: there is no sound track.
            VideoDecodeError: it cannot be decoded, or is damaged with ``strict=True``.
        """
        yield from self.stream_audio(sample_rate=sample_rate, mono=mono, start_seconds=start_seconds,
                                     end_seconds=end_seconds)

    def _audio_chunks(self, *, sample_rate: int | None, mono: bool, start_seconds: float | None,
                      end_seconds: float | None) -> Iterator[tuple[np.ndarray, float, int]]:
        sound = self.audio(sample_rate=sample_rate, mono=mono, start_seconds=start_seconds, end_seconds=end_seconds)
        yield sound.samples.numpy(), sound.start_seconds, sound.sample_rate

    def _video(self, frames: np.ndarray, stamps: list[float]) -> Video:
        main = self.info.main_video
        return Video(as_tensor(frames), torch.tensor(stamps, dtype=torch.float64),
                     duration_seconds=max(0.0, self.end_seconds - self.start_seconds), start_seconds=self.start_seconds,
                     fps=main.average_fps if main else None, source=self.info.source, warnings=self._log.tuple())


class _Buffers:
    """Memory for batches, used again once nobody else holds it: fresh pages cost more than the copy into them."""

    def __init__(self) -> None:
        self._owned: list[np.ndarray] = []

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an uninitialised array that nobody else sees."""
        for number in range(len(self._owned)):
            if sys.getrefcount(self._owned[number]) == 2:  # the list and the argument of getrefcount
                return self._owned[number]
        if len(self._owned) < 2:
            self._owned.append(np.empty(shape, np.uint8))
            return self._owned[-1]
        return np.empty(shape, np.uint8)


class _Belt:
    """Cuts a run of sound chunks at given times."""

    def __init__(self, chunks: Iterator[tuple[np.ndarray, float, int]], source: str, begins: float):
        self._chunks, self._source = chunks, source
        self._rest: np.ndarray | None = None
        self._rest_at, self._rate = begins, 0
        self._lead = 0
        """Samples of silence still to come before `_rest`, where the track begins late."""

    def until(self, end: float | None) -> Audio | None:
        """Return the sound from where the last piece ended until `end`; zeros where the track has not begun, None for
        longer than `MAX_LEAD_SECONDS` before it begins."""
        pieces = [] if self._rest is None else [self._rest]
        have = self._lead + sum(piece.shape[1] for piece in pieces)
        while end is None or not pieces or self._rest_at + have / self._rate < end:
            following = next(self._chunks, None)
            if following is None:
                break
            samples, at, self._rate = following
            if not pieces:
                self._lead = max(0, round((at - self._rest_at) * self._rate))
                have = self._lead
            pieces.append(samples)
            have += samples.shape[1]
        if not pieces:
            return None
        rest = np.concatenate(pieces, axis=1) if len(pieces) > 1 else pieces[0]
        count = have
        if end is not None:
            count = max(0, round(end * self._rate) - round(self._rest_at * self._rate))
        return self._cut(rest, count)

    def _cut(self, rest: np.ndarray, count: int) -> Audio | None:
        """Take `count` samples, silence first, off the beginning."""
        lead, begins = min(count, self._lead), self._rest_at
        piece, self._rest = rest[:, :count - lead], rest[:, count - lead:]
        self._lead -= lead
        self._rest_at += (lead + piece.shape[1]) / self._rate
        if lead > MAX_LEAD_SECONDS * self._rate:
            begins += lead / self._rate
            if not piece.shape[1]:
                return None
        elif lead:
            piece = np.pad(piece, ((0, 0), (lead, 0)))
        return Audio(torch.from_numpy(np.ascontiguousarray(piece)), self._rate, start_seconds=begins,
                     source=self._source)


def check_budget(frame_bytes: int, frames: int) -> None:
    if frame_bytes * frames > MAX_RESULT_BYTES:
        raise BudgetExceeded(f"{frames} frames of {frame_bytes} bytes are over {MAX_RESULT_BYTES} bytes; give a "
                             "smaller size=, a shorter span, or read with Source.stream.")
